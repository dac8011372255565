package correlate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"obs/correlate"
	"obs/sources"
)

func TestFindByARequestIDOfTheTeam(t *testing.T) {
	s := slowBank(t)
	for _, n := range []int{10, 40} {
		s.carries(n, "team.corr", aRequest)
	}
	s.logs.stored = append(s.logs.stored, record("proxy", minuteOf(40), "POST /pay", sources.Labels{"team_corr": aRequest}))
	lookup := lookupOf(t, aRequest)
	if c := s.find(lookup); c.Trace != nil || len(c.Records) > 0 {
		t.Errorf("without names there are trace %+v and records %+v", c.Trace, c.Records)
	}
	lookup.Names = correlate.Names{RequestFields: []string{"team.corr"}}
	c := s.find(lookup)
	if !slices.ContainsFunc(c.Records, func(r correlate.Record) bool { return r.Service == "proxy" && r.Join == correlate.ByRequestID }) {
		t.Errorf("records %+v", c.Records)
	}
	// What no record carries is found in the spans, and followed from them.
	s.logs.stored = s.logs.stored[:len(s.logs.stored)-1]
	c = s.find(lookup)
	got := tracesOf(c)
	if slices.Sort(got); !slices.Equal(got, []sources.TraceID{traceID(10), traceID(40)}) {
		t.Errorf("traces %v, missing %+v", got, c.Missing)
	}
}

func TestFindFollowsARequestIDOfTheTeam(t *testing.T) {
	s := newShop(t, question)
	s.happens(40, time.Second, true)
	s.happens(42, time.Second, false)
	for n := range 2 {
		s.carries(n, "corr", aRequest)
	}
	lookup := lookupOf(t, string(traceID(40)))
	if got := tracesOf(s.find(lookup)); !slices.Equal(got, []sources.TraceID{traceID(40)}) {
		t.Errorf("without names the traces are %v", got)
	}
	lookup.Names = correlate.Names{RequestFields: []string{"corr"}, Services: map[string][]string{"front": {"checkout"}, "pay": {"payment"}}}
	c := s.find(lookup)
	if got := tracesOf(c); !slices.Equal(got, []sources.TraceID{traceID(40), traceID(42)}) {
		t.Errorf("traces %v, missing %+v", got, c.Missing)
	}
	for _, p := range c.Places {
		if p.Service == "checkout" || p.Service == "payment" || p.Kind == correlate.Nowhere {
			t.Errorf("place %+v", p)
		}
	}
}

// What the team says is no guess.
func TestAConfiguredNameIsNoGuess(t *testing.T) {
	s := newShop(t, question)
	s.happens(40, time.Second, false)
	at := minuteOf(40).Add(100 * time.Millisecond)
	s.logs.stored = []sources.Record{
		{Time: at, Stream: sources.Labels{"container": "web"}, Line: "of checkout"},
		{Time: at, Stream: sources.Labels{"app": "shop/payment"}, Line: "of payment, as is guessed"},
	}
	lookup := lookupOf(t, string(traceID(40)))
	lookup.Names = correlate.Names{Services: map[string][]string{"checkout": {"web"}}}
	notes := ""
	c := s.find(lookup)
	for _, h := range c.Hops {
		notes += h.Note + "\n"
	}
	if len(c.Records) != 2 || c.Records[0].Service != "checkout" || strings.Contains(notes, "checkout is taken for") || !strings.Contains(notes, "payment is taken for app=shop/payment, a guess") {
		t.Errorf("records %+v, notes %s", c.Records, notes)
	}
}

// Where traces know a service by several names, they are searched by each.
func TestTracesOfAServiceWithSeveralNames(t *testing.T) {
	s := slowBank(t)
	for i := range s.traces.stored {
		for j := range s.traces.stored[i].Spans {
			if span := &s.traces.stored[i].Spans[j]; span.Service == "payment" {
				span.Service = []string{"pay-old", "pay-new"}[i%2]
			}
		}
	}
	q := question
	q.Names = correlate.Names{Services: map[string][]string{"payment": {"pay-new", "pay-old"}}}
	x := correlate.NewExplorer(s.set(), q)
	found := x.Traces(t.Context(), correlate.Subject{Service: "payment"})
	byName := [2]bool{}
	for _, m := range found.Slow {
		for n := 30; n < 60; n++ {
			byName[n%2] = byName[n%2] || m.ID == traceID(n)
		}
	}
	if byName != [2]bool{true, true} || !strings.Contains(found.Query, `"pay-new"`) || !strings.Contains(found.Query, `"pay-old"`) {
		t.Errorf("slow ones by each name %v, by %s", byName, found.Query)
	}
	for _, name := range []string{`service="pay-new"`, `service="pay-old"`} {
		if !slices.ContainsFunc(s.questions(sources.Jaeger), func(text string) bool { return strings.HasPrefix(text, name) }) {
			t.Errorf("nothing was asked by %s: %q", name, s.questions(sources.Jaeger))
		}
	}
	for i := range s.traces.stored {
		if slices.Contains(s.traces.stored[i].Services(), "payment") {
			t.Fatal("the backend's own spans were renamed")
		}
	}
}

// Two metrics that name one service each in its own way make one suspect of it.
func TestTriageOfAServiceWithTwoNamesInMetrics(t *testing.T) {
	s := slowBank(t)
	for i := range s.metrics.series {
		one := &s.metrics.series[i]
		if one.labels.Get("service_name") == "payment" && strings.HasSuffix(one.labels.Get("__name__"), "_bucket") {
			one.labels = labels.NewBuilder(one.labels).Set("service_name", "pay-api").Labels()
		}
	}
	usual, without := slowBank(t).triage(question), s.triage(question)
	q := question
	q.Names = correlate.Names{Services: map[string][]string{"payment": {"pay-api"}}}
	s.ledger = &sources.Ledger{Now: s.ledger.Now}
	got := s.triage(q)
	suspects := func(c *correlate.Case) []string { return said(c)[:len(c.Suspects)] }
	if !slices.Equal(suspects(got), suspects(usual)) {
		t.Errorf("the suspects are %q, and in a shop of one name %q", suspects(got), suspects(usual))
	}
	if got.Services != usual.Services || without.Services != usual.Services+1 {
		t.Errorf("%d services, without names %d, in a shop of one name %d", got.Services, without.Services, usual.Services)
	}
}
