package jaegerapi

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// request is one request of the suite.
type request struct {
	name   string
	method string // GET when empty
	path   string
	params url.Values
}

func (r request) target() string {
	if len(r.params) == 0 {
		return r.path
	}
	return r.path + "?" + r.params.Encode()
}

// suite is the requests that both servers are asked, in this order: API v3 of the real
// one changes what it has stored, so what shows that comes first.
func suite(base time.Time, run string) []request {
	b := builder{base: base, run: run}
	var all []request
	for _, part := range []func() []request{b.listings, b.dependencies, b.searchesV1, b.tagsV1, b.tracesV1, b.searchesV3, b.tracesV3, b.neither} {
		all = append(all, part()...)
	}
	return all
}

type builder struct {
	base time.Time
	run  string
}

func (b builder) service(name string) string { return name + "-" + b.run }

func (b builder) micros(d time.Duration) string {
	return strconv.FormatInt(b.base.Add(d).UnixMicro(), 10)
}

func (b builder) instant(d time.Duration) string {
	return b.base.Add(d).UTC().Format(time.RFC3339Nano)
}

// with are parameters by name and value; a value that is empty takes the name away.
func with(base url.Values, pairs ...string) url.Values {
	all := url.Values{}
	for name, values := range base {
		all[name] = values
	}
	for i := 0; i < len(pairs); i += 2 {
		if all.Del(pairs[i]); pairs[i+1] != "" {
			all.Set(pairs[i], pairs[i+1])
		}
	}
	return all
}

func (b builder) listings() []request {
	front := b.service("front")
	return []request{
		{name: "v3 services", path: "/api/v3/services"},
		{name: "v1 services", path: "/api/services"},
		{name: "v1 services, pretty", path: "/api/services", params: with(nil, "prettyPrint", "true")},
		{name: "v3 operations", path: "/api/v3/operations", params: with(nil, "service", front)},
		{name: "v3 operations of a kind", path: "/api/v3/operations", params: with(nil, "service", front, "span_kind", "server")},
		{name: "v3 operations of no kind", path: "/api/v3/operations", params: with(nil, "service", front, "span_kind", "nonsense")},
		{name: "v3 operations of nobody", path: "/api/v3/operations", params: with(nil, "service", "nobody-"+b.run)},
		{name: "v3 operations without service", path: "/api/v3/operations"},
		{name: "v1 operations", path: "/api/operations", params: with(nil, "service", front)},
		{name: "v1 operations of a kind", path: "/api/operations", params: with(nil, "service", front, "spanKind", "internal")},
		{name: "v1 operations of nobody", path: "/api/operations", params: with(nil, "service", "nobody-"+b.run)},
		{name: "v1 operations without service", path: "/api/operations"},
		{name: "v1 names of operations", path: "/api/services/" + b.service("cart") + "/operations"},
		{name: "v1 names of operations of nobody", path: "/api/services/nobody-" + b.run + "/operations"},
		{name: "v1 names of operations, escaped", path: "/api/services/" + strings.Replace(b.service("pay"), "-", "%2D", 1) + "/operations"},
		{name: "v1 names of operations, not escaped", path: "/api/services/%25zz/operations"},
	}
}

func (b builder) dependencies() []request {
	const path = "/api/dependencies"
	end := func(d time.Duration) string { return strconv.FormatInt(b.base.Add(d).UnixMilli(), 10) }
	return []request{
		{name: "dependencies", path: path, params: with(nil, "endTs", end(time.Hour), "lookback", "7200000")},
		{name: "dependencies of traces that lie within", path: path, params: with(nil, "endTs", end(time.Minute+time.Second), "lookback", "61000")},
		{name: "dependencies from the very start", path: path, params: with(nil, "endTs", end(time.Minute), "lookback", "60000")},
		{name: "dependencies of a service", path: path, params: with(nil, "endTs", end(time.Hour), "lookback", "7200000", "service", b.service("pay"))},
		{name: "dependencies by default", path: path},
		{name: "dependencies of no time", path: path, params: with(nil, "endTs", end(-time.Hour), "lookback", "1000")},
		{name: "dependencies backward", path: path, params: with(nil, "endTs", end(0), "lookback", "-5")},
		{name: "dependencies, wrong end", path: path, params: with(nil, "endTs", "2026-11-21")},
		{name: "dependencies, wrong lookback", path: path, params: with(nil, "lookback", "1h")},
	}
}

// searchV1 is the parameters as sources/jaeger sends them.
func (b builder) searchV1(service string) url.Values {
	return with(nil, "service", b.service(service), "start", b.micros(-time.Minute), "end", b.micros(time.Hour), "limit", "20")
}

