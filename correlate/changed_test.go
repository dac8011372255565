package correlate_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources"
)

// versionOf is an instance of a service that runs a version for some time.
func versionOf(service, version, name string, from, to time.Time) gauge {
	return during(from, to, 1, "__name__", "target_info", "job", "shop/"+service, "service_version", version, "instance", name)
}

// deployed are two instances of a service of which so many are replaced at a moment.
func deployed(service string, at time.Time, replaced int) []gauge {
	var all []gauge
	for i, name := range []string{"a", "b"} {
		if i >= replaced {
			all = append(all, versionOf(service, "1.0", service+name, longAgo, atLast))
			continue
		}
		all = append(all, versionOf(service, "1.0", service+name, longAgo, at), versionOf(service, "1.1", service+name+"2", at, atLast))
	}
	return all
}

// runs makes all spans of a service say which version they are of.
func (s *shop) runs(service, version string) {
	for i := range s.traces.stored {
		for j := range s.traces.stored[i].Spans {
			if span := &s.traces.stored[i].Spans[j]; span.Service == service {
				span.Resource = sources.Attributes{{Key: "service.version", Value: version}}
			}
		}
	}
}

const (
	noChange = "No change of the affected services shows before it."
	nowhere  = "also changed, and not where the trouble is"
)

// The bank is what is slow; payment waits for it, and checkout for both.
func TestWhatWasChanged(t *testing.T) {
	early, late := noon.Add(-6*time.Minute), noon.Add(10*time.Minute)
	tests := []struct {
		name    string
		gauges  []gauge
		prepare func(*shop)
		said    string // at the end of the answer; nothing where empty
		changes []string
		note    string
	}{
		{name: "nothing"},
		{
			name: "the bank, before", gauges: deployed("bank", early, 2),
			said: "bank 1.0 → 1.1 on all 2 instances at 11:54:00, 6 min before.", changes: []string{"bank"},
		},
		{name: "the bank, afterwards", gauges: deployed("bank", late, 2), said: noChange, changes: []string{"bank"}},
		{name: "somebody else, before", gauges: deployed("cart", early, 2), said: noChange, changes: []string{"cart"}},
		{
			name: "the bank and somebody else nearer", gauges: slices.Concat(deployed("bank", early, 2), deployed("cart", noon.Add(-time.Minute), 2)),
			said: "bank 1.0 → 1.1 on all 2 instances at 11:54:00, 6 min before.", changes: []string{"cart", "bank"},
		},
		{
			// It is in trouble, but because of another: it is neither blamed nor said to be as it was.
			name: "one that waits for the bank", gauges: deployed("checkout", early, 2), changes: []string{"checkout"},
		},
		{
			name: "an instance of the bank on which the requests are", gauges: deployed("bank", early, 1), prepare: func(s *shop) { s.runs("bank", "1.1") },
			said: "bank 1.0 → 1.1 on 1 of 2 instances at 11:54:00, 6 min before.", changes: []string{"bank"},
		},
		{
			name: "an instance of the bank on which no request is", gauges: deployed("bank", early, 1), prepare: func(s *shop) { s.runs("bank", "1.0") },
			changes: []string{"bank"}, note: nowhere,
		},
		{
			name: "an instance of the bank, which the traces do not name", gauges: deployed("bank", early, 1),
			said: "bank 1.0 → 1.1 on 1 of 2 instances at 11:54:00, 6 min before.", changes: []string{"bank"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := slowBank(t)
			s.metrics.gauges = test.gauges
			if test.prepare != nil {
				test.prepare(s)
			}
			before := correlate.Triage(t.Context(), slowBank(t).set(), question, nil)
			c := s.triage(question)
			if got := strings.TrimPrefix(c.Answers.WhatChanged.Text, before.Answers.WhatChanged.Text); strings.TrimSpace(got) != test.said {
				t.Errorf("the answer ends in %q, want %q", got, test.said)
			}
			var names []string
			for i, change := range c.Changes {
				names = append(names, change.Service)
				if change.Note != test.note {
					t.Errorf("note %q, want %q", change.Note, test.note)
				}
				if i > 0 && change.Time.Sub(noon).Abs() < c.Changes[i-1].Time.Sub(noon).Abs() {
					t.Errorf("changes out of order: %+v", c.Changes)
				}
			}
			if !slices.Equal(names, test.changes) {
				t.Errorf("changes of %v, want %v", names, test.changes)
			}
			if c.Partial() || c.Suspects[0].Service != "bank" {
				t.Errorf("missing %+v, suspects %+v", c.Missing, c.Suspects)
			}
			blamed := strings.HasPrefix(test.said, "bank")
			if more := c.Suspects[0].Score > before.Suspects[0].Score; more != blamed {
				t.Errorf("the bank's score is %g, and without changes %g", c.Suspects[0].Score, before.Suspects[0].Score)
			}
			if n := len(c.Queries) - len(before.Queries); n != 0 {
				t.Errorf("%d more queries than without changes", n)
			}
		})
	}
}

