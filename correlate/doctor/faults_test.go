package doctor_test

import (
	"regexp"
	"strings"
	"time"

	"obs/correlate/doctor"
	"obs/sources"
	"obs/sources/sandbox/shop"
)

// fault is something that is wrong with a system: a change to what the shop gives off on its
// way to whatever keeps it, the sandbox or real backends, and what the doctor says of it.
type fault struct {
	name  string
	plant func(shop.Sink) shop.Sink
	// later is how long after the shop's end it is examined.
	later time.Duration

	kind     string // of the finding that names it
	grade    doctor.Grade
	services []string // that the finding is about; nil for any
	says     []string // in the finding's statement, or in what mends it
	hop      func(*doctor.Hops) doctor.Hop
	hopGrade doctor.Grade // of the first of the services
}

// patient is the service that most faults are planted in. It calls nobody, and logs JSON with
// a traceId.
const patient = "payment"

// planted are secrets, none of which may stand in a report.
var planted = []string{
	"correct-horse-7", "AKIAIOSFODNN7EXAMPLE", "4111 1111 1111 1111",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
}

// faults are planted one at a time.
var faults = []fault{
	{
		name: "no exemplars", plant: func(s shop.Sink) shop.Sink {
			return changed{Sink: s, exemplar: func(*sources.Exemplar) bool { return false }}
		},
		kind: doctor.KindNoExemplars, grade: doctor.Weak, says: []string{"--enable-feature=exemplar-storage", "enable_open_metrics: true"},
		services: []string{"cart", "catalog", "checkout", "gateway", "inventory", "mobile-api", patient, "recommendation", "session", "shipping"},
		hop:      metricToTrace, hopGrade: doctor.Weak,
	},
	{
		name: "exemplars of traces that are not stored", plant: loseExemplars,
		kind: doctor.KindLostExemplars, grade: doctor.Weak, says: []string{"0 are stored", "OTEL_METRICS_EXEMPLAR_FILTER=trace_based"},
		services: []string{"cart", "catalog", "checkout", "gateway", "inventory", "mobile-api", patient, "recommendation", "session", "shipping"},
		hop:      metricToTrace, hopGrade: doctor.Weak,
	},
	{
		name: "logs without IDs", plant: func(s shop.Sink) shop.Sink {
			return logsOf(s, patient, func(line string) string { return anyID.ReplaceAllString(line, "") })
		},
		kind: doctor.KindNoIDs, grade: doctor.Broken, services: []string{patient}, says: []string{"no record", "trace_id=%X{trace_id}"},
		hop: recordToTrace, hopGrade: doctor.Broken,
	},
	{
		name: "IDs in another field", plant: func(s shop.Sink) shop.Sink {
			return logsOf(s, patient, func(line string) string { return strings.ReplaceAll(line, `"traceId"`, `"tid"`) })
		},
		kind: doctor.KindOtherField, grade: doctor.Broken, services: []string{patient}, says: []string{"under tid", "names:\n  trace_id_fields: [tid]", "trace_id: tid"},
		hop: recordToTrace, hopGrade: doctor.Broken,
	},
	{
		name: "another name in the logs", plant: func(s shop.Sink) shop.Sink {
			return changed{Sink: s, stream: func(l sources.Labels) (sources.Labels, bool) {
				return rename(l, "service_name", patient, "payment-svc"), true
			}}
		},
		kind: doctor.KindNamesDiffer, grade: doctor.Broken, services: []string{patient}, says: []string{"logs payment-svc", "guess", "names:\n  services:\n    payment: [payment-svc]"},
		hop: names, hopGrade: doctor.Broken,
	},
	{
		name: "another name in the metrics", plant: func(s shop.Sink) shop.Sink {
			return changed{Sink: s, series: func(l sources.Labels) (sources.Labels, bool) {
				return rename(l, "service_name", patient, "prod-payment"), true
			}}
		},
		kind: doctor.KindNamesDiffer, grade: doctor.Broken, services: []string{patient}, says: []string{"metrics prod-payment", "payment: [prod-payment]"},
		hop: names, hopGrade: doctor.Broken,
	},
	{
		name: "a service without logs", plant: func(s shop.Sink) shop.Sink {
			return changed{Sink: s, stream: func(l sources.Labels) (sources.Labels, bool) { return l, l["service_name"] != patient }}
		},
		kind: doctor.KindNotLogged, grade: doctor.Broken, services: []string{patient}, says: []string{"no stream in Loki", "target_label: service_name"},
		hop: traceToRecords, hopGrade: doctor.Broken,
	},
	{
		name: "a service without metrics", plant: func(s shop.Sink) shop.Sink {
			return changed{Sink: s, series: func(l sources.Labels) (sources.Labels, bool) { return l, l["service_name"] != patient }}
		},
		kind: doctor.KindNoMetrics, grade: doctor.Broken, services: []string{patient}, says: []string{"no metric counts", "spanmetrics:"},
		hop: metric, hopGrade: doctor.Broken,
	},
	{
		name: "a service without spans", plant: func(s shop.Sink) shop.Sink {
			return changed{Sink: s, span: func(span *sources.Span) bool { return span.Service != "checkout" }}
		},
		kind: doctor.KindNotTraced, grade: doctor.Broken, services: []string{"checkout"}, says: []string{"Jaeger has no service of that name", "OTEL_TRACES_EXPORTER=otlp"},
	},
	{
		name: "parents that are missing", plant: func(s shop.Sink) shop.Sink {
			return changed{Sink: s, span: func(span *sources.Span) bool { return span.Kind != sources.KindClient }}
		},
		kind: doctor.KindOrphans, grade: doctor.Weak, says: []string{"name a parent that their trace does not hold", "OTEL_PROPAGATORS"},
	},
	{
		name: "exemplars of all but one", plant: func(s shop.Sink) shop.Sink { return withoutExemplars{s} },
		kind: doctor.KindSomeExemplars, grade: doctor.Weak, services: []string{patient}, says: []string{"while other services have some"},
		hop: metricToTrace, hopGrade: doctor.Weak,
	},
	{
		name: "a service without a name", plant: func(s shop.Sink) shop.Sink {
			return changed{Sink: s, span: func(span *sources.Span) bool {
				if span.Service == patient {
					span.Service = "unknown_service:java"
				}
				return true
			}}
		},
		kind: doctor.KindUnnamed, grade: doctor.Broken, says: []string{"unknown_service", "OTEL_SERVICE_NAME="},
	},
	{
		name: "failures that spans do not mark", plant: func(s shop.Sink) shop.Sink {
			return changed{Sink: s, span: func(span *sources.Span) bool {
				if span.Service == patient && span.Kind == sources.KindServer {
					span.Status, span.Attributes = sources.StatusUnset, sources.Attributes{{Key: "http.response.status_code", Value: "503"}}
				}
				return true
			}}
		},
		kind: doctor.KindNoStatus, grade: doctor.Weak, services: []string{patient}, says: []string{"5xx without the status of an error"},
	},
	{
		name: "old data only", plant: func(s shop.Sink) shop.Sink { return s }, later: 6 * time.Hour,
		kind: doctor.KindStale, grade: doctor.Broken, says: []string{"it has none in"},
	},
	{
		name: "trace IDs as a label", plant: labelTraces,
		kind: doctor.KindIDLabel, grade: doctor.Weak, says: []string{"label trace_id holds IDs of requests", "labeldrop:\n      - trace_id"},
	},
	{
		name: "secrets in lines", plant: leak,
		kind: doctor.KindSecrets, grade: doctor.Weak, services: []string{patient},
		says: []string{"password in password", "AWS access key in key", "payment card number in the text", "JSON web token in the text", "- replace:"},
	},
}

