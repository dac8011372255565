package shop

import (
	"maps"
	"math"
	"sort"
	"strconv"
	"time"

	"obs/sources"
)

// target is something that is scraped: all its metrics at the same time.
type target struct {
	labels   sources.Labels // job, instance, and what else its series share
	offset   time.Duration  // within the interval, as scrapes are spread out
	metrics  []metric
	refresh  func() // called before each scrape
	gone     bool
	finished bool // its series have been marked stale
}

// metric is one series or more, written at every scrape.
type metric interface {
	write(s *Shop, at time.Time)
	markStale(at time.Time)
	over() bool // it belongs to a pod that is gone
}

// staleMarker is the NaN by which Prometheus notes that a series has ended.
var staleMarker = math.Float64frombits(0x7ff0000000000002)

// value is a counter or gauge that is read when it is scraped.
type value struct {
	labels sources.Labels
	read   func() float64
	owner  *pod // nil where it outlives pods
	append func(time.Time, float64)
}

func (v *value) write(s *Shop, at time.Time) {
	if v.append == nil {
		v.append = s.sink.Series(v.labels)
	}
	v.append(at, v.read())
}

func (v *value) markStale(at time.Time) {
	if v.append != nil {
		v.append(at, staleMarker)
	}
}

func (v *value) over() bool { return v.owner != nil && v.owner.gone }

// with is a copy of labels with more of them, given as names and values in turn.
func with(labels sources.Labels, namesAndValues ...string) sources.Labels {
	all := make(sources.Labels, len(labels)+len(namesAndValues)/2)
	maps.Copy(all, labels)
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		all[namesAndValues[i]] = namesAndValues[i+1]
	}
	return all
}

// add registers a counter or gauge with a target.
func (t *target) add(name string, owner *pod, read func() float64, namesAndValues ...string) {
	t.metrics = append(t.metrics, &value{labels: with(t.labels, append(namesAndValues, "__name__", name)...), read: read, owner: owner})
}

// histogram is a classic one, with an exemplar for each bucket.
type histogram struct {
	bounds   []float64
	counts   []float64 // of each bucket alone; the last is beyond all bounds
	count    float64
	sum      float64
	examples []example        // the last of each bucket since the last scrape
	series   []sources.Labels // of the buckets
	labels   sources.Labels   // without __name__
	name     string
	appends  []func(time.Time, float64) // buckets, then count and sum
}

func newHistogram(name string, bounds []float64, labels sources.Labels) *histogram {
	return &histogram{name: name, bounds: bounds, counts: make([]float64, len(bounds)+1), labels: labels}
}

// example is an exemplar to be: what it says is put into words only if it is the last
// of its bucket at the next scrape.
type example struct {
	r     *request
	sp    *span
	value float64
	at    moment
}

// observe counts v. The index of its bucket is returned.
func (h *histogram) observe(v, weight float64) int {
	i := sort.SearchFloat64s(h.bounds, v)
	h.counts[i] += weight
	h.count += weight
	h.sum += v * weight
	return i
}

func (h *histogram) keep(bucket int, e example) {
	if h.examples == nil {
		h.examples = make([]example, len(h.counts))
	}
	h.examples[bucket] = e
}

func (h *histogram) register(s *Shop) {
	h.series = make([]sources.Labels, len(h.counts))
	for i := range h.counts {
		le := "+Inf"
		if i < len(h.bounds) {
			le = strconv.FormatFloat(h.bounds[i], 'f', -1, 64)
		}
		h.series[i] = with(h.labels, "__name__", h.name+"_bucket", "le", le)
		h.appends = append(h.appends, s.sink.Series(h.series[i]))
	}
	h.appends = append(h.appends, s.sink.Series(with(h.labels, "__name__", h.name+"_count")),
		s.sink.Series(with(h.labels, "__name__", h.name+"_sum")))
}

func (h *histogram) write(s *Shop, at time.Time) {
	if h.appends == nil {
		h.register(s)
	}
	total := 0.0
	for i, n := range h.counts {
		total += n
		h.appends[i](at, total)
		if len(h.examples) > i && h.examples[i].r != nil {
			e := &h.examples[i]
			s.sink.Exemplar(h.series[i], sources.Exemplar{
				Series: h.series[i], Labels: sources.Labels{"trace_id": string(e.r.trace), "span_id": string(spanID(e.sp.id))},
				Value: e.value, Time: s.at2time(e.at).Truncate(time.Millisecond),
			})
			*e = example{}
		}
	}
	h.appends[len(h.counts)](at, h.count)
	h.appends[len(h.counts)+1](at, h.sum)
}

func (h *histogram) markStale(at time.Time) {
	for _, a := range h.appends {
		a(at, staleMarker)
	}
}

func (h *histogram) over() bool { return false }

// scrapeEvery is the interval at which targets are scraped, and exporters of nodes and
// pods with them.
const scrapeEvery = 15 * time.Second

