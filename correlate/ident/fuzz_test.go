package ident

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"obs/sources"
)

// seeds are texts of every kind that Read knows.
var seeds = []string{
	"", "abc", `"`, "\x1b[31m", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "b3: 0",
	"4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:1", "Root=1-67891233-abcdef012345678912345678;Sampled=0",
	"4bf92f3577b34da6a3ce929d0e0e4736/67667974448284343;o=1", "S/kvNXezTaajzpKdDg5HNg==", "18446744073709551615",
	"tracestate: dd=s:2;p:00f067aa0ba902b7,33@nr=0-0-33-2827902-7d3efb1b173fecfa-e8b9-1", "01ARZ3NDEKTSV4RRFFQ69G5FAV",
	"X-Datadog-Trace-Id: 12345\nX-Datadog-Tags: _dd.p.tid=640cfd8d00000000", "0ujtsYcgvSTl8PAuAdqWYSMnLOv",
	"https://u:p@jaeger/trace/4bf92f3577b34da6a3ce929d0e0e4736...af7651916cd43dd8?uiFind=00f067aa0ba902b7#/a?b=c",
	`https://grafana/explore?panes={"a":{"queries":[{"query":"4bf92f3577b34da6a3ce929d0e0e4736"}]}}&left=[]`,
	`{"trace":{"id":"4bf92f3577b34da6a3ce929d0e0e4736"},"log":"{\"request_id\":\"req\\u005f1\"}","a":[{"key":"request.id","value":{"s":"x1"}}]}`,
	`level=info trace id 4bf92f3577b34da6a3ce929d0e0e4736 x="y" request_id: 'req_1' ts=2024-05-01T08:00:00Z [a,2d1e3a5b7c9f4d60,00f067aa0ba902b7]`,
	"HTTP/1.1 200 OK\r\nauthorization: Bearer x\r\nx-request-id: 7f3c1d2e-9a44-4f0b-8f57-2f1e0c9b8a76\r\n\r\n{\n\"a\":1}", "projects/p/traces/1",
	`a"} |= "b`, "x.sentry.trace=1", "://", "a?=&%", "trace:", "=", ":", `\"`, "-u '", "cookie: a;",
}

func FuzzRead(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := Read(text)
		if err != nil {
			if len(err.Error()) > 200 || sources.Printable(err.Error()) != err.Error() {
				t.Fatalf("%q: error %q", text, err)
			}
			return
		}
		if len(id.Candidates) == 0 || len(id.Candidates) > maxCandidates {
			t.Fatalf("%q: %d candidates", text, len(id.Candidates))
		}
		said := clean(text)
		for _, c := range id.Candidates {
			checkCandidate(t, said, c)
		}
		// A request ID may stand in the reading, and is cut to 64 characters but for the first.
		if sources.Printable(id.Reading) != id.Reading || utf8.RuneCountInString(id.Reading) > maxLength+600 {
			t.Fatalf("%q: reading %q", text, id.Reading)
		}
		if id.Text == "" || sources.Printable(id.Text) != id.Text || len(id.Text) > maxLength {
			t.Fatalf("%q: text %q", text, id.Text)
		}
		again, err := Read(text)
		if err != nil || again.Reading != id.Reading || !slices.Equal(again.Candidates, id.Candidates) {
			t.Fatalf("%q: read otherwise the second time: %q and %q", text, id.Reading, again.Reading)
		}
		InLine(text, TraceFields)
		ParseTrace(text)
	})
}

// checkCandidate checks that the candidate is of one kind, canonical, printable, and
// says nothing that the text did not.
func checkCandidate(t *testing.T, said string, c Candidate) {
	t.Helper()
	trace, span := isCanonical(string(c.Trace), 32), isCanonical(string(c.Span), 16)
	switch {
	case c.Kind == Trace && trace && c.Request == "" && (span || c.Span == ""):
	case c.Kind == Span && span && c.Trace == "" && c.Request == "":
	case c.Kind == Request && c.Trace == "" && c.Span == "" && c.Request != "" && len(c.Request) <= maxLength:
		if !strings.Contains(said, c.Request) {
			t.Fatalf("%q: request %q does not stand in it", said, c.Request)
		}
		if strings.ContainsFunc(c.Request, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
			t.Fatalf("%q: request %q is not one word", said, c.Request)
		}
	default:
		t.Fatalf("%q: candidate %+v", said, c)
	}
	if sources.Printable(c.Reading) != c.Reading || !strings.Contains(c.Reading, c.id()) || utf8.RuneCountInString(c.Reading) > maxLength+200 {
		t.Fatalf("%q: reading %q", said, c.Reading)
	}
	if !c.When.IsZero() && (!plausible(c.When) || c.When.Location() != time.UTC) {
		t.Fatalf("%q: made %s", said, c.When)
	}
}

func isCanonical(id string, digits int) bool {
	_, err := hex.DecodeString(id)
	return err == nil && len(id) == digits && strings.ToLower(id) == id && strings.Trim(id, "0") != ""
}
