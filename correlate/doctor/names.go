package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"obs/correlate"
	"obs/sources"
)

// Kinds of findings about names.
const (
	KindNamesDiffer = "names.differ"   // they look alike, and the walk does not join them
	KindNotTraced   = "traces.missing" // the traces have no service of that name
	KindNotLogged   = "logs.missing"   // no stream is of a service of that name
)

// listTraced lists the services that send spans.
func (e *exam) listTraced(ctx context.Context) {
	if !e.answers(e.tracer) {
		return
	}
	names, err := e.set.Traces.Services(ctx)
	if err != nil {
		e.failed(e.tracer, "which services are traced was not looked at", err)
		return
	}
	slices.Sort(names)
	e.traced = names
}

// pickRows makes one row of all names of a service, and keeps those with the most requests.
// What has neither metrics nor traces is no row: many programs only log.
func (e *exam) pickRows() {
	rows := map[string]*row{}
	at := func(name string) *row {
		key := strings.ToLower(correlate.BareService(e.signals.Canonical(name)))
		if rows[key] == nil {
			rows[key] = &row{}
		}
		return rows[key]
	}
	for _, name := range sorted(e.metric) {
		r := at(name)
		r.names.Metrics = append(r.names.Metrics, name)
		r.take(e.metric[name])
	}
	for _, name := range e.traced {
		r := at(name)
		r.names.Traces = append(r.names.Traces, name)
	}
	for _, name := range e.logged() {
		r := at(name)
		r.names.Logs = append(r.names.Logs, name)
	}
	all := make([]*row, 0, len(rows))
	for _, key := range sorted(rows) {
		all = append(all, rows[key])
	}
	all = mergeAlike(all)
	var bystanders []string
	for _, r := range all {
		r.Name = e.signals.Canonical(first(r.names.Traces, r.names.Metrics, r.names.Logs))
		r.Names, r.Rate = r.names, r.signals.requests
		if len(r.names.Metrics)+len(r.names.Traces) == 0 {
			e.onlyLogs = append(e.onlyLogs, r.names.Logs...)
			continue
		}
		if len(e.options.Services) == 0 && e.watchesItself(r) {
			bystanders = append(bystanders, r.Name)
			continue
		}
		if e.wanted(r) {
			e.rows = append(e.rows, r)
		}
	}
	if len(bystanders) > 0 {
		e.report.LeftOut = append(e.report.LeftOut, fmt.Sprintf("what has metrics alone, which are those of a backend or only look like those of requests: %s; --service looks at them", list(bystanders)))
	}
	slices.SortStableFunc(e.rows, func(a, b *row) int { return cmp.Compare(b.Rate, a.Rate) })
	if len(e.rows) > mostServices {
		var names []string
		for _, r := range e.rows[mostServices:] {
			names = append(names, r.Name)
		}
		e.report.LeftOut = append(e.report.LeftOut, fmt.Sprintf("%d of %d services, those with the fewest requests (%s): name them with --service", len(names), len(e.rows), list(names)))
		e.rows = e.rows[:mostServices]
	}
	if len(e.onlyLogs) > 0 && len(e.options.Services) == 0 {
		e.report.LeftOut = append(e.report.LeftOut, fmt.Sprintf("what has neither metrics of requests nor traces, and only logs: %s", list(e.onlyLogs)))
	}
	for _, one := range e.exemplars {
		for _, r := range e.rows {
			if slices.Contains(r.names.Metrics, one.service) {
				r.exemplars = append(r.exemplars, one)
			}
		}
	}
}

// watchesItself reports whether the row is a program that is neither traced nor logged and
// serves no request of the system: a backend of the walk by its own metrics, or something that
// is scraped and has a metric whose name merely suggests requests, as most exporters do.
func (e *exam) watchesItself(r *row) bool {
	if len(r.names.Traces)+len(r.names.Logs) > 0 {
		return false
	}
	for _, backend := range e.backends() {
		if product := e.servers[backend].Product; product != "" && strings.EqualFold(product, correlate.BareService(r.Name)) {
			return true
		}
	}
	return !r.signals.exact
}

