package lokiapi_test

import (
	"net/http"
	"strings"
	"time"
)

const (
	all      = `{run="$RUN"}`
	checkout = `{run="$RUN",service_name="checkout"}`
	payment  = `{run="$RUN",service_name="payment"}`
	nginx    = `{run="$RUN",service_name="nginx"}`
	odd      = `{run="$RUN",kind="odd"}`
	services = `{run="$RUN",service_name=~".+"}`
)

func each(ask func(string) asked, queries ...string) (list []asked) {
	for _, q := range queries {
		list = append(list, ask(q))
	}
	return list
}

func prefixed(prefix string, rest ...string) (queries []string) {
	for _, r := range rest {
		queries = append(queries, prefix+r)
	}
	return queries
}

// suite is every request, by what it is about. Each part has a golden file of its name.
func suite() map[string][]asked {
	return map[string][]asked{
		"obs":       asObsAsks(),
		"lines":     aboutLines(),
		"parsers":   aboutParsers(),
		"filters":   aboutFilters(),
		"metrics":   aboutMetrics(),
		"ranges":    aboutRanges(),
		"listings":  aboutListings(),
		"errors":    aboutErrors(),
		"arguments": aboutArguments(),
	}
}

// asObsAsks are the requests that obs itself sends: sources/loki, correlate/records.go
// and correlate/logsurvey.go.
func asObsAsks() []asked {
	const trace = "0af7651916cd43dd8448eb211c80319c"
	fields := `trace_id="` + trace + `" or traceID="` + trace + `" or traceId="` + trace + `" or dd_trace_id="` + trace + `" or trace_id="8448eb211c80319c"`
	return []asked{
		linesOf(services + ` | ` + fields),
		linesOf(services + ` |~ "(?i)(^|[^0-9a-f])0*af7651916cd43dd8448eb211c80319c([^0-9a-f]|$)"`),
		linesOf(`{run="$RUN", service_name=""} |= "json a"`),
		linesOf(checkout+` |= "order" |= "placed"`).with("limit", "201"),
		linesOf(payment+` |~ "(?i)error|fail|fatal|panic|exception|timeout|timed out"`).with("direction", "backward", "limit", "20"),
		linesOf(payment).with("start", at(4*time.Second), "end", at(4*time.Second+1), "limit", "1").mixed(),
		instant(`sum by (service_name) (count_over_time(` + services + ` | detected_level=~"(?i)error|err|fatal|critical|crit|panic|emerg|alert"[60s])) / 60`),
		instant(`sum by (service_name) (count_over_time(` + services + ` | level=~"(?i)error|info"[60s])) / 60`),
		ranged(`sum by (service_name) (count_over_time(`+services+` [2s]))`, "2"),
		listed("labels").as(status), listed("labels", "query", all),
		listed("label/service_name/values", "query", all),
		listed("label/nobody_has_this/values"),
		listed("series", "match[]", all),
		listed("detected_fields", "query", services, "line_limit", "200"),
		listed("index/volume", "query", services, "limit", "1000", "targetLabels", "service_name"),
		listed("index/volume", "query", services, "limit", "1000"),
	}
}

