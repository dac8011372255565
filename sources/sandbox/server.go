// Package sandbox is an embedded stand-in of the three backends: three real HTTP APIs in
// one process over stores in memory, for the demo and for tests.
//
// It composes what the packages below it are: promapi, lokiapi and jaegerapi answer as
// Prometheus, Loki and Jaeger do, each from a store of its own, and shop fills the
// stores. It is not for production, and not for a network: the APIs have no credentials,
// so they are bound to a loopback address and to nothing else.
package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"obs/sources"
	"obs/sources/sandbox/jaegerapi"
	"obs/sources/sandbox/lokiapi"
	"obs/sources/sandbox/promapi"
)

// Stores are what the servers answer from. They may be filled before and while the
// servers run; one that is nil stands for an empty one.
type Stores struct {
	Metrics *promapi.Store
	Logs    *lokiapi.Store
	Traces  *jaegerapi.Store
}

// Options say where to listen and how the servers behave. The zero value will do.
type Options struct {
	// Addresses to listen on, as host:port with a loopback host; 127.0.0.1 and a free
	// port where empty. Port 0 stands for a free one as well.
	Prometheus, Loki, Jaeger string
	// Now is the servers' clock; time.Now when nil.
	Now func() time.Time
	// MaxTraces is how many traces are kept; jaegerapi's default when 0.
	MaxTraces int
	// Grace is how long Close lets requests finish before it breaks them off: 2 seconds.
	Grace time.Duration
	// ErrorLog is told of connections that go wrong; nobody when nil, for a screen may
	// be drawn where the standard logger writes.
	ErrorLog *log.Logger
}

// ErrNotLoopback tells that an address may be reached from other machines.
var ErrNotLoopback = errors.New("the sandbox listens on loopback addresses only")

const (
	anyPort      = "127.0.0.1:0"
	defaultGrace = 2 * time.Second

	headerTimeout = 10 * time.Second
	readTimeout   = time.Minute
	writeTimeout  = 3 * time.Minute // longer than any of the APIs lets a query run
	idleTimeout   = 2 * time.Minute

	// stragglers is how long requests may take to notice that they were broken off.
	stragglers = time.Second
)

// Server is three APIs being served.
type Server struct {
	PrometheusURL, LokiURL, JaegerURL string

	servers  []*http.Server
	grace    time.Duration
	serving  sync.WaitGroup
	requests requests
	breakOff context.CancelFunc // ends the contexts of requests
	close    sync.Once

	mu      sync.Mutex // guards what follows
	unwatch func() bool
	failed  []error
}

// Serve listens on three loopback addresses and answers until Close is called or ctx
// ends. When it fails, nothing is left listening: the error is ErrNotLoopback, or that of
// the network where a port is taken.
func Serve(ctx context.Context, stores Stores, o Options) (*Server, error) {
	empty := NewStores()
	return serveHandlers(ctx, o,
		promapi.Handler(cmp.Or(stores.Metrics, empty.Metrics), promapi.Options{Now: o.Now}),
		lokiapi.Handler(cmp.Or(stores.Logs, empty.Logs), lokiapi.Options{Now: o.Now}),
		jaegerapi.Handler(cmp.Or(stores.Traces, empty.Traces), jaegerapi.Options{Now: o.Now, MaxTraces: o.MaxTraces}))
}

