package correlate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"obs/correlate/survey"
	"obs/sources"
)

// What was done to services is read off metrics that nearly every installation has: what
// a process says of itself (target_info, *_build_info, process_start_time_seconds), what
// Kubernetes says of it (kube-state-metrics), and what Prometheus says (up). Each kind is
// one query over all services.

const (
	// settles is how long Prometheus shows a series whose target is gone without saying
	// so: its lookback. What lasts no longer may be an old and a new process side by side.
	settles = 5 * time.Minute
	// startJitter is how far two start times of one process may be apart: some are
	// worked out from an uptime in whole seconds and a clock that is adjusted.
	startJitter = 10 * time.Second
	// restless is how often a configuration may change in the time looked at before it is
	// none: locks and leases of leaders are kept in the same objects.
	restless = 5
	// maxChanges keeps a list to what a person reads. The latest ones are kept.
	maxChanges = 200
)

// naming are the labels that name a service, the surest first.
var naming = []string{"service_name", "service.name", "service", "app", "job"}

var versionLabels = []string{"service_version", "service.version", "version"}

// Changes are what was done to all services in baseline and window, oldest first. They
// are asked for once.
func (x *Explorer) Changes(ctx context.Context) ([]Change, []Missing) {
	note := &gaps{}
	all := x.allChanges(ctx, note)
	note.ended(ctx)
	return slices.Clone(all), note.all()
}

// changes are those of one service.
func (x *Explorer) changes(ctx context.Context, service string, note *gaps) []Change {
	kept := []Change{}
	for _, c := range x.allChanges(ctx, note) {
		if sameService(c.Service, service) {
			kept = append(kept, c)
		}
	}
	return kept
}

func (x *Explorer) allChanges(ctx context.Context, note *gaps) []Change {
	x.mu.Lock()
	known := x.done
	x.mu.Unlock()
	if known != nil {
		return known
	}
	if x.set.Metrics == nil {
		note.notConfigured(sources.Prometheus, "what was done to services is not known")
		return []Change{}
	}
	mine := &gaps{}
	found := x.askChanges(ctx, mine)
	note.take(mine.all())
	if ctx.Err() == nil && len(mine.all()) == 0 {
		x.mu.Lock()
		x.done = found
		x.mu.Unlock()
	}
	return found
}

// history is what the queries about changes brought: the series of each.
type history struct {
	span                                   sources.Window
	step                                   time.Duration
	versions, starts, replicas, configured []sources.Series
	services                               []string // that the survey knows; none before it
	names                                  *glossary
	dotted                                 bool // the server knows labels with dots: older ones do not parse them
}

// historyOf is one of a span, before it is asked for. What a survey measured tells of the
// services, and of the server.
func (n *glossary) historyOf(span sources.Window, q Question, surveyed []measured) *history {
	h := &history{names: n, span: span, step: historyStep(q)}
	for _, m := range surveyed {
		h.services = append(h.services, m.service)
		h.dotted = h.dotted || strings.Contains(m.question.ServiceLabel, ".") || strings.Contains(m.question.Metric, ".")
	}
	return h
}

// historyStep is the time between the moments that are asked for.
func historyStep(q Question) time.Duration {
	return max(niceStep(q.Window.Duration()/pointsPerWindow), time.Second)
}

// changeQuestion is a query about changes, what is lost without it, and where its series go.
type changeQuestion struct {
	query, lost string
	into        *[]sources.Series
}

func (h *history) questions() []changeQuestion {
	labels := naming
	if !h.dotted {
		labels = undotted(labels)
	}
	return []changeQuestion{
		{versionQuery(labels, h.dotted), "changes of version", &h.versions},
		{startQuery(labels, h.span.From, h.step), "restarts", &h.starts},
		{replicaQuery(labels), "changes of replicas", &h.replicas},
		{configQuery(labels, h.step), "changes of configuration", &h.configured},
	}
}

