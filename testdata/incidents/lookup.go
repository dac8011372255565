package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"obs/correlate"
	"obs/correlate/ident"
	"obs/sources"
	"obs/sources/connect"
)

// tracing is a comparison of what `obs trace` shows of recorded traces with what was
// recorded of them.
type tracing struct {
	seed  uint64
	count int
}

// recorded is everything in the recordings that is of one trace.
type recorded struct {
	id    sources.TraceID
	spans []sources.SpanID
	at    sources.Window
}

// report draws traces and looks each up. What differs is listed, and is an error.
func (t *tracing) report(ctx context.Context, folder string, out io.Writer) error {
	recordings, err := readRecordings(folder)
	if err != nil {
		return err
	}
	drawn := t.drawn(recordings)
	truth := recordsOf(recordings, drawn)
	set, err := connect.Open(ctx, connect.Options{})
	if err != nil {
		return err
	}
	defer set.Close()
	if set.Traces == nil || set.Logs == nil {
		return errors.New("set LOKI_URL and JAEGER_URL to the backends that the recordings were loaded into")
	}
	spans, records, wrong := 0, 0, 0
	var times []time.Duration
	for _, one := range drawn {
		begin := time.Now()
		if err := one.compare(ctx, set, truth[one.id]); err != nil {
			wrong++
			fmt.Fprintf(out, "%s: %s\n", one.id, sources.Printable(err.Error()))
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		times = append(times, time.Since(begin))
		spans += len(one.spans)
		records += len(truth[one.id])
	}
	if len(times) == 0 {
		return fmt.Errorf("%s holds no trace", folder)
	}
	slices.Sort(times)
	fmt.Fprintf(out, "%d traces (seed %d), %d spans, %d records: %d differ; %d ms each (median), %d ms at most\n",
		len(drawn), t.seed, spans, records, wrong, times[len(times)/2].Milliseconds(), times[len(times)-1].Milliseconds())
	if wrong > 0 {
		return fmt.Errorf("%d of %d traces differ from what was recorded", wrong, len(drawn))
	}
	return nil
}

// drawn are traces of all recordings, drawn by the seed.
func (t *tracing) drawn(recordings []*recording) []*recorded {
	all := map[sources.TraceID]*recorded{}
	for _, r := range recordings {
		for id, spans := range r.traces {
			one := all[id]
			if one == nil {
				one = &recorded{id: id}
				all[id] = one
			}
			for i := range spans {
				one.spans = append(one.spans, spans[i].ID)
				one.at = one.at.Union(sources.Window{From: spans[i].Start, To: spans[i].End().Add(1)})
			}
		}
	}
	ids := slices.Sorted(maps.Keys(all))
	chance := rand.New(rand.NewPCG(t.seed, 0)) //nolint:gosec // a draw is to be repeated
	chance.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	var drawn []*recorded
	for _, id := range ids[:min(t.count, len(ids))] {
		slices.Sort(all[id].spans)
		drawn = append(drawn, all[id])
	}
	return drawn
}

// recordsOf reads every record once, and finds by plain comparison which of the traces it
// is of: by what its metadata says, or else by its line.
func recordsOf(recordings []*recording, drawn []*recorded) map[sources.TraceID][]string {
	wanted := map[string]bool{}
	for _, one := range drawn {
		wanted[string(one.id)] = true
	}
	found := map[sources.TraceID][]string{}
	seen := map[string]bool{}
	for _, r := range recordings {
		for _, s := range r.streams {
			for _, one := range s.records {
				id := strings.ToLower(one.metadata["trace_id"])
				if id == "" {
					for _, word := range strings.FieldsFunc(strings.ToLower(one.line), notHex) {
						if wanted[word] {
							id = word
						}
					}
				}
				key := recordText(s.labels, one.at, one.line)
				if wanted[id] && !seen[key] {
					seen[key] = true
					found[sources.TraceID(id)] = append(found[sources.TraceID(id)], key)
				}
			}
		}
	}
	return found
}

func notHex(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') }

func recordText(labels sources.Labels, at int64, line string) string {
	return fmt.Sprintf("%d %s %s", at, labels, line)
}

// compare looks the trace up. The recordings are older than what is looked at without a
// window, and a trace tells its own time.
func (one *recorded) compare(ctx context.Context, set sources.Set, want []string) error {
	id, err := ident.Read(string(one.id))
	if err != nil {
		return err
	}
	set.Ledger = &sources.Ledger{}
	c := correlate.Find(ctx, set, correlate.Lookup{ID: id, Text: id.Text, Window: one.at, Fixed: true}, nil)
	if c.Trace == nil {
		return fmt.Errorf("no trace: %+v", c.Missing)
	}
	if len(c.OtherTraces) > 0 {
		return fmt.Errorf("%d other traces are shown with it", len(c.OtherTraces))
	}
	var spans []sources.SpanID
	for i := range c.Trace.Spans {
		spans = append(spans, c.Trace.Spans[i].ID)
	}
	slices.Sort(spans)
	if !slices.Equal(spans, one.spans) {
		return fmt.Errorf("%d spans, and %d were recorded", len(spans), len(one.spans))
	}
	got := map[string]bool{}
	for i := range c.Records {
		labels := maps.Clone(c.Records[i].Labels)
		got[recordText(labels, c.Records[i].Time.UnixNano(), c.Records[i].Line)] = true
	}
	missing := 0
	for _, w := range want {
		if !got[w] {
			missing++
		}
	}
	if missing > 0 || len(got) != len(want) || len(c.Records) != len(got) {
		return fmt.Errorf("%d records of %d that were recorded, %d of which are missing", len(c.Records), len(want), missing)
	}
	return nil
}

// defaultTraces is how many traces are drawn.
const defaultTraces = 200
