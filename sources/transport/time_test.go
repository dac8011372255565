package transport_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"obs/sources"
	"obs/sources/transport"
)

// sleeper is a network that answers after a while, or when it is told to stop.
type sleeper struct {
	header, body time.Duration
}

func (s sleeper) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := pause(r.Context(), s.header); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(slowBody{r.Context(), s.body})}, nil
}

type slowBody struct {
	ctx context.Context
	d   time.Duration
}

func (b slowBody) Read([]byte) (int, error) {
	if err := pause(b.ctx, b.d); err != nil {
		return 0, err
	}
	return 0, io.EOF
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestTimeout(t *testing.T) {
	for name, network := range map[string]sleeper{
		"before the header": {header: time.Minute},
		"in the body":       {header: time.Second, body: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				_, entry, err := ask(t.Context(), newClient(t, "http://host", func(o *transport.Options) {
					o.Base, o.Timeout = network, 5*time.Second
				}))
				failure := failureOf(t, err)
				if !errors.Is(err, sources.ErrTimeout) || sources.IsCancelled(err) || failure.Detail != "no answer within 5s" {
					t.Errorf("got %v", err)
				}
				if took := time.Since(begun); took != 5*time.Second || entry.Attempts != 1 {
					t.Errorf("took %s and %d attempts", took, entry.Attempts)
				}
			})
		})
	}
}

func TestSlowAnswerWithinTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, "http://host", func(o *transport.Options) { o.Base = sleeper{header: 14 * time.Second, body: 15 * time.Second} })
		if _, _, err := ask(t.Context(), client); err != nil {
			t.Error(err)
		}
	})
}

// A run may end at any point of a request, by being cancelled or by a deadline.
func TestEndOfTheRun(t *testing.T) {
	busy := roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {"9"}}, Body: http.NoBody}, nil
	})
	for name, test := range map[string]struct {
		network  http.RoundTripper
		attempts int
	}{
		"before the header":     {sleeper{header: time.Hour}, 1},
		"while reading":         {sleeper{body: time.Hour}, 1},
		"while backing off":     {busy, 1},
		"while waiting in line": {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := newClient(t, "http://host", func(o *transport.Options) {
					o.Base, o.Sleep, o.Timeout, o.Concurrency = test.network, nil, time.Minute, 1
					if test.network == nil {
						o.Base = sleeper{header: 30 * time.Second}
					}
				})
				if test.network == nil {
					ctx, cancel := context.WithCancel(t.Context())
					var first sync.WaitGroup
					first.Go(func() { _, _, _ = ask(ctx, client) }) // takes the only slot
					defer first.Wait()
					defer cancel()
					synctest.Wait()
				}
				for _, end := range []struct {
					ctx    func() (context.Context, context.CancelFunc)
					detail string
				}{
					{func() (context.Context, context.CancelFunc) {
						ctx, cancel := context.WithCancelCause(t.Context())
						time.AfterFunc(2*time.Second, func() { cancel(errors.New("another cause")) })
						return ctx, func() { cancel(nil) }
					}, "cancelled"},
					{func() (context.Context, context.CancelFunc) { return context.WithTimeout(t.Context(), 2*time.Second) },
						"the time for the whole run is over"},
				} {
					begun := time.Now()
					ctx, cancel := end.ctx()
					_, entry, err := ask(ctx, client)
					cancel()
					failure := failureOf(t, err)
					if !errors.Is(err, sources.ErrTimeout) || !sources.IsCancelled(err) || failure.Detail != end.detail {
						t.Errorf("got %v, want %s", err, end.detail)
					}
					if took := time.Since(begun); took != 2*time.Second || entry.Attempts != test.attempts {
						t.Errorf("took %s and %d attempts", took, entry.Attempts)
					}
				}
			})
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRetryAfterDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, n := time.Now(), 0
		client := newClient(t, "http://host", func(o *transport.Options) {
			o.Sleep = nil
			o.Base = roundTripper(func(*http.Request) (*http.Response, error) {
				if n++; n > 1 {
					return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
				}
				at := begun.Add(8 * time.Second).UTC().Format(http.TimeFormat)
				return &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {at}}, Body: http.NoBody}, nil
			})
		})
		if _, _, err := ask(t.Context(), client); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != 8*time.Second {
			t.Errorf("waited %s", took)
		}
	})
}

func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		client := newClient(t, "http://host", func(o *transport.Options) {
			o.Concurrency = 3
			o.Base = roundTripper(func(r *http.Request) (*http.Response, error) {
				n := now.Add(1)
				defer now.Add(-1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				return sleeper{header: time.Second}.RoundTrip(r)
			})
		})
		var group sync.WaitGroup
		begun := time.Now()
		for range 9 {
			group.Go(func() {
				if _, _, err := ask(t.Context(), client); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if most.Load() != 3 || time.Since(begun) != 3*time.Second {
			t.Errorf("%d at once, %s in all", most.Load(), time.Since(begun))
		}
	})
}
