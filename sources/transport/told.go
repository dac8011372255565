package transport

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"obs/sources"
)

type timesKey struct{}

// times are this machine's around the beginning of the last answer.
type times struct {
	last atomic.Pointer[[2]time.Time]
}

// Timed returns a context whose requests note when they were answered, for Told.
func Timed(ctx context.Context) context.Context {
	return context.WithValue(ctx, timesKey{}, &times{})
}

func noteTimes(ctx context.Context, asked, answered time.Time) {
	if t, ok := ctx.Value(timesKey{}).(*times); ok {
		t.last.Store(&[2]time.Time{asked, answered})
	}
}

// Told notes in s when the last answer to a request with a context of Timed came, by this
// machine's clock and by the server's own, which stands in the answer's header.
func Told(ctx context.Context, header http.Header, s *sources.Server) {
	if t, ok := ctx.Value(timesKey{}).(*times); ok {
		if last := t.last.Load(); last != nil {
			s.Asked, s.Answered = last[0], last[1]
		}
	}
	if at, err := http.ParseTime(header.Get("Date")); err == nil {
		s.Clock = at.UTC()
	}
}
