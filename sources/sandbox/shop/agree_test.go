package shop

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"obs/sources"
)

var (
	levelPattern   = regexp.MustCompile(`"level":"(\w+)"| level=(\w+)|^\S+ \S+ (\w+)`)
	tracePattern   = regexp.MustCompile(`"trace_?[iI]d":"(\w+)"| trace_id=(\w+)|\[\w+,(\w*),`)
	requestPattern = regexp.MustCompile(`"request_id":"([\w-]+)"| request_id[= ]([\w-]+)`)
)

func firstGroup(p *regexp.Regexp, line string) string {
	m := p.FindStringSubmatch(line)
	if m == nil {
		return ""
	}
	return strings.Join(m[1:], "")
}

func levelIn(line string) string { return strings.ToLower(firstGroup(levelPattern, line)) }

// The three signals are of one simulation: what one says, the others confirm. Two
// scenarios, one slow with timeouts and one that fails.
func TestSignalsAgree(t *testing.T) {
	for _, name := range []string{"latency", "saturation"} {
		t.Run(name, func(t *testing.T) {
			s, m := past(t, name, 7, 4000)
			traces := map[sources.TraceID]map[sources.SpanID]*sources.Span{}
			for _, spans := range m.traces {
				byID := map[sources.SpanID]*sources.Span{}
				for i := range spans {
					byID[spans[i].ID] = &spans[i]
				}
				if len(byID) != len(spans) || traces[spans[0].TraceID] != nil {
					t.Fatal("a span or trace ID occurs twice")
				}
				traces[spans[0].TraceID] = byID
			}
			t.Run("exemplars", func(t *testing.T) { exemplarsAgree(t, m, traces) })
			t.Run("spans", func(t *testing.T) { parentsContain(t, traces) })
			t.Run("records", func(t *testing.T) { recordsAgree(t, s, m) })
			t.Run("counters", func(t *testing.T) { countersAgree(t, s, m) })
			t.Run("order", func(t *testing.T) { timesRise(t, m) })
		})
	}
}

func exemplarsAgree(t *testing.T, m *memory, traces map[sources.TraceID]map[sources.SpanID]*sources.Span) {
	kept := 0
	for _, e := range m.exemplars {
		bounds, unit := requestBounds, time.Second
		if strings.HasPrefix(e.Series["__name__"], "traces_") {
			bounds, unit = callBounds, time.Millisecond
		}
		id, ok := e.TraceID()
		if !ok || e.SpanID() == "" {
			t.Fatalf("an exemplar without IDs: %v", e.Labels)
		}
		le, _ := strconv.ParseFloat(e.Series["le"], 64)
		below := 0.0
		for _, b := range bounds {
			if b < le {
				below = b
			}
		}
		if e.Value > le || e.Value <= below {
			t.Fatalf("an exemplar of %v s in the bucket up to %v", e.Value, le)
		}
		if traces[id] == nil {
			continue
		}
		kept++
		sp := traces[id][e.SpanID()]
		if sp == nil || sp.Service != e.Series["service_name"] || math.Abs(float64(sp.Duration)-e.Value*float64(unit)) > 10 ||
			sp.End().Truncate(time.Millisecond) != e.Time {
			t.Fatalf("exemplar %+v is not of span %+v", e, sp)
		}
		fits := sp.Kind == sources.KindServer && sp.Attributes.Get("http.route") == e.Series["http_route"] &&
			sp.Resource.Get("k8s.pod.name") == e.Series["pod"] && sp.Attributes.Get("http.response.status_code") == e.Series["http_response_status_code"]
		if unit == time.Millisecond {
			fits = sp.Operation == e.Series["span_name"] && kindNames[sp.Kind] == e.Series["span_kind"] &&
				sp.Failed() == (e.Series["status_code"] == "STATUS_CODE_ERROR")
		}
		if !fits {
			t.Fatalf("exemplar %+v is not of span %+v", e, sp)
		}
	}
	if share := float64(kept) / float64(len(m.exemplars)); share < 0.2 || share > 0.8 {
		t.Errorf("%.0f%% of the exemplars have their trace", 100*share)
	}
}

