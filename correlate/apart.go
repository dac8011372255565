package correlate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"obs/correlate/spans"
	"obs/correlate/survey"
	"obs/sources"
)

// What tells requests in trouble from others of the same time that are well, a tenant, a region
// or a version, says whom it hits and where it is. It is said only of others of the same time:
// those of the baseline differ in all that was changed since. An effect of the trouble, such as
// a status code, tells nothing apart, nor does what comes with work that only those requests
// do, such as the attributes of a retry.

// apart is an attribute, or two, that requests in trouble have and others have not.
type apart struct {
	service      string // whose spans carry them; any's where empty
	attributes   []sources.Attribute
	places       []sources.Attribute // where it runs, that hold in the same requests; the first is named above
	also         map[string]bool     // further services whose places hold in the same requests
	slow, others int                 // requests that have them
	finding      string              // its ID, once it is stated
}

// held is what requests in trouble were held against.
type held struct {
	from         sources.Backend
	slow, others []*spans.Tree      // of one entry, so that like is compared with like
	query        sources.TraceQuery // that brought the others
}

// placeKeys name which instances a span's process is one of, the one that can be rolled back
// first, in the semantic conventions of OpenTelemetry.
var placeKeys = []string{
	"service.version", "k8s.pod.name", "service.instance.id", "host.name", "k8s.node.name", "host.id", "container.id",
	"cloud.availability_zone", "cloud.region",
}

// instanceNames name a process, the most readable first.
var instanceNames = []string{"k8s.pod.name", "service.instance.id", "container.id", "host.name"}

// visitsPerInstance is how many requests there must be for each instance to tell that they
// come to some and not to others: of three a piece, one of twenty instances is left out by chance.
const visitsPerInstance = 3

// compareAlike holds the attributes against requests of the same time where there are
// enough. It comes last, since no verdict rests on it, and only where the triage has asked less
// than it may.
func (w *walk) compareAlike(ctx context.Context, primary *measured) {
	if primary == nil || w.found.Cohorts == nil || w.spare() < 2 || ctx.Err() != nil {
		return
	}
	var found []*spans.Tree
	var query sources.TraceQuery
	var err error
	switch {
	case primary.question.Signal == survey.Errors && w.failure != nil:
		found, query, err = w.searchOthers(ctx, w.failure.service, primary.operation, w.trees.slow, w.question.Window)
		if err == nil && len(found) < leastSlow { // all of them fail now
			found, query, err = w.searchOthers(ctx, w.failure.service, primary.operation, w.trees.slow, w.question.Baseline)
		}
	case primary.question.Signal == survey.Latency && primary.question.Exact && w.lastSearch.Service != "":
		found, query, err = w.searchQuick(ctx, w.lastSearch, threshold(primary), primary.departure.Onset, w.trees.slow)
		if found = sameEntry(found, w.trees.slow); len(found) < enough {
			found = nil
		}
	}
	if err != nil {
		w.failed(w.set.TraceBackend(), "requests were not compared with others of the same time", err)
	}
	if len(found) == 0 {
		return
	}
	found = found[:min(len(found), cohortSize)]
	w.keepCohorts(primary, w.found.Cohorts.Chosen, found)
	if query.Window.From.Before(w.question.Window.From) {
		return
	}
	w.held = &held{from: w.set.TraceBackend(), slow: sameEntry(w.trees.slow, w.trees.slow), others: found, query: query}
	w.apart = w.held.tellApart(w.found.Cohorts.Subject, w.suspected())
}

// tellApart finds the surest attribute that most of the requests in trouble have and few of the
// others; nil without one.
func (h *held) tellApart(about Subject, suspected string) *apart {
	c := compareCohorts(h.from, about, h.slow, h.others)
	c.nameBy(suspected)
	for i := range c.Differences {
		d := &c.Differences[i]
		// Larger numbers are more work, which may be why or what came of it.
		if d.Symptom || d.SlowMedian != nil || 2*d.Slow <= len(h.slow) || 2*d.Normal >= len(h.others) || !h.alikeInWork(about, d) {
			continue
		}
		a := &apart{service: d.Service, attributes: slices.Clone(d.Attributes), slow: d.Slow, others: d.Normal}
		if len(a.attributes) == 1 {
			a.namePlaces(d.Also)
		}
		return a
	}
	return nil
}

