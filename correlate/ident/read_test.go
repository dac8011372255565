package ident_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"obs/correlate/ident"
	"obs/sources"
)

// ids are the IDs of the tables, which write them as $T and so on: a trace, the same
// with dashes, in base64, one of 64 bits, that in decimal, a span, that in decimal.
var ids = strings.NewReplacer(
	"$T64", "00000000000000002d1e3a5b7c9f4d60", "$D64", "3251100145615326560", "$H64", "2d1e3a5b7c9f4d60",
	"$TU", "4BF92F3577B34DA6A3CE929D0E0E4736", "$TD", "4bf92f35-77b3-4da6-a3ce-929d0e0e4736", "$TB", "S/kvNXezTaajzpKdDg5HNg==",
	"$T", "4bf92f3577b34da6a3ce929d0e0e4736", "$SD", "67667974448284343", "$S", "00f067aa0ba902b7",
	"$XT", "67891233abcdef012345678912345678", "$X", "1-67891233-abcdef012345678912345678",
	"$U", "7f3c1d2e-9a44-4f0b-8f57-2f1e0c9b8a76", "$V", "7f3c1d2e9a444f0b8f572f1e0c9b8a76",
)

// taken is what a text was taken for, in short: trace:ID/SPAN+ is a trace with a span,
// sampled; - stands for not sampled.
func taken(id ident.ID, err error) string {
	switch {
	case errors.Is(err, ident.ErrEmpty):
		return "empty"
	case errors.Is(err, ident.ErrNotID):
		return "!" + strings.TrimPrefix(err.Error(), ident.ErrNotID.Error()+": ")
	case err != nil:
		return "failed: " + err.Error()
	}
	var all []string
	for _, c := range id.Candidates {
		text := string(c.Kind) + ":"
		switch c.Kind {
		case ident.Trace:
			text += string(c.Trace)
			if c.Span != "" {
				text += "/" + string(c.Span)
			}
		case ident.Span:
			text += string(c.Span)
		default:
			text += c.Request
		}
		text += map[ident.Sampling]string{ident.Sampled: "+", ident.NotSampled: "-"}[c.Sampled]
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

type row struct{ text, want string }

func check(t *testing.T, rows []row) {
	t.Helper()
	for _, row := range rows {
		text, want := ids.Replace(row.text), ids.Replace(row.want)
		id, err := ident.Read(text)
		if got := taken(id, err); got != want {
			t.Errorf("%q\n got %s\nwant %s", text, got, want)
		}
		if err != nil {
			continue
		}
		first := map[ident.Kind]string{}
		for _, c := range id.Candidates {
			if c.Reading == "" || sources.Printable(c.Reading) != c.Reading {
				t.Errorf("%q: the reading is %q", text, c.Reading)
			}
			if first[c.Kind] == "" {
				first[c.Kind] = string(c.Trace) + c.Request
			}
		}
		if !strings.HasPrefix(id.Reading, id.Candidates[0].Reading) || id.Text == "" {
			t.Errorf("%q: reading %q, text %q", text, id.Reading, id.Text)
		}
		if got, want := string(id.Trace), first[ident.Trace]; !strings.HasSuffix(want, got) || (got == "") != (want == "") {
			t.Errorf("%q: trace %q, want %q", text, got, want)
		}
		if id.Request != first[ident.Request] {
			t.Errorf("%q: request %q, want %q", text, id.Request, first[ident.Request])
		}
	}
}

func TestReadHeaders(t *testing.T) {
	check(t, []row{
		// W3C Trace Context
		{"00-$T-$S-01", "trace:$T/$S+"},
		{"00-$T-$S-00", "trace:$T/$S-"},
		{"00-$T-$S-03", "trace:$T/$S+"},
		{"00-$TU-00F067AA0BA902B7-01", "trace:$T/$S+"},
		{"traceparent: 00-$T-$S-01", "trace:$T/$S+"},
		{"TraceParent:00-$T-$S-00", "trace:$T/$S-"},
		{"TRACEPARENT=00-$T-$S-00", "trace:$T/$S-"},
		{"cc-$T-$S-01", "trace:$T/$S+"},
		{"cc-$T-$S-01-what-the-future-will-be-like", "trace:$T/$S+"},
		{"00-$T-0000000000000000-01", "trace:$T+"},
		{"00-$T-00f067aa", "trace:$T"},
		{"00-$T", "trace:$T"},
		{"00-$T-$S-01-extra", "!a traceparent of version 00 with more than four parts"},
		{"ff-$T-$S-01", "!a traceparent of version ff, which is forbidden"},
		{"00-00000000000000000000000000000000-$S-01", "!a traceparent with a trace ID of zeros"},
		{"traceparent: 00-00000000000000000000000000000000-$S-01", "!a traceparent with a trace ID of zeros"},
		{"traceparent: none of it", "!the header traceparent holds no trace ID in a form that is known"},
		{"elastic-apm-traceparent: 00-$T-$S-01", "trace:$T/$S+"},
		{"traceparent: 00-$T-$S-01\ntracestate: congo=t61rcWkgMzE", "trace:$T/$S+"},
		{"tracestate: rojo=$S,congo=t61rcWkgMzE", "!a tracestate holds no trace ID; give the traceparent that came with it"},
		{"tracestate: dd=s:2;o:rum;p:$S;t.dm:-4,congo=t61rcWkgMzE", "span:$S request:$S"},
		{"tracestate: 33@nr=0-0-33-2827902-7d3efb1b173fecfa-e8b91a159289ff74-1-1.23456-1518469636035", "span:7d3efb1b173fecfa request:7d3efb1b173fecfa"},
		{"tracestate: dd=p:$S\ntraceparent: 00-$T-b7ad6b7169203331-01", "trace:$T/b7ad6b7169203331+"},
		// B3
		{"b3: $T-$S-1", "trace:$T/$S+"},
		{"b3: $T-$S-0", "trace:$T/$S-"},
		{"b3: $T-$S-d-05e3ac9a4f6e3b90", "trace:$T/$S+"},
		{"b3: $T-$S", "trace:$T/$S"},
		{"B3: $H64-$S-1", "trace:$T64/$S+"},
		{"$T-$S-1", "trace:$T/$S+"},
		{"$H64-$S", "trace:$T64/$S"},
		{"b3: 0", "!this b3 header says only that the request was not sampled; it holds no trace ID"},
		{"b3:1", "!this b3 header says only that the request was sampled; it holds no trace ID"},
		{"X-B3-TraceId: $T\nX-B3-SpanId: $S\nX-B3-ParentSpanId: 05e3ac9a4f6e3b90\nX-B3-Sampled: 0", "trace:$T/$S-"},
		{"X-B3-TraceId: $H64", "trace:$T64"},
		{"x-b3-traceid: $TU", "trace:$T"},
		{"X-B3-ParentSpanId: 05e3ac9a4f6e3b90", "request:05e3ac9a4f6e3b90"},
		{"sentry-trace: $T-$S-0", "trace:$T/$S-"},
		// Jaeger
		{"uber-trace-id: $T:$S:0:1", "trace:$T/$S+"},
		{"uber-trace-id: $T%3A$S%3A0%3A0", "trace:$T/$S-"},
		{"$T:f067aa0ba902b7:0:1", "trace:$T/$S+"},
		{"2d1e3a5b7c9f4d60:f067aa0ba902b7:0:3", "trace:$T64/$S+"},
		{"uber-trace-id: abc:def:0:1", "trace:00000000000000000000000000000abc/0000000000000def+"},
		{"12:34:56:1", "request:12:34:56:1"},
		{"Uber-Trace-Id: 0:0:0:0", "!the header Uber-Trace-Id holds no trace ID in a form that is known"},
		// AWS X-Ray
		{"X-Amzn-Trace-Id: Root=$X;Parent=$S;Sampled=1", "trace:$XT/$S+"},
		{"x-amzn-trace-id: Self=1-67891234-12456789abcdef012345678a;Root=$X", "trace:$XT"},
		{"x-amzn-trace-id: Self=$X", "trace:$XT"},
		{"Root=$X;Parent=$S;Sampled=0;Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2", "trace:$XT/$S-"},
		{"Root=$X;Sampled=?", "trace:$XT"},
		{"$X", "trace:$XT"},
		{"1-67891233-abcdef0123456789123456", "request:1-67891233-abcdef0123456789123456"},
		// Google Cloud
		{"X-Cloud-Trace-Context: $T/$SD;o=1", "trace:$T/$S+"},
		{"x-cloud-trace-context: $T/$SD;o=0", "trace:$T/$S-"},
		{"X-Cloud-Trace-Context: $T", "trace:$T"},
		{"$T/$SD;o=1", "trace:$T/$S+"},
		{"projects/shop-prod/traces/$T", "trace:$T"},
		// Datadog
		{"x-datadog-trace-id: $D64", "trace:$T64"},
		{"X-Datadog-Trace-Id: $D64\nX-Datadog-Parent-Id: $SD\nX-Datadog-Sampling-Priority: -1\nX-Datadog-Tags: _dd.p.dm=-4,_dd.p.tid=640cfd8d00000000", "trace:640cfd8d00000000$H64/$S-"},
		{"x-datadog-trace-id: 12345", "trace:00000000000000000000000000003039"},
		{"x-datadog-trace-id: 99999999999999999999", "request:99999999999999999999"},
		// request IDs
		{"X-Request-ID: $U", "request:$U"},
		{"x-request-id: req_a1b2c3d4", "request:req_a1b2c3d4"},
		{"x-request-id:abc", "request:abc"},
		{"X-Correlation-Id: 01ARZ3NDEKTSV4RRFFQ69G5FAV", "request:01ARZ3NDEKTSV4RRFFQ69G5FAV"},
		{"x-amzn-RequestId: $U", "request:$U"},
		{"x-amz-request-id: C9ER4AJX75574TDJ", "request:C9ER4AJX75574TDJ"},
		{"CF-Ray: 7d2f8c9a1b3e4f50-LHR", "request:7d2f8c9a1b3e4f50-LHR"},
		{"Request-Id: -", "!no trace ID, request ID or tracing header is in it"},
		{"x-request-id: 00000000-0000-0000-0000-000000000000", "!no trace ID, request ID or tracing header is in it"},
	})
}

func TestReadShapes(t *testing.T) {
	check(t, []row{
		{"$T", "trace:$T request:$T"},
		{"$TU", "trace:$T request:$TU"},
		{"  $T\n", "trace:$T request:$T"},
		{`"$T"`, "trace:$T request:$T"},
		{"`$T`,", "trace:$T request:$T"},
		{"“$T”", "trace:$T request:$T"},
		{"<$T>", "trace:$T request:$T"},
		{"[$T]", "trace:$T request:$T"},
		{"\ufeff$T\u200b", "trace:$T request:$T"},
		{"\x1b[32m$T\x1b[0m", "trace:$T request:$T"},
		{"0x$T", "trace:$T request:0x$T"},
		{"0X$TU", "trace:$T request:0X$TU"},
		{"af7651916cd43dd8448eb211c80319c", "trace:0af7651916cd43dd8448eb211c80319c request:af7651916cd43dd8448eb211c80319c"},
		{"$H64", "trace:$T64 span:$H64 request:$H64"},
		{"f067aa0ba902b7", "trace:000000000000000000f067aa0ba902b7 span:$S request:f067aa0ba902b7"},
		{"deadbeef", "request:deadbeef trace:000000000000000000000000deadbeef"},
		{"5f3c1e9ab2d4c7f801234567", "request:5f3c1e9ab2d4c7f801234567 trace:000000005f3c1e9ab2d4c7f801234567"},
		{"${T}00", "request:${T}00"},
		{"$T00", "request:$T00"},
		{"$D64", "trace:$T64 request:$D64 trace:00000000000003251100145615326560"},
		{"18446744073709551615", "trace:0000000000000000ffffffffffffffff request:18446744073709551615 trace:00000000000018446744073709551615"},
		{"99999999999999999999", "request:99999999999999999999 trace:00000000000099999999999999999999"},
		{"1700000000000", "request:1700000000000 trace:0000000000000000000001" + "8bcfe56800 trace:00000000000000000001700000000000"},
		{"42", "request:42 trace:0000000000000000000000000000002a trace:00000000000000000000000000000042"},
		{"123456789012345678901", "request:123456789012345678901 trace:00000000000123456789012345678901"},
		{"$TD", "request:$TD trace:$T"},
		{"$U", "request:$U trace:$V"},
		{"7F3C1D2E-9A44-4F0B-8F57-2F1E0C9B8A76", "request:7F3C1D2E-9A44-4F0B-8F57-2F1E0C9B8A76 trace:$V"},
		{"{$U}", "request:$U trace:$V"},
		{"urn:uuid:$U", "request:urn:uuid:$U trace:$V"},
		{"018f4c2e-7b1a-7c3d-9e5f-1a2b3c4d5e6f", "request:018f4c2e-7b1a-7c3d-9e5f-1a2b3c4d5e6f trace:018f4c2e7b1a7c3d9e5f1a2b3c4d5e6f"},
		{"01ARZ3NDEKTSV4RRFFQ69G5FAV", "request:01ARZ3NDEKTSV4RRFFQ69G5FAV"},
		{"01arz3ndektsv4rrffq69g5fav", "request:01arz3ndektsv4rrffq69g5fav"},
		{"0ujtsYcgvSTl8PAuAdqWYSMnLOv", "request:0ujtsYcgvSTl8PAuAdqWYSMnLOv"},
		{"V1StGXR8_Z5jdHi6B-myT", "request:V1StGXR8_Z5jdHi6B-myT"},
		{"req_a1b2c3d4", "request:req_a1b2c3d4"},
		{"req_1NwqZ2eZvKYlo2C", "request:req_1NwqZ2eZvKYlo2C"},
		{"checkout-7f8d-000042", "request:checkout-7f8d-000042"},
		{"Bearer-like/ID+with=signs", "request:Bearer-like/ID+with=signs"},
		{"order:id:5", "request:order:id:5"},
		{"заказ-7", "request:заказ-7"},
		{"$TB", "trace:$T request:$TB"},
		{"S_kvNXezTaajzpKdDg5HNg==", "trace:$T request:S_kvNXezTaajzpKdDg5HNg=="},
		{"S/kvNXezTaajzpKdDg5HNg", "request:S/kvNXezTaajzpKdDg5HNg trace:$T"},
		{"S_kvNXezTaajzpKdDg5HNg", "request:S_kvNXezTaajzpKdDg5HNg trace:$T"},
		{"APBnqgupArc=", "trace:000000000000000000f067aa0ba902b7 span:$S request:APBnqgupArc="},
		{"APBnqgupArc", "request:APBnqgupArc"},
		{"S/kvNXezTaajzpKdDg5HNh==", "request:S/kvNXezTaajzpKdDg5HNh=="}, // no canonical base64
		{"aGVsbG8gd29ybGQhISEhIQ==", "request:aGVsbG8gd29ybGQhISEhIQ=="}, // an encoded text
		{"hello-world", "request:hello-world"},
		{`a"}|="x`, `request:a"}|="x`},
	})
}

func TestReadLinks(t *testing.T) {
	const left = `%7B%22datasource%22:%22tempo%22,%22queries%22:%5B%7B%22refId%22:%22A%22,%22queryType%22:%22traceql%22,%22query%22:%22$T%22%7D%5D,%22range%22:%7B%22from%22:%22now-1h%22,%22to%22:%22now%22%7D%7D`
	check(t, []row{
		{"http://jaeger:16686/trace/$T", "trace:$T"},
		{"https://jaeger.example/trace/$T?uiFind=$S", "trace:$T/$S"},
		{"https://example/ops/jaeger/trace/$T?uiFind=payment", "trace:$T"},
		{"/jaeger/trace/$T?uiFind=$S", "trace:$T/$S"},
		{"/trace/$H64", "trace:$T64"},
		{"jaeger.example/trace/$TU", "trace:$T"},
		{"https://jaeger.example/trace/$T...af7651916cd43dd8448eb211c80319c?cohort=$T", "trace:$T trace:0af7651916cd43dd8448eb211c80319c"},
		{"https://jaeger.example/search?traceID=$T", "trace:$T"},
		{"https://jaeger.example/search?service=api&traceID=$T&traceID=$H64", "trace:$T trace:$T64"},
		{"https://jaeger.example/search?service=api&tags=%7B%22request.id%22%3A%22req_a1b2c3d4%22%7D", "request:req_a1b2c3d4"},
		{"https://jaeger.example/search?service=api&tags=request.id%3Dreq_a1b2c3d4", "request:req_a1b2c3d4"},
		{"https://jaeger.example/search?service=api", "!no ID is in the link"},
		{"https://jaeger.example/trace/add", "!no ID is in the link"},
		{"http://tempo:3200/api/traces/$T", "trace:$T"},
		{"http://tempo:3200/api/v2/traces/$T?start=1700000000", "trace:$T"},
		{"https://zipkin.example/zipkin/traces/$H64", "trace:$T64"},
		{"https://grafana.example/explore?orgId=1&left=" + left, "trace:$T"},
		{`https://grafana.example/explore?left=["now-1h","now","Tempo",{"query":"$T"}]`, "trace:$T"},
		{`https://grafana.example/explore?schemaVersion=1&panes={"x1y":{"datasource":"abc","queries":[{"refId":"A","datasource":{"type":"tempo","uid":"abc"},"queryType":"traceql","query":"$T"}],"range":{"from":"now-1h","to":"now"}}}&orgId=1`, "trace:$T"},
		{`https://grafana.example/explore?schemaVersion=1&panes=%7B%22a%22:%7B%22queries%22:%5B%7B%22query%22:%22$T%22%7D%5D%7D%7D`, "trace:$T"},
		{`https://grafana.example/explore?panes={"a":{"datasource":"loki","queries":[{"expr":"{app=\"pay\"} |= \"$T\""}]}}`, "trace:$T request:$T"},
		{`https://grafana.example/explore?panes={"a":{"datasource":"loki","queries":[{"expr":"{app=\"pay\"} | trace_id=\"$T\""}]}}`, "trace:$T"},
		{`https://grafana.example/explore?panes={"a":{"datasource":"$V","queries":[{"query":""}]}}`, "!no ID is in the link"},
		{"https://grafana.example/d/abc/pay?var-traceID=$T&from=now-1h", "trace:$T"},
		{"https://grafana.example/a/grafana-exploretraces-app/explore?traceId=$T&spanId=$S", "trace:$T/$S"},
		{"https://grafana.example/goto/pXk2mZ4Ig?orgId=1", "!a shortened link holds no ID; open it, and give the address that it leads to"},
		{"https://app.example/#/trace/$T", "trace:$T"},
		{"https://ops:hunter2@jaeger.example/trace/$T", "trace:$T"},
		{"https://shop.example/pay?requestId=req_a1b2c3d4&token=$T", "request:req_a1b2c3d4"},
		{"https://shop.example/orders/$U", "request:$U trace:$V"},
		{"https://shop.example/", "!no ID is in the link"},
		{"see https://jaeger.example/trace/$T, please", "trace:$T"},
		{"(https://jaeger.example/trace/$T)", "trace:$T"},
	})
}

func TestReadLines(t *testing.T) {
	check(t, []row{
		// JSON
		{`{"level":"error","msg":"declined","trace_id":"$T","span_id":"$S"}`, "trace:$T/$S"},
		{`{"msg":"x","traceId":"$T","spanId":"$S","trace_flags":"00"}`, "trace:$T/$S-"},
		{`{"msg":"x","trace":{"id":"$T"},"span":{"id":"$S"},"transaction":{"id":"05e3ac9a4f6e3b90"}}`, "trace:$T/$S request:05e3ac9a4f6e3b90"},
		{`{"trace.id":"$T","http.request.id":"req_a1b2c3d4"}`, "trace:$T request:req_a1b2c3d4"},
		{`{"otelTraceID":"$T","otelSpanID":"$S","otelTraceSampled":true}`, "trace:$T/$S+"},
		{`{"dd":{"trace_id":"$D64","span_id":"$SD"}}`, "trace:$T64/$S"},
		{`{"dd.trace_id":$D64,"dd.span_id":"$SD"}`, "trace:$T64/$S"},
		{`{"dd.trace_id":"$T","dd.span_id":"$SD"}`, "trace:$T/$S"},
		{`{"severity":"ERROR","logging.googleapis.com/trace":"projects/shop-prod/traces/$T","logging.googleapis.com/spanId":"$S","logging.googleapis.com/trace_sampled":false}`, "trace:$T/$S-"},
		{`{"trace":"projects/shop-prod/traces/$T"}`, "trace:$T"},
		{`{"message":"boom","mdc":{"traceId":"$T","spanId":"$S"}}`, "trace:$T/$S"},
		{`{"resource":{"attributes":{"service.name":"pay"}},"attributes":{"trace_id":"$T"}}`, "trace:$T"},
		{`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"$TB","spanId":"APBnqgupArc="}]}]}]}`, "trace:$T/$S"},
		{`{"attributes":[{"key":"request.id","value":{"stringValue":"req_a1b2c3d4"}}]}`, "request:req_a1b2c3d4"},
		{`{"tags":[{"key":"guid:x-request-id","type":"string","value":"$U"}]}`, "request:$U"},
		{`{"log":"{\"trace_id\":\"$T\",\"msg\":\"x\"}\n","stream":"stdout"}`, "trace:$T"},
		{`{"message":"failed trace_id=$T after 3s"}`, "trace:$T"},
		{`{"message":"failed $T after 3s"}`, "trace:$T request:$T"},
		{`{"req":{"id":"req_a1b2c3d4","headers":{"authorization":"Bearer $V","traceparent":"00-$T-$S-00"}}}`, "trace:$T/$S- request:req_a1b2c3d4"},
		{`{"operation_Id":"$T","operation_ParentId":"$S"}`, "trace:$T"},
		{`{"trace_id":null,"request_id":"req_a1b2c3d4"}`, "request:req_a1b2c3d4"},
		{`{"trace_id":"","request_id":"req_a1b2c3d4"}`, "request:req_a1b2c3d4"},
		{`{"trace_id":"00000000000000000000000000000000","request_id":"-"}`, "!an ID of zeros names nothing"},
		{`{"trace_id":"checkout-42"}`, "request:checkout-42"},
		{`{"parent_trace_id":"$V","trace_id":"$T","order_id":"$U"}`, "trace:$T"},
		{`{"user_id":"$U","msg":"x"}`, "request:$U"},
		{`{"request_id":"req_a1b2c3d4","session_id":"$U","trace":"at main.go:5"}`, "request:req_a1b2c3d4"},
		{`{"msg":"x"}`, "!no trace ID, request ID or tracing header is in it"},
		{`{"password":"$V"}`, "!it holds a credential, which is not looked at, and no ID beside it"},
		{`{"a":1} {"trace_id":"$T"}`, "trace:$T"},
		{"[\n  {\n    \"traceID\": \"$T\",\n    \"spanID\": \"$S\"\n  }\n]", "trace:$T/$S"},
		{`{"trace_id":"$T","msg":"cut of`, "trace:$T"},
		{`pay-1  | {"msg":"x","trace":{"id":"$T"}}`, "trace:$T"},
		{`{"msg":"\u001b[31mboom\u001b[0m","trace_id":"$T"}`, "trace:$T"},
		// logfmt and text
		{`level=error trace_id=$T span_id=$S msg="card declined"`, "trace:$T/$S"},
		{`level=error msg="card declined" traceID="$T"`, "trace:$T"},
		{`trace_id=$T`, "trace:$T"},
		{`request_id=req_a1b2c3d4`, "request:req_a1b2c3d4"},
		{`span_id=$S`, "span:$S request:$S"},
		{`level=info dd.trace_id=$D64 dd.span_id=$SD`, "trace:$T64/$S"},
		{`ts=2024-05-01T10:00:00Z guid:x-request-id=$U`, "request:$U"},
		{`level=info msg="got request" context={trace_id=$T, span_id=$S}`, "trace:$T/$S"},
		{`2024-05-01 10:00:00,123 INFO [pay,$T,$S] Charged`, "trace:$T/$S"},
		{`2024-05-01 10:00:00 INFO [pay,$H64,$S,false] 1 --- Charged`, "trace:$T64/$S-"},
		{`2024-05-01 10:00:00 INFO [$T-$S] Charged`, "trace:$T/$S"},
		{`2024-05-01 10:00:00 INFO [traceId=$T,spanId=$S] Charged`, "trace:$T/$S"},
		{`INFO TraceID: $T SpanID: $S done`, "trace:$T/$S"},
		{`Trace ID: $T`, "trace:$T"},
		{`trace id $T`, "trace:$T"},
		{`Your request ID is req_a1b2c3d4.`, "request:req_a1b2c3d4"},
		{`Something went wrong (request id: 7d2f-42). Try again.`, "request:7d2f-42"},
		{`the trace_id is missing`, "!no trace ID, request ID or tracing header is in it"},
		{`[$U] Started GET "/orders/42" for 10.0.0.1`, "request:$U trace:$V"},
		{`GET /orders/$U 500 request_id=req_a1b2c3d4`, "request:req_a1b2c3d4"},
		{`GET /orders/$U 500`, "request:$U trace:$V"},
		{`parent_id=$S trace_id=$T`, "trace:$T"},
		{`parent_trace_id=$V request_id=req_1`, "request:req_1"},
		{`session_id=$U`, "request:session_id=$U"},
		{`user logged in session_id=$U`, "request:$U"},
		{`etag=$V trace_id=$T`, "trace:$T"},
		{`digest=$V done`, "request:$V"},
		{`traceparent=00-$T-$S-00 request_id=req_a1b2c3d4 bare 05e3ac9a4f6e3b90`, "trace:$T/$S- request:req_a1b2c3d4"},
		{`got 00-$T-$S-01 from upstream`, "trace:$T/$S+"},
		{`trace_id=$V traceparent=00-$T-$S-01`, "trace:$V trace:$T/$S+"},
		{"\x1b[31mERROR\x1b[0m \x1b[36mtrace_id=\x1b[0m$T failed", "trace:$T"},
		{"trace_id=$T\x00\x07 failed", "trace:$T"},
		{`REPORT RequestId: $U Duration: 3 ms XRAY TraceId: $X SegmentId: 05e3ac9a4f6e3b90 Sampled: true`, "trace:$XT+ request:$U"},
		{`10.0.0.1 - - [10/Oct/2023:13:55:36 -0700] "GET /pay HTTP/1.1" 500 "-" "curl/8.0" "$U"`, "request:$U trace:$V"},
		{`authorization=Bearer $V request_id=req_a1b2c3d4`, "request:req_a1b2c3d4"},
		{`password=$V`, "!it holds a credential, which is not looked at, and no ID beside it"},
		{"line one\nlevel=info request_id=req_a1b2c3d4\nlevel=info trace_id=$T", "trace:$T request:req_a1b2c3d4"},
		{"trace_id=$T span_id=$S\ntrace_id=$V span_id=05e3ac9a4f6e3b90", "trace:$T/$S trace:$V/05e3ac9a4f6e3b90"},
		// curl
		{"* Connected to shop.example (10.0.0.1) port 443\n> GET /pay HTTP/2\n> Host: shop.example\n> Authorization: Bearer $V\n> Cookie: session=$V; request_id=$V\n>\n< HTTP/2 500\n< date: Wed, 01 May 2024 10:00:00 GMT\n< etag: \"$V\"\n< x-request-id: $U\n<\n{\"error\":\"boom\"}", "request:$U"},
		{"HTTP/1.1 500 Internal Server Error\r\nDate: Wed, 01 May 2024 10:00:00 GMT\r\nX-Request-Id: req_a1b2c3d4\r\nTraceparent: 00-$T-$S-00\r\nSet-Cookie: sid=$V\r\n\r\n{\"trace_id\": \"$T\"}", "trace:$T/$S- request:req_a1b2c3d4"},
		{"< HTTP/1.1 200 OK\n< X-B3-TraceId: $T\n< X-B3-SpanId: $S\n< X-B3-Sampled: 0\n<", "trace:$T/$S-"},
		{"< HTTP/1.1 200 OK\n< ETag: \"$V\"\n<", "!no trace ID, request ID or tracing header is in it"},
		{`curl -v -H 'X-Request-ID: req_a1b2c3d4' -H 'Authorization: Bearer $V' https://shop.example/pay`, "request:req_a1b2c3d4"},
		{`curl -H "traceparent: 00-$T-$S-01" -u ops:$V -b 'sid=$V' https://shop.example/pay`, "trace:$T/$S+"},
	})
}

func TestReadRefuses(t *testing.T) {
	check(t, []row{
		{"", "empty"},
		{"  \n\t ", "empty"},
		{`""`, "empty"},
		{"\x1b[31m\x1b[0m", "empty"},
		{"\u200b", "empty"},
		{"0000", "!an ID of zeros names nothing"},
		{"00000000000000000000000000000000", "!an ID of zeros names nothing"},
		{"00000000-0000-0000-0000-000000000000", "!an ID of zeros names nothing"},
		{"two words", "!no trace ID, request ID or tracing header is in it"},
		{"esc\x00apes", "!no trace ID, request ID or tracing header is in it"},
		{`a"} |= "x`, "!no trace ID, request ID or tracing header is in it"},
		{strings.Repeat("x", 300), "!it is longer than any ID (256 characters)"},
		{strings.Repeat("x ", ident.MaxText), "!the text has more than 256 KB"},
		{"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl", "!it looks like a credential, and those are not looked up"},
		{"sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc", "!it looks like a credential, and those are not looked up"},
		{"Authorization: Bearer abc123", "!it holds a credential, which is not looked at, and no ID beside it"},
		{"token=abc123", "!it holds a credential, which is not looked at, and no ID beside it"},
		{"{}", "!no trace ID, request ID or tracing header is in it"},
	})
}

func TestReadTellsWhen(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"$X", "2025-01-16T14:05:39Z"},
		{"X-Amzn-Trace-Id: Root=$X", "2025-01-16T14:05:39Z"},
		{"01ARZ3NDEKTSV4RRFFQ69G5FAV", "2016-07-30T23:54:10.259Z"},
		{"0ujtsYcgvSTl8PAuAdqWYSMnLOv", "2017-10-10T04:00:47Z"},
		{"018f4c2e-7b1a-7c3d-9e5f-1a2b3c4d5e6f", "2024-05-06T04:34:25.69Z"},
		{"c232ab00-9414-11ec-b3c8-9f6bdeced846", "2022-02-22T19:22:22Z"},
		{"1ec9414c-232a-6b00-b3c8-9f6bdeced846", "2022-02-22T19:22:22Z"},
		{"$U", ""},
		{"$T", ""},
		{`{"time":"2024-05-01T10:00:00.5+02:00","trace_id":"$T"}`, "2024-05-01T08:00:00.5Z"},
		{`{"trace_id":"$T","ts":1714550400.25}`, "2024-05-01T08:00:00.25Z"},
		{`{"trace_id":"$T","timeUnixNano":"1"}`, ""},
		{`{"trace_id":"$T","@timestamp":"1714550400000"}`, "2024-05-01T08:00:00Z"},
		{`ts=2024-05-01T08:00:00.123456789Z level=info trace_id=$T`, "2024-05-01T08:00:00.123456789Z"},
		{`2024-05-01 10:00:00,123 +0200 INFO trace_id=$T`, "2024-05-01T08:00:00.123Z"},
		{`2024-05-01 10:00:00 INFO trace_id=$T`, ""}, // in which zone?
		{`10.0.0.1 - - [01/May/2024:10:00:00 +0200] "GET / HTTP/1.1" 500 request_id=req_1`, "2024-05-01T08:00:00Z"},
		{"< HTTP/1.1 200 OK\n< Date: Wed, 01 May 2024 08:00:00 GMT\n< X-Request-Id: req_1", "2024-05-01T08:00:00Z"},
		{`ts=2024-05-01T08:00:00Z x_amzn_trace_id=Root=$X`, "2025-01-16T14:05:39Z"}, // the ID knows better
	} {
		id, err := ident.Read(ids.Replace(row.text))
		if err != nil {
			t.Errorf("%q: %v", row.text, err)
			continue
		}
		got := ""
		if when := id.Candidates[0].When; !when.IsZero() {
			got = when.Format(time.RFC3339Nano)
		}
		if got != row.want {
			t.Errorf("%q: %s, want %s", row.text, got, row.want)
		}
	}
}

