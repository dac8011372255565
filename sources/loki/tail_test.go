package loki_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"pgregory.net/rapid"

	"obs/sources"
	"obs/sources/loki"
	"obs/sources/sandbox/lokiapi"
	"obs/sources/transport"
)

// tailServer is a Loki within a synctest bubble: over a network in memory, so that time
// passes only when all wait. It stores what it is told to, answers queries from that,
// and lets tail say what happens over each connection, of which the first is number 1.
type tailServer struct {
	t    *testing.T
	tail func(n int, c tailConnection)

	serving sync.WaitGroup // what a handler still does

	mu     sync.Mutex
	stored []sources.Record
	asked  []*http.Request // tails
	opened []time.Time     // when they were
}

type tailConnection struct {
	*websocket.Conn
	ctx context.Context // ends with the connection
}

// send sends a frame, unless the other side has gone.
func (c tailConnection) send(text string) {
	_ = c.Write(c.ctx, websocket.MessageText, []byte(text))
}

// wait is for the other side to go.
func (c tailConnection) wait() { <-c.ctx.Done() }

func (c tailConnection) records(records ...sources.Record) { c.send(frameOf(records...)) }

// frameOf has a stream for each record, as their labels may differ.
func frameOf(records ...sources.Record) string { return `{"streams":` + streamsOf(records) + `}` }

func streamsOf(records []sources.Record) string {
	streams := make([]string, len(records))
	for i, r := range records {
		streams[i] = fmt.Sprintf(`{"stream":%s,"values":[["%d",%q,{"structuredMetadata":%s}]]}`,
			labelsJSON(r.Stream), r.Time.UnixNano(), r.Line, labelsJSON(r.Metadata))
	}
	return "[" + strings.Join(streams, ",") + "]"
}

func labelsJSON(labels sources.Labels) string {
	var pairs []string
	for name, value := range labels {
		pairs = append(pairs, fmt.Sprintf("%q:%q", name, value))
	}
	return "{" + strings.Join(pairs, ",") + "}"
}

func (s *tailServer) store(records ...sources.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored = append(s.stored, records...)
}

func (s *tailServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.serving.Add(1)
	defer s.serving.Done()
	if strings.HasSuffix(r.URL.Path, "/query_range") {
		s.query(w, r)
		return
	}
	s.mu.Lock()
	s.asked, s.opened = append(s.asked, r.Clone(context.WithoutCancel(r.Context()))), append(s.opened, time.Now())
	n := len(s.asked)
	s.mu.Unlock()
	socket, err := websocket.Accept(w, r, nil)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer func() { _ = socket.CloseNow() }()
	s.tail(n, tailConnection{socket, socket.CloseRead(r.Context())})
}

func (s *tailServer) query(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	number := func(name string) int64 {
		n, err := strconv.ParseInt(r.FormValue(name), 10, 64)
		if err != nil {
			s.t.Error(err)
		}
		return n
	}
	found := slices.Clone(s.stored)
	found = slices.DeleteFunc(found, func(r sources.Record) bool {
		return r.Time.UnixNano() < number("start") || r.Time.UnixNano() >= number("end")
	})
	slices.SortStableFunc(found, func(a, b sources.Record) int { return a.Time.Compare(b.Time) })
	found = found[:min(len(found), int(number("limit")))]
	_, _ = w.Write([]byte(`{"status":"success","data":{"resultType":"streams","result":` + streamsOf(found) + `}}`))
}

// inMemory is a listener without a network.
type inMemory struct {
	connections chan net.Conn
	closed      chan struct{}
}

func (l inMemory) Accept() (net.Conn, error) {
	select {
	case c := <-l.connections:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l inMemory) Close() error   { close(l.closed); return nil }
func (l inMemory) Addr() net.Addr { return &net.TCPAddr{} }

func (l inMemory) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.connections <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, errors.New("nobody listens")
	}
}

