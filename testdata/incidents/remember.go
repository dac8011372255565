package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"time"
)

// memory stands between obs and a backend, and answers what was asked before by itself:
// builds that differ in one number ask much the same, and a backend takes longer to answer
// than obs to judge. What went wrong is not kept.
type memory struct {
	backend *httputil.ReverseProxy
	mu      sync.Mutex
	known   map[string]*reply // by the request's method, address and body
}

// reply is an answer, whole.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func newMemory(backend *url.URL) *memory {
	return &memory{
		backend: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(backend) }},
		known:   map[string]*reply{},
	}
}

func (m *memory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked, err := io.ReadAll(r.Body)
	if err != nil {
		return // the asker has gone
	}
	key := fmt.Sprintf("%s %s %s\n%s", r.Method, r.URL, r.Header.Get("Accept-Encoding"), asked)
	m.mu.Lock()
	known := m.known[key]
	m.mu.Unlock()
	if known == nil {
		r.Body = io.NopCloser(bytes.NewReader(asked))
		known = &reply{status: http.StatusOK, header: http.Header{}}
		m.backend.ServeHTTP(known, r)
		if known.status == http.StatusOK && r.Context().Err() == nil {
			m.mu.Lock()
			m.known[key] = known
			m.mu.Unlock()
		}
	}
	for name, values := range known.header {
		w.Header()[name] = values
	}
	w.WriteHeader(known.status)
	_, _ = w.Write(known.body) // an asker that has gone needs none
}

// Header, WriteHeader and Write implement http.ResponseWriter.
func (r *reply) Header() http.Header    { return r.header }
func (r *reply) WriteHeader(status int) { r.status = status }
func (r *reply) Write(p []byte) (int, error) {
	r.body = append(r.body, p...)
	return len(p), nil
}

// remembered puts a memory before each backend that the environment names, and returns the
// addresses to be used instead, as name=value.
func remembered(ctx context.Context) (instead []string, done func(), err error) {
	var servers []*http.Server
	done = func() {
		for _, s := range servers {
			_ = s.Close() // nobody asks any more
		}
	}
	for _, signal := range signalNames {
		for _, name := range signals[signal] {
			given := os.Getenv(name)
			if given == "" {
				continue
			}
			backend, err := url.Parse(given)
			if err != nil {
				done()
				return nil, nil, fmt.Errorf("%s is no address", name) // which may hold a password
			}
			listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				done()
				return nil, nil, err
			}
			server := &http.Server{Handler: newMemory(backend), ReadHeaderTimeout: 10 * time.Second}
			servers = append(servers, server)
			go func() {
				if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
					fmt.Fprintln(os.Stderr, "incidents:", err)
				}
			}()
			instead = append(instead, name+"=http://"+listener.Addr().String())
		}
	}
	return instead, done, nil
}
