package correlate

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"obs/sources"
)

// alertFiring is the state of an alert whose condition has held for long enough; until then
// it is pending.
const alertFiring = "firing"

// Labels and annotations by which alerts tell what they are about, as rule files have
// them, the surest first: labels that instrumentation and clusters give to services, and
// the annotations of the Prometheus documentation and of the kube-prometheus mixins.
var (
	alertServices   = []string{"service_name", "service", "app", "app_kubernetes_io_name", "destination_service_name", "deployment", "statefulset", "daemonset", "workload", "container", "job"}
	alertSeverities = []string{"severity", "level", "priority"}
	alertSummaries  = []string{"summary", "description", "message"}
	alertRunbooks   = []string{"runbook_url", "runbook"}
)

// Alerts are those that are pending or firing now, whatever the explorer's window is.
func (x *Explorer) Alerts(ctx context.Context) *AlertList {
	list := &AlertList{Schema: AlertsSchema, Time: x.now(), Alerts: []Alert{}, Queries: []Query{}}
	note := &gaps{}
	asked := len(x.set.Ledger.Queries())
	if x.set.Metrics == nil && x.set.Notifications == nil {
		note.notConfigured(sources.Prometheus, "no alert was looked at")
		list.Missing = note.all()
		return list
	}
	list.Alerts = x.alerts(ctx, note)
	note.ended(ctx)
	list.Queries = x.queriesSince(asked)
	note.take(partialAnswers(list.Queries))
	list.Missing = note.all()
	return list
}

// now is the moment by the clock of the run.
func (x *Explorer) now() time.Time {
	return x.set.Ledger.Time().UTC()
}

// alertOf puts an alert into words.
func (x *Explorer) alertOf(r sources.Alert) Alert {
	a := Alert{Name: r.Name, State: r.State, Since: r.ActiveAt, Value: r.Value, Labels: maps.Clone(r.Labels), Annotations: maps.Clone(r.Annotations)}
	service, by := r.Labels.First(alertServices...)
	if service = x.names.of(service); by == "job" {
		service = bareService(service)
	}
	a.Service = service
	a.Severity, _ = r.Labels.First(alertSeverities...)
	a.Summary, _ = r.Annotations.First(alertSummaries...)
	a.RunbookURL, _ = r.Annotations.First(alertRunbooks...)
	return a
}

// sortAlerts puts firing ones first, then the longest.
func sortAlerts(all []Alert) {
	slices.SortFunc(all, func(a, b Alert) int {
		return cmp.Or(
			cmp.Compare(oneIf(a.State != alertFiring), oneIf(b.State != alertFiring)),
			cmp.Compare(oneIf(a.Since.IsZero()), oneIf(b.Since.IsZero())), // of one that is older than the server
			a.Since.Compare(b.Since), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Labels.String(), b.Labels.String()),
		)
	})
}

// alertQuery is the series that Prometheus keeps of an alert while it is pending or firing.
func alertQuery(r sources.Alert) string {
	only := sources.Selector{{Name: "alertname", Op: sources.Equal, Value: r.Name}}
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		if name != "alertname" {
			only = append(only, sources.Matcher{Name: name, Op: sources.Equal, Value: r.Labels[name]})
		}
	}
	return sources.MetricSelector("ALERTS", only)
}

// Unanswered reports whether the alerts could not be read.
func (l *AlertList) Unanswered() bool {
	return len(l.Alerts) == 0 && len(l.Missing) > 0
}

// firing are the alerts that fire now, about the services that are asked for.
func (x *Explorer) firing(ctx context.Context, note *gaps) []Alert {
	found := []Alert{}
	for _, a := range x.alerts(ctx, note) {
		about := len(x.question.Services) == 0 || a.Service == "" ||
			slices.ContainsFunc(x.question.Services, func(s string) bool { return sameService(s, a.Service) })
		if a.State == alertFiring && about {
			found = append(found, a)
		}
	}
	return found
}