func (b builder) searchesV1() []request {
	front := b.searchV1("front")
	var all []request
	for name, pairs := range map[string][]string{
		"all":                        nil,
		"of an operation":            {"operation", "GET /cart"},
		"of an odd operation":        {"operation", "Größe 測る 🛒 \"x\"\\\n"},
		"of no operation":            {"operation", "nothing"},
		"the two most recent":        {"limit", "2"},
		"at most as many as it has":  {"limit", "100000"},
		"more than it has":           {"limit", "100001"},
		"limit 0":                    {"limit", "0"},
		"limit below 0":              {"limit", "-1"},
		"limit of no number":         {"limit", "many"},
		"limit too large":            {"limit", "3000000000"},
		"default limit":              {"limit", ""},
		"default times":              {"start", "", "end", ""},
		"lookback is ignored":        {"start", "", "lookback", "1s"},
		"from a moment":              {"start", b.micros(2 * time.Minute)},
		"to a moment":                {"end", b.micros(2 * time.Minute)},
		"backward":                   {"start", b.micros(time.Hour), "end", b.micros(0)},
		"start of no number":         {"start", "now"},
		"end of no number":           {"end", "1.5"},
		"at least 1s":                {"minDuration", "1s"},
		"at most 20ms":               {"maxDuration", "20ms"},
		"between durations":          {"minDuration", "50ms", "maxDuration", "0.1s"},
		"durations backward":         {"minDuration", "2s", "maxDuration", "1s"},
		"exactly a duration":         {"minDuration", "900ms", "maxDuration", "900ms"},
		"duration of no unit":        {"minDuration", "5"},
		"longest of no number":       {"maxDuration", "long"},
		"raw":                        {"raw", "true"},
		"raw of no truth":            {"raw", "maybe"},
		"pretty":                     {"prettyPrint", "1", "operation", "GET /cart"},
		"no service":                 {"service", ""},
		"a service that is not":      {"service", "nobody-" + b.run},
		"a service of another case":  {"service", strings.ToUpper(b.service("front"))},
		"a service in late spans":    {"service", b.service("cart"), "limit", "3"},
		"durations of one service":   {"service", b.service("db"), "minDuration", "200ms"},
		"a span of another service":  {"service", b.service("mail"), "operation", "publish"},
		"all conditions on one span": {"operation", "late too", "minDuration", "50ms"},
	} {
		all = append(all, request{name: "v1 search, " + name, path: "/api/traces", params: with(front, pairs...)})
	}
	return ordered(all)
}

func (b builder) tagsV1() []request {
	var all []request
	add := func(name, service string, p url.Values) {
		p = with(p)
		for key, values := range b.searchV1(service) {
			p[key] = values
		}
		all = append(all, request{name: "v1 search by " + name, path: "/api/traces", params: p})
	}
	for _, test := range []struct{ name, service, tags string }{
		{"attribute", "front", `{"tenant":"blue"}`},
		{"part of a value", "front", `{"tenant":"blu"}`},
		{"attribute of the resource", "front", `{"k8s.pod.name":"front-0"}`},
		{"attribute of an event", "cart", `{"only.in.event":"yes"}`},
		{"attribute of another service's span", "db", `{"tenant":"blue"}`},
		{"two attributes", "front", `{"tenant":"blue","http.request.method":"GET"}`},
		{"two attributes of two spans", "front", `{"tenant":"blue","server.address":"cart"}`},
		{"resource and event", "pay", `{"host.id":"i-7","exception.type":"Timeout"}`},
		{"service name", "pay", `{"service.name":"` + b.service("pay") + `"}`},
		{"integer", "front", `{"http.response.status_code":"500"}`},
		{"integer of the resource", "cart", `{"process.pid":"42"}`},
		{"truth value", "front", `{"flag":"true"}`},
		{"fraction", "front", `{"ratio":"0.25"}`},
		{"large integer", "front", `{"big":"9007199254740993"}`},
		{"array", "front", `{"array":"[\"ID\",\"b\"]"}`},
		{"element of an array", "front", `{"array":"ID"}`},
		{"array, escaped", "front", `{"array.escaped":"[\"a\\u0026b\"]"}`},
		{"array, not escaped", "front", `{"array.escaped":"[\"a&b\"]"}`},
		{"map", "front", `{"map":"{\"n\":1,\"tenant\":\"blue\"}"}`},
		{"empty value", "front", `{"empty":""}`},
		{"empty value of an absent key", "front", `{"absent":""}`},
		{"unicode", "front", `{"unicode":"naïve ☃ 🛒"}`},
		{"error=true", "front", `{"error":"true"}`},
		{"error=true, pay", "pay", `{"error":"true"}`},
		{"error=false", "front", `{"error":"false"}`},
		{"error", "pay", `{"error":""}`},
		{"status code", "front", `{"otel.status_code":"ERROR"}`},
		{"kind", "front", `{"span.kind":"server"}`},
		{"status message", "front", `{"otel.status_description":"deadline exceeded"}`},
		{"scope", "front", `{"otel.scope.name":"obs/test"}`},
		{"trace state", "front", `{"w3c.tracestate":"vendor=x"}`},
		{"event", "cart", `{"event":"zebra"}`},
		{"event's attribute of that name", "cart", `{"event":"taken"}`},
		{"nothing", "front", `{}`},
		{"null", "front", `null`},
		{"a number", "front", `{"http.response.status_code":500}`},
		{"a list", "front", `["tenant"]`},
		{"no JSON", "front", `tenant=blue`},
	} {
		add(test.name, test.service, with(nil, "tags", test.tags))
	}
	add("tag", "front", with(nil, "tag", "tenant:blue"))
	add("tag with colons", "front", with(nil, "tag", "server.address:a:b"))
	add("tag without colon", "front", with(nil, "tag", "tenant"))
	add("tag and tags", "front", url.Values{"tag": {"tenant:green", "http.request.method:GET"}, "tags": {`{"tenant":"blue"}`}})
	return all
}

