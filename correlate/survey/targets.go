package survey

import (
	"fmt"
	"slices"
	"strings"

	"obs/sources"
)

// The metrics that say whether a target could be reached, 1 or 0 for each: Prometheus's own
// for each scrape, and the blackbox exporter's for each probe.
const (
	Scraped = "up"
	Probed  = "probe_success"
)

// TargetLabels tell one group of targets from another: the service's name, the surest first,
// and what it is unique in. A server that knows no dots in labels does not parse them.
func TargetLabels(dotted bool) []string {
	labels := []string{"service_name", "service.name", "service", "app", "job"}
	if !dotted {
		labels = slices.DeleteFunc(labels, func(l string) bool { return strings.Contains(l, ".") })
	}
	return labels
}

// Targets asks how many targets there are in each group, and how many of them could be
// reached: two questions whose answers have the same labels. Probes are told apart by what
// they probe, as one job holds those of many services.
func Targets(dotted bool) (all, reached string) {
	by := append([]string{"__name__", "namespace"}, TargetLabels(dotted)...)
	probes := append(slices.Clone(by), "instance")
	both := func(aggregate string) string {
		return fmt.Sprintf("%s by (%s) (%s) or %s by (%s) (%s)", aggregate, sources.GroupLabels(by...), named(Scraped),
			aggregate, sources.GroupLabels(probes...), named(Probed))
	}
	return both("count"), both("sum")
}

// named selects a metric by a matcher, so that its name stays among the labels to group by.
func named(metric string) string {
	return sources.Selector{{Name: "__name__", Op: sources.Equal, Value: metric}}.String()
}