// take adds what the metrics tell under one of the service's names.
func (r *row) take(s *signals) {
	r.signals.rate = r.signals.rate || s.rate
	r.signals.errors = r.signals.errors || s.errors
	r.signals.duration = r.signals.duration || s.duration
	r.signals.exact = r.signals.exact || s.exact
	r.signals.requests = max(r.signals.requests, s.requests)
}

// wanted reports whether the row is asked for.
func (e *exam) wanted(r *row) bool {
	return len(e.options.Services) == 0 || slices.ContainsFunc(e.options.Services, func(asked string) bool {
		return slices.ContainsFunc(slices.Concat(r.names.Metrics, r.names.Traces, r.names.Logs), func(name string) bool { return e.signals.SameService(name, asked) })
	})
}

// mergeAlike joins rows that have no signal in common and whose names look alike, where there
// is but one such pair for either.
func mergeAlike(rows []*row) []*row {
	partners := make([][]int, len(rows))
	for i, a := range rows {
		for j, b := range rows {
			if i != j && disjoint(a, b) && plain(a.anyName()) == plain(b.anyName()) {
				partners[i] = append(partners[i], j)
			}
		}
	}
	gone := map[*row]bool{}
	for i, a := range rows {
		for _, j := range partners[i] {
			b := rows[j]
			// Three rows of one signal each are one service too; of two with the same signal
			// neither can be told to be the other's.
			if j < i || gone[a] || gone[b] || !disjoint(a, b) || !allDisjoint(rows, append([]int{i}, partners[i]...)) {
				continue
			}
			a.names.Metrics = append(a.names.Metrics, b.names.Metrics...)
			a.names.Traces = append(a.names.Traces, b.names.Traces...)
			a.names.Logs = append(a.names.Logs, b.names.Logs...)
			a.take(&b.signals)
			a.alike, gone[b] = true, true
		}
	}
	return slices.DeleteFunc(rows, func(r *row) bool { return gone[r] })
}

func allDisjoint(rows []*row, at []int) bool {
	for i := range at {
		for j := range i {
			if !disjoint(rows[at[i]], rows[at[j]]) {
				return false
			}
		}
	}
	return true
}

func disjoint(a, b *row) bool {
	both := func(a, b []string) bool { return len(a) > 0 && len(b) > 0 }
	return !both(a.names.Metrics, b.names.Metrics) && !both(a.names.Traces, b.names.Traces) && !both(a.names.Logs, b.names.Logs)
}

func (r *row) anyName() string { return first(r.names.Traces, r.names.Metrics, r.names.Logs) }

func first(lists ...[]string) string {
	for _, l := range lists {
		if len(l) > 0 {
			return l[0]
		}
	}
	return ""
}

// roleWords are what one signal adds to a service's name and another does not: what it is, and
// where it runs.
var roleWords = []string{
	"service", "svc", "srv", "server", "app", "api", "deployment", "deploy", "container",
	"prod", "production", "staging", "stage", "dev", "test",
}

// plain is what is left of a name without namespace, case, separators and words that say
// nothing of which service it is; the name itself where nothing would be.
func plain(name string) string {
	name = strings.ToLower(correlate.BareService(name))
	words := strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune("-_. :", r) })
	kept := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return slices.Contains(roleWords, w) })
	if len(kept) == 0 {
		kept = words
	}
	return strings.Join(kept, "")
}

// judgeNames says whether the signals agree on what the service is called.
func (e *exam) judgeNames(r *row) {
	names := slices.Compact(slices.Sorted(slices.Values(slices.Concat(r.names.Metrics, r.names.Traces, r.names.Logs))))
	var lacks []string
	for _, part := range []struct {
		of      string
		names   []string
		backend sources.Backend
	}{{"metrics", r.names.Metrics, sources.Prometheus}, {"traces", r.names.Traces, e.tracer}, {"logs", r.names.Logs, sources.Loki}} {
		if len(part.names) == 0 && e.arrives(part.backend) && (part.backend != e.tracer || !r.quiet()) {
			lacks = append(lacks, part.of)
		}
	}
	switch {
	case r.alike:
		r.Hops.Names = Hop{Broken, "only look alike: " + strings.Join(names, ", ")}
	case len(lacks) > 0:
		r.Hops.Names = Hop{Weak, "not in " + strings.Join(lacks, " and ")}
	case len(names) > 1 && !slices.ContainsFunc(names, func(name string) bool { return !e.signals.Configured(r.Name, name) }):
		r.Hops.Names = Hop{OK, "configured to be the same: " + strings.Join(names, " = ")}
	case len(names) > 1:
		r.Hops.Names = Hop{OK, "taken for the same: " + strings.Join(names, " = ")}
	default:
		r.Hops.Names = Hop{OK, "the same"}
	}
}

