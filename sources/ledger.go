package sources

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Query is one question put to a backend, as the case lists it.
type Query struct {
	Backend  Backend
	Text     string // PromQL, LogQL, or the path and parameters of a trace request
	Window   Window // zero where the question has none
	Status   string // one of the states below
	Error    string // why it failed
	Started  time.Time
	Duration time.Duration
	Bytes    int64 // of the answer's body as read, all attempts together
	Records  int   // series, traces, log records or names in the answer
	// Partial is what the server says is missing of its answer, cleaned; empty where nothing is.
	Partial  string
	Attempts int // 1 plus the number of retries; of the first request where one question takes several
}

// The states of a Query.
const (
	QueryRunning = "running"
	QueryOK      = "ok"
	QueryEmpty   = "empty"
	QueryFailed  = "failed"
	// QueryCancelled is one that was not wanted any more before it was answered.
	QueryCancelled = "cancelled"
)

// Ledger keeps every query that a run sends, and tells an observer of each as it
// starts and ends. The zero value is ready; it is safe for concurrent use.
type Ledger struct {
	// Observe is called as a query starts and as it ends, from the goroutine that
	// asks. It must not block. Set it before the first query.
	Observe func(Query)
	// Now is the clock of the run; time.Now when nil.
	Now func() time.Time
	// Timer is the clock that queries are timed by; Now when nil.
	Timer func() time.Time
	// Play finds a query that starts in the earlier run that is replayed: its place among that
	// run's queries, and how it went. Nil where none is replayed.
	Play func(Query) (place int, went Query, found bool)

	mu      sync.Mutex
	queries []*Query
	played  map[*Query]played // by the query of this run
}

// played is a query of an earlier run.
type played struct {
	place int
	went  Query
}

// Queries is a copy of all queries so far, in the order of sending; in that of the earlier run
// where one is replayed, since what is asked at the same time comes in any order.
func (l *Ledger) Queries() []Query {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	inOrder := l.queries
	if l.Play != nil {
		place := func(q *Query) int {
			if p, found := l.played[q]; found {
				return p.place
			}
			return math.MaxInt
		}
		inOrder = slices.Clone(inOrder)
		slices.SortStableFunc(inOrder, func(a, b *Query) int { return cmp.Compare(place(a), place(b)) })
	}
	all := make([]Query, len(inOrder))
	for i, q := range inOrder {
		all[i] = *q
	}
	return all
}

// Call is a query under way.
type Call struct {
	ledger   *Ledger
	query    *Query
	bytes    atomic.Int64
	attempts atomic.Int64
	of       *Call // whose part it is; nil for a question of its own
}

type callKey struct{}

// Start notes a query as running. The context it returns carries the call, so that
// the transport can count bytes and attempts. Each Start wants one End. A nil ledger
// keeps nothing, but its calls count all the same.
func (l *Ledger) Start(ctx context.Context, backend Backend, text string, w Window) (context.Context, *Call) {
	call := &Call{ledger: l, query: &Query{Backend: backend, Text: text, Window: w, Status: QueryRunning}}
	if l != nil {
		call.query.Started = l.timer()
		l.mu.Lock()
		l.queries = append(l.queries, call.query)
		if l.Play != nil {
			if place, went, found := l.Play(*call.query); found {
				if l.played == nil {
					l.played = map[*Query]played{}
				}
				l.played[call.query] = played{place, went}
			}
		}
		started := *call.query
		l.mu.Unlock()
		l.tell(started)
	}
	return context.WithValue(ctx, callKey{}, call), call
}

// End notes how the query went. Not found is an answer, and listed as empty.
func (c *Call) End(records int, err error) {
	if c.ledger == nil {
		return
	}
	l := c.ledger
	now := l.timer()
	l.mu.Lock()
	q := c.query
	q.Duration = now.Sub(q.Started)
	q.Bytes = c.bytes.Load()
	q.Attempts = int(c.attempts.Load())
	q.Records = records
	switch {
	case isNotFound(err):
		q.Status = QueryEmpty
	case errors.Is(err, context.Canceled):
		q.Status = QueryCancelled
	case err != nil:
		q.Status, q.Error = QueryFailed, err.Error()
	case records == 0:
		q.Status = QueryEmpty
	default:
		q.Status = QueryOK
	}
	if p, found := l.played[q]; found {
		// The query's own text and window stay: a recording has no secrets that may stand there.
		p.went.Text, p.went.Window, p.went.Started = q.Text, q.Window, q.Started
		*q = p.went
	}
	ended := *q
	l.mu.Unlock()
	l.tell(ended)
}

// Partial notes what the server says is missing of its answer, of several the first. A nil
// call ignores it.
func (c *Call) Partial(why string) {
	if c == nil || c.ledger == nil {
		return
	}
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	if c.query.Partial == "" {
		c.query.Partial = Printable(why)
	}
}

// Part returns a context for further requests that the same question takes: what they read
// counts, and how often each is tried does not. A nil call has no parts.
func (c *Call) Part(ctx context.Context) context.Context {
	if c == nil {
		return ctx
	}
	return context.WithValue(ctx, callKey{}, &Call{query: c.query, of: c})
}

// CallFrom is the call that a context carries, or nil.
func CallFrom(ctx context.Context) *Call {
	call, _ := ctx.Value(callKey{}).(*Call)
	return call
}

// Asked is the text of the query; empty for a nil call.
func (c *Call) Asked() string {
	if c == nil {
		return ""
	}
	return c.query.Text
}

// AddBytes counts bytes of an answer. A nil call ignores it.
func (c *Call) AddBytes(n int) {
	if c != nil {
		c.bytes.Add(int64(n))
		c.of.AddBytes(n)
	}
}

// AddAttempt counts one more try. A nil call ignores it.
func (c *Call) AddAttempt() {
	if c != nil {
		c.attempts.Add(1)
	}
}

// Time is the moment by the clock of the run. A nil ledger has the machine's.
func (l *Ledger) Time() time.Time {
	if l != nil && l.Now != nil {
		return l.Now()
	}
	return time.Now()
}

func (l *Ledger) timer() time.Time {
	if l.Timer != nil {
		return l.Timer()
	}
	return l.Time()
}

func (l *Ledger) tell(q Query) {
	if l.Observe != nil {
		l.Observe(q)
	}
}