func aboutLines() []asked {
	list := each(linesOf, all, checkout, `{run=~"$RUN",zone="eu-2"}`, `{run="$RUN",service_name!="checkout",kind=""}`, `{run="$RUN",service_name=~"check.*|nginx"}`, `{run="$RUN",service_name=~"heck"}`,
		`{run="$RUN",service_name!~"check.*|nginx",kind=""}`, `{run="$RUN",zone!=""}`, `{run="$RUN",zone="",service_name!=""}`, `{run="$RUN",v=~"a.b"}|="json a"`, `{run="$RUN",v="a\nb"}|="json a"`, "{run=`$RUN`,v=~`a\nb`}|=`json a`",
		`{run="$RUN",a="b",run="$RUN"}`, `{run="$RUN",zone="eu-2"} # a comment`, "{run=\"$RUN\"}\n  # a comment\n|= \"GET\"", `(`+nginx+`|="GET")`, `{run="none"}`)
	list = append(list, linesOf(all).mixed(), linesOf(odd).mixed(), linesOf(checkout+`|json`).mixed(), linesOf(odd+`|drop kind,dup`).mixed(), linesOf(odd+`|keep kind`).mixed())
	for _, direction := range []string{"forward", "backward"} {
		for _, limit := range []string{"1", "2", "4", "5", "7"} {
			list = append(list, linesOf(payment).with("direction", direction, "limit", limit).as(ordered))
		}
		list = append(list, linesOf(odd).with("direction", direction, "limit", "6").as(ordered), linesOf(services).with("direction", direction, "limit", "3"))
	}
	second := time.Second
	for _, w := range [][2]time.Duration{{second, 2 * second}, {2 * second, 3*second + 1}, {3 * second, 3 * second}, {3 * second, 3*second + 1}, {13*second + 3, 13*second + 9}, {-time.Hour, 0}} {
		list = append(list, linesOf(all).with("start", at(w[0]), "end", at(w[1])))
	}
	for _, w := range [][2]string{
		{"1772359200", "1772359203"}, {"1772359200.0", "1772359203.5"}, {"2026-03-01T10:00:00Z", "2026-03-01T10:00:03.5Z"}, {"2026-03-01T11:00:00+01:00", "2026-03-01T10:00:03Z"}, {"1772359200000", "1772359203000"},
	} {
		list = append(list, linesOf(services).with("start", w[0], "end", w[1]))
	}
	list = append(list, linesOf(services).with("start", "", "since", "58s"), linesOf(payment).with("interval", "2s").as(ordered), linesOf(payment+`|logfmt|status!=""`).with("interval", "3", "direction", "backward").as(ordered))
	post := linesOf(services)
	post.method, post.name = http.MethodPost, "POST "+post.name
	return append(list, post)
}

func aboutParsers() []asked {
	list := each(linesOf, prefixed(checkout,
		`|json`, `|json dur="duration", oid="order.id", first="order.items[0]", its="order.items", o="order", miss="zzz"`, `|json oid="order[\"id\"]"`, `|json duration,level`,
		`|json|json`, `| json | logfmt`, `|json|drop __error__,__error_details__`, `|json|drop __error__`, `|json|keep __error__`, `|json|keep msg`, `|json|line_format "{{.__error__}}"`,
		`|json|label_format trace_id=msg`, `|json|line_format "{{.msg}}"|="pay"`, `|json|drop order_id,level=~"i.*"|keep ok,msg`, `|drop pod`, `|keep pod`, `|drop service_name`, `|label_format service_name="new"`, `|label_format other=service_name`,
	)...)
	list = append(list, each(linesOf, prefixed(payment,
		`|logfmt`, `|logfmt --strict`, `|logfmt --keep-empty`, `|logfmt --strict --keep-empty`, `|logfmt m="msg", duration, zz="nope"`, `|logfmt|drop level,msg`, `|logfmt|keep level`, `|logfmt|drop level="warn"`, `|logfmt|keep level="warn"`,
		`|logfmt|line_format "{{.msg}} took {{.duration}} {{ .nope }}"`, `|logfmt|label_format a=msg,b="{{.duration}}x"`, `|logfmt|label_format msg=nope`, `|logfmt|label_format dst="{{.level}}-{{.status}}",level=dst`,
		"|logfmt|line_format `{{printf \"%s\" .msg}} {{if .status}}S{{else}}N{{end}} {{.nope | default \"d\"}}`", "|line_format `{{__line__ | trunc 5}} {{__timestamp__}} {{ .tenant | ToUpper }}`", `|line_format ""`, `|line_format "plain"`,
		"|logfmt|line_format `{{.msg | replace \"o\" \"0\" | upper}} {{.msg | trunc 4}} {{.msg | trunc -4}} {{.msg | substr 1 3}} {{.msg | hasPrefix \"ch\"}} {{.msg | contains \"ok\"}} {{add 1 2 3}} {{sub 5 2}} {{mul 2 3}} {{div 7 2}} {{mod 7 2}} {{addf 1.5 2}} {{divf 1 4}} {{repeat 3 \"ab\"}} {{urlencode .msg}} {{b64enc .msg}} {{trimSuffix \"ok\" .msg}} {{trimAll \"c\" .msg}} {{regexReplaceAll \"(a|e)\" .msg \"<$1>\"}} {{max 1 3 2}} {{min 3 1}} {{floor 2.7}} {{ceil 2.1}} {{int \"5\"}} {{float64 \"5.5\"}}`",
		"|logfmt|line_format `{{.duration | duration}}`", `|line_format "{{div 1 0}}"`, `|label_format x="{{div 1 0}}"`,
	)...)...)
	list = append(list, each(linesOf, prefixed(odd,
		`|json`, `|json b="a.b", c="a.b[1].c", k="k", k0="k[0]", r="[\"a\"]", z="a[0]"`, `|json dup, a`, `|logfmt`, `|logfmt --keep-empty`, `|logfmt --strict`, `|logfmt a,b="c",dup`, `|json|drop v`, `|json|__error__=""`, `|json|__error__!=""`,
		`|json|a="json a"|label_format n2="{{.nested_a_b}}"`, `|decolorize`, `|dup_extracted!=""|label_format dup=dup_extracted`,
	)...)...)
	return append(list, each(linesOf, prefixed(nginx,
		"|pattern `<ip> - - <_> \"<method> <path> <_>\" <status> <size>`", "|pattern `<ip> - - <_> \"<method> <path> <_>\" <status> <size>`|status>=500", "|regexp `^(?P<ip>\\S+) - - .*\" (?P<status>\\d+) (?P<size>\\d+)`",
		`|decolorize`, `|pattern "<ip> <_>"|pattern "<_> <ip> <_>"`, `|pattern "<ip> <_>"|regexp "(?P<ip>GET)"`, `|pattern "<run> <_>"`, `|regexp "(?P<run>GET)"`, `|regexp "(?P<some>GET)?"`,
		`|pattern "<_>GET <path>?<q> "`, `|pattern "- - <_>GET<rest>"`, `|pattern "<a>GET"`, `|pattern "10.0.0.<n> <a>"`, `|logfmt`, `|pattern "<a> - <b>- <c>"`,
	)...)...)
}

