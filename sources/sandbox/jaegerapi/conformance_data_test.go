package jaegerapi

import (
	"fmt"
	"strings"
	"time"

	"obs/sources"
)

// dataset is what the suite asks about: twelve traces of five services, in the batches
// in which they arrive. Names of services and IDs of traces carry the run, 12 hexadecimal
// digits, so that a server may hold the data of many runs.
func dataset(base time.Time, run string) [][]sources.Span {
	d := data{base: base, run: run}
	front := d.process("front", "host.name", "node-1", "service.version", "1.10", "k8s.pod.name", "front-0")
	cart := d.process("cart", "host.name", "node-2", "process.pid", "42")
	pay := d.process("pay", "host.id", "i-7", "host.name", "node-3", "cloud.availability_zone", "eu-1a")
	mail := d.process("mail")
	db := d.process("db", "host.ip", `["10.0.0.9","fe80::1"]`, "ip", "10.0.0.9")
	get := []string{"http.request.method", "GET", "http.response.status_code", "200", "http.route", "/cart/{id}", "tenant", "blue"}

	plain := []sources.Span{
		d.span(0, 0xa1, 0, front, "GET /cart", server, 0, 900, get...),
		d.span(0, 0xa2, 0xa1, front, "GET", client, 100, 700, "http.response.status_code", "200", "server.address", "cart"),
		d.span(0, 0xa3, 0xa2, cart, "GET /cart/{id}", server, 200, 500, get...),
		d.span(0, 0xa4, 0xa3, db, "SELECT carts", client, 250, 300, "db.query.text", `SELECT * FROM "carts" WHERE id < ? AND a & b`),
	}
	failed := []sources.Span{
		d.span(1, 0xa1, 0, front, "POST /orders", server, 0, 3000, "http.response.status_code", "500", "error.type", "500"),
		d.span(1, 0xa2, 0xa1, pay, "charge", client, 10, 2900, "server.address", "bank.example"),
	}
	for i := range failed {
		failed[i].Status, failed[i].StatusMessage = sources.StatusError, "deadline exceeded"
	}
	failed[1].Events = []sources.Event{{
		Time: failed[1].Start.Add(2 * time.Second), Name: "exception",
		Attributes: list("exception.message", "504", "exception.type", "Timeout", "retries", "3"),
	}}
	values := []sources.Span{
		d.span(2, 0xa1, 0, front, "Größe 測る 🛒 \"x\"\\\n", server, 0, 40,
			"array", `["ID","b"]`, "array.escaped", `["a\u0026b"]`, "array.mixed", `["a",3,true,0.5]`, "big", "9007199254740993",
			"empty", "", "flag", "true", "map", `{"n":1,"tenant":"blue"}`, "negative", "-7", "ratio", "0.25", "tiny", "1e-9",
			"unicode", "naïve ☃ 🛒", "not.number", "007", "not.json", "[oops", "spaced", `["a", "b"]`, "enduser.id", "12", "text.true", "True"),
	}
	values[0].Status = sources.StatusOK
	short := []sources.Span{
		d.span(3, 0xa1, 0, cart, "tick", internal, 0, 5),
		d.span(3, 0xa2, 0xa1, cart, "tock", internal, 1, 2),
	}
	orphans := []sources.Span{
		d.span(4, 0xa1, 0xfff, pay, "orphan", server, 0, 100, "tenant", "green"),
		d.span(4, 0xa2, 0xffe, front, "other orphan", server, 10, 20),
		d.span(4, 0xa3, 0xa1, pay, "child of an orphan", internal, 20, 30),
		d.span(4, 0xa4, 0, front, "second root", server, 500, 5),
	}
	linked := []sources.Span{
		d.span(5, 0xa1, 0, front, "publish", producer, 0, 10),
		d.span(5, 0xa2, 0xa1, mail, "process", consumer, 2, 5),
		d.span(5, 0xa3, 0, mail, "batch", consumer, 3, 4),
		d.span(5, 0xa4, 0, mail, "follow", consumer, 9, 1),
	}
	linked[1].Links = []sources.Reference{{TraceID: d.id(5), SpanID: "00000000000000a1"}, {TraceID: d.id(0), SpanID: "00000000000000a2"}}
	linked[2].Links = []sources.Reference{{TraceID: d.id(3), SpanID: "00000000000000a1"}, {TraceID: d.id(1), SpanID: "00000000000000a2"}}
	linked[3].Links = []sources.Reference{{TraceID: d.id(0), SpanID: "00000000000000a1"}, {TraceID: d.id(5), SpanID: "00000000000000a1"}}
	skewed := []sources.Span{
		d.span(6, 0xa1, 0, front, "enqueue", producer, 0, 20),
		d.span(6, 0xa2, 0xa1, mail, "after its parent", consumer, 50, 10),
		d.span(6, 0xa3, 0xa1, mail, "longer than its parent", consumer, 5, 400),
		d.span(6, 0xa4, 0xa1, pay, "before its parent", consumer, -30, 100),
		d.span(6, 0xa5, 0xa4, pay, "of the same host", internal, -20, 10),
		d.span(6, 0xa6, 0xa4, db, "of another host", client, 60, 30),
		d.span(6, 0xa7, 0xa6, db, "of that host too", internal, 85, 10),
	}
	eventful := []sources.Span{d.span(7, 0xa1, 0, cart, "noisy", internal, 0, 60)}
	at := eventful[0].Start
	eventful[0].Events = []sources.Event{
		{Time: at.Add(30 * time.Millisecond), Name: "zebra", Attributes: list("level", "info", "only.in.event", "yes")},
		{Time: at.Add(10 * time.Millisecond), Name: "apple"},
		{Time: at.Add(20 * time.Millisecond), Name: "", Attributes: list("message", "no name")},
		{Time: at.Add(25 * time.Millisecond), Name: "named", Attributes: list("event", "taken", "ok", "false")},
	}
	odd := []sources.Span{
		d.span(8, 0xa1, 0, front, strings.Repeat("long name ", 60), server, 0, 2000),
		d.span(8, 0xa2, 0xa1, front, "instant", internal, 5, 0),
		d.span(8, 0xa3, 0xa1, front, "", internal, 6, 1),
		d.span(8, 0xa4, 0xa1, front, "no kind", sources.KindUnset, 7, 1),
	}
	shared := []sources.Span{
		d.span(9, 0xa1, 0, cart, "checkout", server, 0, 100),
		d.span(9, 0xa2, 0xa1, cart, "charge", client, 10, 50),
		d.span(9, 0xa2, 0xa1, pay, "charge", server, 12, 45),
		d.span(9, 0xa5, 0xa1, cart, "twice", internal, 70, 10, "tenant", "blue"),
		d.span(9, 0xa5, 0xa1, cart, "twice", internal, 70, 10, "tenant", "blue"),
	}
	scoped := []sources.Span{
		d.span(10, 0xa1, 0, front, "scoped", server, 0, 30, keyScope, "obs/test", keyScopeVersion, "1.2.3", keyTraceState, "vendor=x"),
		d.span(10, 0xa2, 0xa1, front, "other scope", internal, 1, 2, keyScope, "other"),
	}
	split := []sources.Span{d.span(11, 0xa1, 0, front, "split", server, 0, 100, "part", "first")}
	late := []sources.Span{
		d.span(11, 0xa2, 0xa1, cart, "late", server, 10, 50, "part", "second"),
		d.span(11, 0xa3, 0xa1, front, "late too", internal, 70, 10),
	}
	// The batch that is late belongs to a trace that came before others, and the traces
	// do not arrive in the order in which they start.
	return [][]sources.Span{split, plain, failed, values, short, late, linked, orphans, skewed, eventful, odd, shared, scoped}
}

