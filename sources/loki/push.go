package loki

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	pusher "github.com/grafana/loki-client-go/loki"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/common/model"

	"obs/sources"
)

const (
	pushPath = api + "push"
	// pushTime bounds one request of the client to the bridge below, which has the transport's
	// own bounds and retries within.
	pushTime = 2 * time.Minute
	maxPush  = 1 << 20
)

// Push writes one record, and returns when the server has taken it. That it is written twice is
// as if it were written once: Loki keeps records that are equal as one.
func (c *Client) Push(ctx context.Context, r sources.Record) error {
	ctx, call := c.ledger.Start(ctx, sources.Loki, "push "+sources.LogQuery{Selector: exactly(r.Stream)}.String(), sources.Window{From: r.Time, To: r.Time})
	err := c.push(ctx, r)
	records := 0
	if err == nil {
		records = 1
	}
	call.End(records, err)
	return err
}

func exactly(labels sources.Labels) sources.Selector {
	var all sources.Selector
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		all = append(all, sources.Matcher{Name: name, Op: sources.Equal, Value: labels[name]})
	}
	return all
}

// push has Grafana's client write the record. That one works in the background, heeds no
// context, knows few ways of showing who asks, and gives a record up without telling. So it is
// given a bridge to write to, which sends on what it gets by obs's own transport.
func (c *Client) push(ctx context.Context, r sources.Record) error {
	b, err := openBridge(ctx, c)
	if err != nil {
		return c.client.Failure(ctx, sources.ErrUnreachable, err)
	}
	defer b.close()
	config, err := pusher.NewDefaultConfig(b.address)
	if err != nil {
		return c.client.Failure(ctx, sources.ErrBadQuery, err)
	}
	config.Timeout, config.BackoffConfig.MaxRetries = pushTime, 1
	writing, err := pusher.NewWithLogger(config, silent{}) // the bridge knows more
	if err != nil {
		return c.client.Failure(ctx, sources.ErrBadQuery, err)
	}
	labels := make(model.LabelSet, len(r.Stream))
	for name, value := range r.Stream {
		labels[model.LabelName(name)] = model.LabelValue(value)
	}
	var metadata push.LabelsAdapter
	for _, name := range slices.Sorted(maps.Keys(r.Metadata)) {
		metadata = append(metadata, push.LabelAdapter{Name: name, Value: r.Metadata[name]})
	}
	err = writing.HandleWithMetadata(labels, r.Time, r.Line, metadata)
	writing.Stop() // returns when the record has been taken or given up
	if err != nil {
		return c.client.Failure(ctx, sources.ErrBadQuery, err)
	}
	return b.outcome()
}

// silent takes what the client logs.
type silent struct{}

// Log implements the client's logger.
func (silent) Log(...any) error { return nil }

// bridge is an address of this machine, for as long as one record takes. Only who knows its
// path, which nobody can guess, is let over.
type bridge struct {
	ctx     context.Context
	client  *Client
	path    string
	address string
	server  *http.Server
	serving sync.WaitGroup

	mu      sync.Mutex
	crossed bool
	failed  error
}

func openBridge(ctx context.Context, c *Client) (*bridge, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &bridge{ctx: ctx, client: c, path: "/" + rand.Text()}
	b.address = "http://" + listener.Addr().String() + b.path
	b.server = &http.Server{Handler: b, ReadHeaderTimeout: pushTime}
	b.serving.Go(func() { _ = b.server.Serve(listener) }) // it ends with close
	return b, nil
}

func (b *bridge) close() {
	_ = b.server.Close() // what crossed has been answered
	b.serving.Wait()
}

// ServeHTTP sends one push on.
func (b *bridge) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.URL.Path != b.path || request.Method != http.MethodPost {
		http.NotFound(w, request)
		return
	}
	err := b.send(w, request)
	b.mu.Lock()
	b.crossed, b.failed = true, err
	b.mu.Unlock()
	status := http.StatusNoContent
	if err != nil {
		status = http.StatusBadRequest // which is not tried again: the transport has done so
	}
	w.WriteHeader(status)
}

func (b *bridge) send(w http.ResponseWriter, request *http.Request) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxPush))
	if err != nil {
		return b.client.client.Failure(b.ctx, sources.ErrBadQuery, err)
	}
	on, err := http.NewRequestWithContext(b.ctx, http.MethodPost, b.client.client.URL(pushPath, nil).String(), bytes.NewReader(body))
	if err != nil {
		return b.client.client.Failure(b.ctx, sources.ErrBadQuery, err)
	}
	on.Header.Set("Content-Type", request.Header.Get("Content-Type"))
	_, _, err = b.client.client.Do(on) //nolint:bodyclose // Do has read and closed it
	return err
}

// outcome is what became of the push.
func (b *bridge) outcome() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.crossed {
		return b.client.client.Failure(b.ctx, sources.ErrUnreachable, errors.New("the record was never sent"))
	}
	return b.failed
}
