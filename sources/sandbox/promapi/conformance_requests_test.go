package promapi

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// request is one question of the conformance suite. In its texts, ${run} is the name of
// the run, and ${20m} the moment 20 minutes after the data begin, in seconds since 1970.
type request struct {
	method, path string
	params       []string // name, value, name, value
	ordered      bool     // the order of a vector counts
	shape        bool     // only keys and kinds of values count, as the content is the server's own
	// differs says why the real server's answer is another; it must be another.
	differs string
}

func (r request) String() string {
	var b strings.Builder
	b.WriteString(r.method + " " + r.path)
	for i := 0; i < len(r.params); i += 2 {
		b.WriteString(" " + r.params[i] + "=" + r.params[i+1])
	}
	return b.String()
}

var placeholder = regexp.MustCompile(`\$\{([^}]*)\}`)

// send asks the server at address.
func (r request) send(client *http.Client, address, run string, base time.Time) (*http.Response, error) {
	fill := func(text string) string {
		return placeholder.ReplaceAllStringFunc(text, func(found string) string {
			name := found[2 : len(found)-1]
			if name == "run" {
				return run
			}
			after, err := time.ParseDuration(name)
			if err != nil {
				panic(err)
			}
			return strconv.FormatFloat(float64(base.Add(after).UnixMilli())/1000, 'f', -1, 64)
		})
	}
	params := url.Values{}
	for i := 0; i < len(r.params); i += 2 {
		params.Add(r.params[i], fill(r.params[i+1]))
	}
	target, body := address+fill(r.path), ""
	if r.method == http.MethodPost {
		body = params.Encode()
	} else if len(params) > 0 {
		target += "?" + params.Encode()
	}
	sent, err := http.NewRequest(r.method, target, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if r.method == http.MethodPost {
		sent.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return client.Do(sent)
}

func get(path string, params ...string) request {
	return request{method: http.MethodGet, path: "/api/v1/" + path, params: params}
}

func post(path string, params ...string) request {
	return request{method: http.MethodPost, path: "/api/v1/" + path, params: params}
}

// at is an instant query where all series but one have values.
func at(query string) request { return get("query", "query", query, "time", "${50m}") }

// over is a range query of five steps.
func over(query string) request {
	return get("query_range", "query", query, "start", "${20m}", "end", "${40m}", "step", "300")
}

func (r request) inOrder() request { r.ordered = true; return r }
func (r request) inShape() request { r.shape = true; return r }
func (r request) but(why string) request {
	r.differs = why
	return r
}

// suite is all requests, by the file that holds the recorded answers.
var suite = map[string][]request{
	"instant": {
		at(`http_requests_total{run="${run}"}`),
		post("query", "query", `http_requests_total{run="${run}", code!~"4.."}`, "time", "${30m}"),
		at(`{run="${run}", __name__=~"node_.+|temperature_celsius"}`),
		at(`odd{run="${run}"}`),
		at(`-odd{run="${run}"} * 2`),
		at(`{__name__="http.server.requests", run="${run}", "service.name"="checkout"}`),
		at(`{"http.server.requests", run="${run}", "span kind/ü"="client"}`),
		at(`http_requests_total{run="${run}", code="500"}[1m]`),
		at(`sparser{run="${run}"}[30m] offset -10m`),
		at(`time()`), at(`"text ü"`), at(`1 / 0`), at(`vector(1)`), at(`scalar(sparse{run="${run}"})`),
		get("query", "query", `sparse{run="${run}"}`, "time", "${29m59.999s}"),
		get("query", "query", `sparse{run="${run}"}`, "time", "${2h}"),
		get("query", "query", `sparse{run="${run}"}`, "time", "${64m59s}"),
		get("query", "query", `sparse{run="${run}"}`, "time", "${65m}"),
		get("query", "query", `sparse{run="${run}"}`, "time", "${61m}", "lookback_delta", "1s"),
		get("query", "query", `up{run="${run}"}`, "time", "${19m59s}"),
		get("query", "query", `up{run="${run}"}`, "time", "${20m}"),
		get("query", "query", `up{run="${run}"}`, "time", "${24m44s}"),
		get("query", "query", `up{run="${run}"}`, "time", "${24m45s}"),
		get("query", "query", `build_info{run="${run}"}`, "time", "${31m}"),
		get("query", "query", `http_requests_total{run="${run}"}`, "time", "${30m}", "limit", "3").inShape(),
		get("query", "query", `sort(http_requests_total{run="${run}"})`, "time", "${30m}", "limit", "2").inOrder(),
		get("query", "query", `count(up{run="${run}"})`, "time", "${50m}", "limit", "0"),
		get("query", "query", `nothing{run="${run}"}`, "time", "${30m}"),
		get("query", "query", `count(up{run="${run}"})`, "time", "${10m}", "stats", "true").inShape().but("a newer engine counts samplesRead as well"),
		get("query", "query", `count(up{run="${run}"})`, "time", "${10m}", "stats", "much").inShape().but("a newer engine counts samplesRead as well"),
		get("query", "query", `sum(http_requests_total{run="${run}"})`, "time", "2026-03-01T14:30:00.5+02:00", "timeout", "5s"),
	},
	"functions": {
		at(`rate(http_requests_total{run="${run}"}[5m])`),
		get("query", "query", `increase(http_requests_total{run="${run}"}[10m])`, "time", "${35m}"),
		get("query", "query", `irate(http_requests_total{run="${run}"}[10m])`, "time", "${30m15s}"),
		get("query", "query", `resets(http_requests_total{run="${run}"}[10m])`, "time", "${35m}"),
		at(`changes(sparse{run="${run}"}[20m])`), at(`delta(temperature_celsius{run="${run}"}[5m])`), at(`deriv(node_memory_bytes{run="${run}"}[5m])`),
		at(`predict_linear(node_memory_bytes{run="${run}"}[5m], 3600)`),
		at(`avg_over_time(node_memory_bytes{run="${run}"}[5m])`), at(`stddev_over_time(node_memory_bytes{run="${run}"}[5m])`),
		at(`quantile_over_time(0.9, node_memory_bytes{run="${run}"}[10m])`), at(`max_over_time(odd{run="${run}"}[5m])`),
		at(`count_over_time(up{run="${run}"}[30m])`), at(`last_over_time(up{run="${run}"}[30m])`), at(`present_over_time(up{run="${run}"}[1m])`),
		at(`absent(up{run="${run}", instance="gone"})`), get("query", "query", `absent_over_time(up{run="${run}", instance="marked"}[5m])`, "time", "${30m}"),
		at(`clamp(node_memory_bytes{run="${run}"}, 1e9, 1.05e9)`), at(`round(temperature_celsius{run="${run}"}, 0.1)`),
		at(`label_replace(up{run="${run}"}, "host", "$1", "instance", "(.*)")`), at(`label_join(build_info{run="${run}"}, "all", "-", "version", "instance")`),
		at(`histogram_quantile(0.95, sum by (le, route) (rate(http_request_duration_seconds_bucket{run="${run}"}[5m])))`),
		at(`histogram_quantile(1.5, http_request_duration_seconds_bucket{run="${run}"})`),
		at(`histogram_quantile(0.9, sum(rate(up{run="${run}"}[5m])))`).but("a newer engine leaves the metric out of the warning"),
		at(`histogram_quantile(0.9, http_requests_total{run="${run}"})`).but("a newer engine leaves the metric out of the warning"),
		at(`rate(node_memory_bytes{run="${run}"}[5m])`),
		at(`sort_desc(http_requests_total{run="${run}"})`).inOrder(), at(`sort_by_label(up{run="${run}"}, "instance")`),
		at(`timestamp(sparser{run="${run}"})`), at(`day_of_week(vector(1.7e9))`), at(`sgn(odd{run="${run}"})`), at(`ln(odd{run="${run}"})`),
		at(`double_exponential_smoothing(node_memory_bytes{run="${run}"}[10m], 0.5, 0.5)`), at(`mad_over_time(node_memory_bytes{run="${run}"}[5m])`),
		at(`info(up{run="${run}"})`), at(`limitk(2, up{run="${run}"})`),
		at(`step()`).but("step() came after 3.4"), at(`max_of(1, 2)`).but("it came after 3.4"),
		at(`ts_of_max_over_time(node_memory_bytes{run="${run}"}[5m])`).but("it came after 3.4"),
	},
	"operators": {
		at(`sum by (code) (rate(http_requests_total{run="${run}"}[5m]))`), at(`sum without (instance, run) (http_requests_total{run="${run}"})`),
		at(`avg(node_memory_bytes{run="${run}"})`), at(`group by (job) (up{run="${run}"})`), at(`count_values("v", odd{run="${run}", n=~"[0-3]"})`),
		at(`quantile(0.5, node_memory_bytes{run="${run}"})`), at(`stdvar(node_memory_bytes{run="${run}"})`),
		at(`topk(2, http_requests_total{run="${run}"})`).inOrder(), at(`bottomk by (code) (1, http_requests_total{run="${run}"})`),
		at(`topk(3, odd{run="${run}"})`), at(`sum(odd{run="${run}"})`), at(`max(odd{run="${run}"})`),
		at(`http_requests_total{run="${run}", code="500"} / on (instance, run) http_requests_total{run="${run}", code="200"}`),
		at(`http_requests_total{run="${run}"} * on (instance, run) group_left (version) build_info{run="${run}"}`),
		at(`up{run="${run}"} == bool 1`), at(`node_memory_bytes{run="${run}"} > 9.5e8`), at(`up{run="${run}"} and up{run="${run}", instance="silent"}`),
		at(`up{run="${run}"} unless on (instance) build_info{run="${run}"}`), at(`sparse{run="${run}"} or up{run="${run}"}`),
		at(`2 ^ 3 ^ 2 % 5 atan2 1`), at(`http_requests_total{run="${run}", code="500"} offset 10m`), at(`http_requests_total{run="${run}", code="500"} offset -10m`),
		at(`http_requests_total{run="${run}", code="500"} @ ${10m}`), at(`sum(rate(http_requests_total{run="${run}"}[5m] @ end()))`),
		at(`max_over_time(rate(http_requests_total{run="${run}", code="200"}[2m])[20m:1m])`), at(`avg_over_time(temperature_celsius{run="${run}"}[10m:])`),
		at(`temperature_celsius{run="${run}"}[5m:2m]`), at(`min_over_time(sum(up{run="${run}"})[30m:5m] offset 5m)`),
		at(`http_requests_total{run=~"${run}|nothing", code=~"200|404"}`), at(`http_requests_total{run="${run}", code=~"(?i:5.*)"}`),
		at(`http_requests_total{run="${run}", code=~""}`), at(`up{run="${run}", missing=""}`), at(`up{run="${run}", missing!="x", job!=""}`),
		at(`up{run="${run}", instance!~"marked|x"}`), at(`{run="${run}", le="", route=~".+"}`), at(`{run="${run}", code!=""}`),
	},
	"range": {
		over(`http_requests_total{run="${run}", instance="a:80"}`), over(`sum by (code) (rate(http_requests_total{run="${run}"}[2m]))`),
		post("query_range", "query", `sum(up{run="${run}"})`, "start", "${0s}", "end", "${1h}", "step", "10m"),
		over(`up{run="${run}"}`), over(`odd{run="${run}", n=~"1|2|3"}`), over(`build_info{run="${run}"}`), over(`sparser{run="${run}"}`),
		over(`histogram_quantile(0.5, sum by (le) (rate(http_request_duration_seconds_bucket{run="${run}"}[5m])))`),
		over(`topk(1, http_requests_total{run="${run}"})`), over(`1`), over(`time() - ${20m}`), over(`vector(time() - ${0s})`),
		over(`http_requests_total{run="${run}", code="404"} @ start() - http_requests_total{run="${run}", code="404"} offset 5m`),
		over(`max_over_time(sum(rate(http_requests_total{run="${run}"}[1m]))[5m:30s])`), over(`nothing{run="${run}"}`), over(`absent(up{run="${run}", instance="marked"})`),
		get("query_range", "query", `sparse{run="${run}"}`, "start", "${0s}", "end", "${0s}", "step", "0.001"),
		get("query_range", "query", `temperature_celsius{run="${run}"}`, "start", "${10m0.25s}", "end", "${10m1s}", "step", "0.25"),
		get("query_range", "query", `sparse{run="${run}"}`, "start", "${-10m}", "end", "${80m}", "step", "10m"),
		get("query_range", "query", `http_requests_total{run="${run}"}`, "start", "${0s}", "end", "${1m}", "step", "60", "limit", "2"),
		get("query_range", "query", `vector(1)`, "start", "0", "end", "11000", "step", "11000"),
	},
	"obs": { // what obs itself sends
		at(`group by (__name__, service_name, service, app, job) ({le="+Inf", run="${run}"})`),
		at(`group by (__name__, "http.response.status_code", http_response_status_code, service_name, job) (last_over_time({__name__=~"http\\.server\\.requests|http_request_duration_seconds_count", run="${run}"}[1200s]))`),
		at(`max(count_over_time({__name__=~"http\\.server\\.requests|http_request_duration_seconds_count", run="${run}"}[300s]))`),
		at(`group by (__name__, service_name, job) ({__name__=~".+", __name__!~".+_(bucket|count|sum|total|created|info)|go_.+|process_.+|scrape_.+|up", le="", quantile="", run="${run}"})`),
		over(`histogram_quantile(0.95, sum by (le, service_name) (rate(http_request_duration_seconds_bucket{run="${run}"}[60s])))`),
		over(`sum by ("service.name") (rate({__name__="http.server.requests", run="${run}"}[60s]))`),
		over(`(sum by (job) (rate(http_requests_total{code=~"5..", run="${run}"}[60s])) or 0 * sum by (job) (rate(http_requests_total{run="${run}"}[60s]))) / (sum by (job) (rate(http_requests_total{run="${run}"}[60s])) > 0)`),
		over(`(sum by (route) (rate(http_request_duration_seconds_count{route="/none", run="${run}"}[60s])) or 0 * sum by (route) (rate(http_request_duration_seconds_count{run="${run}"}[60s]))) / (sum by (route) (rate(http_request_duration_seconds_count{run="${run}"}[60s])) > 0)`),
		over(`sum by (route) (rate(http_request_duration_seconds_sum{run="${run}"}[60s])) / 1000`),
		over(`max by (__name__, node) ({__name__=~"node_memory_bytes|odd", run="${run}", zone=~"z[0-9]*"})`),
		over(`histogram_count(sum by (route) (rate(http_request_duration_seconds_count{run="${run}"}[60s])))`),
	},
	"listings": {
		get("labels", "match[]", `{run="${run}"}`), post("labels", "match[]", `{run="${run}", le!=""}`), get("labels", "match[]", `up{run="${run}"}`, "match[]", `odd{run="${run}"}`),
		get("labels", "match[]", `{run="${run}"}`, "limit", "3"), get("labels", "match[]", `{run="none"}`),
		get("labels", "match[]", `{run="${run}"}`, "start", "0", "end", "1"), get("labels", "match[]", `{run="${run}"}`, "start", "${10m}", "end", "4000000000"),
		get("label/__name__/values", "match[]", `{run="${run}"}`), get("label/code/values", "match[]", `{run="${run}"}`, "start", "${0s}", "end", "4000000000"),
		get("label/instance/values", "match[]", `up{run="${run}"}`, "match[]", `http_requests_total{run="${run}"}`, "limit", "2"),
		get("label/U__service_2e_name/values", "match[]", `{run="${run}"}`), get("label/U__span_20_kind_2f__fc_/values", "match[]", `{run="${run}"}`),
		get("label/service.name/values", "match[]", `{run="${run}"}`), get("label/place/values", "match[]", `{run="${run}"}`), get("label/none/values", "match[]", `{run="${run}"}`),
		get("series", "match[]", `up{run="${run}"}`), post("series", "match[]", `up{run="${run}"}`, "match[]", `{run="${run}", instance="marked"}`, "match[]", `sparse{run="${run}"}`),
		get("series", "match[]", `{__name__="http.server.requests", run="${run}"}`, "start", "${0s}", "end", "${1h}"), get("series", "match[]", `{run="none"}`),
		get("series", "match[]", `up{run="${run}"}`, "start", "0", "end", "1"), get("series", "match[]", `odd{run="${run}", n="3"}`, "limit", "1"),
		get("series", "match[]", `odd{run="${run}"}`, "limit", "2").inShape(),
		get("metadata", "metric", "prometheus_ready"), get("metadata", "metric", "prometheus_ready", "limit", "1"), get("metadata", "metric", "prometheus_ready", "limit", "0"),
		get("metadata", "metric", "no_such_metric"), get("metadata", "limit", "some"), get("metadata", "limit_per_metric", "some"),
		get("rules"), get("rules", "type", "record"), get("rules", "type", "odd"), get("rules", "exclude_alerts", "maybe"), get("alerts"),
		get("status/buildinfo").inShape(),
		{method: "GET", path: "/-/ready"}, {method: "GET", path: "/-/healthy"}, {method: "HEAD", path: "/-/ready"},
	},
	"exemplars": {
		get("query_exemplars", "query", `http_request_duration_seconds_bucket{run="${run}"}`, "start", "${0s}", "end", "${1h}"),
		get("query_exemplars", "query", `http_request_duration_seconds_bucket{run="${run}", le="0.25"}`),
		post("query_exemplars", "query", `histogram_quantile(0.9, sum(rate({run="${run}", route="/pay", le="+Inf"}[5m])))`, "start", "${10m}", "end", "${40m}"),
		get("query_exemplars", "query", `{run="${run}", le="0.5"} or {run="${run}", le="0.1"}`, "start", "${0s}", "end", "${15m}"),
		get("query_exemplars", "query", `{run="${run}", le="0.5"}`, "start", "0", "end", "1"),
		get("query_exemplars", "query", `up{run="${run}"}`), get("query_exemplars", "query", `1`),
		get("query_exemplars", "query", `rate((`), get("query_exemplars"), get("query_exemplars", "query", "up", "start", "2", "end", "1"),
		get("query_exemplars", "query", "up", "start", "then"),
	},
	"errors": {
		at(`rate((`), at(``), get("query"), at(`up{`), at(`{}`), at(`{job=~".*"}`), at(`rate(up)`), at(`nosuch(up)`), at(`up[5m`), at(`up offset`).but("a newer parser lists more of what may follow"),
		at(`sum by (a (up)`), at(`up{a="b" c="d"}`), at(`"a`), at(`1 + "a"`), at(`up == "a"`), at(`up[5m] + 1`), at(`up{job=~"("}`), at(`up[0s]`), at(`up @ x`),
		at(`topk("a", up)`), at(`histogram_quantile(up)`), at(`up[5x]`), at(`-"a"`), at(`sum(1)`), at(`up and 1`), at(`a b`), at(`up{"a"}`), at(`{"a", "b"}`),
		get("query", "query", "up", "time", "now"), get("query", "query", "up", "timeout", "soon"), get("query", "query", "up", "limit", "-1"),
		get("query", "query", "up", "limit", "a"), get("query", "query", "up", "lookback_delta", "x"), get("query", "query", "up", "timeout", "1e300"),
		at(`{run="${run}", __name__="up"} * on () {run="${run}", __name__="up"}`), at(`up{run="${run}"} * on (job) group_left () http_requests_total{run="${run}"}`),
		at(`label_replace(up{run="${run}"}, "a", "$1", "b", "(")`), at(`label_replace(up{run="${run}"}, "instance", "x", "", "")`),
		at(`count_values("", up{run="${run}"})`), at(`rate({run="${run}", __name__=~"up|sparse"}[30m])`), at(`label_join(up{run="${run}"}, "\xff", ",", "a")`),
		at(`quantile(2, up{run="${run}"})`), at(`quantile_over_time(-1, up{run="${run}"}[5m])`), at(`info(1)`),
		at(`topk(scalar(up{run="${run}"}), up{run="${run}"})`).but("a newer engine words it otherwise"), at(`clamp(up{run="${run}"}, 2, 1)`), at(`limit_ratio(0.5, up)`), at(`sort_by_label(up)`),
		over(`up[5m]`), over(`"text"`), over(`rate((`), get("query_range"), get("query_range", "query", "up", "start", "1"),
		get("query_range", "query", "up", "start", "1", "end", "0", "step", "1"), get("query_range", "query", "up", "start", "1", "end", "2"),
		get("query_range", "query", "up", "start", "1", "end", "2", "step", "0"), get("query_range", "query", "up", "start", "1", "end", "2", "step", "-1m"),
		get("query_range", "query", "up", "start", "0", "end", "11001", "step", "1"), get("query_range", "query", "up", "start", "0", "end", "2", "step", "1e-12"),
		get("query_range", "query", "up", "start", "0", "end", "2", "step", "1", "limit", "x"),
		get("series"), get("series", "match[]", "{"), get("series", "match[]", "{}"), get("series", "match[]", `{a=~".*"}`), get("series", "match[]", "sum(up)"),
		get("series", "match[]", "up", "start", "x"), get("series", "match[]", "up", "limit", "x"), get("labels", "match[]", "{"), get("labels", "limit", "x"), get("labels", "start", "x"),
		get("labels", "end", "x"), get("label/a/values", "match[]", "up{"), get("label/%FF/values"), get("label/a/values", "limit", "-2"), get("rules", "match[]", "{"),
		get("nothing"), {method: "GET", path: "/nothing"}, post("alerts"), post("metadata"), {method: "PUT", path: "/api/v1/query"}, request{method: "GET", path: "/api/v1"}.but("it leads to /api/v1/, which is not found"),
		{method: "GET", path: "/api/v1/label//values"},
	},
}