// namePlaces lists where the requests in trouble are, and calls a place by what can be rolled
// back, as no request tells the one from the other.
func (a *apart) namePlaces(also []Condition) {
	if !slices.Contains(placeKeys, a.attributes[0].Key) {
		return
	}
	a.places = append(a.places, a.attributes[0])
	a.also = map[string]bool{}
	for _, c := range also {
		if slices.Contains(placeKeys, c.Key) && c.Service != a.service {
			a.also[c.Service] = true
		}
		if c.Service == a.service && c.Value != "" && slices.Contains(placeKeys, c.Key) {
			a.places = append(a.places, sources.Attribute{Key: c.Key, Value: c.Value})
		}
	}
	slices.SortStableFunc(a.places, func(a, b sources.Attribute) int {
		return cmp.Compare(slices.Index(placeKeys, a.Key), slices.Index(placeKeys, b.Key))
	})
	a.attributes = a.places[:1]
}

// alikeInWork reports whether a difference is there too among the requests that do the work
// which carries its attributes: else it is that work in which they differ.
func (h *held) alikeInWork(about Subject, d *Difference) bool {
	for _, a := range d.Attributes {
		if a.Value == "" {
			return false // that an attribute is there at all is what was done
		}
		work := map[spans.Key]bool{}
		carries := func(s *sources.Span) bool {
			return (d.Service == "" || s.Service == d.Service) && s.Attributes.Get(a.Key) == a.Value
		}
		for _, t := range h.slow {
			for i := range t.Trace.Spans {
				if s := &t.Trace.Spans[i]; carries(s) {
					work[spans.KeyOf(s)] = true
				}
			}
		}
		if len(work) == 0 { // it is of the process, or a cut value
			continue
		}
		does := func(t *spans.Tree) bool {
			return slices.ContainsFunc(t.Trace.Spans, func(s sources.Span) bool { return work[spans.KeyOf(&s)] })
		}
		among := held{from: h.from, slow: only(h.slow, does), others: only(h.others, does)}
		if len(among.others) == len(h.others) {
			continue
		}
		if !slices.ContainsFunc(compareCohorts(h.from, about, among.slow, among.others).Differences, func(other Difference) bool {
			return slices.Contains(other.Attributes, a) ||
				slices.ContainsFunc(other.Also, func(c Condition) bool { return c.Key == a.Key && c.Value == a.Value })
		}) {
			return false
		}
	}
	return true
}

// touches reports whether a change reached the instances on which the trouble is, where that is
// known: not of one that reached all of its service's, nor where the requests in trouble are told
// apart by whose they are and not by where they run.
func (a *apart) touches(c *Change) (known, touched bool) {
	switch {
	case a == nil || len(a.places) == 0 || a.service == "" || a.also[c.Service]:
		return false, false
	case !sameService(a.service, c.Service):
		return true, false
	case a.places[0].Key == placeKeys[0] && c.Version != "":
		return true, a.places[0].Value == c.Version
	}
	return false, false
}

func only(trees []*spans.Tree, fits func(*spans.Tree) bool) []*spans.Tree {
	return slices.DeleteFunc(slices.Clone(trees), func(t *spans.Tree) bool { return !fits(t) })
}

// trouble is what requests of a cohort are called.
func (w *walk) trouble() string {
	if w.found.Cohorts.Subject.Signal == string(survey.Errors) {
		return "failing"
	}
	return "slow"
}

// sayApart states what tells the requests in trouble from the others, and adds it to the
// answers.
func (w *walk) sayApart() {
	if w.held == nil || w.apart == nil || w.found.Answers.AffectedFlow.Text == "" {
		return
	}
	a := w.apart
	text := w.describeApart(a)
	a.finding = w.found.AddFinding(text, w.heldEvidence(
		[]Value{{Name: "requests in trouble", Value: float64(len(w.held.slow))}, {Name: "requests in trouble that have it", Value: float64(a.slow)}},
		[]Value{{Name: "other requests", Value: float64(len(w.held.others))}, {Name: "other requests that have it", Value: float64(a.others)}})...)
	w.found.Answers.AffectedFlow.goOn(text, a.finding)
}

