//go:build integration

package main

import (
	"testing"

	"obs/correlate"
	"obs/sources"
	"obs/testdata/backends"
)

// Each backend stopped in turn costs its own part of the case, and nothing else. Jaeger
// comes last, as its store does not outlive it.
func TestEachBackendStoppedInTurn(t *testing.T) {
	d, servers := mustDrive(t), backends.Started(t)
	tests := []struct {
		name  string
		check func(*testing.T, *correlate.Case)
	}{
		{"loki", func(t *testing.T, c *correlate.Case) {
			if c.Verdict != correlate.Anomalous || c.Trace == nil || len(c.Trace.Spans) == 0 || len(c.Records) != 0 {
				t.Errorf("verdict %s, trace %v, %d records", c.Verdict, c.Trace != nil, len(c.Records))
			}
			if len(c.Suspects) == 0 || c.Suspects[0].Service != "mysql" {
				t.Errorf("suspects %+v", c.Suspects)
			}
		}},
		{"prometheus", func(t *testing.T, c *correlate.Case) {
			if c.Trace == nil || len(c.Trace.Spans) == 0 || len(c.Records) == 0 {
				t.Fatalf("trace %v, %d records", c.Trace != nil, len(c.Records))
			}
			if c.Verdict != correlate.Anomalous || c.Hops[0].Join != correlate.ByServiceTime {
				t.Errorf("verdict %s, first hop %+v; want anomalous, and a join that is called weak", c.Verdict, c.Hops[0])
			}
			if blamed := c.Trace.Span(c.Trace.Blamed); blamed == nil || blamed.Service != "mysql" {
				t.Errorf("blamed %+v", blamed)
			}
		}},
		{"jaeger", func(t *testing.T, c *correlate.Case) {
			if c.Verdict != correlate.Anomalous || c.Anomalies[0].Service != "frontend" {
				t.Errorf("verdict %s, anomalies %+v", c.Verdict, c.Anomalies)
			}
			if len(c.Records) == 0 || c.Records[0].Join.Weak() {
				t.Errorf("%d records; the exemplar's trace ID leads to some without Jaeger", len(c.Records))
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			servers.Stop(t, test.name)
			defer servers.Resume(t, test.name)
			c, status := obsCase(t, d.pinned()...)
			if status != exitPartial {
				t.Errorf("status %d, want %d", status, exitPartial)
			}
			named := map[sources.Backend]bool{}
			for _, m := range c.Missing {
				if m.Kind == correlate.MissingFailed {
					named[m.Backend] = true
					if m.Hint == "" {
						t.Errorf("nothing says what to do about %s", m.Reason)
					}
				}
			}
			if len(named) != 1 || !named[sources.Backend(test.name)] {
				t.Errorf("missing %+v, want %s alone", c.Missing, test.name)
			}
			test.check(t, c)
		})
	}
}
