package correlate

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"obs/sources"
)

// planted stands in each place that a backend's text gets to.
const planted = "hunter2-planted"

func TestCaseIsRedacted(t *testing.T) {
	said := "password=" + planted
	attributes := sources.Attributes{{Key: "db.password", Value: planted}, {Key: "http.url", Value: "https://anna:" + planted + "@shop/"}}
	labels := sources.Labels{"app": "shop", "password": planted}
	span := Span{
		Service: "shop", Operation: "GET /?" + said, StatusMessage: said, Attributes: attributes, Resource: attributes,
		Events: []sources.Event{{Name: "first"}, {Name: said, Attributes: attributes}},
	}
	build := func() *Case {
		c := NewCase(sources.Window{From: time.Unix(1, 0).UTC(), To: time.Unix(2, 0).UTC()})
		c.Asked, c.TakenFor = said, "a request ID"
		c.Answers = &Answers{Scope: Answer{Text: said}}
		c.Trace = &Trace{ID: "0af7651916cd43dd8448eb211c80319c", Root: &Work{Operation: said}, Spans: []Span{{Service: "shop"}, span}, CriticalPath: []OnPath{{Operation: said}}}
		c.OtherTraces = []Trace{{Spans: []Span{span}}}
		c.Records = []Record{{Line: "plain"}, {Line: said, Labels: labels, Metadata: labels}}
		c.AddFinding(said, Evidence{Query: `{app="shop"} |= "` + said + `"`})
		c.Missing = append(c.Missing, Missing{Reason: said})
		c.Queries = append(c.Queries, Query{Query: said, Error: said})
		c.Changes = []Change{{Service: said}}
		return c
	}
	c := build()
	was := *c
	c.redact()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), planted) {
		t.Errorf("a secret is left in %s", text)
	}
	if n := strings.Count(string(text), "[redacted]"); n < 20 {
		t.Errorf("only %d were redacted in %s", n, text)
	}
	for what, kept := range map[string]bool{
		"a line": c.Records[0].Line == "plain", "a label": c.Records[1].Labels["app"] == "shop", "an ID": c.Trace.ID == "0af7651916cd43dd8448eb211c80319c",
		"a window": c.Window == was.Window, "an event": c.Trace.Spans[1].Events[0].Name == "first",
	} {
		if !kept {
			t.Errorf("%s is another one", what)
		}
	}
	// Whoever was shown the case before, or shares its parts, has them as they were.
	before, err := json.Marshal(was)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := json.Marshal(build()); err != nil || string(before) != string(want) {
		t.Errorf("it was changed in place: %s", before)
	}
}