func aboutFilters() []asked {
	list := each(linesOf, prefixed(nginx,
		`|="GET"`, `|="GET" or "panic"`, `!="GET" or "panic"`, `|~"(?i)fatal|post"`, `!~"(?i)fatal|post"`, "|=`\"quoted\"`|=\"back\"", `|=""`, `!=""`, `|~""`, `|="\x1b["`, `|~"^10"`, `|~"10$"`,
		"|>`<_> \"GET <_>`", "!>`<_> \"GET <_>`", `|>"<_>GET<_>"`, `|>"GET"`, `|>"10.0<_>"`, `|>"<_>512"`, `|>"<_>"`, `|>""`, `|>"<_>GET<_>" or "10.0.0.2<_>"`, `|~"a" or "b"|~"c"`, `|="a" or "b" or "c" != "d" or "e"`,
	)...)
	list = append(list, each(linesOf, prefixed(odd,
		`|="a\nb"`, `|~"a.b"`, `|~"(?s)a.b"`, `|~"^b$"`, `|~"(?m)^b$"`, `|m=~"a.b"`, `|m="a\nb"`, "|=`\"} or {run=~\".+\"}`", `|="\" or trace_id!=\""`, `|="| json"`, `|="#"`, `|="//"`, `|="%25"`, `|="$1"`, `|="("`, `|~"\\("`, `|="["`, `|=".*"`, `|="\u202e"`, `|="\ufeff"`, `|="\x7f"`, `|="\a"`,
		`|dup="stream"`, `|dup="meta"`, `|dup_extracted="meta"`, `|a="1"`, `|_n_="x"`, `|key_1x="y"`, `|sp=" pad "`, `|emp=""|="l1"`, `|run="evil"`, `|json|x="1"`, `|json|e=""|x="1"`, `|json|big>5`, `|json|n=1000`, `|json|t="true"`,
	)...)...)
	list = append(list, each(linesOf, prefixed(checkout,
		`|json|duration>1s`, `|json|duration>=120ms|duration<4100ms`, `|json|status>=500`, `|json|size>1MB`, `|json|size>=2KB`, `|json|size>=2K`, `|json|size<2.5KB`, `|json|size>1MB,duration>1s`, `|json|size>1MB duration>1s`, `|json|msg>5`, `|json|msg>1KB`, `|json|msg>1s`, `|json|msg>1s and ok="true"`, `|json|msg>1s or ok="true"`,
		`|json|(status=502 or ok="true") and duration<10s`, `|trace_id="deadbeef"`, `|trace_id="deadbeef" or pod="checkout-1"`, `|trace_id=~"dead.*"`, `|trace_id!~"dead.*"`, `|pod!=""`, `|pod=""`, `|json|__error__=""`, `|json|__error__!=""`, `|json|__error__="JSONParserErr"`,
		`|json|status==502`, `|json|status!=502`, `|json|status="502"`, `|json|status>-5`, `|json|duration>1`, `|duration>1s`, `|json|duration>1d`, `|json|level_extracted="error"`, `|detected_level="info"`, `|json|__error__="JSONParserErr"|msg>5`, `|json|order_total>12|ok="true"`,
	)...)...)
	return append(list, each(linesOf, prefixed(all,
		`|service_name="nginx" or level="info" and pod="nope"`, `|service_name="nginx" or level="info" , pod="nope"`, `|level="info" and pod="nope" or service_name="nginx"`, `|service_name="nginx" and level="info" or pod="nope" and service_name="payment" or service_name="payment"`,
		`|(service_name="nginx" or level="info") and pod="nope"`, `|detected_level=~"(?i)error|fatal"`, `|level=~"(?i)inf"`, `|SERVICE_NAME="nginx"`, `|service_name="nginx" AND zone="eu-2"`,
	)...)...)
}