// ask brings the history, each kind of change in a query of its own.
func (h *history) ask(ctx context.Context, metrics sources.Metrics, note *gaps) {
	var group errgroup.Group
	for _, q := range h.questions() {
		group.Go(func() error {
			answer, err := metrics.Range(ctx, q.query, aligned(h.span, h.step), h.step)
			if err != nil {
				note.failed(sources.Prometheus, q.lost+" were not looked at", err)
			}
			*q.into = within(answer.Series, h.span)
			return nil
		})
	}
	_ = group.Wait() // failures are noted where they occur
}

// askedFor is the label by which the series of an answer to several questions are told apart.
const askedFor = "asked_for"

// askAtOnce brings the history in one query, where questions are scarce. What fails of it
// fails altogether.
func (h *history) askAtOnce(ctx context.Context, metrics sources.Metrics) error {
	questions := h.questions()
	parts := make([]string, len(questions))
	for i, q := range questions {
		parts[i] = fmt.Sprintf(`label_replace(%s, %q, "%d", "", "")`, q.query, askedFor, i)
	}
	answer, err := metrics.Range(ctx, strings.Join(parts, " or "), aligned(h.span, h.step), h.step)
	if err != nil {
		return err
	}
	for _, s := range within(answer.Series, h.span) {
		i, err := strconv.Atoi(s.Labels[askedFor])
		if err != nil || i < 0 || i >= len(questions) {
			continue // it answers nothing that was asked
		}
		*questions[i].into = append(*questions[i].into, s)
	}
	return nil
}

func (x *Explorer) askChanges(ctx context.Context, note *gaps) []Change {
	x.mu.Lock()
	var known []measured
	if x.survey != nil {
		known = x.survey.measured
	}
	x.mu.Unlock()
	h := x.names.historyOf(x.whole(), x.question, known)
	h.ask(ctx, x.set.Metrics, note)

	found := h.changes()
	if more := len(found) - maxChanges; more > 0 {
		note.take([]Missing{{
			Backend: sources.Prometheus, Kind: MissingTruncated,
			Reason: fmt.Sprintf("%d of %d changes are left out: the earliest", more, len(found)),
			Hint:   "ask for a shorter window",
		}})
		found = found[more:]
	}
	return append([]Change{}, found...)
}

func undotted(labels []string) []string {
	return slices.DeleteFunc(slices.Clone(labels), func(l string) bool { return strings.Contains(l, ".") })
}

// named selects the metrics whose names fit a pattern.
func named(pattern string) string {
	return sources.Selector{{Name: "__name__", Op: sources.MatchRegexp, Value: pattern}}.String()
}

// versionQuery counts the instances of each version of each service.
func versionQuery(labels []string, dotted bool) string {
	versions := versionLabels
	if !dotted {
		versions = undotted(versions)
	}
	by := slices.Concat([]string{"__name__", "namespace", "container", "image"}, labels, versions)
	return fmt.Sprintf("count by (%s) (%s)", sources.GroupLabels(by...), named("target_info|.+_build_info|kube_pod_container_info"))
}

// The ways in which a restart shows.
const (
	byStart   = "start"   // the time at which a process says it started
	byKubelet = "kubelet" // Kubernetes' count of restarts
	byReset   = "reset"   // CPU time that began anew
)

// startQuery brings the instances that started since a moment, with the time of their
// start, and how many containers and processes restarted in each step. What did not
// restart is not in the answer, so that its size is that of what happened.
func startQuery(labels []string, since time.Time, step time.Duration) string {
	service := sources.GroupLabels(append([]string{"namespace"}, labels...)...)
	const kube = "kube_pod_container_status_restarts_total"
	cpu := named("process_cpu_seconds_total|process_cpu_time_seconds_total")
	back := promSeconds(step)
	mark := func(query, kind string) string {
		return fmt.Sprintf(`label_replace(%s, "seen_by", %q, "", "")`, query, kind)
	}
	return strings.Join([]string{
		mark(fmt.Sprintf("max by (%s, instance, pod) (process_start_time_seconds > %d)", service, since.Unix()), byStart),
		mark(fmt.Sprintf("count by (namespace, container) (%s > %s offset %s)", kube, kube, back), byKubelet),
		mark(fmt.Sprintf("count by (%s) (sum by (%s, instance, pod) (%s) < sum by (%s, instance, pod) (%s offset %s))",
			service, service, cpu, service, cpu, back), byReset),
	}, " or ")
}