// findNames gathers which names do not meet.
func (e *exam) findNames() {
	e.findOver(KindNamesDiffer, Broken, func(r *row) bool { return r.alike }, func(services []string) Finding {
		var said []string
		mapping := "names:\n  services:"
		for _, service := range services {
			r := e.rowOf(service)
			said = append(said, fmt.Sprintf("metrics %s, traces %s, logs %s", orNone(r.names.Metrics), orNone(r.names.Traces), orNone(r.names.Logs)))
			var others []string
			for _, name := range slices.Concat(r.names.Metrics, r.names.Traces, r.names.Logs) {
				if name != r.Name && !slices.Contains(others, name) {
					others = append(others, name)
				}
			}
			mapping += fmt.Sprintf("\n    %s: [%s]", yamlText(r.Name), yamlList(others))
		}
		return Finding{
			Statement: fmt.Sprintf("the signals seem to call one service by different names, which is a guess: %s", strings.Join(said, "; ")),
			Evidence:  e.namesEvidence(),
			Mends: []Mend{
				{Where: "obs profile", Text: mapping},
				mendServiceName(e.rowOf(services[0]).Name),
			},
		}
	})
	if e.arrives(e.tracer) {
		e.findOver(KindNotTraced, Broken, func(r *row) bool { return len(r.names.Traces) == 0 && !r.quiet() }, func(services []string) Finding {
			return Finding{
				Statement: fmt.Sprintf("%s: metrics tell of requests, and %s has no service of that name", list(services), e.tracer.Name()),
				Evidence:  e.namesEvidence(),
				Mends:     []Mend{mendTracing, {Where: "obs profile, if it has another name there", Text: "names:\n  services:\n    " + yamlText(services[0]) + ": [NAME-IN-" + strings.ToUpper(string(e.tracer)) + "]"}},
			}
		})
	}
	if e.arrives(sources.Loki) {
		e.findOver(KindNotLogged, Broken, func(r *row) bool { return len(r.names.Logs) == 0 }, func(services []string) Finding {
			return Finding{
				Statement: fmt.Sprintf("%s: no stream in Loki is of a service of that name; obs looks at the labels %s", list(services), strings.Join(correlate.LogServiceLabels(), ", ")),
				Evidence:  e.namesEvidence(),
				Mends:     []Mend{mendServiceLabel, {Where: "obs profile, if it has another name there", Text: "names:\n  services:\n    " + yamlText(services[0]) + ": [NAME-IN-LOKI]"}},
			}
		})
	}
}

// listing is the question that lists the traced services.
func (e *exam) listing() string {
	switch {
	case e.tracer == sources.Tempo:
		return "GET /api/v2/search/tag/resource.service.name/values"
	case e.servers[e.tracer].API == "v1":
		return "GET /api/services"
	}
	return "GET /api/v3/services"
}

func (e *exam) namesEvidence() []correlate.Evidence {
	all := []correlate.Evidence{}
	if e.set.Metrics != nil && len(e.metered) > 0 {
		all = append(all, correlate.Evidence{Backend: sources.Prometheus, Query: "count by (service_name, job) (" + e.known() + ")", Window: e.options.Window})
	}
	if e.set.Traces != nil {
		all = append(all, correlate.Evidence{Backend: e.tracer, Query: e.listing()})
	}
	if e.set.Logs != nil {
		all = append(all, correlate.Evidence{Backend: sources.Loki, Query: "GET /loki/api/v1/series?match[]={}", Window: e.options.Window})
	}
	return all
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, ", ")
}
