package correlate_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/correlate/ident"
	"obs/sources"
	simulation "obs/sources/sandbox/shop"
)

// renamed is a sink of a shop whose team has names of its own.
type renamed struct {
	simulation.Sink
	// metrics, traces and logs are what a signal calls services, by the shop's own names.
	metrics, traces, logs map[string]string
	// field holds the trace ID in log records, and no other place; empty for the shop's way.
	field string
	// beside puts it into structured metadata, else into a line of JSON.
	beside bool
}

// serviceLabels are the labels of series that name services.
var serviceLabels = []string{"service_name", "job", "container", "deployment", "statefulset"}

func (s renamed) series(l sources.Labels) sources.Labels {
	all := sources.Labels{}
	for name, value := range l {
		if slices.Contains(serviceLabels, name) {
			namespace, service, found := strings.Cut(value, "/")
			if !found {
				namespace, service = "", value
			} else {
				namespace += "/"
			}
			if other := s.metrics[service]; other != "" {
				value = namespace + other
			}
		}
		all[name] = value
	}
	return all
}

func (s renamed) Series(l sources.Labels) func(time.Time, float64) {
	return s.Sink.Series(s.series(l))
}

func (s renamed) Exemplar(series sources.Labels, e sources.Exemplar) {
	s.Sink.Exemplar(s.series(series), e)
}

func (s renamed) Stream(l sources.Labels) func(time.Time, string, sources.Labels) {
	if other := s.logs[l["service_name"]]; other != "" {
		l = maps.Clone(l)
		l["service_name"] = other
	}
	add := s.Sink.Stream(l)
	if s.field == "" {
		return add
	}
	return func(at time.Time, line string, metadata sources.Labels) {
		trace := wholeID.FindString(metadata["trace_id"] + " " + line)
		if trace == "" {
			add(at, line, metadata)
			return
		}
		// The record says the same as before, and has the ID in the one place only.
		said := map[string]string{"msg": words(line), "level": levelIn(line)}
		if s.beside {
			add(at, asJSON(said), sources.Labels{s.field: trace})
			return
		}
		said[s.field] = trace
		add(at, asJSON(said), nil)
	}
}

func (s renamed) Spans(spans ...sources.Span) {
	spans = slices.Clone(spans)
	for i := range spans {
		if other := s.traces[spans[i].Service]; other != "" {
			spans[i].Service = other
		}
	}
	s.Sink.Spans(spans...)
}

// wholeID is a trace ID as the shop writes it.
var wholeID = regexp.MustCompile(`\b[0-9a-f]{32}\b`)

// words are a line's words without digits, so that no ID is left in it.
func words(line string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(line), func(word string) bool { return strings.ContainsAny(word, "0123456789{}\"") }), " ")
}

func levelIn(line string) string {
	if strings.Contains(strings.ToLower(line), "error") {
		return "error"
	}
	return "info"
}

func asJSON(v map[string]string) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// The payment service has one name in each signal, and none of them is what people say.
var (
	threeNames = renamed{
		metrics: map[string]string{"payment": "pay-api"},
		traces:  map[string]string{"payment": "PaymentProcessor"},
		logs:    map[string]string{"payment": "money"},
	}
	ofThreeNames = correlate.Names{Services: map[string][]string{"payment": {"pay-api", "PaymentProcessor", "money"}}}
)