// Metrics that count the instances of a service, the surest first: what is wanted, what
// is there, and what is to be scraped. A target that is down is still one.
var replicaMetrics = []string{
	"kube_deployment_spec_replicas", "kube_statefulset_replicas", "kube_deployment_status_replicas", "kube_statefulset_status_replicas", survey.Scraped,
}

func replicaQuery(labels []string) string {
	by := append([]string{"__name__", "namespace", "deployment", "statefulset"}, labels...)
	counts, groups := replicaMetrics[:len(replicaMetrics)-1], sources.GroupLabels(by...)
	return fmt.Sprintf("sum by (%s) (%s) or count by (%s) (%s)", groups, named(strings.Join(counts, "|")), groups, named(survey.Scraped))
}

// configQuery brings the configurations that differ from a step before, at the moments at
// which they do. The name is kept as a label, since a comparison drops it.
func configQuery(labels []string, step time.Duration) string {
	configured := named(".+_config_hash|.+_config_last_reload_success_timestamp_seconds|" +
		"kube_configmap_metadata_resource_version|kube_secret_metadata_resource_version")
	by := sources.GroupLabels(append([]string{"metric", "namespace", "configmap", "secret"}, labels...)...)
	at := func(offset string) string {
		return fmt.Sprintf(`max by (%s) (label_replace(%s%s, "metric", "$1", "__name__", "(.+)"))`, by, configured, offset)
	}
	return at("") + " != " + at(" offset "+promSeconds(step))
}

func promSeconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) + "s" }

// changes reads the answers. A change of version explains the restarts that it takes, and
// so does a change of replicas.
func (h *history) changes() []Change {
	versions := h.versionChanges()
	replicas := h.replicaChanges(versions)
	all := slices.Concat(versions, replicas, h.restarts(slices.Concat(versions, replicas)), h.configChanges())
	slices.SortStableFunc(all, func(a, b Change) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.Service, b.Service), strings.Compare(a.Kind, b.Kind))
	})
	return all
}

// owner is whose a series is, and the labels that select it again.
type owner struct {
	service, namespace, metric string
}

func (n *glossary) ownerOf(labels sources.Labels, more ...string) owner {
	service, _ := labels.First(append(slices.Clone(more), naming...)...)
	return owner{service: bareService(n.of(service)), namespace: labels["namespace"], metric: labels["__name__"]}
}

// again is the query for the owner's series of a metric.
func again(metric string, labels sources.Labels, names ...string) string {
	var only sources.Selector
	for _, name := range append([]string{"namespace"}, names...) {
		if value := labels[name]; value != "" {
			only = append(only, sources.Matcher{Name: name, Op: sources.Equal, Value: value})
		}
	}
	return sources.MetricSelector(metric, only)
}

// namedBy is the label that names the series' service.
func namedBy(labels sources.Labels, more ...string) string {
	_, name := labels.First(append(slices.Clone(more), naming...)...)
	return name
}

// rollout is how many instances run each version of a service, by moment.
type rollout struct {
	owner
	query string
	at    map[time.Time]map[string]float64
}

