// Package sources says what obs can read: metrics, traces and logs, as small
// interfaces and plain signal types.
//
// It holds no HTTP and no vendor's wire format; each backend is a package of its
// own below this one that implements an interface from here. It is not the place
// for judgement: which series is anomalous, or which span is to blame, is decided
// in correlate, which sees nothing but these types.
//
// PromQL and LogQL are the two query languages that cross this boundary as text,
// because every statement of obs quotes its query so that a person can ask it
// again. Texts are built with Selector and LogQuery, which quote what they are given.
package sources

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Backend names a kind of server by the API that it speaks, as the case's JSON spells it.
type Backend string

// The backends that obs reads.
const (
	Prometheus   Backend = "prometheus"
	Loki         Backend = "loki"
	Jaeger       Backend = "jaeger"
	Tempo        Backend = "tempo"
	Alertmanager Backend = "alertmanager"
)

// Name is the backend's name in a sentence.
func (b Backend) Name() string {
	if b == "" {
		return ""
	}
	return strings.ToUpper(string(b[:1])) + string(b[1:])
}

// Window is the half-open time range [From, To). Both ends are in UTC.
type Window struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Duration is the window's length.
func (w Window) Duration() time.Duration { return w.To.Sub(w.From) }

// IsZero reports whether no window was set.
func (w Window) IsZero() bool { return w.From.IsZero() && w.To.IsZero() }

// Contains reports whether t lies in [From, To).
func (w Window) Contains(t time.Time) bool { return !t.Before(w.From) && t.Before(w.To) }

// Pad widens the window by d on both sides.
func (w Window) Pad(d time.Duration) Window {
	return Window{From: w.From.Add(-d), To: w.To.Add(d)}
}

// Union is the smallest window that holds both w and o.
func (w Window) Union(o Window) Window {
	if w.IsZero() {
		return o
	}
	if o.IsZero() {
		return w
	}
	u := w
	if o.From.Before(u.From) {
		u.From = o.From
	}
	if o.To.After(u.To) {
		u.To = o.To
	}
	return u
}

// String renders the window for messages, in UTC.
func (w Window) String() string {
	const day, clock = "2006-01-02 15:04:05", "15:04:05"
	from, to := w.From.UTC(), w.To.UTC()
	if from.YearDay() == to.YearDay() && from.Year() == to.Year() {
		return fmt.Sprintf("%s – %s UTC", from.Format(day), to.Format(clock))
	}
	return fmt.Sprintf("%s – %s UTC", from.Format(day), to.Format(day))
}

// Set is what one run reads from. A nil field means that no address was given for
// that backend; obs does without it and says so.
type Set struct {
	Metrics Metrics
	Traces  Traces
	Logs    Logs
	// Notifications tell which alerts are kept from people.
	Notifications Notifications
	// Notes is where people's notes are kept; nil where nobody said where.
	Notes Notebook
	// LogsKey tells what Logs shows from what other addresses and tenants show; it is a hash,
	// and gives neither away.
	LogsKey string
	// Ledger holds every query that they have sent, in the order of sending.
	Ledger *Ledger
	// OnClose is what Close calls.
	OnClose []func()
}

// TraceBackend is whose traces the set reads, and Jaeger where it reads none.
func (s Set) TraceBackend() Backend {
	if s.Traces == nil {
		return Jaeger
	}
	return s.Traces.Backend()
}

// Close lets go of connections that are kept open. Nothing may be asked afterwards.
func (s Set) Close() {
	for _, f := range s.OnClose {
		f()
	}
}

// Metrics reads time series. Queries are PromQL. Implementations are safe for
// concurrent use. An empty answer is a nil slice and no error; errors are *Error.
type Metrics interface {
	// Instant evaluates query at one moment: one sample for each series.
	Instant(ctx context.Context, query string, at time.Time) (SeriesAnswer, error)
	// Range evaluates query at w.From, w.From+step, ... up to and including w.To.
	Range(ctx context.Context, query string, w Window, step time.Duration) (SeriesAnswer, error)
	// LabelValues lists the values of a label on the series that match one of the
	// selectors (all series when there are none) and have samples in w.
	LabelValues(ctx context.Context, label string, matching []string, w Window) ([]string, error)
	// Series lists at most limit label sets that match one of the selectors in w.
	Series(ctx context.Context, matching []string, w Window, limit int) ([]Labels, error)
	// Metadata tells type, unit and help by metric name; not every server knows them.
	Metadata(ctx context.Context) (map[string]MetricMetadata, error)
	// Exemplars lists the exemplars of the series that query selects, oldest first.
	// An exemplar's trace may never have been stored: check it before believing it.
	Exemplars(ctx context.Context, query string, w Window) ([]Exemplar, error)
	// Alerts lists the alerts that are pending or firing now.
	Alerts(ctx context.Context) ([]Alert, error)
	// Link is the address of the query in the backend's own page.
	Link(query string, w Window) string
}