func TestTriageOfAServiceWithThreeNames(t *testing.T) {
	own, q := openShop(t, "latency")
	usual := correlate.Triage(t.Context(), own, q, nil)
	open, q := serveShop(t, "latency", threeNames)
	without := correlate.Triage(t.Context(), open(), q, nil)
	q.Names = ofThreeNames
	first, second := correlate.Triage(t.Context(), open(), q, nil), correlate.Triage(t.Context(), open(), q, nil)
	wellFormed(t, first)

	// All that is said is as in a shop of one name, and what is asked is by the signals' own.
	if got, want := said(first), said(usual); !slices.Equal(got, want) {
		t.Errorf("with names it says\n%s\nand a shop of one name\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := said(second); !slices.Equal(got, said(first)) {
		t.Errorf("asked again, it says\n%s", strings.Join(got, "\n"))
	}
	if slices.Equal(said(without), said(usual)) || len(without.Suspects) <= len(usual.Suspects) {
		t.Errorf("without names it says the same, of %d suspects: the test shows nothing", len(without.Suspects))
	}
	asked := false
	for _, finding := range first.Findings {
		for _, e := range finding.Evidence {
			asked = asked || strings.Contains(e.Query, `service_name="pay-api"`)
			if strings.Contains(e.Query, `"payment"`) {
				t.Errorf("%q is said to be asked as %s", finding.Statement, e.Query)
			}
		}
	}
	if !asked {
		t.Error("no evidence has the metrics' own name")
	}
}

// said are the suspects of a case with their scores, and its statements.
func said(c *correlate.Case) (texts []string) {
	for _, s := range c.Suspects {
		texts = append(texts, fmt.Sprintf("%s %.3f", s.Service, s.Score))
	}
	for _, f := range c.Findings {
		texts = append(texts, f.Statement)
	}
	return texts
}

func TestViewsOfAServiceWithThreeNames(t *testing.T) {
	open, q := serveShop(t, "latency", threeNames)
	q.Names = ofThreeNames
	x := correlate.NewExplorer(open(), q)
	for _, name := range []string{"payment", "pay-api", "PaymentProcessor", "money", "shop/pay-api"} {
		only := q
		only.Services = []string{name}
		table := correlate.NewExplorer(open(), only).Services(t.Context(), correlate.PerService)
		if len(table.Services) != 1 || table.Services[0].Service != "payment" || table.Services[0].Rate == nil || len(table.Missing) > 0 {
			t.Errorf("the table of %s is %+v, missing %+v", name, table.Services, table.Missing)
		}
		view := x.Logs(t.Context(), correlate.LogQuestion{Service: name, Limit: 5})
		if len(view.Records) != 5 || view.Records[0].Service != "payment" || view.Query != `{service_name="money"}` {
			t.Errorf("the records of %s are %+v by %s", name, view.Records, view.Query)
		}
		metric := x.Metric(t.Context(), correlate.Subject{Service: name})
		if metric.Subject.Service != "payment" || !strings.Contains(metric.Query, `service_name="pay-api"`) || metric.Anomaly == nil {
			t.Errorf("the metric of %s is %s of %+v", name, metric.Query, metric.Subject)
		}
	}
	traces := x.Traces(t.Context(), correlate.Subject{Service: "payment"})
	if len(traces.Slow) == 0 || len(traces.Work) == 0 || traces.Work[0].Service != "payment" || !strings.Contains(traces.Query, "PaymentProcessor") {
		t.Errorf("traces by %s, work %+v, missing %+v", traces.Query, traces.Work, traces.Missing)
	}
	found := x.Request(t.Context(), correlate.Lookup{ID: ident.OfTrace(traces.Chosen), Text: string(traces.Chosen), Window: q.Window, Compare: true}, nil)
	if found.Trace == nil || !slices.ContainsFunc(found.Trace.Spans, func(s correlate.Span) bool { return s.Service == "payment" }) {
		t.Fatalf("trace %+v", found.Trace)
	}
	for _, p := range found.Places {
		if p.Service == "money" || p.Service == "PaymentProcessor" || (p.Service == "payment" && p.Kind == correlate.Nowhere) {
			t.Errorf("place %+v", p)
		}
	}
	if found.Comparison == nil || len(found.Comparison.With) == 0 || len(found.Missing) > 0 {
		t.Errorf("comparison %+v, missing %+v", found.Comparison, found.Missing)
	}
}

// A shop whose records have the trace ID in a field that only the team knows.
func TestTraceIDsInAFieldOfTheTeam(t *testing.T) {
	for _, test := range []struct {
		name, field, configured string
		beside                  bool
	}{
		{"metadata, whose names have no dots", "ctx_tid", "ctx.tid", true},
		{"a field of JSON", "tid", "tid", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			open, q := serveShop(t, "errors", renamed{field: test.field, beside: test.beside})
			without := correlate.Triage(t.Context(), open(), q, nil)
			q.Names = correlate.Names{TraceFields: []string{test.configured}}
			with := correlate.Triage(t.Context(), open(), q, nil)
			wellFormed(t, with)
			if without.Trace == nil || with.Trace == nil || with.Trace.ID != without.Trace.ID {
				t.Fatal("the two went to different traces, or to none")
			}
			joined := func(c *correlate.Case) (n int) {
				for _, r := range c.Records {
					if r.TraceID == c.Trace.ID && !r.Join.Weak() {
						n++
					}
				}
				return n
			}
			if joined(with) == 0 || (test.beside && joined(without) > 0) {
				t.Errorf("%d records are joined, and %d without names", joined(with), joined(without))
			}

			x := correlate.NewExplorer(open(), q)
			found := x.Request(t.Context(), correlate.Lookup{ID: ident.OfTrace(with.Trace.ID), Text: string(with.Trace.ID), Window: q.Window}, nil)
			if joined(found) < joined(with) || found.Records[0].Join.Weak() {
				t.Errorf("a lookup finds %d records, and the triage %d", joined(found), joined(with))
			}
			view := x.Logs(t.Context(), correlate.LogQuestion{Trace: with.Trace.ID})
			if len(view.Records) < joined(with) {
				t.Errorf("obs logs finds %d records", len(view.Records))
			}
			// From records to the trace: each says whose it is.
			newest := x.Logs(t.Context(), correlate.LogQuestion{Service: found.Records[0].Service, Limit: 20})
			nobody := correlate.NewExplorer(open(), correlate.Question{Window: q.Window, Baseline: q.Baseline}).
				Logs(t.Context(), correlate.LogQuestion{Service: found.Records[0].Service, Limit: 20})
			if identified(newest) == 0 || identified(nobody) > 0 {
				t.Errorf("%d of %d records name their trace, and %d without names", identified(newest), len(newest.Records), identified(nobody))
			}
		})
	}
}

func identified(view *correlate.LogView) (n int) {
	for _, r := range view.Records {
		if r.TraceID != "" {
			n++
		}
	}
	return n
}