func TestReadSaysWhatItTookTheTextFor(t *testing.T) {
	for _, row := range []row{
		{"00-$T-$S-00", "trace ID $T (W3C traceparent, span $S, not sampled)"},
		{"$T", "trace ID $T, or a request ID"},
		{"$H64", "trace ID $T64, or a span ID, or a request ID"},
		{"$U", "request ID $U (UUID), or a trace ID"},
		{"$D64", "trace ID $T64 (decimal, as Datadog writes IDs), or request ID $D64, or trace ID 0000000000000$D64"},
		{"$TB", "trace ID $T (base64), or request ID $TB"},
		{"req_a1b2c3d4", "request ID req_a1b2c3d4"},
		{"$X", "trace ID $XT (AWS X-Ray trace ID, made 2025-01-16 14:05:39 UTC)"},
		{`{"trace_id":"$T","span_id":"$S","request_id":"req_1"}`, "trace ID $T (span $S, field trace_id), or request ID req_1"},
		{"https://jaeger.example/trace/$T", "trace ID $T (in a link)"},
	} {
		id, err := ident.Read(ids.Replace(row.text))
		if want := ids.Replace(row.want); err != nil || id.Reading != want {
			t.Errorf("%q: %v\n got %s\nwant %s", row.text, err, id.Reading, want)
		}
	}
}