func aboutMetrics() []asked {
	a := services
	by := func(f string) string { return `sum by(service_name)(` + f + `(` + a + `[1m]))` }
	list := each(instant,
		`count_over_time(`+a+`[1m])`, `count_over_time(`+odd+`[1m])`, by("count_over_time"), by("rate"), by("bytes_over_time"), by("bytes_rate"), `sum(rate(`+a+`[1m]))`, `sum(count_over_time(`+a+`[1m])) by (service_name,nope)`,
		`sum by () (count_over_time(`+a+`[1m]))`, `sum without (pod,trace_id,detected_level) (count_over_time(`+a+`[1m]))`, `avg without () (count_over_time(`+a+`[1m]))`,
		`absent_over_time(`+a+`[1m])`, `absent_over_time({run="nope",x="y",z=~"a"}[1m])`, `absent_over_time({run="nope",x="y",x="z"}[1m])`,
		`avg(count_over_time(`+a+`[1m]))`, `min(count_over_time(`+a+`[1m]))`, `max(count_over_time(`+a+`[1m])) by (service_name)`, `count(count_over_time(`+a+`[1m]))`, `stddev(count_over_time(`+a+`[1m]))`, `stdvar(bytes_over_time(`+a+`[1m])) by (service_name)`,
		`topk(2,`+by("count_over_time")+`)`, `bottomk(1,`+by("bytes_over_time")+`)`, `topk(1,sum by(service_name,level)(count_over_time(`+a+`[1m]))) by (level)`, `topk by (zone) (1,sum by(service_name,zone)(bytes_over_time(`+a+`[1m])))`,
		by("count_over_time")+`>3`, by("count_over_time")+`>bool 3`, by("count_over_time")+`/60*2`, `10 - sum(count_over_time(`+a+`[1m]))`, `3 < `+by("count_over_time"), `3 <bool `+by("count_over_time"),
		by("count_over_time")+`/`+by("bytes_over_time"), by("count_over_time")+` / on() group_left sum(count_over_time(`+a+`[1m]))`, `sum(count_over_time(`+a+`[1m])) - ignoring(x) sum(rate(`+a+`[1m]))`,
		`sum by(service_name,detected_level)(count_over_time(`+a+`[1m])) / on(service_name) group_left() `+by("count_over_time"), by("count_over_time")+` / on(service_name) group_right() sum by(service_name,detected_level)(count_over_time(`+a+`[1m]))`,
		`sum by(service_name,detected_level)(count_over_time(`+a+`[1m])) / on(service_name) group_left(zone) sum by(service_name,zone)(count_over_time(`+a+`[1m]))`,
		by("count_over_time")+` * on(service_name) sum by(service_name,run)(count_over_time(`+a+`[1m]))`, by("count_over_time")+` == `+by("count_over_time"), by("count_over_time")+` != bool `+by("count_over_time"),
		`sum(count_over_time(`+a+`[1m])) or vector(0)`, `sum(count_over_time({run="nope"}[1m])) or vector(0)`, by("count_over_time")+` and sum by (service_name)(rate(`+nginx+`[1m]))`, by("count_over_time")+` unless on(service_name) rate(`+nginx+`[1m])`,
		`sum(count_over_time(`+a+`[1m]))/0`, `sum(count_over_time(`+a+`[1m])) % 4 ^ 2`, `sum(count_over_time(`+a+`[1m] offset 55s))`, `sum(count_over_time(`+a+`[10s] offset 50s))`, `sum(count_over_time(`+a+`[1m]|="POST"))`, `sum(count_over_time(`+a+`|="POST"[1m]))`, `sum(count_over_time((`+a+`|="GET")[1m]))`,
		`label_replace(`+by("count_over_time")+`,"x","$1-y","service_name","(.).*")`, `label_replace(`+by("count_over_time")+`,"service_name","","service_name","n.*")`, `sum(vector(1))`, `avg(1 + vector(2))`,
		`1+1`, `vector(3)`, `1 > 2`, `2 > bool 1`, `2 ^ 3 % 5`, `2 ^ 3 ^ 2`, `-1`, `1 - -1`, `(1+2)*3`, `1 / 0`, `1 % 0`, `((vector(1)))`, `vector(1) == vector(1)`, `vector(5) > sum(count_over_time(`+a+`[1m]))`, `SUM(rate(`+a+`[1m]))`, `sum(sum(count_over_time(`+checkout+`|json[1m])))`,
	)
	for _, f := range []string{"sum", "avg", "min", "max", "stddev", "stdvar", "first", "last"} {
		list = append(list, instant(f+`_over_time(`+payment+`|logfmt|unwrap status[1m])`))
		if f != "sum" {
			list = append(list, instant(f+`_over_time(`+payment+`|logfmt|status!=""|unwrap status[1m]) by (service_name)`), instant(f+`_over_time(`+payment+`|logfmt|status!=""|unwrap status[1m]) without (msg, level, detected_level, duration, amount, tenant, pod)`))
		}
	}
	list = append(list, each(instant,
		`quantile_over_time(0.5,`+payment+`|logfmt|unwrap status[1m]) by (service_name)`, `quantile_over_time(0.9,`+payment+`|logfmt|unwrap status[1m]) by ()`, `rate(`+payment+`|logfmt|unwrap status[1m])`, `sum(sum_over_time(`+payment+`|logfmt|unwrap status[1m]))`, `sum by (service_name) (sum_over_time(`+payment+`|logfmt|unwrap amount[1m]))`,
		`sum_over_time(`+payment+`|logfmt|unwrap duration(duration)[1m])`, `sum_over_time(`+payment+`|logfmt|unwrap duration_seconds(duration)[1m])`, `sum_over_time(`+checkout+`|json|unwrap bytes(size)[1m])`, `sum_over_time(`+checkout+`|json|unwrap bytes(size)|__error__=""[1m])`, `max_over_time(`+payment+`|logfmt|unwrap status|status>=503[1m]) by (service_name)`,
		`count_over_time(`+checkout+`|json|__error__=""[1m])`, `count_over_time(`+checkout+`|json[1m])`, `sum(count_over_time(`+checkout+`|json[1m]))`, `sum by(service_name)(count_over_time(`+checkout+`|json[1m]))`, `sum by(service_name,__error__)(count_over_time(`+checkout+`|json[1m]))`, `max(count_over_time(`+checkout+`|json[1m]))`, `sum without(pod)(count_over_time(`+checkout+`|json[1m]))`,
		`sum_over_time(`+checkout+`|json|unwrap msg[1m])`, `sum(rate(`+checkout+`|json|unwrap msg[1m]))`, `absent_over_time(`+payment+`|logfmt|unwrap status[1m])`, `sum by (level) (count_over_time(`+payment+`|logfmt[1m]))`, `sum by (msg) (rate(`+payment+`|logfmt|label_format msg=level[1m]))`,
		`count_over_time(`+a+`[1m]) + on(run) sum by(run)(count_over_time(`+a+`[1m]))`, `sum by(service_name,detected_level)(count_over_time(`+a+`[1m])) / ignoring(detected_level) `+by("count_over_time"), by("count_over_time")+` + count_over_time(`+a+`[1m])`,
	)...)
	for _, q := range []string{`sort(` + by("bytes_over_time") + `)`, `sort_desc(` + by("bytes_over_time") + `)`} {
		list = append(list, instant(q).as(ordered))
	}
	for _, t := range []string{at(time.Second), at(2 * time.Second), "2026-03-01T10:00:02Z", "1772359202.5", "1772359202"} {
		list = append(list, instant(`sum(count_over_time(`+a+`[1s]))`).with("time", t))
	}
	post := instant(by("count_over_time"))
	post.method, post.name = http.MethodPost, "POST "+post.name
	return append(list, post)
}