// inBubble calls do in a synctest bubble, with a client for the server.
func inBubble(t *testing.T, tail func(n int, c tailConnection), adjust func(*transport.Options), do func(t *testing.T, s *tailServer, c *loki.Client, l *sources.Ledger)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &tailServer{t: t, tail: tail}
		listener := inMemory{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
		s.serving.Go(func() { _ = server.Serve(listener) })
		base := &http.Transport{DialContext: listener.dial}
		o := transport.Options{Backend: sources.Loki, URL: "http://loki", Base: base, Explain: loki.Explain, Retries: -1}
		if adjust != nil {
			adjust(&o)
		}
		client, err := transport.New(o)
		if err != nil {
			t.Fatal(err)
		}
		ledger := &sources.Ledger{}
		do(t, s, loki.New(client, ledger), ledger)
		client.Close()
		_ = server.Close()
		s.serving.Wait()
	})
}

// follow follows until so many records and dropped ones have come, or it ends by itself.
func follow(t *testing.T, c *loki.Client, from time.Time, want int) (records []sources.Record, dropped int, err error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = c.Follow(ctx, lines, from, func(some []sources.Record, lost int) {
		if len(some) == 0 && lost == 0 {
			t.Error("called for nothing")
		}
		records, dropped = append(records, some...), dropped+lost
		if len(records)+dropped >= want {
			cancel()
		}
	})
	return records, dropped, err
}

func entry(at time.Time, line string) sources.Record {
	return sources.Record{Time: at.UTC(), Stream: sources.Labels{"app": "a"}, Metadata: sources.Labels{"m": "1"}, Line: line}
}

func TestFollow(t *testing.T) {
	inBubble(t, func(_ int, c tailConnection) {
		c.send(`{"streams":[
			{"stream":{"a":"b","__stream_shard__":"1"},"values":[["1767225600000000002","second",{"structuredMetadata":{"trace_id":"7"},"parsed":{"x":"y"}}]]},
			{"stream":{"c":"d"},"values":[["1767225600000000001","first"],["1767225600000000002","third"]]}],
			"dropped_entries":null,"encodingFlags":["categorize-labels"]}`)
		c.send(`{"streams":null}`)
		c.send(`{"dropped_entries":[{"timestamp":"2026-01-01T00:00:00Z","labels":"{}"},{"timestamp":"2026-01-01T00:00:01Z","labels":"{}"}]}`)
		c.send(`{"streams":[{"stream":{"c":"d"},"values":[["1767225600000000001","first"],["1","\u001b late"]]}]}`)
		c.wait()
	}, nil, func(t *testing.T, s *tailServer, c *loki.Client, l *sources.Ledger) {
		begun := time.Now()
		got, dropped, err := follow(t, c, time.Time{}, 6)
		if err != nil || dropped != 2 {
			t.Errorf("dropped %d, %v", dropped, err)
		}
		cd := sources.Labels{"c": "d"}
		// One of two records that are equal in everything is enough.
		mustBe(t, got, []sources.Record{
			{Time: recorded.From.Add(1), Stream: cd, Line: "first"},
			{Time: recorded.From.Add(2), Stream: sources.Labels{"a": "b"}, Metadata: sources.Labels{"trace_id": "7"}, Line: "second"},
			{Time: recorded.From.Add(2), Stream: cd, Line: "third"},
			{Time: time.Unix(0, 1).UTC(), Stream: cd, Line: "\x1b late"},
		})
		if len(s.asked) != 1 {
			t.Fatalf("%d tails", len(s.asked))
		}
		want := url.Values{"query": {lines}, "start": {strconv.FormatInt(begun.UnixNano(), 10)}, "limit": {"1000"}, "delay_for": {"0"}}
		if r := s.asked[0]; r.URL.Path != "/loki/api/v1/tail" || r.URL.Query().Encode() != want.Encode() || r.Header.Get("X-Loki-Response-Encoding-Flags") != "categorize-labels" {
			t.Errorf("asked %s with %v", r.URL, r.Header)
		}
		mustList(t, l, lines, sources.Window{}, sources.QueryOK, 4)
	})
}

