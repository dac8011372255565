package correlate

import (
	"context"

	"obs/correlate/anomaly"
	"obs/correlate/survey"
	"obs/sources"
)

// ownLimits say from where on the use of a resource matters, as a share of what there
// is: a tenth of it more than usual.
var ownLimits = anomaly.Limits{Ratio: 1.5, Delta: 0.1, Score: 4, Up: true}

// mayWait is the share of a resource from which on work may have to wait for it: where
// the USE method says that utilization begins to be a problem (Gregg, "Thinking
// Methodically about Performance", 2013). Below it more use is no harm.
const mayWait = 0.7

// saturation asks, in one query, what the services use of their resources.
func (t *serviceTable) saturation(ctx context.Context) {
	resources := survey.Resources(t.carried)
	var queries []string
	for i := range resources {
		r := &resources[i]
		r.Restrict(t.walk.names.all(t.walk.question.Services))
		if t.by == PerInstance && r.InstanceLabel != "" {
			r.Question = r.By(r.InstanceLabel)
		}
		queries = append(queries, r.Query(t.walk.over))
	}
	if len(queries) == 0 {
		return
	}
	baseline, window, _, err := t.walk.rangeBoth(ctx, survey.Together(queries))
	if err != nil {
		t.walk.failed(sources.Prometheus, "what the services use of their resources was not looked at", err)
		return
	}
	known := map[*tableRow]map[string]*survey.Resource{}
	before, now := survey.Apart(baseline, len(resources)), survey.Apart(window, len(resources))
	for i := range resources {
		for _, one := range seriesPairs(before[i], now[i]) {
			t.takeResource(&resources[i], one, known)
		}
	}
}

// takeResource gives the rows that a resource belongs to its reading, unless it is less
// used than another one. A row has each kind of resource from the surest metric alone.
func (t *serviceTable) takeResource(resource *survey.Resource, one seriesPair, known map[*tableRow]map[string]*survey.Resource) {
	reading := readingOf(&resource.Question, one, t.walk.over, ownLimits)
	if reading == nil {
		return
	}
	if reading.Verdict == Anomalous && reading.Window < mayWait {
		reading.Verdict = Healthy
	}
	for _, r := range t.users(resource, one.labels) {
		if known[r] == nil {
			known[r] = map[string]*survey.Resource{}
		}
		if surer := known[r][resource.Name]; surer != nil && surer != resource {
			continue
		}
		known[r][resource.Name] = resource
		if r.Saturation == nil || levelOf(reading) > levelOf(r.Saturation) {
			r.Saturation, r.Resource = reading, resource.Name
		}
	}
}

// users are the rows that a series of a resource is about. A container that no row is
// known for is none of a service: a side-car, or the cluster's own.
func (t *serviceTable) users(resource *survey.Resource, labels sources.Labels) []*tableRow {
	service, instance := t.walk.names.of(labels[resource.ServiceLabel]), labels[resource.InstanceLabel]
	var found []*tableRow
	for _, r := range t.rows {
		switch {
		case t.by == PerService && sameService(r.Service, service):
			found = append(found, r)
		case t.by == PerInstance && instance != "" && r.Instance == instance && (resource.Container || sameService(r.Service, service)):
			found = append(found, r)
		}
	}
	if len(found) == 0 && t.by == PerInstance && !resource.Container && service != "" && instance != "" {
		found = append(found, t.row(bareService(service), service, instance))
	}
	return found
}