// Whatever a transcript holds besides IDs is not repeated.
func TestReadKeepsCredentialsToItself(t *testing.T) {
	const hidden = "0c1d2e3f405162738495a6b7c8d9eafb"
	for _, text := range []string{
		"> Authorization: Bearer " + hidden + "\n< x-request-id: req_1",
		"> authorization: Basic " + hidden + "\n>",
		"* [HTTP/2] [1] [authorization: Bearer " + hidden + "]\n> GET / HTTP/2\n< x-request-id: req_1",
		"> Cookie: a=1; trace_id=" + hidden + "; request_id=" + hidden + "\n< x-request-id: req_1",
		"< Set-Cookie: request_id=" + hidden + "; Path=/\n< x-request-id: req_1",
		"X-Api-Key: " + hidden,
		"curl -H 'Authorization: Bearer " + hidden + "' -H 'X-Request-Id: req_1' https://shop.example",
		`curl -H "Cookie: trace_id=` + hidden + `; b=2" https://shop.example`,
		"curl -u ops:" + hidden + " https://shop.example/pay -H 'X-Request-Id: req_1'",
		"curl --user=" + hidden + " https://shop.example/pay",
		`{"authorization":"` + hidden + `","request_id":"req_1"}`,
		`{"headers":{"Cookie":["request_id=` + hidden + `"]},"request_id":"req_1"}`,
		`{"accessToken":{"request_id":"` + hidden + `"}}`,
		"level=info password=" + hidden + " msg=x",
		"level=info authorization=Bearer " + hidden + " msg=x",
		"level=info cookie: a=1; request_id=" + hidden + "; b=2",
		"token:" + hidden,
		"https://" + hidden + ":" + hidden + "@jaeger.example/",
		"https://jaeger.example/search?access_token=" + hidden,
		"postgres://trace:" + hidden + "@db/traces",
	} {
		id, err := ident.Read(text)
		said := fmt.Sprintf("%+v", id)
		if err != nil {
			said += err.Error()
		}
		if strings.Contains(said, hidden) {
			t.Errorf("%q: %s", text, said)
		}
		if strings.Contains(text, "req_1") && id.Request != "req_1" {
			t.Errorf("%q: request %q", text, id.Request)
		}
	}
}

