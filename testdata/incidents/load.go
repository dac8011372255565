package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"obs/sources"
	"obs/sources/jaeger"
	"obs/sources/sandbox/loader"
	"obs/sources/sandbox/shop"
	"obs/sources/transport"
)

// load writes every recording below a folder into the backends, and reads it back. What
// they hold already is not written again.
// Of the traces it takes a share, from 0 to 1.
func load(ctx context.Context, folder string, targets loader.Targets, remote bool, share float64, out io.Writer) error {
	l := recordingLoader{targets: targets, remote: remote}
	// Whatever is wrong with the addresses is said before anything is read.
	check, err := l.open(0)
	if err != nil {
		return err
	}
	check.Close()
	recordings, err := readRecordings(folder)
	if err != nil {
		return err
	}
	begin := time.Now()
	for _, r := range recordings {
		r.keepTraces(share)
		done, err := l.load(ctx, r)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		fmt.Fprintf(out, "%s: %s: %s\n", sources.Printable(r.name), r.size(), done)
	}
	fmt.Fprintf(out, "%d recordings in %.0f s\n", len(recordings), time.Since(begin).Seconds())
	return nil
}

// keepTraces drops traces until about a share is left, as a sampler at the head of requests
// does: which ones depends on their IDs alone, and a smaller share is part of a larger one.
func (r *recording) keepTraces(share float64) {
	maps.DeleteFunc(r.traces, func(id sources.TraceID, _ []sources.Span) bool {
		sum := sha256.Sum256([]byte(id)) // not all IDs are random
		return float64(binary.BigEndian.Uint64(sum[:])) >= share*math.MaxUint64
	})
	maps.DeleteFunc(r.spans, func(key spanKey, _ bool) bool { return r.traces[key.trace] == nil })
}

// recordingLoader puts recordings into backends.
type recordingLoader struct {
	targets loader.Targets
	remote  bool
}

// open returns an empty loader. The patience is for its check: see loader.Options.
func (l *recordingLoader) open(patience time.Duration) (*loader.Loader, error) {
	return loader.New(l.targets, loader.Options{AllowRemote: l.remote, Patience: patience})
}

// load returns what was done.
func (l *recordingLoader) load(ctx context.Context, r *recording) (string, error) {
	const atOnce = -1
	missing, err := l.missing(ctx, r, atOnce)
	if err != nil {
		return "", err
	}
	if len(missing) == 0 {
		return "they were there already", nil
	}
	if err := l.send(ctx, r, missing); err != nil {
		return "", err
	}
	if missing, err = l.missing(ctx, r, 0); err != nil {
		return "", err
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("not all of it can be read back: %s; %s", missing[0], missing[0].Hint)
	}
	return "loaded, and all of it read back", nil
}

// missing is what cannot be read back.
func (l *recordingLoader) missing(ctx context.Context, r *recording, patience time.Duration) ([]loader.Shortfall, error) {
	check, err := l.open(patience)
	if err != nil {
		return nil, err
	}
	defer check.Close()
	r.fill(check)
	return check.Check(ctx)
}

// send sends to the backends that lack something. Prometheus and Loki drop what they hold
// already; Jaeger would keep it twice, and so gets only the spans that it lacks.
func (l *recordingLoader) send(ctx context.Context, r *recording, missing []loader.Shortfall) error {
	part := newRecording(r.name)
	for _, m := range missing {
		switch m.Backend {
		case sources.Prometheus:
			part.series = r.series
		case sources.Loki:
			part.streams = r.streams
		case sources.Jaeger:
			part.traces = r.traces
		}
	}
	traces, err := l.notHeld(ctx, part.traces)
	if err != nil {
		return err
	}
	part.traces = traces
	load, err := l.open(0)
	if err != nil {
		return err
	}
	defer load.Close()
	// A loader looks once, at its first sending, whether an earlier run is in the way.
	// Here an earlier run is the same recording and meant to be completed, so that the
	// first sending is one of nothing.
	if _, err := load.Send(ctx); err != nil {
		return err
	}
	part.fill(load)
	_, err = load.Send(ctx)
	return err
}

// fill hands everything to a sink, in order of time for each series and stream.
func (r *recording) fill(sink shop.Sink) {
	for _, s := range ordered(r.series) {
		add := sink.Series(s.labels)
		for _, at := range slices.Sorted(maps.Keys(s.samples)) {
			add(time.UnixMilli(at), s.samples[at])
		}
	}
	for _, s := range ordered(r.streams) {
		slices.SortStableFunc(s.records, func(a, b record) int { return cmp.Compare(a.at, b.at) })
		add := sink.Stream(s.labels)
		for _, one := range s.records {
			add(time.Unix(0, one.at), one.line, one.metadata)
		}
	}
	for _, spans := range ordered(r.traces) {
		sink.Spans(spans...)
	}
}

// notHeld is the part of the traces that Jaeger does not hold. Every trace is asked for by
// its ID: a search might leave some out.
func (l *recordingLoader) notHeld(ctx context.Context, traces map[sources.TraceID][]sources.Span) (map[sources.TraceID][]sources.Span, error) {
	client, err := transport.New(transport.Options{
		Backend: sources.Jaeger, URL: l.targets.JaegerURL, Origin: "--jaeger-url", Explain: jaeger.Explain,
	})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return withoutHeld(ctx, traces, jaeger.New(client, nil).Trace)
}

// withoutHeld asks for each trace, and leaves out the spans that come.
func withoutHeld(ctx context.Context, traces map[sources.TraceID][]sources.Span,
	ask func(context.Context, sources.TraceID, sources.Window) (sources.Trace, error),
) (map[sources.TraceID][]sources.Span, error) {
	left := map[sources.TraceID][]sources.Span{}
	for id, spans := range traces {
		t := sources.Trace{ID: id, Spans: spans}
		answer, err := ask(ctx, id, t.Window())
		if err != nil && !errors.Is(err, sources.ErrNotFound) {
			return nil, err
		}
		held := map[sources.SpanID]bool{}
		for i := range answer.Spans {
			held[answer.Spans[i].ID] = true
		}
		for i := range spans {
			if !held[spans[i].ID] {
				left[id] = append(left[id], spans[i])
			}
		}
	}
	return left, nil
}