func aboutRanges() []asked {
	count := `sum(count_over_time(` + services + `[5s]))`
	list := []asked{
		ranged(count, "2"), ranged(count, "7"), ranged(count, "2s"), ranged(count, "1500ms"), ranged(count, "0.5"), ranged(count, "1h"), ranged(count, "1").with("step", ""),
		ranged(count, "2").with("start", at(1500*time.Millisecond), "end", at(8*time.Second)), ranged(count, "4").with("start", at(1500*time.Millisecond), "end", at(9*time.Second)), ranged(count, "2").with("start", at(2*time.Second), "end", at(2*time.Second)),
		ranged(count, "1").with("step", "", "end", at(time.Hour)), ranged(`vector(2)`, "5"), ranged(`1+1`, "5"), ranged(`sum by(service_name)(count_over_time(`+services+`[5s]))/2`, "3"), ranged(count+` > 3`, "2"),
		ranged(`topk(1,sum by(service_name)(bytes_over_time(`+services+`[5s])))`, "2"), ranged(`absent_over_time(`+services+`[1s])`, "2"), ranged(`sum(count_over_time(`+services+`[1s])) or vector(0)`, "2"),
		ranged(`avg_over_time(`+payment+`|logfmt|status!=""|unwrap status[5s]) by (service_name)`, "2"), ranged(`max_over_time(`+payment+`|logfmt|unwrap duration(duration)[3s]) by (service_name)`, "1"), ranged(`sum(count_over_time(`+services+`[2s] offset 2s))`, "2"), ranged(`sum(count_over_time(`+services+`[2s] offset -2s))`, "2"),
		ranged(`count_over_time(`+services+`[1s])`, "1"), ranged(`bytes_rate(`+nginx+`[4s])`, "2"), ranged(`sum(rate(`+checkout+`|json[4s]))`, "2"), ranged(`rate(`+checkout+`|json[4s])`, "2"), ranged(`sort_desc(sum by (service_name) (rate(`+services+`[5s])))`, "5"),
		ranged(`sum_over_time(`+payment+`|logfmt|unwrap amount[20s])`, "4"), ranged(`quantile_over_time(0.5,`+payment+`|logfmt|unwrap status[10s]) by (service_name)`, "4"), ranged(`count_over_time({run="none"}[1s])`, "1"),
	}
	return list
}

