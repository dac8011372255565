package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources/sandbox/shop"
)

// nowhere is a world without an environment, so that nothing but the demo can be asked.
func nowhere(out, err io.Writer) world {
	return world{out: out, err: err, getenv: func(string) string { return "" }, now: time.Now}
}

func TestDemoShowsTheWalk(t *testing.T) {
	var out, progress bytes.Buffer
	if status := run([]string{"demo"}, nowhere(&out, &progress)); status != exitOK {
		t.Fatalf("status %d: %s", status, progress.String())
	}
	for _, want := range []string{"ANOMALOUS", "payment POST /v1/charges", "joined by", "eu-west", "RECORDS of the trace"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in what it shows:\n%s", want, out.String())
		}
	}
}

func TestDemoAsksNothingButItself(t *testing.T) {
	var out, progress bytes.Buffer
	w := nowhere(&out, &progress)
	w.getenv = func(name string) string {
		if strings.HasSuffix(name, "_URL") || name == "LOKI_BEARER_TOKEN" {
			return "http://192.0.2.1:9" // an address of nobody
		}
		return ""
	}
	if status := run([]string{"demo", "healthy", "--check", "-o", "json"}, w); status != exitOK {
		t.Fatalf("status %d: %s", status, progress.String())
	}
	var c correlate.Case
	if err := json.Unmarshal(out.Bytes(), &c); err != nil || c.Verdict != correlate.Healthy {
		t.Errorf("%v: %s", err, c.Verdict)
	}
	if strings.Contains(out.String(), "192.0.2.1") {
		t.Error("the environment's address was used")
	}
}

func TestDemoRefusesWrongUse(t *testing.T) {
	for want, args := range map[string][]string{
		"no scenario is called": {"demo", "no-such"},
		"time cannot stand":     {"demo", "--speed", "0"},
		"accepts at most 1 arg": {"demo", "latency", "errors"},
		"unknown flag: --loki":  {"demo", "--loki"},
	} {
		var out, said bytes.Buffer
		if status := run(args, nowhere(&out, &said)); status != exitUsage || !strings.Contains(said.String(), want) || out.Len() > 0 {
			t.Errorf("%v: status %d, %q, %q", args, status, out.String(), said.String())
		}
	}
}

func TestDemoListsScenariosWithTheirTruth(t *testing.T) {
	var out, said bytes.Buffer
	if status := run([]string{"demo", "--list"}, nowhere(&out, &said)); status != exitOK {
		t.Fatalf("status %d: %s", status, said.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")[1:]
	if len(lines) != len(shop.Scenarios()) {
		t.Errorf("%d lines for %d scenarios", len(lines), len(shop.Scenarios()))
	}
	for i, s := range shop.Scenarios() {
		if !strings.HasPrefix(lines[i], s.Name+"\t") || !strings.Contains(lines[i], s.Truth.Verdict) || !strings.Contains(lines[i], s.Truth.Culprit) {
			t.Errorf("%s: %s", s.Name, lines[i])
		}
	}
}

// What --serve prints is all that another command needs, and it ends with its context.
func TestDemoServes(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	defer end()
	reader, writer := io.Pipe()
	var said bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- runContext(ctx, []string{"demo", "latency", "--serve"}, nowhere(writer, &said))
		_ = writer.Close()
	}()
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	addresses := map[string]string{}
	for _, field := range strings.Fields(strings.TrimPrefix(line, "export ")) {
		name, value, _ := strings.Cut(field, "=")
		addresses[name] = value
	}
	var out, progress bytes.Buffer
	w := nowhere(&out, &progress)
	w.getenv = func(name string) string { return addresses[name] }
	if status := run([]string{"triage", "--since", "30m"}, w); status != exitOK || !strings.Contains(out.String(), "payment") {
		t.Errorf("status %d: %s%s", status, out.String(), progress.String())
	}
	end()
	if status := <-ended; status != exitOK {
		t.Errorf("status %d: %s", status, said.String())
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if resp, err := client.Get(addresses["LOKI_URL"] + "/ready"); err == nil {
		_ = resp.Body.Close()
		t.Error("it still answers")
	}
	if !strings.Contains(said.String(), "obs triage --from") {
		t.Errorf("it does not say how to ask about the incident: %q", said.String())
	}
}

// BenchmarkOpenShop is what the demo does before its first query: simulate 10,000
// requests, fill the stores and open the ports. MB is the heap that is then in use.
func BenchmarkOpenShop(b *testing.B) {
	scenario, err := shop.Find(defaultScenario)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		running, err := openShop(b.Context(), scenario, &demoOptions{seed: 1, speed: 1}, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		runtime.GC()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		b.ReportMetric(float64(memory.HeapInuse)/(1<<20), "MB-in-use")
		b.ReportMetric(float64(running.requests), "requests")
		running.close()
		b.StartTimer()
	}
}
