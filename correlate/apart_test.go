package correlate_test

import (
	"strings"
	"testing"
	"time"

	"obs/sources"
)

func TestWhatTellsRequestsApart(t *testing.T) {
	for _, test := range []struct{ scenario, flow, scope string }{
		{"segment", " have tenant.id=tenant-c in ", "Slow requests came to all 2 instances of catalog."},
		{"latency", " have server.address=eu-west.payments.example in payment; of ", "Slow requests came to all 2 instances of payment."},
		{"deploy", " have service.version=1.9.0 in session (k8s.pod.name=", "Failing requests came to 1 of 3 instances of session, and to 1 of 2 versions."},
		// A retry and its answer are effects; the carrier is why.
		{"errors", " have server.address=carrier-eu-west.example in shipping; of ", "Failing requests came to all 2 instances of shipping."},
		// Only a request that waits for a connection has the attributes of waiting.
		{"saturation", "", ""},
		// All are slow: none of the same time is left to tell them from.
		{"n-plus-one", "", "all 2 instances of inventory."},
		// No request of the same time is quick: there is nothing to hold them against.
		{"creep", "", ""},
	} {
		t.Run(test.scenario, func(t *testing.T) {
			t.Parallel()
			x, _ := embedded(t, test.scenario)
			c := x.Triage(t.Context(), nil)
			flow, scope := c.Answers.AffectedFlow, c.Answers.Scope
			if told := strings.Contains(flow.Text, "others of the same time"); told != (test.flow != "") || !strings.Contains(flow.Text, test.flow) {
				t.Errorf("affected flow: %s", flow.Text)
			}
			if !strings.HasSuffix(scope.Text, test.scope) || (test.scope == "" && strings.Contains(scope.Text, "instances")) {
				t.Errorf("scope: %s", scope.Text)
			}
			if test.flow != "" && len(c.Finding(flow.Findings[len(flow.Findings)-1]).Evidence) < 3 {
				t.Errorf("%+v does not rest on both searches", c.Finding(flow.Findings[len(flow.Findings)-1]))
			}
			if len(c.Queries) > 40 {
				t.Errorf("%d queries", len(c.Queries))
			}
		})
	}
}

// mark gives spans of a service an attribute, by whether their request fails.
func (s *shop) mark(service, key, failing, well string) {
	for i := range s.traces.stored {
		spans := s.traces.stored[i].Spans
		value := well
		for j := range spans {
			if spans[j].Failed() {
				value = failing
			}
		}
		for j := range spans {
			if spans[j].Service == service && value != "" {
				spans[j].Attributes = append(spans[j].Attributes, sources.Attribute{Key: key, Value: value})
				spans[j].Attributes.Sort()
			}
		}
	}
}

func TestEffectsTellNothingApart(t *testing.T) {
	for _, test := range []struct {
		key, failing, well string
		told               bool
	}{
		{"customer.tier", "gold", "free", true},
		{"customer.tier", "gold", "", true}, // the same work without it
		{"http.response.status_code", "503", "200", false},
		{"error.type", "timeout", "", false},
		{"http.request.resend_count", "2", "0", false},
	} {
		t.Run(test.key+" "+test.well, func(t *testing.T) {
			s := failingBank(t)
			s.mark("checkout", test.key, test.failing, test.well)
			c := s.triage(question)
			want := "All 15 failing requests by checkout /pay have " + test.key + "=" + test.failing + " in checkout; of 15 others of the same time none does."
			if told := strings.Contains(c.Answers.AffectedFlow.Text, want); told != test.told {
				t.Errorf("%s\nwith differences %+v", c.Answers.AffectedFlow.Text, c.Cohorts.Differences)
			}
		})
	}
}

// What only the requests in trouble do is what became of them.
func TestWorkOfItsOwnTellsNothingApart(t *testing.T) {
	s := failingBank(t)
	for i := range s.traces.stored {
		spans := s.traces.stored[i].Spans
		for j := range spans {
			if spans[j].Failed() && spans[j].Service == "bank" {
				s.traces.stored[i].Spans = append(s.traces.stored[i].Spans, sources.Span{
					ID: "00000000000000aa", ParentID: spans[j].ID, Service: "bank", Operation: "wait for a connection",
					Start: spans[j].Start, Duration: time.Millisecond, Attributes: sources.Attributes{{Key: "pool.name", Value: "cards"}},
				})
				break
			}
		}
	}
	c := s.triage(question)
	if strings.Contains(c.Answers.AffectedFlow.Text, "pool.name") {
		t.Errorf("affected flow: %s", c.Answers.AffectedFlow.Text)
	}
	if len(c.Cohorts.Differences) == 0 || c.Cohorts.Differences[0].Attributes[0].Key != "pool.name" {
		t.Errorf("the cohorts do not show it: %+v", c.Cohorts.Differences)
	}
}
