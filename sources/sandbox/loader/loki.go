package loader

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	client "github.com/grafana/loki-client-go/loki"
	"github.com/grafana/loki/pkg/push"
	metrics "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"

	"obs/sources"
)

const (
	pushPath = "/loki/api/v1/push"
	// batchBytes of lines make a push; structured metadata comes on top. Loki's parts
	// send one another 4 MiB at most.
	batchBytes = 512 << 10
	pushTries  = 7 // of a batch; the waits in between add up to some 15 seconds
	pushWait   = 10 * time.Second
)

// pushAdvice is for the words in which Loki refuses records.
var pushAdvice = []advice{
	{"timestamp too old", "this Loki takes no records of that age: set limits_config.reject_old_samples to false, or reject_old_samples_max_age to more than the history's length"},
	{"too far behind", "this Loki takes no records so much older than a stream's newest: raise ingester.max_chunk_age to more than twice the history's length"},
	{"structured metadata", "this Loki takes no structured metadata: set limits_config.allow_structured_metadata to true, with a schema of v13 or later"},
	{"rate limit", "raise limits_config.ingestion_rate_mb and per_stream_rate_limit of this Loki"},
	{"no org id", "this Loki has several tenants, which demo data has no place in: name a Loki of its own"},
}

// sendLogs pushes all records with Grafana's client. That one works in the background and
// gives a batch up with a line in its log, so its log is listened to, and its count of
// what the server took is compared with what it was handed.
func (l *Loader) sendLogs(ctx context.Context, r *Report) error {
	total := 0
	for _, s := range l.streams {
		total += len(s.records)
		r.Repeated += len(s.records) - s.distinct
	}
	if total == 0 {
		return nil
	}
	// The client would try an address at which nothing answers for a long time.
	if _, err := l.logs.Labels(ctx, l.lastMinute()); err != nil {
		return err
	}
	result := make(chan pushed, 1)
	running := &pushing{loader: l, stop: make(chan struct{})}
	go func() { result <- running.all(l.streams, total) }()
	var done pushed
	select {
	case done = <-result:
	case <-ctx.Done():
		// The client heeds no context: it is left to end its last batch by itself.
		close(running.stop)
		r.Records = running.leave()
		return l.loki.Failure(ctx, sources.ErrTimeout, ctx.Err())
	}
	r.Records, r.Streams = done.records, done.streams
	switch {
	case done.err != nil:
		return done.err
	case done.records != total:
		return l.loki.Failure(ctx, ErrNotTaken, fmt.Errorf("of %s records the client lost %s without a word", thousands(total), thousands(total-done.records)))
	}
	return nil
}

// lastMinute is that of the records.
func (l *Loader) lastMinute() (w sources.Window) {
	for _, s := range l.streams {
		if n := len(s.records); n > 0 && s.records[n-1].at.After(w.To) {
			w.To = s.records[n-1].at
		}
	}
	w.From = w.To.Add(-time.Minute)
	return w
}

type pushed struct {
	records, streams int
	err              error
}

// pushing is one use of the client, and the logger that it reports to.
type pushing struct {
	loader *Loader
	stop   chan struct{}

	mu     sync.Mutex
	left   bool   // nobody listens any more
	host   string // empty before it begins
	before int    // what the host had taken by then
	failed error
}

// counting serialises uses of the client: its counters are the process's, by host.
var counting sync.Mutex

// all hands over every record, until one batch has failed: more of the same would.
func (p *pushing) all(streams []*stream, total int) (done pushed) {
	counting.Lock()
	defer counting.Unlock()
	config, err := client.NewDefaultConfig(p.loader.loki.URL(pushPath, nil).String())
	if err != nil {
		return pushed{err: err}
	}
	config.BatchSize, config.Timeout = batchBytes, pushWait
	config.BackoffConfig.MaxRetries, config.BackoffConfig.MaxBackoff = pushTries, 5*time.Second
	if given, err := url.Parse(strings.TrimSpace(p.loader.targets.LokiURL)); err == nil {
		config.URL.User = given.User // which the transport sends in its own way
	}
	// config.Client is left empty: no redirects are followed, no proxy is asked.
	pusher, err := client.NewWithLogger(config, p)
	if err != nil {
		return pushed{err: err}
	}
	p.begin(config.URL.Host)
	m := meter{loader: p.loader, what: "loki: %s of %s records", total: total}
	handed := 0
	for _, s := range streams {
		p.hand(pusher, s, func() { handed++; p.tell(func() { m.at(handed) }) })
		if p.over() {
			break
		}
		if len(s.records) > 0 {
			done.streams++
		}
	}
	pusher.Stop() // returns when the last batch has been taken or given up
	done.records, done.err = p.taken(), p.failure()
	if done.records == 0 {
		done.streams = 0
	}
	return done
}

