package correlate

import (
	"regexp"
	"slices"

	"obs/correlate/survey"
)

// Metrics of resources often name a pod and no service, and then pod and service would be two
// suspects, each with half of what speaks against them. The names that Kubernetes makes of a
// workload's tell it apart. That the workload is the service of that name is a guess, so that
// what is said of a pod keeps the pod's name.

// podSuffixes are what Kubernetes puts after a workload's name: a Deployment's hash of its
// template, which is a number in digits 4 to 9, b, c, d, f, and five letters and digits without
// vowels and without 0, 1 and 3; those five of a DaemonSet or a Job; the number of a StatefulSet.
var podSuffixes = regexp.MustCompile(`^(.+?)(?:(?:-[4-9bcdf]{1,10})?-[bcdfghjklmnpqrstvwxz2456789]{5}|-\d{1,4})$`)

// workloadOf is the name of the workload of a pod, empty for what is no pod's name.
func workloadOf(pod string) string {
	if m := podSuffixes.FindStringSubmatch(pod); m != nil {
		return m[1]
	}
	return ""
}

// podsAsServices lays what speaks against a pod at the door of the service that its name
// begins with, where one of that name is known.
func (w *walk) podsAsServices(all []clue) []clue {
	known, pods := w.knownServices()
	named := slices.Clone(all)
	for i := range named {
		workload := w.names.of(workloadOf(named[i].service))
		if workload == "" || !pods[named[i].service] || slices.Contains(known, named[i].service) {
			continue
		}
		if at := slices.IndexFunc(known, func(name string) bool { return sameService(name, workload) }); at >= 0 {
			named[i].service = known[at]
		}
	}
	return named
}

// knownServices are the names of services in traces, in lines, and in metrics that name more
// than a pod, in alphabetical order. The others in metrics are pods.
func (w *walk) knownServices() (names []string, pods map[string]bool) {
	names, pods = slices.Clone(w.traced), map[string]bool{}
	for _, s := range w.lineSides {
		if s == nil {
			continue
		}
		for name := range s.total {
			names = append(names, name)
		}
		for _, r := range s.apart {
			name, _ := w.names.service(r.Stream)
			names = append(names, name)
		}
	}
	for i := range w.measured {
		if m := &w.measured[i]; slices.Contains(survey.InstanceLabels, m.question.ServiceLabel) {
			pods[m.service] = true
		} else {
			names = append(names, m.service)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), pods
}
