package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources/sandbox"
	"obs/sources/sandbox/shop"
)

// liveShop is a shop whose time goes on while somebody sleeps, and at no other time.
type liveShop struct {
	t       *testing.T
	shop    *shop.Shop
	sink    shop.Sink
	server  *sandbox.Server
	clock   time.Time
	onSleep func() // before time goes on; may be nil
	out     bytes.Buffer
	err     bytes.Buffer
}

func openLiveShop(t *testing.T, name string, mendAfter time.Duration) *liveShop {
	t.Helper()
	scenario, err := shop.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	stores := sandbox.NewStores()
	l := &liveShop{t: t, clock: noon, sink: stores.Sink()}
	l.shop = shop.New(scenario, shop.Options{Seed: 1, Now: noon, MendAfter: mendAfter})
	if err := l.shop.Past(t.Context(), l.sink); err != nil {
		t.Fatal(err)
	}
	if l.server, err = sandbox.Serve(t.Context(), stores, sandbox.Options{Now: func() time.Time { return l.clock }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.server.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// sleep lets the shop's time go on.
func (l *liveShop) sleep(ctx context.Context, d time.Duration) {
	if l.onSleep != nil {
		l.onSleep()
	}
	if ctx.Err() != nil {
		return
	}
	l.clock = l.clock.Add(d)
	if err := l.shop.GoOn(ctx, l.sink, l.clock); err != nil {
		l.t.Error(err)
	}
}

// watch runs obs watch on the shop, and returns its looks and its status.
func (l *liveShop) watch(ctx context.Context, args ...string) ([]correlate.Look, int) {
	l.t.Helper()
	address := map[string]string{"PROMETHEUS_URL": l.server.PrometheusURL, "LOKI_URL": l.server.LokiURL, "JAEGER_URL": l.server.JaegerURL}
	status := runContext(ctx, append([]string{"watch", "-o", "jsonl"}, args...), world{
		out: &l.out, err: &l.err, now: func() time.Time { return l.clock }, sleep: l.sleep,
		getenv: func(name string) string { return address[name] },
	})
	var looks []correlate.Look
	for line := range strings.Lines(l.out.String()) {
		var look correlate.Look
		if err := json.Unmarshal([]byte(line), &look); err != nil {
			l.t.Fatalf("%v in %s", err, line)
		}
		if look.Schema != correlate.LookSchema {
			l.t.Errorf("schema %q", look.Schema)
		}
		looks = append(looks, look)
	}
	for _, look := range looks {
		l.t.Logf("%s %s since %s: %s", look.Time.Format(time.TimeOnly), look.Trend, look.Since.Format(time.TimeOnly), look.Reason)
	}
	return looks, status
}

// The last line of a rollback runbook: an incident is mended while it is watched, and the watch
// ends by itself within two intervals, and not before.
func TestWatchSeesTheMend(t *testing.T) {
	for name, mendAfter := range map[string]time.Duration{"latency": 2*time.Minute + 20*time.Second, "errors": 3*time.Minute + 5*time.Second} {
		t.Run(name, func(t *testing.T) {
			l := openLiveShop(t, name, mendAfter)
			changes := filepath.Join(t.TempDir(), "changes")
			looks, status := l.watch(t.Context(), "--until", "healthy", "--timeout", "30m",
				"--on-change", fmt.Sprintf(`echo "$OBS_TREND $OBS_SERVICE $OBS_SINCE" >> %s; echo told`, changes))
			if status != exitOK || len(looks) < 3 {
				t.Fatalf("status %d after %d looks\n%s", status, len(looks), &l.err)
			}
			last := looks[len(looks)-1]
			mended := noon.Add(mendAfter)
			if last.Trend != correlate.Recovered || last.Time.Before(mended) || last.Time.After(mended.Add(2*time.Minute)) {
				t.Errorf("mended at %s, and %s at %s", mended, last.Trend, last.Time)
			}
			for _, look := range looks[:len(looks)-1] {
				if look.Well() {
					t.Errorf("%s at %s, before the end", look.Trend, look.Time)
				}
			}
			told, err := os.ReadFile(changes)
			if want := fmt.Sprintf("recovered %s %s\n", looks[0].Suspect, rfc(last.Since)); err != nil || !strings.HasSuffix(string(told), want) {
				t.Errorf("told %q, %v; want %q at the end", told, err, want)
			}
			if !strings.Contains(l.err.String(), "told\n") || strings.Contains(l.out.String(), "told") {
				t.Errorf("the command's output did not go to standard error: %s", &l.err)
			}
		})
	}
}

// What is not mended is not called healthy, and a watch that runs out of time says so by its status.
func TestWatchRunsOutOfTime(t *testing.T) {
	l := openLiveShop(t, "latency", 0)
	looks, status := l.watch(t.Context(), "--until", "healthy", "--timeout", "4m30s", "--on-change", "exit 3")
	if status != exitTimeout || len(looks) != 5 {
		t.Errorf("status %d after %d looks; want %d after 5", status, len(looks), exitTimeout)
	}
	for _, look := range looks {
		if look.Well() || look.Trend == correlate.Unknown {
			t.Errorf("%s at %s: %s", look.Trend, look.Time, look.Reason)
		}
	}
	if !strings.Contains(l.err.String(), "it was not healthy when the watch ended") {
		t.Errorf("it says %s", &l.err)
	}
}

// Silence is not health: a shop that is not measured any more is unknown.
func TestWatchTakesSilenceForNoHealth(t *testing.T) {
	l := openLiveShop(t, "errors", 0)
	clock := noon
	var out bytes.Buffer
	status := runContext(t.Context(), []string{"watch", "--until", "healthy", "--timeout", "10m", "--prometheus-url", l.server.PrometheusURL}, world{
		out: &out, err: &l.err, now: func() time.Time { return clock },
		sleep:  func(_ context.Context, d time.Duration) { clock = clock.Add(d) }, // the shop stands still
		getenv: func(string) string { return "" },
	})
	if status != exitTimeout || strings.Contains(out.String(), "recovered") || !strings.Contains(out.String(), "\tunknown\t") {
		t.Errorf("status %d\n%s%s", status, &out, &l.err)
	}
}

// A backend that fails in one look is no end, and no recovery.
func TestWatchOutlivesAFailure(t *testing.T) {
	l := openLiveShop(t, "latency", 0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	naps := 0
	l.onSleep = func() {
		switch naps++; naps {
		case 2:
			if err := l.server.Close(); err != nil {
				t.Error(err)
			}
		case 4:
			cancel() // as a person does
		}
	}
	looks, status := l.watch(ctx)
	if status != exitOK || len(looks) != 4 {
		t.Fatalf("status %d after %d looks; want 0, as an interrupt is the proper end, after 4", status, len(looks))
	}
	for i, look := range looks[2:] {
		if look.Trend != correlate.Unknown || !strings.Contains(look.Reason, "prometheus at") {
			t.Errorf("look %d: %s: %s", 2+i, look.Trend, look.Reason)
		}
	}
}

// A saved case is the first look: its time before the trouble is what is held against.
func TestWatchSavedCase(t *testing.T) {
	l := openLiveShop(t, "latency", 30*time.Second)
	saved := filepath.Join(t.TempDir(), "case.json")
	window := l.shop.Window()
	triaged := runAt(t.Context(), noon, "triage", "-o", "json", "--save", saved, "--prometheus-url", l.server.PrometheusURL,
		"--from", rfc(window.From), "--to", rfc(window.To))
	if triaged.status != exitOK {
		t.Fatalf("%+v", triaged)
	}
	looks, status := l.watch(t.Context(), "--until", "healthy", "--timeout", "10m", saved)
	if status != exitOK || len(looks) < 3 || !looks[0].Time.Equal(window.To) || looks[len(looks)-1].Trend != correlate.Recovered {
		t.Errorf("status %d, %d looks\n%s", status, len(looks), &l.err)
	}
	if looks[1].Time.Sub(looks[0].Time) != 0 {
		t.Errorf("the first look of its own came %s later, not at once", looks[1].Time.Sub(looks[0].Time))
	}
}