func (p *pushing) hand(pusher *client.Client, s *stream, handed func()) {
	labels := make(model.LabelSet, len(s.labels))
	for name, value := range s.labels {
		labels[model.LabelName(name)] = model.LabelValue(value)
	}
	for _, r := range s.records {
		if p.over() {
			return
		}
		// It returns no error: what fails does so later, with the batch.
		_ = pusher.HandleWithMetadata(labels, r.at, r.line, structured(r.metadata))
		handed()
	}
}

func structured(metadata sources.Labels) push.LabelsAdapter {
	var pairs push.LabelsAdapter
	for _, name := range slices.Sorted(maps.Keys(metadata)) {
		pairs = append(pairs, push.LabelAdapter{Name: name, Value: metadata[name]})
	}
	return pairs
}

// taken is how many records a host has taken from this process, by the client's count.
func taken(host string) int {
	families, err := metrics.DefaultGatherer.Gather()
	if err != nil && len(families) == 0 {
		return 0
	}
	for _, family := range families {
		if family.GetName() != "promtail_sent_entries_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if label.GetName() == client.HostLabel && label.GetValue() == host {
					return int(m.GetCounter().GetValue())
				}
			}
		}
	}
	return 0
}

// Log implements the client's logger: an error is a batch given up, a warning one that is
// about to be tried again.
func (p *pushing) Log(keyvals ...any) error {
	said := map[string]any{}
	for i := 0; i+1 < len(keyvals); i += 2 {
		said[fmt.Sprint(keyvals[i])] = keyvals[i+1]
	}
	cause, _ := said["error"].(error)
	status, _ := said["status"].(int)
	switch fmt.Sprint(said["level"]) {
	case "error":
		p.fail(status, cause, fmt.Sprint(said["msg"]))
	case "warn":
		p.tell(func() {
			p.loader.progress("loki: a batch failed and is tried again: %s", p.loader.loki.Failure(context.Background(), sources.ErrBusy, cause).Detail)
		})
	}
	return nil
}

func (p *pushing) fail(status int, cause error, message string) {
	failure := p.loader.loki.Failure(context.Background(), pushKind(status), cause)
	failure.Status = max(status, 0)
	if cause == nil {
		failure.Detail = sources.Printable(message)
	} else if _, text, ok := strings.Cut(failure.Detail, fmt.Sprintf("(%d): ", status)); ok && text != "" {
		failure.Detail = text // without the status, which the failure has already
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == nil {
		p.failed = refused(failure, "check that "+flagLoki+" is Loki's address, and that records may be pushed there", pushAdvice)
	}
}

func pushKind(status int) error {
	switch {
	case status <= 0:
		return sources.ErrUnreachable
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return sources.ErrRefused
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return sources.ErrBusy
	case status >= 500:
		return sources.ErrServer
	case status >= 400:
		return ErrNotTaken
	}
	return sources.ErrNotThisAPI
}

func (p *pushing) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

// over reports whether to stop handing over.
func (p *pushing) over() bool {
	select {
	case <-p.stop:
		return true
	default:
		return p.failure() != nil
	}
}

// tell does something that is seen, unless nobody listens any more.
func (p *pushing) tell(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.left {
		do()
	}
}

func (p *pushing) begin(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.host, p.before = host, taken(host)
}

// taken is how many records the server has taken.
func (p *pushing) taken() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.host == "" {
		return 0
	}
	return taken(p.host) - p.before
}

// leave ends the telling. It returns how many records the server has taken by now.
func (p *pushing) leave() int {
	p.mu.Lock()
	p.left = true
	p.mu.Unlock()
	return p.taken()
}