const (
	internal = sources.KindInternal
	server   = sources.KindServer
	client   = sources.KindClient
	producer = sources.KindProducer
	consumer = sources.KindConsumer
)

type data struct {
	base time.Time
	run  string
}

// id is the ID of the n-th trace. The fourth has 64 bits and a zero of its own in front.
func (d data) id(n int) sources.TraceID {
	if n == 3 {
		return sources.TraceID("000000000000000000" + d.run + "03")
	}
	return sources.TraceID(fmt.Sprintf("%s%020x", d.run, n+1))
}

func (d data) process(name string, resource ...string) sources.Span {
	name += "-" + d.run
	return sources.Span{Service: name, Resource: list(append(resource, "service.name", name)...)}
}

// span begins n minutes after the base and so many milliseconds later.
func (d data) span(n, id, parent int, process sources.Span, operation string, kind sources.Kind, after, lasts int, attributes ...string) sources.Span {
	s := process
	s.TraceID, s.ID = d.id(n), sources.SpanID(fmt.Sprintf("%016x", id))
	if parent != 0 {
		s.ParentID = sources.SpanID(fmt.Sprintf("%016x", parent))
	}
	s.Operation, s.Kind, s.Status = operation, kind, sources.StatusUnset
	s.Start = d.base.Add(time.Duration(n)*time.Minute + time.Duration(after)*time.Millisecond + 1234*time.Nanosecond)
	s.Duration = time.Duration(lasts) * time.Millisecond
	s.Attributes = list(attributes...)
	return s
}

// list makes attributes of keys and values.
func list(pairs ...string) sources.Attributes {
	var all sources.Attributes
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, sources.Attribute{Key: pairs[i], Value: pairs[i+1]})
	}
	all.Sort()
	return all
}

// filled is a store with the data set.
func filled(base time.Time, run string) *Store {
	store := NewStore()
	for _, batch := range dataset(base, run) {
		store.Append(batch...)
	}
	return store
}
