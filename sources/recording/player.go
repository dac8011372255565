package recording

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"obs/sources"
	"obs/sources/redact"
	"obs/sources/transport"
)

// Player is a transport.Tape that answers as the servers of a recorded run did, and sends
// nothing. An attempt at the same request gets what the next such attempt got, and the last
// one again after that.
type Player struct {
	mu        sync.Mutex
	exchanges map[string][]*Exchange // by request, those that are left, in order
	queries   map[string][]int       // by query, the places that are left
	recorded  []Query
	unknown   int
}

// NewPlayer plays a recording from its beginning.
func NewPlayer(r *Recording) *Player {
	p := &Player{exchanges: map[string][]*Exchange{}, queries: map[string][]int{}, recorded: r.Queries}
	for i := range r.Exchanges {
		e := &r.Exchanges[i]
		key := requestKey(e.Backend, transport.Asked{Method: e.Method, Path: e.Path, Params: e.Params})
		p.exchanges[key] = append(p.exchanges[key], e)
	}
	for i := range r.Queries {
		q := &r.Queries[i]
		key := queryKey(q.Backend, q.Text, q.Window)
		p.queries[key] = append(p.queries[key], i)
	}
	return p
}

// requestKey names a request as the recording has it. What is redacted in an answer may come
// back in a later request, redacted here and as it was there.
func requestKey(backend sources.Backend, asked transport.Asked) string {
	return string(backend) + " " + asked.Method + " " + redact.Text(asked.Path) + "?" + redacted(asked.Params).Encode()
}

func queryKey(backend sources.Backend, text string, w sources.Window) string {
	return fmt.Sprintf("%s %s %d %d", backend, redact.Text(text), w.From.UnixNano(), w.To.UnixNano())
}

// Exchange implements transport.Tape.
func (p *Player) Exchange(ctx context.Context, backend sources.Backend, asked transport.Asked, _ func() transport.Exchange) transport.Exchange {
	e := p.next(requestKey(backend, asked))
	if e == nil {
		return transport.Exchange{Broken: &transport.Failed{
			Kind: sources.ErrUnreachable, Detail: "the recording does not hold this question",
			Hint: "it holds what its own run asked: ask the same, or record again",
		}}
	}
	if e.Broken != nil && e.Broken.Ended {
		<-ctx.Done() // for the same reason as in the run that was recorded
	}
	return transport.Exchange{
		Status: e.Status, Header: e.Header, Host: e.Host, Body: e.body(), Asked: e.Asked, Answered: e.Answered,
		Broken: e.Broken.played(), Refused: e.Refused.played(),
	}
}

func (p *Player) next(key string) *Exchange {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := p.exchanges[key]
	switch len(left) {
	case 0:
		p.unknown++
		return nil
	case 1:
		return left[0]
	}
	p.exchanges[key] = left[1:]
	return left[0]
}

// Unknown is how many requests the recording did not hold.
func (p *Player) Unknown() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unknown
}

// Query finds a query in the recorded run, for sources.Ledger.
func (p *Player) Query(q sources.Query) (place int, went sources.Query, found bool) {
	key := queryKey(q.Backend, q.Text, q.Window)
	p.mu.Lock()
	defer p.mu.Unlock()
	left := p.queries[key]
	if len(left) == 0 {
		return 0, q, false
	}
	p.queries[key] = left[1:]
	r := &p.recorded[left[0]]
	return left[0], sources.Query{
		Backend: r.Backend, Text: q.Text, Window: q.Window, Status: r.Status, Error: r.Error, Partial: r.Partial,
		Duration: time.Duration(math.Round(r.DurationSeconds * float64(time.Second))), Bytes: r.ReadBytes, Records: r.Records, Attempts: r.Attempts,
	}, true
}

func (f *Failed) played() *transport.Failed {
	if f == nil {
		return nil
	}
	kind := kinds[f.Kind]
	if kind == nil {
		kind = sources.ErrServer // of a newer obs
	}
	return &transport.Failed{Kind: kind, Detail: f.Detail, Hint: f.Hint, Again: f.Again, Ended: f.Ended}
}