func (h *history) rollouts() []*rollout {
	byOwner := map[owner]*rollout{}
	for _, s := range h.versions {
		version, label := s.Labels.First(versionLabels...)
		who, by := h.names.ownerOf(s.Labels), namedBy(s.Labels)
		if image := s.Labels["image"]; image != "" {
			version, label = imageTag(image), "image"
			who, by = h.names.ownerOf(s.Labels, "container"), "container"
		}
		if version == "" || who.service == "" {
			continue
		}
		r := byOwner[who]
		if r == nil {
			r = &rollout{owner: who, at: map[time.Time]map[string]float64{}}
			r.query = fmt.Sprintf("count by (%s) (%s)", sources.GroupLabels(label), again(who.metric, s.Labels, by))
			byOwner[who] = r
		}
		for _, sample := range s.Samples {
			if r.at[sample.Time] == nil {
				r.at[sample.Time] = map[string]float64{}
			}
			r.at[sample.Time][version] += sample.Value
		}
	}
	return slices.SortedFunc(maps.Values(byOwner), func(a, b *rollout) int {
		// What a process says of itself comes before what Kubernetes says of its image.
		return cmp.Or(strings.Compare(a.service, b.service), strings.Compare(b.metric, a.metric), strings.Compare(a.namespace, b.namespace))
	})
}

// imageTag is the version in the name of a container's image: its tag, else its digest.
func imageTag(image string) string {
	name, digest, _ := strings.Cut(image, "@")
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		return name[colon+1:]
	}
	return digest
}

func (h *history) versionChanges() []Change {
	var all []Change
	for _, r := range h.rollouts() {
		for _, c := range r.changes() {
			// Several metrics tell the same.
			if !slices.ContainsFunc(all, func(k Change) bool {
				return k.Service == c.Service && near(k.Time, c.Time) && versionsOf(k.Text) == versionsOf(c.Text)
			}) {
				all = append(all, c)
			}
		}
	}
	return all
}

func near(a, b time.Time) bool { return a.Sub(b).Abs() <= settles }

// versionsOf is the part of a change's text that names the versions.
func versionsOf(text string) string {
	versions, _, _ := strings.Cut(text, " on ")
	return versions
}

// changes are the versions that came, and the last one if it was taken back.
func (r *rollout) changes() []Change {
	moments := slices.SortedFunc(maps.Keys(r.at), time.Time.Compare)
	last := map[string]time.Time{}
	var previous map[string]float64
	var found []Change
	var came string // last
	for i, at := range moments {
		now := r.at[at]
		for _, version := range slices.Sorted(maps.Keys(now)) {
			seen, known := last[version]
			if previous != nil && (!known || at.Sub(seen) > settles) {
				if from := mostRun(previous, version); from != "" {
					count, total := r.share(moments[i:], version)
					found = append(found, r.change(at, from, version, count, total))
					came = version
				}
			}
			last[version] = at
		}
		previous = now
	}
	if end := len(moments) - 1; came != "" && last[came].Before(moments[end]) {
		i, _ := slices.BinarySearchFunc(moments, last[came], time.Time.Compare)
		found = append(found, r.change(moments[i+1], came, mostRun(r.at[moments[end]], came), 0, 0))
	}
	return found
}

// change is one to a version on so many of all instances, 0 of 0 where that is not known.
func (r *rollout) change(at time.Time, from, to string, count, total int) Change {
	c := Change{
		Time: at.UTC(), Kind: ChangeVersion, Service: r.service, Query: r.query, Version: to, Instances: count, Of: total,
		Text: Shorten(from) + " → " + Shorten(to),
	}
	switch {
	case total <= 1:
	case count == total:
		c.Text += fmt.Sprintf(" on all %d instances", total)
	default:
		c.Text += fmt.Sprintf(" on %d of %d instances", count, total)
	}
	return c
}

// mostRun is the version that most instances run, apart from one.
func mostRun(versions map[string]float64, apart string) string {
	best := ""
	for _, v := range slices.Sorted(maps.Keys(versions)) {
		if v != apart && (best == "" || versions[v] > versions[best]) {
			best = v
		}
	}
	return best
}

// share is on how many of all instances the version ran when it ran on the largest share.
func (r *rollout) share(moments []time.Time, version string) (instances, of int) {
	count, total := 0.0, 1.0
	for _, at := range moments {
		all := 0.0
		for _, n := range r.at[at] {
			all += n
		}
		if n := r.at[at][version]; n/all > count/total {
			count, total = n, all
		}
	}
	return int(count), int(total)
}

// levels is how many instances a service has, by moment.
type levels struct {
	owner
	query   string
	samples []sources.Sample
}

