#!/usr/bin/env bash
# Records the answers in this folder anew: HotROD is driven gently, then so hard that its
# customers wait for one lock, and the three backends are asked about it. Nobody else may
# drive it meanwhile. It needs the line of `testdata/backends/backends env`, and jq.
#
# The tests name the moments in moments.txt: adapt what they expect of the numbers.
set -euo pipefail
cd "$(dirname "$0")"
backends=../../../../testdata/backends/backends

seconds() { date -u +%s; }
stamp() { date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ; }

from=$(seconds)
"$backends" load "${GENTLE:-150}" 1
turn=$(seconds)
"$backends" load "${HARD:-60}" 12
sleep 20 # until the last span has been counted and scraped
to=$(seconds)
half=$(((from + 20 + turn) / 2))
from=$((from + 20)) # a rate looks 20 s back
printf 'FROM=%s\nHALF=%s\nTURN=%s\nTO=%s\n' "$(stamp "$from")" "$(stamp "$half")" "$(stamp "$turn")" "$(stamp "$to")" >moments.txt

prometheus=${PROMETHEUS_URL:?}/api/v1
metric=traces_span_metrics
only='service_name="customer"'
by='service_name, span_kind'
calls="sum by ($by) (rate(${metric}_calls_total{$only}[20s]))"
failed="sum by ($by) (rate(${metric}_calls_total{$only, status_code=\"STATUS_CODE_ERROR\"}[20s]))"
p95() { echo "histogram_quantile(0.95, sum by (le, $1) (rate(${metric}_duration_milliseconds_bucket{$only}[20s]))) / 1000"; }
instant() { curl -sS -G "$prometheus/query" -o "$1" -d "time=$to" --data-urlencode "query=$2"; }
range() { curl -sS -G "$prometheus/query_range" -o "$1" -d "start=$from&end=$to&step=1" --data-urlencode "query=$2"; }

curl -sS -G "$prometheus/label/__name__/values" -o names.json -d "start=$from&end=$to" --data-urlencode "match[]={$only}"
instant services.json "group by (__name__, $by, status_code) (last_over_time(${metric}_calls_total{$only}[5m]))"
instant interval.json "max(count_over_time(${metric}_calls_total{$only}[5m]))"
range latency.json "$(p95 "$by")"
range operations.json "$(p95 "$by, span_name")"
range traffic.json "$calls"
range errors.json "($failed or 0 * $calls) / ($calls > 0)"
curl -sS -G "$prometheus/series" -o series.json -d "start=$turn&end=$to" --data-urlencode "match[]=${metric}_duration_milliseconds_bucket{$only, span_kind=\"SPAN_KIND_SERVER\", le=\"+Inf\"}"
curl -sS -G "$prometheus/query_exemplars" -o exemplars.json -d "start=$turn&end=$to" --data-urlencode "query=${metric}_duration_milliseconds_bucket{$only, span_kind=\"SPAN_KIND_SERVER\"}"

# The trace is that of the slowest exemplar.
trace=$(jq -r '[.data[].exemplars[]] | max_by(.value | tonumber) | .labels.trace_id' exemplars.json)
printf 'TRACE=%s\n' "$trace" >>moments.txt
curl -sS "${JAEGER_URL:?}/api/v3/traces/$trace" -o trace.json
curl -sS "$JAEGER_URL/api/v3/services" -o traced.json

loki=${LOKI_URL:?}/loki/api/v1
window=(-d "start=${turn}000000000" -d "end=${to}000000000")
flags=(-H 'X-Loki-Response-Encoding-Flags: categorize-labels')
curl -sS -G "$loki/series" -o streams.json "${window[@]}" --data-urlencode 'match[]={}'
curl -sS -G "$loki/query_range" -o records_by_field.json "${window[@]}" "${flags[@]}" -d direction=forward -d limit=1000 \
  --data-urlencode "query={service_name=~\".+\"} | trace_id=\"$trace\""
curl -sS -G "$loki/query_range" -o records_by_line.json "${window[@]}" "${flags[@]}" -d direction=forward -d limit=1000 \
  --data-urlencode "query={service_name=~\".+\"} |~ \"(?i)$trace\""