// Whatever is stored while no connection is open comes too, once, and in order.
func TestFollowOpensAgain(t *testing.T) {
	var s *tailServer
	at := func(d time.Duration) time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(d) }
	inBubble(t, func(n int, c tailConnection) {
		switch n {
		case 1:
			s.store(entry(at(1), "1"), entry(at(1), "2"))
			c.records(entry(at(1), "1"))
			// Of the same nanosecond, an earlier one, and more.
			s.store(entry(at(1), "3"), entry(at(0), "0"))
			for i := range 1234 {
				s.store(entry(at(2), fmt.Sprint("more ", i)))
			}
		case 2:
			s.store(entry(at(3), "4"))
			c.records(entry(at(1), "1"), entry(at(2), "more 7"), entry(at(3), "4")) // the server's own backlog
			_ = c.Close(websocket.StatusGoingAway, "restarting")
		default:
			c.records(entry(at(4), "5"))
			c.wait()
		}
	}, nil, func(t *testing.T, server *tailServer, c *loki.Client, l *sources.Ledger) {
		s = server
		got, _, err := follow(t, c, time.Time{}, 1240)
		if err != nil {
			t.Fatal(err)
		}
		want := []sources.Record{entry(at(1), "1"), entry(at(0), "0"), entry(at(1), "2"), entry(at(1), "3")}
		for i := range 1234 {
			want = append(want, entry(at(2), fmt.Sprint("more ", i)))
		}
		mustBe(t, got, append(want, entry(at(3), "4"), entry(at(4), "5")))
		if q := l.Queries()[0]; q.Status != sources.QueryOK || q.Records != 1240 || q.Attempts != 3 {
			t.Errorf("ledger: %+v", q)
		}
		for i := 1; i < len(s.opened); i++ {
			if pause := s.opened[i].Sub(s.opened[i-1]); pause < 125*time.Millisecond || pause > 250*time.Millisecond {
				t.Errorf("paused for %s after a connection that worked", pause)
			}
		}
	})
}

func TestFollowSince(t *testing.T) {
	from := time.Date(1999, 12, 31, 23, 0, 0, 0, time.UTC)
	inBubble(t, func(_ int, c tailConnection) {
		c.records(entry(from.Add(3499*time.Second), "3499"), entry(from.Add(3500*time.Second), "3500"))
		c.wait()
	}, nil, func(t *testing.T, s *tailServer, c *loki.Client, _ *sources.Ledger) {
		var want []sources.Record
		for i := range 3501 {
			want = append(want, entry(from.Add(time.Duration(i)*time.Second), strconv.Itoa(i)))
		}
		s.store(want[:3500]...)
		s.store(entry(from.Add(-1), "before"))
		got, _, err := follow(t, c, from, 3501)
		if err != nil {
			t.Fatal(err)
		}
		mustBe(t, got, want)
	})
}

// Of one nanosecond with more records than can be had, the tail goes on behind it.
func TestFollowSinceACrowdedNanosecond(t *testing.T) {
	from := time.Date(1999, 12, 31, 23, 0, 0, 0, time.UTC)
	inBubble(t, func(_ int, c tailConnection) { c.wait() }, nil, func(t *testing.T, s *tailServer, c *loki.Client, _ *sources.Ledger) {
		for i := range 6000 {
			s.store(entry(from, strconv.Itoa(i)))
		}
		s.store(entry(from.Add(1), "behind"))
		got, _, err := follow(t, c, from, 5001)
		if err != nil || got[len(got)-1].Line != "behind" {
			t.Errorf("%d records, %v", len(got), err)
		}
	})
}

func TestFollowGivesUp(t *testing.T) {
	inBubble(t, func(n int, c tailConnection) {
		if n == 1 {
			c.records(entry(time.Now(), "only"))
		}
	}, nil, func(t *testing.T, s *tailServer, c *loki.Client, l *sources.Ledger) {
		begun := time.Now()
		got, _, err := follow(t, c, time.Time{}, 2)
		failure, ok := errors.AsType[*sources.Error](err)
		if !ok || !errors.Is(err, sources.ErrUnreachable) || failure.Asked != lines || failure.Hint == "" || len(got) != 1 {
			t.Errorf("%d records, %v", len(got), err)
		}
		// The first worked; after it come ten that did not, with nine waits of
		// 0.25, 0.5, 1, 2, 4, 8, 10, 10 seconds or as little as half of that.
		took := time.Since(begun)
		if len(s.asked) != 10 || took < 22*time.Second || took > 46*time.Second {
			t.Errorf("%d connections in %s", len(s.asked), took)
		}
		if q := l.Queries()[0]; q.Status != sources.QueryFailed || q.Records != 1 || q.Error != err.Error() {
			t.Errorf("ledger: %+v", q)
		}
	})
}