// counts are the instances of each service, by the surest metric that counts them.
func (h *history) counts() map[owner]*levels {
	surest := map[owner]*levels{}
	for _, s := range h.replicas {
		who, by := h.names.ownerOf(s.Labels, "deployment", "statefulset"), namedBy(s.Labels, "deployment", "statefulset")
		metric := who.metric
		if metric == survey.Scraped && !h.knows(who.service) {
			continue // a job may hold the targets of many services
		}
		who.metric = ""
		if known := surest[who]; who.service == "" || known != nil && rankOf(known.metric) <= rankOf(metric) {
			continue
		}
		l := &levels{owner: who, query: again(metric, s.Labels, by), samples: s.Samples}
		l.metric = metric
		if metric == survey.Scraped {
			l.query = "count(" + l.query + ")"
		}
		surest[who] = l
	}
	return surest
}

func rankOf(metric string) int { return slices.Index(replicaMetrics, metric) }

// knows reports whether the survey has seen the service, or there was none.
func (h *history) knows(service string) bool {
	return len(h.services) == 0 || slices.ContainsFunc(h.services, func(s string) bool { return sameService(s, service) })
}

func (h *history) replicaChanges(versions []Change) []Change {
	var all []Change
	told := map[string]int{} // the rank of what told of a service
	counts := h.counts()
	for _, l := range counts {
		if rank, known := told[l.service]; !known || rankOf(l.metric) < rank {
			told[l.service] = rankOf(l.metric)
		}
	}
	for _, l := range counts {
		if rankOf(l.metric) > told[l.service] {
			continue // the same service without its namespace
		}
		for _, c := range l.changes() {
			rolling := slices.ContainsFunc(versions, func(v Change) bool { return sameService(v.Service, c.Service) && near(v.Time, c.Time) })
			if rolling && h.span.To.Sub(c.Time) < settles {
				continue // old and new ones side by side
			}
			all = append(all, c)
		}
	}
	return all
}

// run is a stretch of time with one value.
type run struct {
	value    float64
	from, to time.Time
	samples  int
}

// changes are the steps from one lasting number of instances to another.
func (l *levels) changes() []Change {
	var runs []run
	for _, s := range l.samples {
		if n := len(runs); n > 0 && runs[n-1].value == s.Value {
			runs[n-1].to = s.Time
			runs[n-1].samples++
			continue
		}
		runs = append(runs, run{value: s.Value, from: s.Time, to: s.Time, samples: 1})
	}
	var found []Change
	steady := -1 // the last run that lasted
	for i, r := range runs {
		lasts := i == 0 || r.to.Sub(r.from) > settles || (i == len(runs)-1 && r.samples > 1)
		if !lasts {
			continue
		}
		if steady >= 0 && runs[steady].value != r.value {
			found = append(found, Change{
				Time: runs[steady+1].from.UTC(), Kind: ChangeReplicas, Service: l.service, Query: l.query,
				Text: fmt.Sprintf("%.0f → %s", runs[steady].value, counted(int(r.value), "instance")),
			})
		}
		steady = i
	}
	return found
}

// restart is one that was seen.
type restart struct {
	owner
	at       time.Time
	instance string // where known
	count    int
	seenBy   string
	query    string
}

// restarts are those that no other change explains, of one service and time together.
func (h *history) restarts(explained []Change) []Change {
	byService := map[string][]restart{}
	for _, r := range h.seenRestarts() {
		key := strings.ToLower(r.service)
		byService[key] = append(byService[key], r)
	}
	counts := h.counts()
	var all []Change
	for _, seen := range byService {
		slices.SortStableFunc(seen, func(a, b restart) int { return a.at.Compare(b.at) })
		for len(seen) > 0 {
			n := 1
			for n < len(seen) && seen[n].at.Sub(seen[n-1].at) <= settles {
				n++
			}
			c := oneChange(seen[:n], counts)
			if !slices.ContainsFunc(explained, func(e Change) bool {
				return sameService(e.Service, c.Service) && near(e.Time, c.Time)
			}) {
				all = append(all, c)
			}
			seen = seen[n:]
		}
	}
	return all
}