// alerts asks for the alerts where they are raised and where they are sent on, at the same
// time. Each that both have is one.
func (x *Explorer) alerts(ctx context.Context, note *gaps) []Alert {
	var raised []sources.Alert
	var sent []sources.Notification
	var group errgroup.Group
	if x.set.Metrics != nil {
		group.Go(func() error {
			raised = x.raised(ctx, note)
			return nil
		})
	}
	if x.set.Notifications != nil {
		group.Go(func() (err error) {
			sent, err = x.set.Notifications.Notifications(ctx)
			note.failed(sources.Alertmanager, "whether an alert is silenced was not looked at", err)
			return nil
		})
	}
	_ = group.Wait() // its failures are in the gaps
	all := make([]Alert, 0, len(raised)+len(sent))
	for _, r := range raised {
		a := x.alertOf(r)
		a.Query = alertQuery(r)
		at := x.now()
		a.Evidence = []Evidence{{Backend: sources.Prometheus, Query: a.Query, URL: x.set.Metrics.Link(a.Query, sources.Window{From: at.Add(-alertShown), To: at})}}
		all = append(all, a)
	}
	of := pairAlerts(raised, sent)
	for i := range sent {
		if at, both := of[i]; both {
			x.routed(&all[at], &sent[i])
			continue
		}
		a := x.alertOf(sent[i].Alert)
		x.routed(&a, &sent[i])
		a.Query = sent[i].Rule
		all = append(all, a)
	}
	sortAlerts(all)
	return all
}

// alertShown is how much of the past the link to an alert's series shows: an hour, as
// Prometheus's own page does.
const alertShown = time.Hour

// raised asks for the alerts that rules have raised. A server that evaluates none is no
// failure, and where Alertmanager has the alerts of others, nothing is missing.
func (x *Explorer) raised(ctx context.Context, note *gaps) []sources.Alert {
	raised, err := x.set.Metrics.Alerts(ctx)
	switch failure := (*sources.Error)(nil); {
	case errors.Is(err, sources.ErrNotFound) && errors.As(err, &failure):
		if x.set.Notifications == nil {
			note.take([]Missing{{Backend: sources.Prometheus, Kind: MissingNoData, Reason: "no alert was looked at: " + err.Error(), Hint: failure.Hint}})
		}
	case err != nil:
		note.failed(sources.Prometheus, "no alert was looked at", err)
	}
	return raised
}

// routed adds what Alertmanager says of an alert.
func (x *Explorer) routed(a *Alert, n *sources.Notification) {
	for _, s := range n.Silences {
		a.Silences = append(a.Silences, Silence(s))
	}
	slices.SortFunc(a.Silences, func(a, b Silence) int { return cmp.Compare(a.ID, b.ID) })
	a.InhibitedBy, a.MutedBy, a.Receivers = slices.Sorted(slices.Values(n.Inhibitors)), slices.Sorted(slices.Values(n.Muted)), slices.Sorted(slices.Values(n.Receivers))
	a.RuleURL = n.Generator
	a.Evidence = append(a.Evidence, Evidence{Backend: sources.Alertmanager, Query: "GET /api/v2/alerts", URL: x.set.Notifications.Link(n.Labels)})
}

// pairAlerts tells which raised alert each sent one is. It is the one with the same labels,
// or else, of those that are left, the one whose labels it has beside others: Prometheus
// adds its external_labels on the way. Where several that were sent have those, as of a
// cluster each, none is: to call the wrong one silenced would be worse than to list it twice.
func pairAlerts(raised []sources.Alert, sent []sources.Notification) map[int]int {
	of := map[int]int{} // index in raised, by that in sent
	taken := map[int]bool{}
	same := map[string]int{}
	for i := range raised {
		if raised[i].State == alertFiring {
			same[raised[i].Labels.String()] = i
		}
	}
	for i := range sent {
		if at, found := same[sent[i].Labels.String()]; found && !taken[at] {
			of[i], taken[at] = at, true
		}
	}
	// The raised ones that a sent one may be: those with the most labels of which it has all.
	may := make([][]int, len(sent))
	claims := map[int]int{} // how many sent ones may be a raised one
	for i := range sent {
		if _, paired := of[i]; paired {
			continue
		}
		most := 0
		for at := range raised {
			if n := len(raised[at].Labels); raised[at].State == alertFiring && !taken[at] && n >= most && hasLabels(sent[i].Labels, raised[at].Labels) {
				if n > most {
					may[i], most = nil, n
				}
				may[i] = append(may[i], at)
			}
		}
		for _, at := range may[i] {
			claims[at]++
		}
	}
	for i := range sent {
		if len(may[i]) == 1 && claims[may[i][0]] == 1 {
			of[i] = may[i][0]
		}
	}
	return of
}

// hasLabels reports whether all of some labels are among others.
func hasLabels(all, some sources.Labels) bool {
	for name, value := range some {
		if all[name] != value {
			return false
		}
	}
	return len(some) > 0
}