// Connections that show a sign of life are no failures, however often they break.
func TestFollowGoesOn(t *testing.T) {
	for name, live := range map[string]func(tailConnection){
		"frame": func(c tailConnection) { c.send(`{"streams":[]}`) },
		"ping":  func(c tailConnection) { _ = c.Ping(c.ctx) },
		"quiet for a minute": func(c tailConnection) {
			select {
			case <-time.After(time.Minute):
			case <-c.ctx.Done():
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(n int, c tailConnection) {
				if live(c); n == 50 {
					c.records(entry(time.Now(), "last"))
					c.wait()
				}
			}, nil, func(t *testing.T, _ *tailServer, c *loki.Client, _ *sources.Ledger) {
				if got, _, err := follow(t, c, time.Time{}, 1); err != nil || len(got) != 1 {
					t.Errorf("%d records, %v", len(got), err)
				}
			})
		})
	}
}

// The time that one answer may take is no bound for a tail, and a tail takes no place
// among the questions under way.
func TestFollowForHours(t *testing.T) {
	inBubble(t, func(_ int, c tailConnection) {
		select {
		case <-time.After(5 * time.Hour):
			c.records(entry(time.Now(), "late"))
		case <-c.ctx.Done():
		}
		c.wait()
	}, func(o *transport.Options) { o.Timeout, o.Concurrency = time.Second, 1 }, func(t *testing.T, s *tailServer, c *loki.Client, _ *sources.Ledger) {
		time.AfterFunc(time.Hour, func() {
			if _, err := c.Records(t.Context(), lines, recorded, 1, true); err != nil {
				t.Error(err)
			}
		})
		if got, _, err := follow(t, c, time.Time{}, 1); err != nil || len(got) != 1 || len(s.asked) != 1 {
			t.Errorf("%d records over %d connections, %v", len(got), len(s.asked), err)
		}
	})
}

func TestFollowEndsWithItsContext(t *testing.T) {
	for name, tail := range map[string]func(int, tailConnection){
		"while it waits for records":      func(_ int, c tailConnection) { c.wait() },
		"while it waits to connect again": func(int, tailConnection) {},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, tail, nil, func(t *testing.T, _ *tailServer, c *loki.Client, l *sources.Ledger) {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				begun := time.Now()
				err := c.Follow(ctx, lines, time.Time{}, func([]sources.Record, int) { t.Error("a record") })
				if took := time.Since(begun); err != nil || took != 2*time.Second {
					t.Errorf("%v after %s", err, took)
				}
				if q := l.Queries()[0]; q.Status != sources.QueryEmpty {
					t.Errorf("ledger: %+v", q)
				}
			})
		})
	}
}

func TestFollowRefusesFrames(t *testing.T) {
	for name, test := range map[string]struct {
		frame string
		kind  error
		hint  string
	}{
		"no JSON":               {"<html>", sources.ErrNotThisAPI, ""},
		"nothing":               {"", sources.ErrNotThisAPI, ""},
		"another object":        {`{"status":"error"}`, sources.ErrNotThisAPI, ""},
		"no object":             {`[]`, sources.ErrNotThisAPI, ""},
		"streams of text":       {`{"streams":"x"}`, sources.ErrNotThisAPI, ""},
		"half a record":         {`{"streams":[{"stream":{},"values":[["1","x"],["2"]]}]}`, sources.ErrNotThisAPI, ""},
		"dropped of text":       {`{"streams":[],"dropped_entries":"x"}`, sources.ErrNotThisAPI, ""},
		"more than an answer's": {`{"streams":[]}` + strings.Repeat(" ", 1000), sources.ErrTooLarge, "fewer streams"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(_ int, c tailConnection) {
				c.send(test.frame)
				c.wait()
			}, func(o *transport.Options) { o.MaxBytes = 1000 }, func(t *testing.T, s *tailServer, c *loki.Client, _ *sources.Ledger) {
				got, _, err := follow(t, c, time.Time{}, 1)
				failure, ok := errors.AsType[*sources.Error](err)
				if !ok || !errors.Is(err, test.kind) || !strings.Contains(failure.Hint, test.hint) || failure.Asked != lines || len(got) > 0 || len(s.asked) != 1 {
					t.Errorf("%d records over %d connections, %v", len(got), len(s.asked), err)
				}
			})
		})
	}
}

