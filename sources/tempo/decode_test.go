package tempo

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/sources"
)

// Both generations say the same, and so do IDs in both notations.
func TestDecode(t *testing.T) {
	want, err := decode(bytes.NewReader(recorded(t, "trace_v2.json")))
	if err != nil || len(want) != 1 || len(want[0].Spans) != 2 {
		t.Fatalf("%+v, %v", want, err)
	}
	for _, name := range []string{"trace_v1.json", "trace_hex.json"} {
		if got, err := decode(bytes.NewReader(recorded(t, name))); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
		}
	}
	root, charge := want[0].Spans[0], want[0].Spans[1]
	if want[0].ID != billingID || root.TraceID != billingID || root.ID != "563d623c76514f8e" || root.ParentID != "" ||
		root.Service != "shop-backend" || root.Operation != "update-billing" || root.Kind != sources.KindServer ||
		root.Status != sources.StatusError || root.StatusMessage != "refused" ||
		root.Start.UnixNano() != 1684778327699392724 || root.Duration != 557*time.Millisecond {
		t.Errorf("%+v", root)
	}
	if wanted := (sources.Attributes{
		{Key: "http.request.header.x-request-id", Value: `["req-7f3a"]`}, {Key: "http.status_code", Value: "500"},
		{Key: "otel.scope.name", Value: "shop/http"}, {Key: "otel.scope.version", Value: "1.0"}, {Key: "sampled", Value: "true"},
	}); !slices.Equal(root.Attributes, wanted) {
		t.Errorf("attributes %v", root.Attributes)
	}
	if len(root.Events) != 1 || root.Events[0].Attributes.Get("exception.type") != "BillingError" {
		t.Errorf("events %v", root.Events)
	}
	if charge.ID != "0000000000001234" || charge.ParentID != root.ID || charge.Status != sources.StatusUnset ||
		!slices.Equal(charge.Links, []sources.Reference{{TraceID: "000000000000000000000000000000ab", SpanID: "00000000000000cd"}}) {
		t.Errorf("%+v", charge)
	}
	if want[0].Partial != "" {
		t.Errorf("a whole trace is called partial: %q", want[0].Partial)
	}
}

// A trace that comes in part says so, in the server's words.
func TestDecodePartial(t *testing.T) {
	got, err := decode(bytes.NewReader(recorded(t, "trace_partial.json")))
	if err != nil || len(got) != 1 || !strings.Contains(got[0].Partial, "exceeds maximum size") {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDecodeIDs(t *testing.T) {
	span := func(trace, span string) string {
		return `{"trace":{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"` + trace + `","spanId":"` + span + `"}]}]}]}}`
	}
	for _, test := range []struct {
		trace, span string
		wantTrace   sources.TraceID
		wantSpan    sources.SpanID
	}{
		{"AAAAAAAAAADW6TKdZ7YUag==", "AAAAAAAAEjQ=", cartID, "0000000000001234"},
		{"1ukynWe2FGo=", "EjQ=", cartID, "0000000000001234"}, // bytes that were left away are zeros
		{string(cartID), "0000000000001234", cartID, "0000000000001234"},
		{"", "AAAAAAAAAAA=", "00000000000000000000000000000000", "0000000000000000"},
	} {
		got, err := decode(strings.NewReader(span(test.trace, test.span)))
		if err != nil || got[0].ID != test.wantTrace || got[0].Spans[0].ID != test.wantSpan {
			t.Errorf("%q and %q: %+v, %v", test.trace, test.span, got, err)
		}
	}
	for _, wrong := range []string{"no id", "AAAAAAAAAADW6TKdZ7YUagAA", strings.Repeat("A", 400), "AA=A"} {
		if got, err := decode(strings.NewReader(span(wrong, "AAAAAAAAEjQ="))); err == nil {
			t.Errorf("%q is taken for a trace ID: %+v", wrong, got)
		}
		if got, err := decode(strings.NewReader(span("1ukynWe2FGo=", wrong))); err == nil {
			t.Errorf("%q is taken for a span ID: %+v", wrong, got)
		}
	}
}

// IDs are read alike however many spans there are.
func TestDecodeManySpans(t *testing.T) {
	const n = 20_000
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		id := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(i+1)))
		b.WriteString(`{"traceId":"AAAAAAAAAADW6TKdZ7YUag==","spanId":"` + id + `","startTimeUnixNano":"5"}`)
	}
	got, err := decode(strings.NewReader(`{"trace":{"resourceSpans":[{"scopeSpans":[{"spans":[` + b.String() + `]}]}]}}`))
	if err != nil || len(got) != 1 || got[0].ID != cartID || len(got[0].Spans) != n || got[0].Spans[n-1].ID != "0000000000004e20" {
		t.Errorf("%d traces, %v", len(got), err)
	}
}

func TestAnswersThatAreNotTempos(t *testing.T) {
	for _, body := range []string{
		``, `[]`, `{}`, `{"result":{"resourceSpans":[]}}`, `{"trace":[]}`, `{"trace":{"resourceSpans":{}}}`, `{"batches":[{"spans":[]}]}`,
		`{"trace":{}} {}`, `{"trace":{"resourceSpans":[`, `{"status":"success","data":{}}`,
	} {
		if got, err := decode(strings.NewReader(body)); err == nil {
			t.Errorf("%s: %+v", body, got)
		}
	}
	// A trace without spans is an answer.
	for _, body := range []string{`{"trace":{}}`, `{"metrics":{}}`, `{"trace":{"resourceSpans":[]},"metrics":{}}`, `{"batches":null}`} {
		if got, err := decode(strings.NewReader(body)); err != nil || len(got) != 0 {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"trace_v1.json", "trace_v2.json", "trace_hex.json", "trace_partial.json", "search.json"} {
		f.Add(recorded(f, name))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		Explain(500, body)
		_, _ = summaries(body)
		traces, err := decode(bytes.NewReader(body))
		if err != nil {
			return
		}
		for _, trace := range traces {
			if len(trace.ID) != 32 || len(trace.Spans) == 0 {
				t.Errorf("trace %q with %d spans", trace.ID, len(trace.Spans))
			}
			for _, s := range trace.Spans {
				if s.TraceID != trace.ID || len(s.ID) != 16 || s.Duration < 0 || (s.ParentID != "" && len(s.ParentID) != 16) {
					t.Errorf("%+v", s)
				}
			}
		}
	})
}