func aboutListings() []asked {
	return []asked{
		listed("series", "match[]", `{run="$RUN",service_name="nginx"}`), listed("series", "match", services), listed("series", "match[]", all, "start", at(4*time.Second), "end", at(4*time.Second+1)).as(status), listed("series", "match[]", `{run="none"}`),
		listed("series", "match[]", services+`|="x"`), listed("series", "match[]", "x"), listed("series", "match[]", `{run="$RUN",v="a\nb"}`),
		listed("labels", "query", nginx), listed("labels", "query", "{"), listed("labels", "start", "x"), listed("labels", "query", `{run="none"}`), listed("label/zone/values", "query", services), listed("label/1x/values"), listed("label/a.b/values"),
		listed("detected_fields", "query", all+`|json`), listed("detected_fields", "query", payment+`|logfmt|status=200`), listed("detected_fields", "query", `{run="none"}`), listed("detected_fields", "query", odd, "line_limit", "1000"), listed("detected_fields", "query", checkout), listed("detected_fields", "query", nginx),
		listed("detected_fields", "query", "{"), listed("detected_fields", "query", `rate(`+all+`[1m])`), listed("detected_fields", "query", all, "line_limit", "x"), listed("detected_fields", "query", all, "line_limit", "10000"), listed("detected_fields").with("query", ""),
		listed("detected_field/msg/values", "query", services), listed("detected_field/pod/values", "query", services), listed("detected_field/nope/values", "query", services),
		listed("index/volume", "query", all), listed("index/volume", "query", all, "targetLabels", "kind"), listed("index/volume", "query", services, "targetLabels", "service_name,zone"), listed("index/volume", "query", services, "limit", "1", "targetLabels", "service_name"), listed("index/volume", "query", services, "aggregateBy", "labels"),
		listed("index/volume", "query", services, "aggregateBy", "x"), listed("index/volume", "query", services, "targetLabels", "nope"), listed("index/volume", "query", services+`|="x"`), listed("index/volume").with("query", ""), listed("index/volume", "query", `{run="none"}`),
		listed("index/volume_range", "query", services, "step", "60s", "targetLabels", "service_name").as(status),
		listed("index/stats", "query", services).as(status), listed("index/stats").with("query", ""), listed("index/stats", "query", services+`|="x"`),
		listed("patterns", "query", services).as(status), listed("patterns", "query", services+`|="x"`), listed("patterns").with("query", ""), listed("nope"), listed("status/buildinfo"),
	}
}