// A caller that waits is told apart from the one that it waits for.
func TestWhatSpeaksAgainstASuspect(t *testing.T) {
	s := slowBank(t)
	c := s.triage(question)
	if len(c.Suspects[0].Against) > 0 {
		t.Errorf("against the bank: %+v", c.Finding(c.Suspects[0].Against[0]))
	}
	found := 0
	for _, suspect := range c.Suspects[1:] {
		for _, id := range suspect.Against {
			f := c.Finding(id)
			if f == nil || !strings.HasPrefix(f.Statement, suspect.Service+" waits for bank in ") || len(f.Evidence) < 2 {
				t.Fatalf("against %s: %+v", suspect.Service, f)
			}
			if slices.Contains(suspect.Findings, id) {
				t.Errorf("%s speaks for %s and against it", id, suspect.Service)
			}
			found++
		}
	}
	if found != 2 {
		t.Errorf("%d of checkout and payment wait: %+v", found, c.Suspects)
	}
}

// An instance that is not where the trouble is speaks against the service, and so does a
// deployment after which nothing fails more.
func TestADeploymentThatIsInnocent(t *testing.T) {
	early := noon.Add(-6 * time.Minute)
	for _, test := range []struct {
		name, service, want string
		prepare             func(*shop)
	}{
		{"elsewhere", "bank", "bank 1.0 → 1.1 on 1 of 2 instances at 11:54:00, and 0 of 21 traces in trouble came to it", func(s *shop) {
			s.metrics.gauges = deployed("bank", early, 1)
			s.runs("bank", "1.0")
		}},
		{"no worse", "cart", "cart 1.0 → 1.1 on all 2 instances at 11:54:00, but it fails no more than before: 0 % against 0 %", func(s *shop) {
			s.metrics.gauges = deployed("cart", early, 2)
			for minute := range 30 {
				s.logs.stored = append(s.logs.stored, record("cart", minuteOf(30+minute), "level=error cannot warm the cache", nil))
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := slowBank(t)
			test.prepare(s)
			c := s.triage(question)
			i := slices.IndexFunc(c.Suspects, func(suspect correlate.Suspect) bool { return suspect.Service == test.service })
			if i < 0 || len(c.Suspects[i].Against) != 1 {
				t.Fatalf("suspects %+v", c.Suspects)
			}
			if f := c.Finding(c.Suspects[i].Against[0]); f == nil || f.Statement != test.want || len(f.Evidence) < 2 {
				t.Errorf("against it: %+v, want %s", f, test.want)
			}
		})
	}
}

// A caller whose requests fail because of another is told apart from that one.
func TestWhatFailsBecauseOfAnother(t *testing.T) {
	checkout := service{"checkout", "/pay", load{rate: 5, seconds: 0.1}, load{rate: 5, seconds: 0.1, failing: 0.5}}
	s := newShop(t, question, checkout)
	for minute := range 60 {
		s.happens(minute, 60*time.Millisecond, minute >= 30)
	}
	c := s.triage(question)
	if c.Suspects[0].Service != "bank" || len(c.Suspects[0].Against) > 0 {
		t.Fatalf("suspects %+v", c.Suspects)
	}
	i := slices.IndexFunc(c.Suspects, func(suspect correlate.Suspect) bool { return suspect.Service == "checkout" })
	if i < 0 || len(c.Suspects[i].Against) != 1 {
		t.Fatalf("suspects %+v", c.Suspects)
	}
	const want = "30 of 30 sampled requests that fail in checkout begin to fail in bank, and 0 in itself"
	if f := c.Finding(c.Suspects[i].Against[0]); f.Statement != want {
		t.Errorf("against checkout: %s, want %s", f.Statement, want)
	}
}

// What tells requests in trouble apart by where they run speaks for a change that brought it,
// and against changes of services that are elsewhere.
func TestASegmentSpeaksForAndAgainstChanges(t *testing.T) {
	x, _ := embedded(t, "deploy")
	c := x.Triage(t.Context(), nil)
	for _, change := range c.Changes {
		want := nowhere
		if change.Service == "session" {
			want = ""
		}
		if change.Note != want {
			t.Errorf("%s %s: note %q, want %q", change.Service, change.Text, change.Note, want)
		}
	}
	apart := c.Answers.AffectedFlow.Findings[len(c.Answers.AffectedFlow.Findings)-1]
	if first := c.Suspects[0]; first.Service != "session" || !slices.Contains(first.Findings, apart) {
		t.Errorf("%s does not speak for %+v", apart, first)
	}
	for _, suspect := range c.Suspects[1:] {
		if slices.Contains(suspect.Findings, apart) {
			t.Errorf("%s speaks for %s", apart, suspect.Service)
		}
	}
}

// The failing requests run on one version of the bank; what else was changed is not there.
func TestAChangeOutsideTheSegmentIsNotBlamed(t *testing.T) {
	early := noon.Add(-6 * time.Minute)
	for _, test := range []struct {
		name, key, failing, well string
		notes                    map[string]string
	}{
		{"the version that came", "service.version", "1.1", "1.0", map[string]string{"bank": "", "payment": nowhere}},
		{"another version", "service.version", "0.9", "1.0", map[string]string{"bank": nowhere, "payment": nowhere}},
		{"a customer", "customer.tier", "gold", "free", map[string]string{"bank": "", "payment": ""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := failingBank(t)
			s.metrics.gauges = slices.Concat(deployed("bank", early, 2), deployed("payment", early, 2))
			s.mark("bank", test.key, test.failing, test.well)
			c := s.triage(question)
			if len(c.Changes) != len(test.notes) {
				t.Errorf("changes %+v", c.Changes)
			}
			for _, change := range c.Changes {
				if want := test.notes[change.Service]; change.Note != want {
					t.Errorf("%s: note %q, want %q; %s", change.Service, change.Note, want, c.Answers.AffectedFlow.Text)
				}
			}
			i := slices.IndexFunc(c.Suspects, func(suspect correlate.Suspect) bool { return suspect.Service == "payment" })
			const against = "payment 1.0 → 1.1 on all 2 instances at 11:54:00, and what tells the trouble apart is in bank: service.version="
			said := i >= 0 && slices.ContainsFunc(c.Suspects[i].Against, func(id string) bool { return strings.HasPrefix(c.Finding(id).Statement, against) })
			if said != (test.notes["payment"] != "") {
				t.Errorf("suspects %+v", c.Suspects)
			}
		})
	}
}

func TestChangesAreNotAskedForWithoutQuestionsLeft(t *testing.T) {
	s := slowBank(t)
	s.metrics.gauges = deployed("bank", noon.Add(-6*time.Minute), 2)
	for range 40 {
		if _, err := s.traces.Services(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	c := s.triage(question)
	if c.Verdict != correlate.Anomalous || len(c.Changes) > 0 || slices.ContainsFunc(s.questions(sources.Prometheus), asksForChanges) {
		t.Errorf("%s, changes %+v, asked %q", c.Verdict, c.Changes, s.questions(sources.Prometheus))
	}
	if strings.Contains(c.Answers.WhatChanged.Text, "change of") || c.Partial() {
		t.Errorf("%q, missing %+v", c.Answers.WhatChanged.Text, c.Missing)
	}
}

func TestChangesAreNotAskedForWhereNothingIsWrong(t *testing.T) {
	s := newShop(t, question, steady("cart", "/add", load{rate: 20, seconds: 0.02}))
	s.metrics.gauges = deployed("cart", noon.Add(-time.Minute), 2)
	c := s.triage(question)
	if c.Verdict != correlate.Healthy || len(c.Changes) > 0 || c.Answers.WhatChanged.Text != "" {
		t.Errorf("%s, changes %+v, %q", c.Verdict, c.Changes, c.Answers.WhatChanged.Text)
	}
	if slices.ContainsFunc(s.questions(sources.Prometheus), asksForChanges) {
		t.Errorf("asked %q", s.questions(sources.Prometheus))
	}
}

func asksForChanges(query string) bool { return strings.Contains(query, "target_info") }

// The explorer and its triage tell each other of changes.
func TestATriageAndItsExplorerAskForChangesOnce(t *testing.T) {
	for _, first := range []string{"triage", "changes"} {
		t.Run(first, func(t *testing.T) {
			s := slowBank(t)
			s.metrics.gauges = deployed("bank", noon.Add(-6*time.Minute), 2)
			x := correlate.NewExplorer(s.set(), question)
			if first == "changes" {
				x.Changes(t.Context())
			}
			c := x.Triage(t.Context(), nil)
			asked := s.asked(sources.Prometheus)
			again, lost := x.Changes(t.Context())
			if len(again) != 1 || len(c.Changes) != 1 || again[0] != c.Changes[0] || len(lost) > 0 {
				t.Errorf("changes %+v, and the case's %+v; missing %+v", again, c.Changes, lost)
			}
			if n := s.asked(sources.Prometheus) - asked; n != 0 {
				t.Errorf("%d questions more", n)
			}
			n := 0
			for _, q := range s.questions(sources.Prometheus) {
				if asksForChanges(q) {
					n++
				}
			}
			if n != 1 {
				t.Errorf("versions were asked for %d times", n)
			}
		})
	}
}

// A baseline of another day tells nothing of what was done before the window.
func TestChangesBeforeAWindowWhoseBaselineIsApart(t *testing.T) {
	q := correlate.Question{Window: sources.Window{From: noon.Add(-2 * time.Minute), To: window.To}, Baseline: sources.Window{From: baseline.From, To: noon.Add(-5 * time.Minute)}}
	s := slowBank(t)
	s.metrics.gauges = deployed("bank", noon.Add(-4*time.Minute), 2)
	c := s.triage(q)
	if len(c.Changes) != 1 || !strings.Contains(c.Answers.WhatChanged.Text, ". bank 1.0 → 1.1 on all 2 instances at 11:56:00, ") {
		t.Errorf("changes %+v, %q", c.Changes, c.Answers.WhatChanged.Text)
	}
}

func TestChangesThatCannotBeHad(t *testing.T) {
	s := slowBank(t)
	s.metrics.gauges = deployed("bank", noon.Add(-6*time.Minute), 2)
	s.before = func(_ sources.Backend, text string) error {
		if asksForChanges(text) {
			return errors.New("too many series")
		}
		return nil
	}
	c := s.triage(question)
	m := missing(c, sources.Prometheus, correlate.MissingFailed)
	if m == nil || !strings.Contains(m.Reason, "what was done to services was not looked at") {
		t.Errorf("missing %+v", c.Missing)
	}
	if len(c.Changes) > 0 || strings.Contains(c.Answers.WhatChanged.Text, "change of") || c.Suspects[0].Service != "bank" {
		t.Errorf("changes %+v, %q, suspects %+v", c.Changes, c.Answers.WhatChanged.Text, c.Suspects)
	}
}

// In the shop a deployment that is innocent comes nearer to the trouble than the one that is not.
func TestTheShopBlamesNoInnocentDeployment(t *testing.T) {
	for _, test := range []struct{ scenario, said, not string }{
		{"deploy", "session 1.8.7 → 1.9.0 on 1 of 3 instances at ", "cart"},
		{"latency", noChange, "cart"},
	} {
		t.Run(test.scenario, func(t *testing.T) {
			x, _ := embedded(t, test.scenario)
			c := x.Triage(t.Context(), nil)
			if text := c.Answers.WhatChanged.Text; !strings.Contains(text, ". "+test.said) || strings.Contains(text, test.not) {
				t.Errorf("what changed: %s", text)
			}
			if !slices.ContainsFunc(c.Changes, func(change correlate.Change) bool { return change.Service == test.not }) {
				t.Errorf("changes %+v", c.Changes)
			}
			if n := len(c.Queries); n > 40 {
				t.Errorf("%d queries", n)
			}
		})
	}
}
