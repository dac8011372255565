package lokiapi_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"obs/sources"
)

// base is when the records of the suite begin.
var base = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// run stands for what tells the records of one run from those of another.
const run = "$RUN"

// suiteRecords are what all requests of the suite ask of. Each is at that time after base.
func suiteRecords() (records []sources.Record) {
	add := func(at time.Duration, stream sources.Labels, line string, metadata sources.Labels) {
		records = append(records, sources.Record{Time: base.Add(at), Stream: stream, Line: line, Metadata: metadata})
	}
	const s = time.Second

	checkout := sources.Labels{"service_name": "checkout", "level": "info", "zone": "eu-1"}
	add(1*s, checkout, `{"level":"info","msg":"order placed","order":{"id":7,"total":12.5,"items":["a","b"]},"duration":"120ms","size":"2KB","trace_id":"0af7651916cd43dd8448eb211c80319c","ok":true,"nul":null}`,
		sources.Labels{"trace_id": "0af7651916cd43dd8448eb211c80319c", "pod": "checkout-1"})
	add(2*s, checkout, `{"level":"error","msg":"payment failed","status":502,"duration":"4.1s","size":"10MB","weird key":"x","a.b":"dot"}`,
		sources.Labels{"trace.id": "deadbeef", "pod": "checkout-2"})
	add(3*s, checkout, `{"broken json": `, nil)
	for _, line := range []string{"same nanosecond A", "same nanosecond B", "same nanosecond A"} {
		add(3*s, checkout, line, nil)
	}
	add(3*s, checkout, "same nanosecond A", sources.Labels{"pod": "checkout-1"})

	payment := sources.Labels{"service_name": "payment"}
	add(1*s, payment, `level=info msg="charge ok" duration=35ms amount=12.5 status=200`, nil)
	add(4*s, payment, `level=warn msg="slow é 😀" duration=2.5s status=504 empty= flag`, sources.Labels{"tenant": "acme"})
	add(5*s, payment, `broken "logfmt = line`, nil)
	add(9*s, payment, `level=error msg="refused" duration=1m30s status=503 amount=-3`, sources.Labels{"tenant": "acme", "pod": "payment-1"})

	nginx := sources.Labels{"service_name": "nginx", "zone": "eu-2"}
	add(1*s, nginx, `10.0.0.1 - - [01/Mar/2026:10:00:01 +0000] "GET /cart?id=1 HTTP/1.1" 200 512`, nil)
	add(6*s, nginx, `10.0.0.2 - - [01/Mar/2026:10:00:06 +0000] "POST /checkout HTTP/1.1" 502 17`, nil)
	add(7*s, nginx, "panic: something FATAL \x1b[31mred\x1b[0m \"quoted\" \\back `tick` {{.x}} <b>", nil)

	odd := sources.Labels{"kind": "odd", "dup": "stream", "v": "a\nb"}
	add(10*s, odd, "l1", sources.Labels{"dup": "meta", "ünï": "x", "1x": "y", "a-b": "z", "emp": "", "sp": " pad ", "run": "evil", "m": "a\nb"})
	add(11*s, odd, "", nil)
	add(12*s, odd, `{"a":"json a","dup":"json dup","x":"1","x":"2","é":"é","1n":1,"":"emptykey","nested":{"a":{"b":1},"1":{"2":3}},"arr":[{"k":1}],"n":1e3,"big":12345678901234567890,"s":"esc \n é 😀","t":true,"sp ace":" v ","e":""}`, nil)
	for i, line := range []string{
		`[1,2]`, `"str"`, `12`, `a=1 dup=2 dup=3 é=4 1n=5 "q"=6 x="a\nb" y="uné" z='single' k=v=w`, "tab \t bell \a del \x7f esc \x1b[1m u+2028 \u2028 end",
		"a\nb", `{"a":"x","b":`, `{"a":"x"} trailing`, `{"a":"x",}`, `{"a":{"b":[1,{"c":"d"}], "x y":null}, "k": [ 1 , 2 ]}`, `[{"a":1}]`,
		`  {"a":"sp"}  `, `a=b"c d=e`, `a==b c= d="unterminated`, `a="x"b=2 c=3`, `=x a=1`, `{"a":1} {"b":2}`,
		`"} or {run=~".+"}`, `" or trace_id!="`, `| json`, "#", "//", "%25", "$1", "(", "[", ".*", "\u202e", "\ufeff",
	} {
		add(13*s+time.Duration(i), odd, line, nil)
	}

	levels := func(i int, line string, stream, metadata sources.Labels) {
		labels := sources.Labels{"kind": "level", "i": strconv.Itoa(i)}
		for name, value := range stream {
			labels[name] = value
		}
		add(30*s+time.Duration(i), labels, line, metadata)
	}
	n := 0
	for _, metadata := range []sources.Labels{
		{"level": "WARN"}, {"LEVEL": "Warning"}, {"severity": "Crit"}, {"lvl": "dbg"}, {"log.level": "trace"}, {"severity_text": "Error"},
		{"severity_number": "9"}, {"detected_level": "foo"}, {"SeverityText": "INFO2"}, {"severity_number": "17", "level": "info"}, {"severity_number": "25"},
	} {
		levels(n, "x", nil, metadata)
		n++
	}
	for _, stream := range []sources.Labels{{"severity": "error"}, {"level": "weird"}, {"detected_level": "debug"}, {"log_level": "debug"}} {
		levels(n, "x", stream, nil)
		n++
	}
	for _, line := range []string{
		`{"level":"WARNING"}`, `{"LEVEL":"err"}`, `{"lvl":"information"}`, `{"log":{"level":"error"}}`, `{"log.level":"error"}`, `{"level":30}`, `{"msg":"an error occurred"}`,
		`{"a":{"b":{"level":"error"}}}`, `{"level":"nope"}`, `{"lvl":"error","level":"info"}`, `{"a":{"level":"info"},"level":"warn"}`, `level=Error x=1`, `severity=INFO msg="error"`, `level="critical"`,
		`lvl=error level=info`, `level="WARN" lvl=error`, `a=b level=foo`, `err=nil msg="all is well"`, "plain ERROR here", "plain err: x", "[WARN] x", "INFO debug", "terror", "Information", "a.err",
		"level:error", `"level":"error"`, "error!", "(error)", "critical", "crit", "panic: x", "no-error", "Error5", "x info,y",
	} {
		levels(n, line, nil, nil)
		n++
	}
	return records
}

