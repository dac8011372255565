package recording

import (
	"context"
	"net/http"
	"net/url"
	"sync"

	"obs/sources"
	"obs/sources/redact"
	"obs/sources/transport"
)

// Recorder is a transport.Tape that keeps what goes over it. The run itself sees the answers as
// they are; what is kept of them is redacted.
type Recorder struct {
	mu        sync.Mutex
	exchanges []Exchange
}

// Exchange implements transport.Tape.
func (r *Recorder) Exchange(_ context.Context, backend sources.Backend, asked transport.Asked, send func() transport.Exchange) transport.Exchange {
	got := send()
	kept := Exchange{
		Backend: backend, Method: asked.Method, Path: redact.Text(asked.Path), Params: redacted(asked.Params),
		Status: got.Status, Header: http.Header(redacted(url.Values(got.Header))), Host: got.Host,
		Asked: got.Asked.UTC(), Answered: got.Answered.UTC(), Broken: failedOf(got.Broken), Refused: failedOf(got.Refused),
	}
	if len(got.Body) > 0 {
		kept.setBody([]byte(redact.Text(string(got.Body))))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exchanges = append(r.exchanges, kept)
	return got
}

// Recording is what was kept so far, below a head, with the queries that led to it.
func (r *Recorder) Recording(head Head, queries []sources.Query) *Recording {
	r.mu.Lock()
	defer r.mu.Unlock()
	head.Schema = schema
	kept := &Recording{Head: head, Exchanges: r.exchanges}
	for _, q := range queries {
		kept.Queries = append(kept.Queries, Query{
			Backend: q.Backend, Text: redact.Text(q.Text), Window: q.Window, Status: q.Status, Error: redact.Text(q.Error), Partial: redact.Text(q.Partial),
			DurationSeconds: q.Duration.Seconds(), ReadBytes: q.Bytes, Records: q.Records, Attempts: q.Attempts,
		})
	}
	return kept
}

// redacted is parameters without what looks like a secret.
func redacted(values url.Values) url.Values {
	if len(values) == 0 {
		return nil
	}
	clean := make(url.Values, len(values))
	for name, all := range values {
		for _, value := range all {
			clean[name] = append(clean[name], redact.Field(name, value))
		}
	}
	return clean
}

func failedOf(f *transport.Failed) *Failed {
	if f == nil {
		return nil
	}
	return &Failed{Kind: kindName(f.Kind), Detail: redact.Text(f.Detail), Hint: f.Hint, Again: f.Again, Ended: f.Ended}
}