// Loki opens the web socket before it looks whether it can serve the tail.
func TestFollowClosedWithAReason(t *testing.T) {
	for reason, test := range map[string]struct {
		kind         error
		detail, hint string
	}{
		"max concurrent tail requests limit exceeded, count > limit (11 > 10)": {sources.ErrBusy, "11 > 10", "max_concurrent_tail_requests"},
		"only log selector is supported":                                       {sources.ErrBadQuery, "only log selector is supported", ""},
		"ingester \x1b is gone":                                                {sources.ErrServer, `ingester \x1b is gone`, "log"},
	} {
		inBubble(t, func(_ int, c tailConnection) { _ = c.Close(websocket.StatusInternalError, reason) }, nil, func(t *testing.T, s *tailServer, c *loki.Client, _ *sources.Ledger) {
			_, _, err := follow(t, c, time.Time{}, 1)
			failure, ok := errors.AsType[*sources.Error](err)
			if !ok || !errors.Is(err, test.kind) || !strings.Contains(failure.Detail, test.detail) || !strings.Contains(failure.Hint, test.hint) || len(s.asked) != 1 {
				t.Errorf("%d connections, %v", len(s.asked), err)
			}
		})
	}
}

func TestFollowRefused(t *testing.T) {
	for _, test := range []struct {
		name, file string
		status     int
		kind       error
		detail     string
		hint       string
	}{
		{"syntax", "error_parse.txt", 400, sources.ErrBadQuery, "unexpected $end", ""},
		{"no tenant", "error_tenant.txt", 401, sources.ErrRefused, "no org id", "it keeps tenants apart, and none was named"},
		{"another server", "error_path.txt", 404, sources.ErrNotThisAPI, "404 page not found", "is the address of loki's API"},
		{"too many", "error_busy.txt", 429, sources.ErrBusy, "too many outstanding requests", "queue"},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, ledger := open(t, &canned{t: t, file: test.file, status: test.status})
			_, _, err := follow(t, client, time.Time{}, 1)
			failure, ok := errors.AsType[*sources.Error](err)
			if !ok || !errors.Is(err, test.kind) || failure.Status != test.status || !strings.Contains(failure.Detail, test.detail) ||
				!strings.Contains(failure.Hint, test.hint) || failure.Asked != lines {
				t.Errorf("got %v, hint %q", err, failure.Hint)
			}
			mustList(t, ledger, lines, sources.Window{}, sources.QueryFailed, 0)
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		server := httptest.NewServer(http.NotFoundHandler())
		server.Close()
		client, err := transport.New(transport.Options{Backend: sources.Loki, URL: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := follow(t, loki.New(client, nil), time.Time{}, 1); !errors.Is(err, sources.ErrUnreachable) {
			t.Errorf("got %v", err)
		}
	})
}

// A server that gives fewer lines at once than a tail asks for says so, and is asked anew.
func TestFollowOfAServerWithALowerLimit(t *testing.T) {
	var asked []string
	client, _ := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked = append(asked, r.FormValue("limit")); len(asked) == 1 {
			http.Error(w, "max entries limit per query exceeded, limit > max_entries_limit_per_query (1000 > 7)", http.StatusBadRequest)
			return
		}
		socket, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = socket.CloseNow() }()
		ctx := socket.CloseRead(r.Context())
		_ = socket.Write(ctx, websocket.MessageText, []byte(frameOf(entry(recorded.From, "x"))))
		<-ctx.Done()
	}))
	got, _, err := follow(t, client, time.Time{}, 1)
	if want := []string{"1000", "7"}; err != nil || len(got) != 1 || !reflect.DeepEqual(asked, want) {
		t.Errorf("%d records, asked for %v lines, %v", len(got), asked, err)
	}
}