func TestParseTrace(t *testing.T) {
	for _, row := range []row{
		{"$T", "$T"},
		{"$TU", "$T"},
		{"$H64", "$T64"},
		{"$D64", "$T64"},
		{"$TD", "$T"},
		{"$TB", "$T"},
		{"projects/shop-prod/traces/$T", "$T"},
		{"00-$T-$S-01", "$T"},
		{"$X", "$XT"},
		{"", ""},
		{"0000000000000000", ""},
		{"checkout-42", ""},
	} {
		got, ok := ident.ParseTrace(ids.Replace(row.text))
		if want := ids.Replace(row.want); string(got) != want || ok != (want != "") {
			t.Errorf("%q: %q, want %q", row.text, got, want)
		}
	}
}

// A line of a team's own names says which of its IDs is the request's.
func TestReadNamed(t *testing.T) {
	const id, other = "4bf92f3577b34da6a3ce929d0e0e4736", "11112222333344445555666677778888"
	for _, test := range []struct {
		text           string
		trace, request string // likeliest
		field          string
	}{
		{`{"order":"` + other + `","tid":"` + id + `"}`, id, "", "tid"},
		{`level=info order=` + other + ` tid=` + id, id, "", "tid"},
		{`{"mdc":{"tid":"` + id + `"},"order":"` + other + `"}`, id, "", "mdc.tid"},
		{`corr=A-17 tid=-`, "", "A-17", "corr"},
		{`{"msg":"x","ctx.corr":"A-17"}`, "", "A-17", "ctx.corr"},
		{`trace_id=` + id + ` order=` + other, id, "", "trace_id"},
		// Datadog's upper half ends in the same letters.
		{`{"dd.trace_id":"5dca8a1b2c3d4e5f","_dd.p.tid":"66a1b2c300000000"}`, "66a1b2c3000000005dca8a1b2c3d4e5f", "", "dd.trace_id"},
	} {
		got, err := ident.ReadNamed(test.text, []string{"tid", "支付id"}, []string{"corr"})
		if err != nil || string(got.Trace) != test.trace || got.Request != test.request && test.request != "" || got.Candidates[0].Field != test.field {
			t.Errorf("%s is read as %+v, %v", test.text, got, err)
		}
	}
	if got, err := ident.ReadNamed(`password=hunter2hunter2`, []string{"password"}, nil); err == nil {
		t.Errorf("a credential is read as %+v", got)
	}
	if got, err := ident.Read(`{"order":"` + other + `","tid":"` + id + `"}`); err != nil || got.Candidates[0].Field == "tid" && got.Candidates[0].Kind == ident.Trace {
		t.Errorf("without names it is read as %+v, %v", got, err)
	}
}
