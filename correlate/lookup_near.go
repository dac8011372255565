package correlate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"obs/sources"
)

// Where no record carries the trace's ID, what its services logged meanwhile is shown, and
// called what it is: lines of the same service, pod and time. They are never shown beside
// records that an ID joins.

// nearServices is of how many services such lines are shown: those that the request waited
// for longest.
const nearServices = 4

// podLabels are the stream labels that may name a pod.
var podLabels = []string{"pod", "k8s_pod_name", "pod_name", "instance", "service_instance_id"}

// podAttributes are the resource attributes that do.
var podAttributes = []string{"k8s.pod.name", "service.instance.id", "host.name"}

// nearby is one service's lines of that time.
type nearby struct {
	service  string
	selector sources.Selector
	guess    string // what the service was taken for in the logs, where that is no more than likely
}

// near brings lines of the same services, pods and time as a trace.
func (f *finder) near(ctx context.Context) {
	t := f.found.Trace
	if t == nil || len(f.found.Records) > 0 || f.set.Logs == nil || ctx.Err() != nil || f.found.unanswered(sources.Loki) {
		return
	}
	window := t.Window()
	streams, err := f.set.Logs.Streams(ctx, "", window.Pad(recordSlack))
	if err != nil {
		f.found.missingError(sources.Loki, "lines of the same time were not looked at", err)
		return
	}
	all := t.nearby(streams, f.names)
	f.found.missing(Missing{
		Backend: sources.Loki, Kind: MissingNoData,
		Reason: fmt.Sprintf("no record near %s carries trace ID %s", window, t.ID),
		Hint:   "its services may not log their trace IDs, or their logs may not be in this Loki",
	})
	if len(all) == 0 {
		return
	}
	step := f.begin("records", "looking at what the same services logged meanwhile")
	answers := make([]sources.RecordAnswer, len(all))
	group, groupCtx := errgroup.WithContext(ctx)
	for i := range all {
		group.Go(func() (err error) {
			answers[i], err = f.set.Logs.Records(groupCtx, all[i].selector.String(), window, weakLimit, true)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		f.found.missingError(sources.Loki, "lines of the same time were not looked at", err)
		step.failed("Loki gave no answer")
		return
	}
	for i, answer := range answers {
		for _, r := range answer.Records {
			kept := f.names.describeRecord(r)
			kept.Join = ByServiceTime
			f.found.Records = append(f.found.Records, kept)
		}
		if len(answer.Records) == 0 {
			continue
		}
		evidence := logEvidence(f.set.Logs, all[i].selector.String(), window)
		f.found.Hops = append(f.found.Hops, Hop{From: "trace", To: "records", Join: ByServiceTime, Evidence: &evidence, Note: all[i].note(&answer)})
	}
	slices.SortStableFunc(f.found.Records, func(a, b Record) int { return a.Time.Compare(b.Time) })
	step.ended(counted(len(f.found.Records), "record") + " of the same services and time")
}

func (n *nearby) note(answer *sources.RecordAnswer) string {
	text := "no ID joins them: " + n.service + " and the same time"
	if n.guess != "" {
		text += "; " + n.service + " is taken for " + n.guess + ", a guess"
	}
	if answer.Truncated {
		text += fmt.Sprintf("; the first %d", len(answer.Records))
	}
	return text
}

// nearby are the services of the trace that have streams, with where they ran as far as both
// tell, those that the request waited for longest first.
func (t *Trace) nearby(streams []sources.Labels, known *glossary) []nearby {
	waited, pods := map[string]float64{}, map[string]map[string]bool{}
	for i := range t.Spans {
		s := &t.Spans[i]
		waited[s.Service] += s.CriticalSeconds
		for _, key := range podAttributes {
			if pod := s.Resource.Get(key); pod != "" {
				if pods[s.Service] == nil {
					pods[s.Service] = map[string]bool{}
				}
				pods[s.Service][pod] = true
			}
		}
	}
	services := slices.SortedFunc(maps.Keys(waited), func(a, b string) int {
		return cmp.Or(cmp.Compare(waited[b], waited[a]), cmp.Compare(a, b))
	})
	var all []nearby
	for _, service := range services {
		label, names := known.namesOf(service, streams)
		if label == "" || len(all) == nearServices {
			continue
		}
		n := nearby{service: service, selector: sources.Selector{sources.AnyOf(label, names...)}}
		said := slices.Contains([]string{"service_name", "service"}, label) && len(names) == 1 && names[0] == service
		if !said && !known.configured(service, names) {
			n.guess = label + "=" + strings.Join(names, ", ")
		}
		if label, seen := podsIn(streams, label, names, pods[service]); label != "" {
			n.selector = append(n.selector, sources.AnyOf(label, seen...))
		}
		all = append(all, n)
	}
	return all
}

// podsIn is the label of a service's streams that names pods of the trace, and which of them.
func podsIn(streams []sources.Labels, label string, names []string, pods map[string]bool) (podLabel string, seen []string) {
	for _, candidate := range podLabels {
		for _, stream := range streams {
			pod := stream[candidate]
			if candidate != label && slices.Contains(names, stream[label]) && pods[pod] && !slices.Contains(seen, pod) {
				seen = append(seen, pod)
			}
		}
		if len(seen) > 0 {
			slices.Sort(seen)
			return candidate, seen
		}
	}
	return "", nil
}
