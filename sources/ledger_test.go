package sources_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"obs/sources"
)

func TestLedger(t *testing.T) {
	now := noon
	var seen []sources.Query
	ledger := &sources.Ledger{
		Now:     func() time.Time { return now },
		Observe: func(q sources.Query) { seen = append(seen, q) },
	}
	down := &sources.Error{Backend: sources.Loki, URL: "http://loki", Kind: sources.ErrUnreachable}
	for _, test := range []struct {
		records int
		err     error
		want    sources.Query
	}{
		{3, nil, sources.Query{Status: sources.QueryOK, Records: 3}},
		{0, nil, sources.Query{Status: sources.QueryEmpty}},
		{0, fmt.Errorf("trace: %w", sources.ErrNotFound), sources.Query{Status: sources.QueryEmpty}},
		{0, down, sources.Query{Status: sources.QueryFailed, Error: "loki at http://loki cannot be reached"}},
	} {
		seen = nil
		ctx, call := ledger.Start(t.Context(), sources.Loki, `{a="b"}`, span(0, 1))
		if sources.CallFrom(ctx) != call || call.Asked() != `{a="b"}` {
			t.Fatal("the context does not carry the call")
		}
		sources.CallFrom(ctx).AddAttempt()
		sources.CallFrom(ctx).AddAttempt()
		sources.CallFrom(ctx).AddBytes(5)
		now = now.Add(time.Second)
		call.End(test.records, test.err)

		started := sources.Query{Backend: sources.Loki, Text: `{a="b"}`, Window: span(0, 1), Status: sources.QueryRunning, Started: now.Add(-time.Second)}
		ended := started
		ended.Status, ended.Error, ended.Records = test.want.Status, test.want.Error, test.want.Records
		ended.Duration, ended.Bytes, ended.Attempts = time.Second, 5, 2
		if len(seen) != 2 || seen[0] != started || seen[1] != ended {
			t.Errorf("observed:\n got %+v\nwant %+v, %+v", seen, started, ended)
		}
		queries := ledger.Queries()
		if last := queries[len(queries)-1]; last != ended {
			t.Errorf("listed:\n got %+v\nwant %+v", last, ended)
		}
	}
	queries := ledger.Queries()
	queries[0].Text = "changed"
	if again := ledger.Queries(); len(again) != 4 || again[0].Text == "changed" {
		t.Error("the list is not a copy")
	}
}

func TestNilLedgerCounts(t *testing.T) {
	var ledger *sources.Ledger
	ctx, call := ledger.Start(t.Context(), sources.Jaeger, "services", sources.Window{})
	sources.CallFrom(ctx).AddBytes(1)
	call.End(1, nil)
	if ledger.Queries() != nil || call.Asked() != "services" {
		t.Error("a nil ledger keeps something, or its call nothing")
	}
	none := sources.CallFrom(context.Background())
	none.AddAttempt()
	none.AddBytes(1)
	if none != nil || none.Asked() != "" {
		t.Error("a context without a call has one")
	}
}

// Further requests of one question count in bytes, and are no attempts of it.
func TestPartsOfACall(t *testing.T) {
	ledger := &sources.Ledger{}
	ctx, call := ledger.Start(context.Background(), sources.Tempo, "{ }", sources.Window{})
	sources.CallFrom(ctx).AddAttempt()
	for range 3 {
		part := sources.CallFrom(call.Part(ctx))
		part.AddAttempt()
		part.AddBytes(7)
		if part.Asked() != "{ }" {
			t.Errorf("a part asks %q", part.Asked())
		}
	}
	call.End(3, nil)
	if got := ledger.Queries(); len(got) != 1 || got[0].Attempts != 1 || got[0].Bytes != 21 || got[0].Records != 3 {
		t.Errorf("%+v", got)
	}
	if ctx := (*sources.Call)(nil).Part(context.Background()); sources.CallFrom(ctx) != nil {
		t.Error("no call has a part")
	}
}

func TestLedgerOfManyGoroutines(t *testing.T) {
	ledger := &sources.Ledger{Observe: func(sources.Query) {}}
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			ctx, call := ledger.Start(t.Context(), sources.Loki, "q", sources.Window{})
			sources.CallFrom(ctx).AddBytes(1)
			_ = ledger.Queries()
			call.End(1, nil)
		})
	}
	group.Wait()
	for _, q := range ledger.Queries() {
		if q.Status != sources.QueryOK || q.Bytes != 1 {
			t.Errorf("%+v", q)
		}
	}
}

func TestError(t *testing.T) {
	cause := errors.New("refused")
	full := &sources.Error{
		Backend: sources.Loki, URL: "http://loki:3100", Asked: `{a="b"}`, Kind: sources.ErrBadQuery, Status: 400,
		Detail: "parse error", Hint: "mend it", Err: cause,
	}
	if got, want := full.Error(), `loki at http://loki:3100 did not accept the query (HTTP 400): parse error; asked: {a="b"}`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	wrapped := fmt.Errorf("records: %w", full)
	if !errors.Is(wrapped, sources.ErrBadQuery) || !errors.Is(wrapped, cause) || errors.Is(wrapped, sources.ErrServer) {
		t.Error("the error is not of its kind, or hides its cause")
	}
	bare := &sources.Error{Backend: sources.Jaeger, URL: "http://jaeger", Kind: sources.ErrTimeout}
	if got, want := bare.Error(), "jaeger at http://jaeger did not answer in time"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for err, want := range map[error]bool{
		&sources.Error{Kind: sources.ErrTimeout, Err: context.Canceled}:         true,
		&sources.Error{Kind: sources.ErrTimeout, Err: context.DeadlineExceeded}: true,
		bare: false,
		full: false,
	} {
		if got := sources.IsCancelled(err); got != want {
			t.Errorf("%v: cancelled %t", err, got)
		}
	}
	if sources.IsCancelled(nil) {
		t.Error("no error is cancelled")
	}
}
