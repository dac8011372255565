package sources

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

// TraceID is a trace's ID as 32 lower-case hexadecimal digits.
type TraceID string

// SpanID is a span's ID as 16 lower-case hexadecimal digits.
type SpanID string

// ParseTraceID reads 1 to 32 hexadecimal digits in any case and with any number of
// leading zeros lost, as some tools print IDs. The ID of all zeros names no trace.
func ParseTraceID(s string) (TraceID, bool) {
	padded, ok := padHex(s, 32)
	return TraceID(padded), ok
}

// ParseSpanID reads 1 to 16 hexadecimal digits, as ParseTraceID does.
func ParseSpanID(s string) (SpanID, bool) {
	padded, ok := padHex(s, 16)
	return SpanID(padded), ok
}

func padHex(s string, width int) (string, bool) {
	if s == "" || len(s) > width {
		return "", false
	}
	upper, some := false, false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '0':
			continue
		case 'A' <= c && c <= 'F':
			upper = true
		case (c < '1' || c > '9') && (c < 'a' || c > 'f'):
			return "", false
		}
		some = true
	}
	if !some {
		return "", false
	}
	if upper {
		s = strings.ToLower(s)
	}
	return strings.Repeat("0", width-len(s)) + s, true
}

// Short is the ID without its leading zeros: the part that every notation of it has.
func (id TraceID) Short() string { return strings.TrimLeft(string(id), "0") }

// Short is the ID without its leading zeros.
func (id SpanID) Short() string { return strings.TrimLeft(string(id), "0") }

// Kind is a span's kind as OpenTelemetry names it.
type Kind string

// The kinds of OpenTelemetry. Unset is the kind of spans that carry none.
const (
	KindUnset    Kind = ""
	KindInternal Kind = "internal"
	KindServer   Kind = "server"
	KindClient   Kind = "client"
	KindProducer Kind = "producer"
	KindConsumer Kind = "consumer"
)

// Code is a span's status code as OpenTelemetry names it.
type Code string

// The status codes of OpenTelemetry.
const (
	StatusUnset Code = "unset"
	StatusOK    Code = "ok"
	StatusError Code = "error"
)

// Attribute is one key with its value as text; an array or map is JSON text.
type Attribute struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Attributes is a list of attributes, ordered by key.
type Attributes []Attribute

// Get returns the value of the attribute, or an empty string.
func (a Attributes) Get(key string) string {
	if len(a) <= fewAttributes {
		for i := range a {
			if a[i].Key == key {
				return a[i].Value
			}
		}
		return ""
	}
	i := sort.Search(len(a), func(i int) bool { return a[i].Key >= key })
	if i < len(a) && a[i].Key == key {
		return a[i].Value
	}
	return ""
}

// fewAttributes are so many that to look whether each is the one takes less time than to halve
// their list by the order of keys, since texts of different lengths are told apart at once.
const fewAttributes = 16

// Sort puts the attributes into the order that Get relies on.
func (a Attributes) Sort() {
	slices.SortStableFunc(a, func(x, y Attribute) int { return strings.Compare(x.Key, y.Key) })
}

// Event is something that a span noted down while it ran.
type Event struct {
	Time       time.Time  `json:"time"`
	Name       string     `json:"name"`
	Attributes Attributes `json:"attributes,omitempty"`
}

// Reference names a span of this or of another trace.
type Reference struct {
	TraceID TraceID `json:"trace_id"`
	SpanID  SpanID  `json:"span_id"`
}

// Span is one timed operation of one service.
type Span struct {
	TraceID   TraceID
	ID        SpanID
	ParentID  SpanID // empty for a root
	Service   string
	Operation string
	Kind      Kind
	Status    Code
	// StatusMessage says why the status is what it is, if the service did.
	StatusMessage string
	Start         time.Time
	Duration      time.Duration // never negative
	Attributes    Attributes
	Resource      Attributes // shared by all spans of one process
	Events        []Event
	Links         []Reference
}

// End is when the span ended.
func (s *Span) End() time.Time { return s.Start.Add(s.Duration) }

// Failed reports whether the span ended in an error: by its status, or by the error
// attribute that OpenTracing clients set.
func (s *Span) Failed() bool {
	return s.Status == StatusError || (s.Status != StatusOK && s.Attributes.Get("error") == "true")
}

// Trace is the spans that share a trace ID, in order of their start. The backend may
// hold more than it gave: spans arrive late, and parents may be missing.
type Trace struct {
	ID    TraceID
	Spans []Span
	// Partial is what the backend says where it knows that it gave a part of what it holds.
	Partial string
}

// Window is from the first span's start to the last span's end.
func (t *Trace) Window() Window {
	var w Window
	for i := range t.Spans {
		w = w.Union(Window{From: t.Spans[i].Start, To: t.Spans[i].End()})
	}
	return w
}

// Services lists the services of the trace's spans, in order of name.
func (t *Trace) Services() []string {
	seen := map[string]bool{}
	var names []string
	for i := range t.Spans {
		if name := t.Spans[i].Service; !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// Operation is a name that a service gives to a kind of work.
type Operation struct {
	Name string
	Kind Kind // KindUnset where the backend does not say
}

// TraceQuery asks for traces that have one span which fits all conditions.
type TraceQuery struct {
	Service     string        // required
	Operation   string        // any when empty
	Window      Window        // required: when the span started
	MinDuration time.Duration // of the span; no bound when 0
	MaxDuration time.Duration // of the span; no bound when 0
	// Attributes must all be on the span, with exactly these values.
	Attributes Attributes
	Limit      int // at most so many traces; a default of 20 when 0
}

// String says the query in words that a person can put into the backend's search page.
func (q TraceQuery) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "service=%s", Quote(q.Service))
	if q.Operation != "" {
		fmt.Fprintf(&b, " operation=%s", Quote(q.Operation))
	}
	for _, a := range q.Attributes {
		fmt.Fprintf(&b, " %s=%s", a.Key, Quote(a.Value))
	}
	if q.MinDuration > 0 {
		fmt.Fprintf(&b, " minDuration=%s", q.MinDuration.Round(time.Microsecond))
	}
	if q.MaxDuration > 0 {
		fmt.Fprintf(&b, " maxDuration=%s", q.MaxDuration.Round(time.Microsecond))
	}
	if q.Limit > 0 {
		fmt.Fprintf(&b, " limit=%d", q.Limit)
	}
	return b.String()
}

// TraceAnswer is the traces that a search found, each complete as the backend has it.
type TraceAnswer struct {
	Traces []Trace
	// Limited tells that as many came as were asked for, so there may be more.
	Limited bool
}

// Dependency tells that one service called another.
type Dependency struct {
	Parent, Child string
	Calls         int64
}
