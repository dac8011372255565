package loader_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"obs/sources"
	"obs/sources/sandbox/loader"
	"obs/sources/sandbox/shop"
)

// The client for Loki lets nobody close its connections: to a server that stays up they
// are open for five minutes after the last push.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// load fills a loader with the past of a scenario that ends now.
func load(t *testing.T, l *loader.Loader, scenario string, o shop.Options) {
	t.Helper()
	found, err := shop.Find(scenario)
	if err != nil {
		t.Fatal(err)
	}
	if err := shop.New(found, o).Past(context.Background(), l); err != nil {
		t.Fatal(err)
	}
}

// small is a past that is sent in a moment, and that has all kinds of signals. Its IDs
// are those of no other.
func small() shop.Options {
	return shop.Options{Seed: uint64(time.Now().UnixNano()), Now: time.Now().Truncate(time.Second), History: 20 * time.Minute, Requests: 300}
}

// tiny is for tests to which it is all the same what is sent.
func tiny() shop.Options {
	o := small()
	o.History, o.Requests = 2*time.Minute, 40
	return o
}

func open(t *testing.T, targets loader.Targets, o loader.Options) *loader.Loader {
	t.Helper()
	l, err := loader.New(targets, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// tally counts what a shop gives off, apart from the loader.
type tally struct {
	shop.Discard
	series, samples, streams, records, traces, spans int
}

func (n *tally) Series(sources.Labels) func(time.Time, float64) {
	n.series++
	return func(time.Time, float64) { n.samples++ }
}

func (n *tally) Stream(sources.Labels) func(time.Time, string, sources.Labels) {
	n.streams++
	return func(time.Time, string, sources.Labels) { n.records++ }
}

func (n *tally) Spans(spans ...sources.Span) {
	n.traces++
	n.spans += len(spans)
}

func count(t *testing.T, scenario string, o shop.Options) (n tally) {
	t.Helper()
	found, err := shop.Find(scenario)
	if err != nil {
		t.Fatal(err)
	}
	if err := shop.New(found, o).Past(context.Background(), &n); err != nil {
		t.Fatal(err)
	}
	return n
}
