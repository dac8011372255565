package main

import (
	"bufio"
	"fmt"
	"time"
)

// traceID is the trace that all answers hold.
const traceID = "0000000000000000000000000b167ace"

const services = 20

// span is one span of the made trace. IDs count from 1; a parent of 0 is none.
type span struct {
	id, parent int
	service    int
	operation  string
	start      time.Duration // since the request's start
	took       time.Duration
	kind       int // as OTLP numbers kinds
	failed     bool
}

// trace is a request with n spans: a chain of calls, at its end a loop that asks the
// database, one that calls a service which asks the database in turn, and calls that
// run beside one another.
func trace(n int) []span {
	const chain = 30
	step := time.Millisecond
	total := time.Duration(n)*step + 2*chain*step
	all := make([]span, 0, n)
	add := func(s span) int {
		s.id = len(all) + 1
		s.failed = s.id%997 == 5
		all = append(all, s)
		return s.id
	}
	parent, at := 0, time.Duration(0)
	for i := range min(chain, n) {
		parent = add(span{parent: parent, service: i % services, operation: fmt.Sprintf("call %d", i%7), start: at, took: total - 2*at, kind: 2})
		at += step
	}
	for range 2 * n / 5 {
		add(span{parent: parent, service: 3, operation: "SELECT orders", start: at, took: step - step/time.Duration(10+len(all)%7), kind: 3})
		at += step
	}
	for len(all) < 4*n/5 {
		client := add(span{parent: parent, service: 9, operation: "GET /items/{id}", start: at, took: 3 * step, kind: 3})
		server := add(span{parent: client, service: 4, operation: "GET /items/{id}", start: at + step/10, took: 2 * step, kind: 2})
		add(span{parent: server, service: 4, operation: "SELECT items", start: at + step/5, took: step, kind: 3})
		at += 3 * step
	}
	for i := 0; len(all) < n; i++ {
		add(span{parent: 1 + i%chain, service: i % services, operation: fmt.Sprintf("work %d", i%11), start: at, took: step * time.Duration(1+i%30), kind: 1})
	}
	return all
}

var began = time.Date(2026, 11, 21, 7, 0, 0, 0, time.UTC)

// attribute is one attribute of a span: text, or a whole number.
type attribute struct {
	key, text string
	number    int
}

func (s *span) attributes() []attribute {
	return []attribute{
		{key: "db.query.text", text: "SELECT id, state, total FROM orders WHERE customer_id = $1 AND shop = $2 ORDER BY id"},
		{key: "http.request.method", text: "GET"},
		{key: "http.response.status_code", number: 200},
		{key: "http.route", text: "/orders/{id}"},
		{key: "net.peer.name", text: "orders.internal"},
		{key: "order.id", text: fmt.Sprintf("ord_%08x", uint32(s.id)*2654435761)},
		{key: "tenant.id", text: fmt.Sprintf("tenant-%d", s.id%37)},
		{key: "thread.id", number: 1 + s.id%64},
	}
}

func resource(service int) []attribute {
	return []attribute{
		{key: "service.name", text: fmt.Sprintf("service-%02d", service)},
		{key: "host.name", text: fmt.Sprintf("node-%d", service%5)},
		{key: "telemetry.sdk.language", text: "go"},
	}
}

// otlp writes the spans as OTLP in JSON, one resource for each service.
func otlp(b *bufio.Writer, all []span) {
	text(b, `{"resourceSpans":[`)
	separate := separator()
	for service := range services {
		first := true
		for i := range all {
			if all[i].service != service {
				continue
			}
			if first {
				separate(b)
				text(b, `{"resource":{"attributes":[`)
				otlpAttributes(b, resource(service))
				text(b, `]},"scopeSpans":[{"scope":{"name":"made"},"spans":[`)
			} else {
				text(b, ",")
			}
			first = false
			otlpSpan(b, &all[i])
		}
		if !first {
			text(b, `]}]}`)
		}
	}
	text(b, `]}`)
}

func otlpSpan(b *bufio.Writer, s *span) {
	start := began.Add(s.start)
	textf(b, `{"traceId":%q,"spanId":"%016x",`, traceID, s.id)
	if s.parent > 0 {
		textf(b, `"parentSpanId":"%016x",`, s.parent)
	}
	textf(b, `"flags":256,"name":%q,"kind":%d,"startTimeUnixNano":"%d","endTimeUnixNano":"%d","attributes":[`,
		s.operation, s.kind, start.UnixNano(), start.Add(s.took).UnixNano())
	otlpAttributes(b, s.attributes())
	text(b, `],"status":{`)
	if s.failed {
		text(b, `"code":2,"message":"timeout after 3 s"`)
	}
	text(b, `}}`)
}

func otlpAttributes(b *bufio.Writer, all []attribute) {
	separate := separator()
	for _, a := range all {
		separate(b)
		if a.text != "" {
			textf(b, `{"key":%q,"value":{"stringValue":%q}}`, a.key, a.text)
		} else {
			textf(b, `{"key":%q,"value":{"intValue":"%d"}}`, a.key, a.number)
		}
	}
}

// answerV3 is how Jaeger's API v3 answers with the spans.
func answerV3(b *bufio.Writer, all []span) {
	text(b, `{"result":`)
	otlp(b, all)
	text(b, `}`)
}

// answerV1 is how its older API answers.
func answerV1(b *bufio.Writer, all []span) {
	textf(b, `{"data":[{"traceID":%q,"spans":[`, traceID)
	separate := separator()
	for i := range all {
		s := &all[i]
		separate(b)
		textf(b, `{"traceID":%q,"spanID":"%016x","operationName":%q,"references":[`, traceID, s.id, s.operation)
		if s.parent > 0 {
			textf(b, `{"refType":"CHILD_OF","traceID":%q,"spanID":"%016x"}`, traceID, s.parent)
		}
		textf(b, `],"startTime":%d,"duration":%d,"tags":[`, began.Add(s.start).UnixMicro(), s.took.Microseconds())
		v1Tags(b, append(s.attributes(), attribute{key: "span.kind", text: [...]string{"", "internal", "server", "client"}[s.kind]}))
		if s.failed {
			text(b, `,{"key":"error","type":"bool","value":true},{"key":"otel.status_description","type":"string","value":"timeout after 3 s"}`)
		}
		textf(b, `],"logs":[],"processID":"p%d","warnings":null}`, s.service+1)
	}
	text(b, `],"processes":{`)
	separate = separator()
	for service := range services {
		separate(b)
		of := resource(service)
		textf(b, `"p%d":{"serviceName":%q,"tags":[`, service+1, of[0].text)
		v1Tags(b, of[1:])
		text(b, `]}`)
	}
	text(b, `},"warnings":null}],"total":0,"limit":0,"offset":0,"errors":null}`)
}

func v1Tags(b *bufio.Writer, all []attribute) {
	separate := separator()
	for _, a := range all {
		separate(b)
		if a.text != "" {
			textf(b, `{"key":%q,"type":"string","value":%q}`, a.key, a.text)
		} else {
			textf(b, `{"key":%q,"type":"int64","value":%d}`, a.key, a.number)
		}
	}
}

// A failure to write shows when the writer is flushed.
func text(b *bufio.Writer, s string) { _, _ = b.WriteString(s) }

func textf(b *bufio.Writer, format string, args ...any) { _, _ = fmt.Fprintf(b, format, args...) }

// separator writes a comma each time but the first.
func separator() func(*bufio.Writer) {
	first := true
	return func(b *bufio.Writer) {
		if !first {
			text(b, ",")
		}
		first = false
	}
}