// watch begins to scrape a target.
func (s *Shop) watch(t *target) {
	t.offset = time.Duration(s.names.IntN(int(scrapeEvery.Milliseconds()))) * time.Millisecond
	t.add("up", nil, func() float64 { return 1 })
	s.targets = append(s.targets, t)
	var again func()
	again = func() {
		s.scrape(t)
		if !t.finished {
			s.at(s.nextScrape(t), again)
		}
	}
	s.at(s.nextScrape(t), again)
}

// nextScrape is when a target is scraped next. With long intervals that is just before
// a round time, so that queries at round times find a fresh sample.
func (s *Shop) nextScrape(t *target) moment {
	align := func(after moment, every time.Duration) moment {
		shift := scrapeEvery - t.offset
		now := s.epoch.UnixNano() + int64(after) + int64(shift)
		return after.plus(time.Duration(int64(every) - now%int64(every)))
	}
	phase := s.phase()
	next := align(s.now, phase.scrape)
	if next.before(phase.until) {
		return next
	}
	// The last interval of a phase may be cut short.
	for _, later := range s.phases {
		if phase.until.before(later.until) {
			return align(phase.until, later.scrape)
		}
	}
	return next
}

func (s *Shop) scrape(t *target) {
	at := s.at2time(s.now).Truncate(time.Millisecond)
	if t.gone {
		for _, m := range t.metrics {
			m.markStale(at)
		}
		t.finished = true
		return
	}
	if t.refresh != nil {
		t.refresh()
	}
	kept := t.metrics[:0]
	for _, m := range t.metrics {
		if m.over() {
			m.markStale(at)
			continue
		}
		m.write(s, at)
		kept = append(kept, m)
	}
	clear(t.metrics[len(kept):])
	t.metrics = kept
}

// requestBounds and callBounds are the buckets of durations, in the unit of each.
var (
	requestBounds = []float64{.005, .01, .025, .05, .075, .1, .15, .2, .25, .35, .5, .75, 1, 1.5, 2.5, 4, 6, 10}
	callBounds    = []float64{5, 10, 25, 50, 75, 100, 150, 200, 250, 350, 500, 750, 1000, 1500, 2500, 4000, 6000, 10000}
)

type requestKey struct {
	operation *operation
	status    int
}

func (p *pod) requestHistogram(o *operation, status int) *histogram {
	key := requestKey{o, status}
	h := p.requests[key]
	if h == nil {
		h = newHistogram("http_server_request_duration_seconds", requestBounds, with(p.labels,
			"http_route", o.route, "http_request_method", o.method, "http_response_status_code", strconv.Itoa(status)))
		p.requests[key] = h
		p.target.metrics = append(p.target.metrics, h)
	}
	return h
}

// observe counts a request that a pod has answered.
func (s *Shop) observe(o *operation, p *pod, r *request, sp *span, status int) {
	h := p.requestHistogram(o, status)
	seconds := s.now.since(sp.start).Seconds()
	bucket := h.observe(seconds, r.weight)
	s.exemplify(h, bucket, seconds, r, sp)
	if o.entry {
		s.feel(o, r, seconds)
	}
}

// exemplify makes a span the exemplar of its bucket until the next one comes.
func (s *Shop) exemplify(h *histogram, bucket int, v float64, r *request, sp *span) {
	if r.detailed {
		h.keep(bucket, example{r: r, sp: sp, value: v, at: s.now})
	}
}

type callKey struct {
	service, name, peer string
	kind                sources.Kind
	failed              bool
}

type callMetrics struct {
	calls     float64
	durations *histogram
}

var kindNames = map[sources.Kind]string{
	sources.KindInternal: "SPAN_KIND_INTERNAL", sources.KindServer: "SPAN_KIND_SERVER", sources.KindClient: "SPAN_KIND_CLIENT",
	sources.KindProducer: "SPAN_KIND_PRODUCER", sources.KindConsumer: "SPAN_KIND_CONSUMER",
}

// countSpan counts a span as the collector does, before it drops any trace.
func (s *Shop) countSpan(r *request, sp *span, database string) {
	if sp.kind == sources.KindInternal {
		return // they would double the series and tell what traces tell better
	}
	key := callKey{sp.pod.service.name, sp.name, sp.peer, sp.kind, sp.failed}
	m := s.calls[key]
	if m == nil {
		status := "STATUS_CODE_UNSET"
		if sp.failed {
			status = "STATUS_CODE_ERROR"
		}
		labels := []string{"service_name", key.service, "span_name", key.name, "span_kind", kindNames[key.kind], "status_code", status}
		if key.peer != "" {
			labels = append(labels, "server_address", key.peer)
		}
		if database != "" {
			labels = append(labels, "db_system_name", database)
		}
		m = &callMetrics{durations: newHistogram("traces_span_metrics_duration_milliseconds", callBounds, with(s.collector.labels, labels...))}
		s.calls[key] = m
		s.collector.add("traces_span_metrics_calls_total", nil, func() float64 { return m.calls }, labels...)
		s.collector.metrics = append(s.collector.metrics, m.durations)
	}
	m.calls += r.weight
	took := inMilliseconds(sp.end.since(sp.start))
	s.exemplify(m.durations, m.durations.observe(took, r.weight), took, r, sp)
}