func aboutErrors() []asked {
	list := each(refused,
		`{ `, `{}`, `{run=`, `{run="x"`, `{run="x"}}`, `{run=~".*"}`, `{run!="x"}`, `{run=""}`, `{run=~"(.*)"}`, `{run=~"|x"}`, `{run=~".+"`, `{run=~"("}`, `{"run"="x"}`, `{run="x"} |`, `{run="x"} | json |`, `{run="x"} |= `, `{run="x"} | foo`, `{run="x"} | foo >`, `{run="x"} | foo > bar`,
		`{run="x"} |~ "("`, `{run="x"} !~ "["`, `{run="x"} | line_format "{{.x"`, `{run="x"} | line_format "{{nofunc .x}}"`, `{run="x"} | label_format a="{{.x"`, `{run="x"} | label_format a=b,a=c`, `{run="x"} | json a="b["`, `{run="x"} | a=~"("`,
		`count_over_time({run="x"})`, `count_over_time({run="x"}[5])`, `count_over_time({run="x"}[5m]`, `count_over_time({run="x"}[5m`, `count_over_time({run="x"}[])`, `count_over_time({run="x"}[1.5h])`, `count_over_time({run="x"}[-5m])`, `rate({run="x"}[5m]) by`, `rate({run="x"}[1m:30s])`,
		`sum(1)`, `sum(`, `sum`, `sum by (`, `sum by (a (rate({a="b"}[1m]))`, `sum by service (rate({a="b"}[1m]))`, `sum by (a) rate({a="b"}[1m])`, `sum by (a) (rate({a="b"}[1m])) by (b)`, `sum({a="b"})`, `sum(count_over_time({a="b"}[1m])) / sum()`, `sum(count_over_time({run="x"}[1m]) offset 55s)`,
		`foo({a="b"}[1m])`, `abs(vector(1))`, `count_values("x",vector(1))`, `rate({a="b"})`, `rate(rate({a="b"}[1m]))`, `rate({a="b"} | json`, `rate({a="b"} |= "x" [1m]`, `rate({a="b"}[1m])[5m]`, `sum(rate({a="b"}[1m]`, `sum(rate({a="b"}[1m])) foo`, `sum(rate({a="b"}[1m])) by`, `min(rate({a="b"}[1m])) by (x) by (y)`,
		`{run='x'}`, `{run="x",}`, `{,run="x"}`, `{run="x"}[5m]`, `{a="b" c="d"}`, `{a}`, `{a=~`, `{run=x}`, `{1a="x"}`, `{a.b="x"}`, `{run="\q"}`, `{run="x`, `{by="x"}`, `{json="x"}`,
		`sum_over_time({run="x"}[1m])`, `sum_over_time({run="x"}|unwrap foo(x)[1m])`, `count_over_time({run="x"}|unwrap x[1m])`, `max_over_time({run="x"}[1m]) by (y)`, `bytes_rate({run="x"}|unwrap y[1m])`, `sum_over_time({run="x"}|unwrap y[1m]) by (z)`, `count_over_time({run="x"}[1m]) by (z)`, `{run="x"} | unwrap y`, `rate({a="b"} | unwrap x | json [1m])`,
		`topk({a="b"})`, `topk(0,rate({a="b"}[1m]))`, `topk(1.5,rate({a="b"}[1m]))`, `topk(x,rate({a="b"}[1m]))`, `topk(rate({a="b"}[1m]))`, `quantile_over_time({a="b"}|unwrap x[1m])`, `quantile_over_time("x",{run="x"}|unwrap y[1m])`, `rate(5,{run="x"}[1m])`,
		`{run="x"} | a="b" or`, `{run="x"} | a=5 and`, `{run="x"} | (a="b"`, `{run="x"} | a=`, `{run="x"} | a`, `{a="b"} | a > "x"`, `{a="b"} | a =~ 5`, `{run="x"} | a == "x"`, `{run="x"} | duration > 5q`, `{run="x"}|a>2kib`, `{run="x"}|a>1h 5m`, `{a="b"} | json | x or y`, `{a="b"} | by="x"`,
		`{run="x"} |= x`, `{a="b"} |= 5`, `{a="b"} |= "x" or`, `{a="b"} |= "x" or 5`, `{run="x"} |= "a" |~`, `{run="x"} | json a=b`, `{run="x"} | json a=`, `{a="b"} | json "x"`, `{run="x"} | drop`, `{run="x"} | keep a=`, `{a="b"} | json | drop a=5`, `{a="b"} | keep a, `, `{a="b"} | decolorize x`, `{a="b"} | logfmt x=`,
		`{run="x"} | line_format`, `{run="x"} | label_format`, `{run="x"} | label_format a`, `{run="x"} | label_format a=`, `{run="x"} | pattern`, `{run="x"} | regexp`, `{run="x"} | pattern ""`, `{run="x"} | pattern "<_>"`, `{run="x"} | pattern "x"`, `{run="x"} | pattern "<a> <a>"`, `{run="x"} | pattern "<a><b>"`, `{run="x"} | regexp ""`, "{run=\"x\"} | regexp `(\\S+)`", "{run=\"x\"} | regexp `(?P<ip>\\S+`",
		`"x"`, `a`, `json`, `1 +`, `()`, `(`, `-rate({a="b"}[1m])`, `vector(x)`, `1 and 2`, `vector(1) and 2`, `1 unless 2`, `{run="x"} and {run="y"}`, `{run="x"} + 1`, `{run="x"} >= 1`, `{run="x"}|json or 1`, `{run="x"} {run="y"}`, `|= "x"`, `{run="x"} | >= 1`, `{run="x"} =~ "a"`, `{a="b"} || a`, `{a="b"};`, `{a="b"} $`, "{run=\"x\"}\n| json\n| a >",
		`vector(1) > on vector(2)`, `rate({run="x"}[1m]) + on(a`, `label_replace(rate({a="b"}[1m]),"x","$1")`, `label_replace(rate({a="b"}[1m]),"x","$1","y","(")`, `sum by (a,) (rate({run="x"}[1m]))`, `count_over_time({a="b"}[5m] offset)`, `count_over_time({a="b"}[5m] offset 5)`,
		`{run="`+strings.Repeat("x", 1000)+`"`, `{run="x"} |> "<a>GET"`, `{run="x"} |> "<_><_>"`,
	)
	// What is wrong with a stage is not told to those who want labels apart.
	list = append(list, each(linesOf, checkout+`|~"("`, checkout+`|line_format "{{.x"`, checkout+`|json a="b["`, checkout+`|label_format a=b,a=c`, checkout+`|a=~"("`)...)
	for _, q := range []string{all, all + `|json`, ``, `{`, `count_over_time(` + all + `|~"("[1m])`} {
		list = append(list, instant(q))
	}
	return list
}

func aboutArguments() []asked {
	a := linesOf(payment)
	m := ranged(`rate(`+payment+`[1m])`, "1")
	list := []asked{}
	for _, p := range [][]string{
		{"start", "x"}, {"end", "x"}, {"start", at(10), "end", at(0)}, {"limit", "x"}, {"limit", "0"}, {"limit", "-1"}, {"limit", "5000"}, {"limit", "5001"}, {"limit", "100000"}, {"direction", "x"}, {"direction", "FORWARD"}, {"direction", "Backward"},
		{"step", "x"}, {"step", "-1"}, {"step", "0"}, {"start", "", "since", "x"}, {"interval", "x"}, {"query", ""},
	} {
		list = append(list, a.with(p...))
	}
	for _, p := range [][]string{{"end", at(24 * time.Hour)}, {"step", "2.5s"}, {"step", "0.0001"}, {"step", "-5s"}} {
		list = append(list, m.with(p...))
	}
	i := instant(`sum(count_over_time(` + payment + `[1m]))`)
	for _, p := range [][]string{{"time", "x"}, {"limit", "x"}, {"query", ""}} {
		list = append(list, i.with(p...))
	}
	return list
}