func serveHandlers(ctx context.Context, o Options, prometheus, loki, jaeger http.Handler) (*Server, error) {
	s := &Server{grace: cmp.Or(o.Grace, defaultGrace)}
	s.requests.ended = make(chan struct{})
	parts := []struct {
		backend sources.Backend
		address string
		url     *string
		handler http.Handler
	}{
		{sources.Prometheus, o.Prometheus, &s.PrometheusURL, prometheus},
		{sources.Loki, o.Loki, &s.LokiURL, loki},
		{sources.Jaeger, o.Jaeger, &s.JaegerURL, jaeger},
	}
	listeners := make([]net.Listener, 0, len(parts))
	for _, part := range parts {
		listener, err := listen(ctx, cmp.Or(part.address, anyPort))
		if err != nil {
			for _, open := range listeners {
				_ = open.Close() // nothing was accepted yet
			}
			return nil, fmt.Errorf("serving %s: %w", part.backend, err)
		}
		listeners = append(listeners, listener)
		*part.url = "http://" + listener.Addr().String()
	}

	// Requests outlive ctx for as long as Close gives them.
	base, breakOff := context.WithCancel(context.WithoutCancel(ctx))
	s.breakOff = breakOff
	for i, part := range parts {
		server := &http.Server{
			Handler:           s.requests.counted(part.handler),
			ReadHeaderTimeout: headerTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			ErrorLog:          cmp.Or(o.ErrorLog, log.New(io.Discard, "", 0)),
			BaseContext:       func(net.Listener) context.Context { return base },
		}
		s.servers = append(s.servers, server)
		s.serving.Go(func() {
			if err := server.Serve(listeners[i]); !errors.Is(err, http.ErrServerClosed) {
				s.fail(fmt.Errorf("serving %s: %w", part.backend, err))
			}
		})
	}
	s.mu.Lock() // Close may be called before there is something to assign
	defer s.mu.Unlock()
	s.unwatch = context.AfterFunc(ctx, func() { _ = s.Close() }) // a later Close tells what it found
	return s, nil
}

// listen opens a port that no other machine can reach.
func listen(ctx context.Context, address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if host == "localhost" {
		host = "127.0.0.1" // what the name stands for is the resolver's affair
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("%w: %s is none", ErrNotLoopback, address)
	}
	return new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, port))
}

// Exports is the line with which a shell, and any obs command in it, finds the servers.
func (s *Server) Exports() string {
	return fmt.Sprintf("export PROMETHEUS_URL=%s LOKI_URL=%s JAEGER_URL=%s", s.PrometheusURL, s.LokiURL, s.JaegerURL)
}

// Close stops listening at once, lets requests that are under way finish for a while,
// then breaks them off, live tails among them, and returns when all have ended: within
// the grace period and one second more. It may be called several times, also at once;
// each call waits and tells the same: what went wrong while serving or closing.
func (s *Server) Close() error {
	s.close.Do(s.shut)
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.failed...)
}

func (s *Server) shut() {
	s.mu.Lock()
	unwatch := s.unwatch
	s.mu.Unlock()
	unwatch()
	grace, cancel := context.WithTimeout(context.Background(), s.grace)
	defer cancel()
	var closing sync.WaitGroup
	for _, server := range s.servers {
		closing.Go(func() {
			if server.Shutdown(grace) == nil {
				return
			}
			if err := server.Close(); err != nil {
				s.fail(err)
			}
		})
	}
	closing.Wait()
	s.serving.Wait()
	// Connections that became web sockets are the handlers' own and still open.
	s.breakOff()
	s.requests.close()
	timeout := time.NewTimer(stragglers)
	defer timeout.Stop()
	select {
	case <-s.requests.ended:
	case <-timeout.C:
		s.fail(errors.New("requests did not end when they were broken off"))
	}
}

func (s *Server) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = append(s.failed, err)
}

// requests counts those under way, so that Close can wait for their end: http.Server
// does not know of connections that a handler has taken over.
type requests struct {
	mu     sync.Mutex
	count  int
	closed bool
	ended  chan struct{} // closed when none is left after close
}

func (r *requests) counted(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if !r.begin() {
			http.Error(w, "the sandbox is closing", http.StatusServiceUnavailable)
			return
		}
		defer r.end()
		handler.ServeHTTP(w, request)
	})
}

func (r *requests) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.count++
	}
	return !r.closed
}

func (r *requests) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count--
	r.report()
}

func (r *requests) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.report()
}

func (r *requests) report() {
	if r.closed && r.count == 0 {
		close(r.ended)
	}
}