// goOn adds a sentence to an answer that there is.
func (a *Answer) goOn(text, finding string) {
	if a.Text != "" {
		a.Text += " " + sentence(strings.ToUpper(text[:1])+text[1:])
		a.Findings = append(slices.Clone(a.Findings), finding)
	}
}

// sayInstances states on how many instances of the first suspect the requests in trouble are.
func (w *walk) sayInstances() {
	if w.held == nil {
		return
	}
	service := w.suspected()
	if len(w.found.Suspects) > 0 {
		service = w.found.Suspects[0].Service // all that speaks for it, and not its time alone
	}
	if text, evidence := w.instancesHit(service); text != "" {
		w.found.Answers.Scope.goOn(text, w.found.AddFinding(text, evidence...))
	}
}

func (w *walk) describeApart(a *apart) string {
	named := func(all []sources.Attribute, sep string) string {
		texts := make([]string, len(all))
		for i, one := range all {
			texts[i] = one.Key + "=" + Shorten(one.Value)
		}
		return strings.Join(texts, sep)
	}
	entry := spans.KeyOf(w.held.slow[0].Span(w.held.slow[0].Main))
	text := fmt.Sprintf("%s by %s %s have %s", ofAll(a.slow, len(w.held.slow), w.trouble()+" request"), entry.Service, entry.Operation, named(a.attributes, " and "))
	if a.service != "" {
		text += " in " + a.service
	}
	if len(a.places) > 1 {
		text += " (" + named(a.places[1:], ", ") + ")"
	}
	do := "do"
	switch a.others {
	case 0:
		return text + fmt.Sprintf("; of %d others of the same time none does", len(w.held.others))
	case 1:
		do = "does"
	}
	return text + fmt.Sprintf("; of %d others of the same time %d %s", len(w.held.others), a.others, do)
}

// ofAll says how many of some things, or that it is all of them.
func ofAll(n, of int, noun string) string {
	if n == of {
		return "all " + counted(of, noun)
	}
	return fmt.Sprintf("%d of %s", n, counted(of, noun))
}

// heldEvidence is the searches that brought the two sides, with what was read from each, and
// the chosen trace, which may be in none of them.
func (w *walk) heldEvidence(slow, others []Value) []Evidence {
	all := append(w.searchEvidence(w.trees.slowAsked, slow...), w.searchEvidence([]sources.TraceQuery{w.held.query}, others...)...)
	return append(all, w.traceEvidence())
}

// instancesHit says on how many instances of a service, of those that requests came to, and on
// how many of its versions, the requests in trouble are; nothing where too few requests tell.
func (w *walk) instancesHit(service string) (string, []Evidence) {
	hit, of := w.held.placesOf(service, instanceNames)
	if service == "" || of < 2 || len(w.held.slow) < visitsPerInstance*of {
		return "", nil
	}
	if w.apart != nil && w.apart.service == service && len(w.apart.places) > 0 && hit == of {
		return "", nil // most are in one place, which is stated
	}
	text := fmt.Sprintf("%s requests came to %s of %s", w.trouble(), ofAll(hit, of, "instance"), service)
	in := []Value{{Name: "instances with trouble", Value: float64(hit)}}
	all := []Value{{Name: "instances", Value: float64(of)}}
	if hit, of := w.held.placesOf(service, placeKeys[:1]); of > 1 {
		text += ", and to " + ofAll(hit, of, "version")
		in = append(in, Value{Name: "versions with trouble", Value: float64(hit)})
		all = append(all, Value{Name: "versions", Value: float64(of)})
	}
	return text, w.heldEvidence(in, all)
}

// placesOf counts the places of a service that requests in trouble came to, and those that any
// did, by the first of the keys that a process has.
func (h *held) placesOf(service string, keys []string) (hit, of int) {
	seen := func(into map[string]bool, trees []*spans.Tree) map[string]bool {
		for _, t := range trees {
			for i := range t.Trace.Spans {
				s := &t.Trace.Spans[i]
				if at := slices.IndexFunc(keys, func(key string) bool { return s.Resource.Get(key) != "" }); s.Service == service && at >= 0 {
					into[s.Resource.Get(keys[at])] = true
				}
			}
		}
		return into
	}
	in := seen(map[string]bool{}, h.slow)
	hit = len(in)
	return hit, len(seen(in, h.others))
}
