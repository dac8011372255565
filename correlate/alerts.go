package correlate

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

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
	if x.set.Metrics == nil {
		note.notConfigured(sources.Prometheus, "no alert was looked at")
		list.Missing = note.all()
		return list
	}
	list.Alerts = x.alerts(ctx, note)
	note.ended(ctx)
	list.Missing, list.Queries = note.all(), x.queriesSince(asked)
	return list
}

// now is the moment by the clock of the run.
func (x *Explorer) now() time.Time {
	if x.set.Ledger != nil && x.set.Ledger.Now != nil {
		return x.set.Ledger.Now().UTC()
	}
	return time.Now().UTC()
}

// alertsOf puts alerts into words and into order: firing ones first, then the longest.
func (x *Explorer) alertsOf(raised []sources.Alert) []Alert {
	all := make([]Alert, len(raised))
	for i, r := range raised {
		a := Alert{Name: r.Name, State: r.State, Since: r.ActiveAt, Value: r.Value, Labels: maps.Clone(r.Labels), Annotations: maps.Clone(r.Annotations)}
		service, by := r.Labels.First(alertServices...)
		if service = x.names.of(service); by == "job" {
			service = bareService(service)
		}
		a.Service = service
		a.Severity, _ = r.Labels.First(alertSeverities...)
		a.Summary, _ = r.Annotations.First(alertSummaries...)
		a.RunbookURL, _ = r.Annotations.First(alertRunbooks...)
		a.Query = alertQuery(r)
		all[i] = a
	}
	slices.SortFunc(all, func(a, b Alert) int {
		return cmp.Or(
			cmp.Compare(oneIf(a.State != alertFiring), oneIf(b.State != alertFiring)),
			cmp.Compare(oneIf(a.Since.IsZero()), oneIf(b.Since.IsZero())), // of one that is older than the server
			a.Since.Compare(b.Since), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Labels.String(), b.Labels.String()),
		)
	})
	return all
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

// alerts asks for the alerts. A server that evaluates no rules is no failure.
func (x *Explorer) alerts(ctx context.Context, note *gaps) []Alert {
	raised, err := x.set.Metrics.Alerts(ctx)
	switch failure := (*sources.Error)(nil); {
	case errors.Is(err, sources.ErrNotFound) && errors.As(err, &failure):
		note.take([]Missing{{Backend: sources.Prometheus, Kind: MissingNoData, Reason: "no alert was looked at: " + err.Error(), Hint: failure.Hint}})
	case err != nil:
		note.failed(sources.Prometheus, "no alert was looked at", err)
	}
	return x.alertsOf(raised)
}