// asked is one request of the suite and how its answer is compared.
type asked struct {
	name    string
	method  string
	path    string
	params  url.Values
	header  http.Header
	compare comparison
}

type comparison int

const (
	content comparison = iota // status and body, in any order where the server has none
	ordered                   // and in that order
	status                    // status and the kind of body
)

var apart = http.Header{"X-Loki-Response-Encoding-Flags": {"categorize-labels"}}

// at is a moment after base as a parameter.
func at(d time.Duration) string { return strconv.FormatInt(base.Add(d).UnixNano(), 10) }

func pairs(list []string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(list); i += 2 {
		v.Add(list[i], list[i+1])
	}
	return v
}

// with sets parameters, where an empty value takes one away.
func (a asked) with(list ...string) asked {
	a.params = url.Values(http.Header(a.params).Clone())
	for i := 0; i+1 < len(list); i += 2 {
		if list[i+1] == "" {
			a.params.Del(list[i])
		} else {
			a.params.Set(list[i], list[i+1])
		}
		a.name += " " + list[i] + "=" + strings.ReplaceAll(list[i+1], "\n", "\\n")
	}
	return a
}

func (a asked) as(c comparison) asked { a.compare = c; return a }

func (a asked) mixed() asked { a.header = nil; a.name += " mixed"; return a }

// linesOf asks for lines of the whole suite, oldest first and with labels apart.
func linesOf(query string) asked {
	return asked{
		name: query, method: http.MethodGet, path: "query_range", header: apart,
		params: pairs([]string{"query", query, "start", at(0), "end", at(time.Minute), "direction", "forward", "limit", "1000"}),
	}
}

func instant(query string) asked {
	return asked{name: query, method: http.MethodGet, path: "query", params: pairs([]string{"query", query, "time", at(time.Minute)})}
}

func ranged(query, step string) asked {
	return asked{
		name: query + " step=" + step, method: http.MethodGet, path: "query_range",
		params: pairs([]string{"query", query, "start", at(0), "end", at(12 * time.Second), "step", step}),
	}
}

func listed(path string, list ...string) asked {
	a := asked{name: path, method: http.MethodGet, path: path, params: pairs([]string{"start", at(0), "end", at(time.Minute)})}
	return a.with(list...)
}

// refused asks in a way that tells what is wrong with a query.
func refused(query string) asked {
	a := linesOf(query)
	a.header = nil
	return a
}