func (b builder) tracesV1() []request {
	d := data(b)
	byID := func(n int) string { return "/api/traces/" + string(d.id(n)) }
	var all []request
	for n := range 12 {
		all = append(all, request{name: "v1 trace " + strconv.Itoa(n), path: byID(n)})
	}
	for n := range 12 {
		all = append(all, request{name: "v1 trace " + strconv.Itoa(n) + ", raw", path: byID(n), params: with(nil, "raw", "1")})
	}
	window := with(nil, "start", b.micros(0), "end", b.micros(time.Hour))
	elsewhere := with(nil, "start", b.micros(-2*time.Hour), "end", b.micros(-time.Hour))
	return append(all, []request{
		{name: "v1 trace with a window", path: byID(0), params: window},
		{name: "v1 trace with another's window", path: byID(0), params: elsewhere},
		{name: "v1 trace, wrong start", path: byID(0), params: with(nil, "start", "x")},
		{name: "v1 trace, wrong end", path: byID(0), params: with(nil, "end", "x")},
		{name: "v1 trace, wrong raw", path: byID(0), params: with(nil, "raw", "x")},
		{name: "v1 trace in capitals", path: "/api/traces/" + strings.ToUpper(string(d.id(0)))},
		{name: "v1 trace by a short ID", path: "/api/traces/" + d.id(3).Short()},
		{name: "v1 trace by 16 digits", path: "/api/traces/" + string(d.id(3))[16:]},
		{name: "v1 trace unknown", path: "/api/traces/" + b.run + "ffff"},
		{name: "v1 trace of zeros", path: "/api/traces/0"},
		{name: "v1 trace of no ID", path: "/api/traces/xyz"},
		{name: "v1 trace of no ID, escaped", path: "/api/traces/a%20%2Fb"},
		{name: "v1 trace of too long an ID", path: "/api/traces/" + strings.Repeat("a", 33)},
		{name: "v1 traces by ID", path: "/api/traces", params: url.Values{"traceID": {string(d.id(0)), string(d.id(3)), b.run + "ffff"}}},
		{name: "v1 traces by ID and service", path: "/api/traces", params: with(b.searchV1("front"), "traceID", string(d.id(3)))},
		{name: "v1 traces by unknown ID", path: "/api/traces", params: url.Values{"traceID": {b.run + "ffff"}}},
		{name: "v1 traces by no ID", path: "/api/traces", params: url.Values{"traceID": {"xyz"}}},
		{name: "v1 traces by an empty ID", path: "/api/traces", params: url.Values{"traceID": {""}}},
	}...)
}

// searchV3 is the parameters as sources/jaeger sends them: in both spellings.
func (b builder) searchV3(service string) url.Values {
	return with(nil,
		"query.service_name", b.service(service), "query.serviceName", b.service(service),
		"query.start_time_min", b.instant(-time.Minute), "query.startTimeMin", b.instant(-time.Minute),
		"query.start_time_max", b.instant(time.Hour), "query.startTimeMax", b.instant(time.Hour),
		"query.num_traces", "20", "query.searchDepth", "20")
}