func (h *history) seenRestarts() []restart {
	var all []restart
	for _, s := range h.starts {
		how := s.Labels["seen_by"]
		who, by := h.names.ownerOf(s.Labels), namedBy(s.Labels)
		query := again("process_start_time_seconds", s.Labels, by)
		instance, _ := s.Labels.First("pod", "instance")
		switch how {
		case byKubelet:
			who, by = h.names.ownerOf(s.Labels, "container"), "container"
			query = again("kube_pod_container_status_restarts_total", s.Labels, by)
		case byReset:
			query = again("process_cpu_seconds_total", s.Labels, by)
		}
		if who.service == "" {
			continue
		}
		started := math.Inf(-1)
		for _, sample := range s.Samples {
			r := restart{owner: who, at: sample.Time, instance: instance, count: 1, seenBy: how, query: query}
			if how == byStart {
				if sample.Value-started <= startJitter.Seconds() {
					continue
				}
				started = sample.Value
			} else {
				r.count = int(sample.Value)
			}
			all = append(all, r)
		}
	}
	return all
}

// oneChange makes one change of restarts. Where they were seen in several ways, the one
// that names instances counts, else the one that came first.
func oneChange(seen []restart, counts map[owner]*levels) Change {
	how := seen[0].seenBy
	if slices.ContainsFunc(seen, func(r restart) bool { return r.seenBy == byStart }) {
		how = byStart
	}
	instances := map[string]bool{}
	n := 0
	var first *restart
	for i := range seen {
		r := &seen[i]
		if r.seenBy != how {
			continue
		}
		if first == nil {
			first = r
		}
		instances[r.instance] = true
		n += r.count
	}
	if how == byStart {
		n = len(instances)
	}
	c := Change{Time: seen[0].at.UTC(), Kind: ChangeRestart, Service: first.service, Query: first.query, Text: counted(n, "instance") + " started anew"}
	if how == byKubelet {
		c.Text = counted(n, "container") + " started anew"
	}
	for _, l := range counts {
		if total := atMoment(l.samples, c.Time); sameService(l.service, c.Service) && total > 1 && float64(n) <= total {
			c.Text = fmt.Sprintf("%d of %.0f instances started anew", n, total)
			c.Instances, c.Of = n, int(total)
			break
		}
	}
	return c
}

// atMoment is the value of the last sample before a moment, 0 without one.
func atMoment(samples []sources.Sample, at time.Time) float64 {
	value := 0.0
	for _, s := range samples {
		if s.Time.Before(at) {
			value = s.Value
		}
	}
	return value
}

func (h *history) configChanges() []Change {
	var all []Change
	for _, s := range h.configured {
		metric := s.Labels["metric"]
		object, kind := s.Labels.First("configmap", "secret")
		who, by := h.names.ownerOf(s.Labels), namedBy(s.Labels)
		what := "configuration"
		if object != "" {
			// The exporter tells of it, and it is the one's whose name it begins with.
			who.service, by, what = h.belongsTo(object), kind, kind+" "+Shorten(object)
		}
		if who.service == "" || len(s.Samples) > restless {
			continue
		}
		for _, sample := range s.Samples {
			all = append(all, Change{
				Time: sample.Time.UTC(), Kind: ChangeConfig, Service: who.service, Query: again(metric, s.Labels, by), Text: what + " changed",
			})
		}
	}
	return all
}

// belongsTo is the service of an object that is named after it, as cart-config is; the
// object's own name where there is none.
func (h *history) belongsTo(object string) string {
	best, longest := "", 0
	for _, s := range h.services {
		for _, name := range h.names.all([]string{s}) {
			name = bareService(name)
			if (object == name || strings.HasPrefix(object, name+"-")) && len(name) > longest {
				best, longest = bareService(s), len(name)
			}
		}
	}
	return cmp.Or(best, object)
}