// Traces reads traces. Implementations are safe for concurrent use. Errors are *Error.
type Traces interface {
	// Backend is whose API this is, as errors and the ledger name it.
	Backend() Backend
	// Services lists the names of the services that have sent spans.
	Services(ctx context.Context) ([]string, error)
	// Operations lists the operations of one service.
	Operations(ctx context.Context, service string) ([]Operation, error)
	// Search finds traces with a span that fits q. The backend picks which ones when
	// more fit than q.Limit; they are some recent ones, not the slowest. No match is
	// an empty answer and not an error.
	Search(ctx context.Context, q TraceQuery) (TraceAnswer, error)
	// Trace fetches one trace with all its spans; around is where to look for it and
	// may be zero. An unknown ID is an error that is ErrNotFound.
	Trace(ctx context.Context, id TraceID, around Window) (Trace, error)
	// Dependencies lists who called whom in w, as the backend counted it.
	Dependencies(ctx context.Context, w Window) ([]Dependency, error)
	// Link is the address of the trace in the backend's own page; span may be empty.
	Link(id TraceID, span SpanID) string
	// SearchLink is the address of a search in the backend's own page.
	SearchLink(q TraceQuery) string
}

// Logs reads log records. Queries are LogQL. Implementations are safe for concurrent
// use. An empty answer is no error; errors are *Error.
type Logs interface {
	// Records fetches up to limit records that query selects in w, oldest first where
	// forward, else newest first, paging as needed. Truncated tells that there are more.
	Records(ctx context.Context, query string, w Window, limit int, forward bool) (RecordAnswer, error)
	// Follow hands over the records that query selects as they arrive, until ctx ends:
	// those that come from now on where from is zero, else those since from first.
	//
	// It calls each from one goroutine, in the order of arrival, with the records that
	// came together, which are each's to keep, and with how many more the server says
	// that it has dropped because they were not read fast enough. Either may be none,
	// not both.
	//
	// A connection that breaks is opened again, after a wait that grows up to a bound,
	// and what the server got meanwhile is read, from shortly before the newest record
	// handed over. No record is lost that the server still has, except one that arrived
	// meanwhile with a time before that; none is handed over twice: records that are
	// equal in time, labels, metadata and line are the same one.
	//
	// The error is nil when ctx ended, by a deadline too, else an *Error: at once where
	// asking again would not help, otherwise after some failures in a row.
	Follow(ctx context.Context, query string, from time.Time, each func(records []Record, dropped int)) error
	// Instant evaluates a LogQL metric query at one moment.
	Instant(ctx context.Context, query string, at time.Time) (SeriesAnswer, error)
	// Range evaluates a LogQL metric query from w.From to w.To at every step.
	Range(ctx context.Context, query string, w Window, step time.Duration) (SeriesAnswer, error)
	// Labels lists the names of the stream labels in use in w.
	Labels(ctx context.Context, w Window) ([]string, error)
	// LabelValues lists the values of one stream label in use in w.
	LabelValues(ctx context.Context, label string, w Window) ([]string, error)
	// Streams lists the label sets of the streams that match selector (all when
	// empty) and have records in w.
	Streams(ctx context.Context, selector string, w Window) ([]Labels, error)
	// Fields names what can be parsed from the records that query selects.
	Fields(ctx context.Context, query string, w Window) ([]Field, error)
	// Volume tells how many bytes of records selector selects in w, by the values of
	// the labels that are named (or of those in the selector).
	Volume(ctx context.Context, selector string, by []string, w Window) ([]Volume, error)
	// Link is the address at which the query can be asked again: the API's own, as
	// the backend has no page.
	Link(query string, w Window) string
}

// Notebook keeps the notes that people write down: records like others, in a place that was
// named for that. Implementations are safe for concurrent use. Errors are *Error.
type Notebook interface {
	// Records and Link are those of Logs.
	Records(ctx context.Context, query string, w Window, limit int, forward bool) (RecordAnswer, error)
	Link(query string, w Window) string
	// Push writes one record. It returns when the record has been taken.
	Push(ctx context.Context, r Record) error
}
