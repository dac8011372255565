package lokiapi

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"obs/sources/sandbox/lokiapi/logql"
)

const (
	// maxDelay is how long a tail may be told to wait for late records, in seconds.
	maxDelay = 5
	// tailPause is how long records are gathered before they are sent.
	tailPause = 500 * time.Millisecond
	// tailBacklog is how many records may wait for a reader that is slow.
	tailBacklog = 10_000
	tailWrite   = 10 * time.Second
)

// arrival is a record that has just come.
type arrival struct {
	time     int64
	line     string
	stream   logql.Labels
	metadata logql.Labels
}

// listener is somebody who wants to know of arrivals.
type listener struct {
	arrivals chan arrival
	missed   atomic.Int64
}

func (s *Store) tell(time int64, line string, stream, metadata logql.Labels) {
	s.listeners.Range(func(key, _ any) bool {
		l := key.(*listener)
		select {
		case l.arrivals <- arrival{time, line, stream, metadata}:
		default:
			l.missed.Add(1)
		}
		return true
	})
}

func (s *Store) listen() (l *listener, stop func()) {
	l = &listener{arrivals: make(chan arrival, tailBacklog)}
	s.listeners.Store(l, nil)
	return l, func() { s.listeners.Delete(l) }
}

// frame is one message of a tail.
type frame struct {
	Streams        []lineStream `json:"streams"`
	DroppedEntries []dropped    `json:"dropped_entries,omitempty"`
	EncodingFlags  []string     `json:"encodingFlags,omitempty"`
}

type dropped struct {
	Timestamp time.Time `json:"timestamp"`
	Labels    string    `json:"labels"`
}

// tail sends the newest records that there are, and then those that come.
func (s *server) tail(w http.ResponseWriter, r *http.Request) {
	q, backlog, delay, err := s.tailQuery(r)
	if err != nil {
		refuse(w, err)
		return
	}
	tailer, err := logql.NewTailer(q)
	if err != nil {
		refuse(w, err)
		return
	}
	listener, stop := s.store.listen()
	defer stop()
	first, err := logql.Lines(r.Context(), s.store, q, backlog)
	if err != nil {
		refuse(w, err)
		return
	}
	slices.Reverse(first)
	connection, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = connection.CloseNow() }()
	// What the other side says is of no interest, except that it goes.
	ctx := connection.CloseRead(r.Context())
	t := &tailing{connection: connection, apart: categorized(r.Header), listener: listener, tailer: tailer, delay: delay}
	t.skip(first)
	if err := t.send(ctx, first); err == nil {
		t.follow(ctx)
	}
	_ = connection.Close(websocket.StatusNormalClosure, "")
}

func (s *server) tailQuery(httpRequest *http.Request) (q *logql.LogQuery, backlog logql.LineParams, delay time.Duration, err error) {
	if err := httpRequest.ParseForm(); err != nil {
		return nil, backlog, 0, badRequest("%v", err)
	}
	r := &request{Request: httpRequest, params: httpRequest.Form, now: s.Now(), server: s}
	e, err := logql.Parse(r.params.Get("query"))
	if err != nil {
		return nil, backlog, 0, err
	}
	q, ok := e.(*logql.LogQuery)
	if !ok {
		return nil, backlog, 0, badRequest("only log selector is supported")
	}
	limit, err := r.lines("limit", 100)
	if err != nil {
		return nil, backlog, 0, err
	}
	from, err := r.moment("start", r.now.Add(-time.Hour))
	if err != nil {
		return nil, backlog, 0, err
	}
	seconds, err := r.number("delay_for", 0)
	if err != nil {
		return nil, backlog, 0, err
	}
	if seconds > maxDelay {
		return nil, backlog, 0, badRequest("delay_for can't be greater than %d", maxDelay)
	}
	return q, logql.LineParams{From: from.UnixNano(), To: r.now.UnixNano() + 1, Limit: limit}, time.Duration(max(seconds, 0)) * time.Second, nil
}

type tailing struct {
	connection *websocket.Conn
	apart      bool
	listener   *listener
	tailer     *logql.Tailer
	delay      time.Duration
	unsure     int             // how many of the next arrivals may be among the first lines
	first      map[string]bool // the first lines
}

// skip notes the lines that are sent first, since what has arrived while they were
// looked for may be one of them.
func (t *tailing) skip(first []logql.Line) {
	t.unsure, t.first = len(t.listener.arrivals), map[string]bool{}
	for _, line := range first {
		t.first[lineKey(line)] = true
	}
}

func lineKey(l logql.Line) string {
	return strconv.FormatInt(l.Time, 10) + " " + l.All().Key() + " " + l.Text
}

// follow sends what arrives until the other side has gone.
func (t *tailing) follow(ctx context.Context) {
	tick := time.NewTicker(tailPause + t.delay)
	defer tick.Stop()
	var gathered []logql.Line
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-t.listener.arrivals:
			line, ok := t.tailer.Line(a.time, a.line, a.stream, a.metadata)
			if t.unsure--; ok && (t.unsure < 0 || !t.first[lineKey(line)]) {
				gathered = append(gathered, line)
			}
		case <-tick.C:
			slices.SortStableFunc(gathered, func(a, b logql.Line) int { return int(min(max(a.Time-b.Time, -1), 1)) })
			if err := t.send(ctx, gathered); err != nil {
				return
			}
			gathered = nil
		}
	}
}

func (t *tailing) send(ctx context.Context, found []logql.Line) error {
	missed := t.listener.missed.Swap(0)
	if len(found) == 0 && missed == 0 {
		return nil
	}
	f := frame{Streams: groupLines(found, t.apart)}
	if missed > 0 {
		f.DroppedEntries = []dropped{{Timestamp: time.Now().UTC(), Labels: "{}"}}
	}
	if t.apart {
		f.EncodingFlags = []string{"categorize-labels"}
	}
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tailWrite)
	defer cancel()
	return t.connection.Write(ctx, websocket.MessageText, text)
}