func metric(h *doctor.Hops) doctor.Hop         { return h.Metric }
func metricToTrace(h *doctor.Hops) doctor.Hop  { return h.MetricToTrace }
func traceToRecords(h *doctor.Hops) doctor.Hop { return h.TraceToRecords }
func recordToTrace(h *doctor.Hops) doctor.Hop  { return h.RecordToTrace }
func names(h *doctor.Hops) doctor.Hop          { return h.Names }

// changed hands on what it is given after a change. What a function says no to is left out; one
// that is nil changes nothing.
type changed struct {
	shop.Sink
	series   func(sources.Labels) (sources.Labels, bool)
	exemplar func(*sources.Exemplar) bool
	stream   func(sources.Labels) (sources.Labels, bool)
	line     func(stream sources.Labels, line string) string
	span     func(*sources.Span) bool
}

func (c changed) Series(l sources.Labels) func(time.Time, float64) {
	if c.series != nil {
		kept, ok := c.series(l)
		if !ok {
			return func(time.Time, float64) {}
		}
		l = kept
	}
	return c.Sink.Series(l)
}

func (c changed) Exemplar(series sources.Labels, e sources.Exemplar) {
	if c.series != nil {
		kept, ok := c.series(series)
		if !ok {
			return
		}
		series = kept
	}
	if c.exemplar == nil || c.exemplar(&e) {
		c.Sink.Exemplar(series, e)
	}
}