func parentsContain(t *testing.T, traces map[sources.TraceID]map[sources.SpanID]*sources.Span) {
	cutOff := 0
	for _, spans := range traces {
		roots := 0
		for _, sp := range spans {
			if !slices.IsSortedFunc(sp.Attributes, func(a, b sources.Attribute) int { return strings.Compare(a.Key, b.Key) }) {
				t.Fatalf("attributes out of order: %v", sp.Attributes)
			}
			if sp.ParentID == "" {
				roots++
				if sp.Attributes.Get("request.id") == "" || sp.Attributes.Get("tenant.id") == "" {
					t.Fatalf("an entry span without its IDs: %v", sp.Attributes)
				}
				continue
			}
			parent := spans[sp.ParentID]
			if parent == nil {
				t.Fatalf("the parent of %s %s is missing", sp.Service, sp.Operation)
			}
			if sp.Start.Before(parent.Start) {
				t.Fatalf("%s %s starts before its parent", sp.Service, sp.Operation)
			}
			if !sp.End().After(parent.End()) {
				continue
			}
			switch {
			case sp.Kind == sources.KindConsumer:
			case parent.Kind == sources.KindClient && parent.Attributes.Get("error.type") == "timeout":
				cutOff++
			default:
				t.Fatalf("%s %s ends after its parent %s %s", sp.Service, sp.Operation, parent.Service, parent.Operation)
			}
		}
		if roots != 1 {
			t.Fatalf("a trace with %d roots", roots)
		}
	}
}

func recordsAgree(t *testing.T, s *Shop, m *memory) {
	// What the same seed draws again is what was simulated.
	again := New(s.scenario, s.options)
	simulated := map[string]string{}
	seen := map[string]bool{}
	for range s.Requests() {
		r := again.newRequest()
		simulated[r.id] = string(r.trace)
		if seen[string(r.trace)] {
			t.Fatal("a trace ID was given twice")
		}
		seen[string(r.trace)] = true
	}
	if len(simulated) != s.Requests() {
		t.Fatal("a request ID was given twice")
	}
	joined, places := 0, map[string]int{}
	for _, k := range m.streams {
		for _, r := range k.records {
			id := firstGroup(requestPattern, r.Line)
			if id == "" {
				continue
			}
			trace := firstGroup(tracePattern, r.Line)
			if beside := r.Metadata["trace_id"]; beside != "" {
				if trace != "" {
					t.Fatalf("a trace ID in two places: %s", r.Line)
				}
				trace = beside
				places["metadata"]++
			} else {
				places[k.labels["service_name"]]++
			}
			if simulated[id] == "" || simulated[id] != trace {
				t.Fatalf("record of a request that is none, or of trace %q: %s", trace, r.Line)
			}
			joined++
		}
	}
	if joined < s.Requests() || len(places) < 6 {
		t.Errorf("%d records carry IDs, in %v", joined, places)
	}
}

// countersAgree compares each pod's counter of requests, at its last scrape, with the
// lines that it had written by then.
func countersAgree(t *testing.T, s *Shop, m *memory) {
	byPod := map[string]float64{}
	until := map[string]time.Time{}
	for _, k := range m.matching(requestSeconds+"_count", nil) {
		for i := len(k.samples) - 1; i >= 0; i-- {
			if !isStale(k.samples[i].Value) {
				byPod[k.labels["pod"]] += k.samples[i].Value
				until[k.labels["pod"]] = k.samples[i].Time
				break
			}
		}
	}
	entered := 0.0
	for _, k := range m.streams {
		pod := k.labels["pod"]
		lines := 0.0
		for _, r := range k.records {
			if strings.Contains(r.Line, "request completed") && r.Time.Before(until[pod].Add(time.Millisecond)) {
				lines++
			}
		}
		// The scrape's time is cut to milliseconds.
		if diff := lines - byPod[pod]; diff < 0 || diff > 1 {
			t.Errorf("%s counted %v requests and logged %v", pod, byPod[pod], lines)
		}
		if k.labels["service_name"] == "gateway" || k.labels["service_name"] == "mobile-api" {
			entered += byPod[pod]
		}
	}
	if missing := float64(s.Requests()) - entered; missing < 0 || missing > 60 {
		t.Errorf("%d requests were simulated and %v counted", s.Requests(), entered)
	}
}

func timesRise(t *testing.T, m *memory) {
	names := map[string]bool{}
	for _, k := range m.series {
		key := k.labels.String()
		if names[key] {
			t.Fatalf("two series are called %s", key)
		}
		names[key] = true
		name := k.labels["__name__"]
		if m.metadata[name].Type == "" && m.metadata[strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count"), "_sum")].Type == "" && name != "up" {
			t.Errorf("nothing says what %s means", name)
		}
		counter := m.metadata[name].Type == "counter" || strings.HasSuffix(name, "_bucket")
		for i := 1; i < len(k.samples); i++ {
			if !k.samples[i].Time.After(k.samples[i-1].Time) {
				t.Fatalf("%s: samples out of order", key)
			}
			if counter && k.samples[i].Value < k.samples[i-1].Value {
				t.Fatalf("%s falls from %v to %v", key, k.samples[i-1].Value, k.samples[i].Value)
			}
		}
	}
	for _, k := range m.streams {
		if !slices.IsSortedFunc(k.records, func(a, b sources.Record) int { return a.Time.Compare(b.Time) }) {
			t.Errorf("%v: records out of order", k.labels)
		}
	}
	if len(m.series) > 6000 {
		t.Errorf("%d series", len(m.series))
	}
}