// However connections break, every record that is stored comes, and comes once, where
// the server tells of each, or does not because it just goes.
func TestFollowLosesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const most = 60
		begin := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		var records []sources.Record
		for i := range rapid.IntRange(1, most).Draw(rt, "records") {
			// Few nanoseconds, so that many records share one, in no order.
			at := begin.Add(time.Duration(rapid.IntRange(0, 9).Draw(rt, "at")))
			records = append(records, entry(at, strconv.Itoa(i)))
		}
		// What happens to each record: told, told twice, or stored only as the connection breaks.
		fates := rapid.SliceOfN(rapid.SampledFrom([]string{"told", "told twice", "not told", "breaks"}), len(records), len(records)).Draw(rt, "fates")
		var (
			s    *tailServer
			next int
			got  []sources.Record
			err  error
		)
		inBubble(t, func(_ int, c tailConnection) {
			for next < len(records) {
				record, fate := records[next], fates[next]
				next++
				s.store(record)
				switch fate {
				case "told twice":
					c.records(record)
					c.records(record)
				case "told":
					c.records(record)
				case "breaks":
					c.records(record)
					return
				case "not told":
					c.send(`{"streams":[]}`)
					return
				}
			}
			c.wait()
		}, nil, func(t *testing.T, server *tailServer, c *loki.Client, _ *sources.Ledger) {
			s = server
			got, _, err = follow(t, c, time.Time{}, len(records))
		})
		var have, want []string
		for i := range records {
			want = append(want, strconv.Itoa(i))
		}
		for _, r := range got {
			have = append(have, r.Line)
		}
		slices.Sort(have)
		slices.Sort(want)
		if err != nil || !slices.Equal(have, want) {
			rt.Fatalf("got %v, want %v, %v", have, want, err)
		}
	})
}

// Against the sandbox: what is written after the tail began, and what was before.
func TestFollowTheSandbox(t *testing.T) {
	store := lokiapi.NewStore()
	add := store.Appender(sources.Labels{"recorded": "yes"})
	other := store.Appender(sources.Labels{"recorded": "no"})
	now := time.Now()
	add(now.Add(-time.Hour), "an hour ago", nil)
	add(now.Add(-time.Minute), "a minute ago", sources.Labels{"trace_id": "1"})
	client, _ := open(t, lokiapi.Handler(store, lokiapi.Options{}))
	for name, test := range map[string]struct {
		from time.Time
		want []string
	}{
		"from now on": {time.Time{}, []string{"live"}},
		"since":       {now.Add(-2 * time.Minute), []string{"a minute ago", "live"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan struct{})
			var writing sync.WaitGroup
			writing.Go(func() {
				// The tail has begun at some time: until it ends, records are written.
				tick := time.NewTicker(10 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-tick.C:
						other(time.Now(), "other", nil)
						add(time.Now(), "live", sources.Labels{"trace_id": "2"})
					case <-ended:
						return
					}
				}
			})
			var got []sources.Record
			err := client.Follow(ctx, lines, test.from, func(some []sources.Record, _ int) {
				if got = append(got, some...); len(got) >= len(test.want)+5 {
					cancel()
				}
			})
			close(ended)
			writing.Wait()
			if err != nil || len(got) < len(test.want) {
				t.Fatalf("%d records, %v", len(got), err)
			}
			for i, r := range got {
				want := test.want[min(i, len(test.want)-1)]
				if r.Line != want || r.Metadata["trace_id"] == "" || r.Stream["trace_id"] != "" || r.Stream["recorded"] != "yes" {
					t.Errorf("record %d: %+v, want %s", i, r, want)
				}
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		for _, query := range []string{"{run=", `rate({run="x"}[1m])`} {
			err := client.Follow(t.Context(), query, time.Time{}, nil)
			if failure, ok := errors.AsType[*sources.Error](err); !ok || !errors.Is(err, sources.ErrBadQuery) || failure.Status != 400 || failure.Asked != query {
				t.Errorf("%s: %v", query, err)
			}
		}
	})
}