func (c changed) Stream(l sources.Labels) func(time.Time, string, sources.Labels) {
	kept := l
	if c.stream != nil {
		var ok bool
		if kept, ok = c.stream(l); !ok {
			return func(time.Time, string, sources.Labels) {}
		}
	}
	add := c.Sink.Stream(kept)
	if c.line == nil {
		return add
	}
	return func(at time.Time, line string, metadata sources.Labels) { add(at, c.line(l, line), metadata) }
}

func (c changed) Spans(all ...sources.Span) {
	if c.span == nil {
		c.Sink.Spans(all...)
		return
	}
	var kept []sources.Span
	for _, span := range all {
		if c.span(&span) {
			kept = append(kept, span)
		}
	}
	if len(kept) > 0 {
		c.Sink.Spans(kept...)
	}
}

var anyID = regexp.MustCompile(`[0-9a-f]{32}`)

// logsOf changes the lines of one service.
func logsOf(s shop.Sink, service string, change func(string) string) shop.Sink {
	return changed{Sink: s, line: func(stream sources.Labels, line string) string {
		if stream["service_name"] != service {
			return line
		}
		return change(line)
	}}
}

// rename gives a label another value.
func rename(l sources.Labels, label, from, to string) sources.Labels {
	if l[label] != from {
		return l
	}
	kept := sources.Labels{}
	for name, value := range l {
		kept[name] = value
	}
	kept[label] = to
	return kept
}

// withoutExemplars takes the exemplars of one service away.
type withoutExemplars struct{ shop.Sink }

func (w withoutExemplars) Exemplar(series sources.Labels, e sources.Exemplar) {
	if series["service_name"] != patient {
		w.Sink.Exemplar(series, e)
	}
}

// loseExemplars lets exemplars name traces that nobody has.
func loseExemplars(s shop.Sink) shop.Sink {
	return changed{Sink: s, exemplar: func(e *sources.Exemplar) bool {
		id, ok := e.TraceID()
		if !ok {
			return true
		}
		own := sources.Labels{}
		for name, value := range e.Labels {
			own[name] = value
		}
		own["trace_id"] = strings.Repeat("f", 8) + string(id)[8:]
		e.Labels = own
		return true
	}}
}

// labelTraces makes a label of the trace IDs of one service's records.
func labelTraces(s shop.Sink) shop.Sink { return labelled{s} }

type labelled struct{ shop.Sink }

func (l labelled) Stream(labels sources.Labels) func(time.Time, string, sources.Labels) {
	plain := l.Sink.Stream(labels)
	if labels["service_name"] != patient {
		return plain
	}
	streams := map[string]func(time.Time, string, sources.Labels){}
	return func(at time.Time, line string, metadata sources.Labels) {
		id := anyID.FindString(line)
		if id == "" {
			plain(at, line, metadata)
			return
		}
		if streams[id] == nil {
			own := rename(labels, "service_name", patient, patient)
			own = withLabel(own, "trace_id", id)
			streams[id] = l.Sink.Stream(own)
		}
		streams[id](at, line, metadata)
	}
}

func withLabel(l sources.Labels, name, value string) sources.Labels {
	kept := sources.Labels{name: value}
	for name, value := range l {
		kept[name] = value
	}
	return kept
}

// leak writes secrets beside the lines of one service, and words about secrets that are none.
func leak(s shop.Sink) shop.Sink { return leaking{s} }

type leaking struct{ shop.Sink }

func (l leaking) Stream(labels sources.Labels) func(time.Time, string, sources.Labels) {
	add := l.Sink.Stream(labels)
	last := time.Time{}
	return func(at time.Time, line string, metadata sources.Labels) {
		add(at, line, metadata)
		if at.Sub(last) < time.Millisecond {
			return // Loki keeps one of lines that are alike in time too
		}
		last = at
		switch labels["service_name"] {
		case patient:
			for i, more := range []string{
				`level=info msg="signed in" user=7 password=` + planted[0],
				`{"msg":"uploading","key":"` + planted[1] + `"}`,
				"charging the card " + planted[2] + " of customer 12",
				"calling with Authorization Bearer " + planted[3],
			} {
				add(at.Add(time.Duration(i+1)*time.Microsecond), more, metadata)
			}
		case "cart":
			for i, more := range []string{
				"the password=******** was not logged", `{"msg":"refused","password":"[REDACTED]","token":"expired"}`,
				"order 4111111111111112 shipped", "level=info csrf_token_count=3 token=none", "took 1795285161503798531 ns",
			} {
				add(at.Add(time.Duration(i+1)*time.Microsecond), more, metadata)
			}
		}
	}
}