func (b builder) searchesV3() []request {
	front := b.searchV3("front")
	var all []request
	for name, pairs := range map[string][]string{
		"all":                      nil,
		"all, raw":                 {"query.raw_traces", "true"},
		"raw of no truth":          {"query.raw_traces", "maybe"},
		"of an operation":          {"query.operation_name", "GET /cart", "query.operationName", "GET /cart"},
		"of no operation":          {"query.operation_name", "nothing"},
		"the two most recent":      {"query.num_traces", "2"},
		"no number of traces":      {"query.num_traces", ""},
		"0 traces":                 {"query.num_traces", "0"},
		"more than it keeps":       {"query.num_traces", "100001"},
		"limit of no number":       {"query.num_traces", "many"},
		"at least 1s":              {"query.duration_min", "1s", "query.durationMin", "1s"},
		"at most 20ms":             {"query.duration_max", "0.02s"},
		"durations backward":       {"query.duration_min", "2s", "query.duration_max", "1s"},
		"durations below 0":        {"query.duration_min", "-2s", "query.duration_max", "-1s"},
		"duration of no unit":      {"query.duration_min", "5"},
		"longest of no number":     {"query.duration_max", "x"},
		"from a moment":            {"query.start_time_min", b.instant(2 * time.Minute)},
		"to a moment":              {"query.start_time_max", b.instant(2 * time.Minute)},
		"to the very nanosecond":   {"query.start_time_max", b.instant(1234)},
		"to the one before":        {"query.start_time_max", b.instant(1233)},
		"times of another zone":    {"query.start_time_min", b.base.In(time.FixedZone("", 7200)).Format(time.RFC3339)},
		"backward":                 {"query.start_time_min", b.instant(time.Hour), "query.start_time_max", b.instant(0)},
		"no first time":            {"query.start_time_min", ""},
		"no last time":             {"query.start_time_max", ""},
		"first time of no time":    {"query.start_time_min", "yesterday"},
		"last time in numbers":     {"query.start_time_max", b.micros(0)},
		"camelCase alone":          {"query.start_time_min", "", "query.start_time_max", ""},
		"a service that is not":    {"query.service_name", "nobody-" + b.run},
		"attributes are ignored":   {"query.attributes", `{"tenant":"nobody's"}`},
		"a service in late spans":  {"query.service_name", b.service("cart"), "query.num_traces", "3"},
		"durations of one service": {"query.service_name", b.service("db"), "query.duration_min", "200ms"},
	} {
		all = append(all, request{name: "v3 search, " + name, path: "/api/v3/traces", params: with(front, pairs...)})
	}
	return ordered(all)
}

func (b builder) tracesV3() []request {
	d := data(b)
	byID := func(n int) string { return "/api/v3/traces/" + string(d.id(n)) }
	var all []request
	for n := range 12 {
		all = append(all, request{name: "v3 trace " + strconv.Itoa(n), path: byID(n)})
	}
	window := with(nil, "start_time", b.instant(0), "startTime", b.instant(0), "end_time", b.instant(time.Hour), "endTime", b.instant(time.Hour))
	elsewhere := with(nil, "start_time", b.instant(-2*time.Hour), "end_time", b.instant(-time.Hour))
	return append(all, []request{
		{name: "v3 trace with a window", path: byID(0), params: window},
		{name: "v3 trace with another's window", path: byID(0), params: elsewhere},
		{name: "v3 trace, wrong start", path: byID(0), params: with(nil, "start_time", "x")},
		{name: "v3 trace, wrong end", path: byID(0), params: with(nil, "end_time", b.micros(0))},
		{name: "v3 trace, wrong raw", path: byID(0), params: with(nil, "raw_traces", "x")},
		{name: "v3 trace in capitals", path: "/api/v3/traces/" + strings.ToUpper(string(d.id(0)))},
		{name: "v3 trace by a short ID", path: "/api/v3/traces/" + d.id(3).Short()},
		{name: "v3 trace unknown", path: "/api/v3/traces/" + b.run + "ffff"},
		{name: "v3 trace of zeros", path: "/api/v3/traces/0"},
		{name: "v3 trace of no ID", path: "/api/v3/traces/xyz"},
		{name: "v3 trace of no ID, escaped", path: "/api/v3/traces/a%20%2Fb"},
		{name: "v3 trace of too long an ID", path: "/api/v3/traces/" + strings.Repeat("a", 33)},
	}...)
}

// neither API has these.
func (b builder) neither() []request {
	return []request{
		{name: "the page", path: "/"},
		{name: "unknown path", path: "/api/no-such-path"},
		{name: "unknown path of v3", path: "/api/v3/no-such-path"},
		{name: "trace-summaries of newer servers", path: "/api/v3/trace-summaries"},
		{name: "trace of no name", path: "/api/traces/"},
		{name: "below a trace", path: "/api/traces/1/2"},
		{name: "doubled slash", path: "//api/services", params: with(nil, "a", "b")},
		{name: "dots", path: "/api/../api/./services"},
		{name: "POST", method: http.MethodPost, path: "/api/services"},
		{name: "PUT of v3", method: http.MethodPut, path: "/api/v3/services"},
		{name: "metrics without service", path: "/api/metrics/calls"},
		{name: "latencies without quantile", path: "/api/metrics/latencies"},
	}
}
