#!/usr/bin/env bash
# Records the answers in this folder anew from a real Loki at LOKI_URL, which gets a
# handful of records pushed first. The answers that only a server with other settings
# gives are taken from STRICT_URL when it is set: one with auth_enabled: true, and in
# limits_config max_entries_limit_per_query: 7, max_query_length: 24h and
# volume_enabled: false, and max_outstanding_requests_per_tenant: 1 in query_scheduler.
#
# The records lie at a fixed moment, so that the tests can name it; the server must
# accept old samples and look for them in its memory, as testdata/backends' does.
set -euo pipefail
cd "$(dirname "$0")"
api=${LOKI_URL:?}/loki/api/v1
at=1767225600 # 2026-01-01T00:00:00Z
window=(-d "start=${at}000000000" -d "end=$((at + 60))000000000")
flags=(-H 'X-Loki-Response-Encoding-Flags: categorize-labels')

# get FILE PATH [curl's arguments]: an answer of whatever status.
get() { curl -sS -G -o "$1" "$2" "${@:3}"; }

curl -sSf "$api/push" -H 'Content-Type: application/json' --data-binary @- <<JSON
{"streams":[
 {"stream":{"service_name":"checkout","recorded":"yes"},"values":[
  ["${at}000000000","payment declined",{"trace_id":"0af7651916cd43dd8448eb211c80319c","user":"u\"1\n"}],
  ["${at}000000001","retrying",{"trace_id":"0af7651916cd43dd8448eb211c80319c","user":"u\"1\n"}],
  ["${at}000000001","retrying",{"trace_id":"b7ad6b7169203331b7ad6b7169203331"}],
  ["${at}000000001","retrying"],
  ["${at}000000001","retrying"],
  ["$((at + 1))000000000","{\"level\":\"warn\",\"msg\":\"slow\",\"ms\":12}"],
  ["$((at + 2))000000000","level=error msg=\"gave up\" took=5ms"]]},
 {"stream":{"service_name":"cart","recorded":"yes"},"values":[
  ["${at}000000000","cart opened"],
  ["$((at + 3))000000000","colour \u001b[31mred\u001b[0m, override \u202e, null \u0000, é, 😀"]]}]}
JSON

lines=(--data-urlencode 'query={recorded="yes"}')
get records.json "$api/query_range" "${window[@]}" "${flags[@]}" "${lines[@]}" -d direction=forward
get records_parsed.json "$api/query_range" "${window[@]}" "${flags[@]}" -d direction=forward \
  --data-urlencode 'query={recorded="yes"} |= "slow" | json'
get records_flat.json "$api/query_range" "${window[@]}" "${lines[@]}" -d direction=forward
get records_none.json "$api/query_range" "${window[@]}" "${flags[@]}" --data-urlencode 'query={recorded="no"}'
get matrix.json "$api/query_range" "${window[@]}" -d step=30 \
  --data-urlencode 'query=sum by (service_name) (count_over_time({recorded="yes"}[1m]))'
get vector.json "$api/query" -d "time=$((at + 60))000000000" \
  --data-urlencode 'query=sum by (service_name) (count_over_time({recorded="yes"}[2m]))'
get vector_nan.json "$api/query" -d "time=$((at + 60))000000000" \
  --data-urlencode 'query=sum(count_over_time({recorded="yes"}[2m])) * 0 / 0'
get scalar.json "$api/query" -d "time=$((at + 60))000000000" --data-urlencode 'query=1 + 1'
get labels.json "$api/labels" "${window[@]}" "${lines[@]}"
get label_values.json "$api/label/service_name/values" "${window[@]}" "${lines[@]}"
get label_values_none.json "$api/label/nonesuch/values" "${window[@]}"
get series.json "$api/series" "${window[@]}" --data-urlencode 'match[]={recorded="yes"}'
get fields.json "$api/detected_fields" "${window[@]}" "${lines[@]}"
get fields_none.json "$api/detected_fields" "${window[@]}" --data-urlencode 'query={recorded="no"}'
get volume.json "$api/index/volume" "${window[@]}" "${lines[@]}" -d targetLabels=service_name,recorded

get error_parse.txt "$api/query_range" "${window[@]}" --data-urlencode 'query={recorded="yes"'
get error_matchers.txt "$api/query_range" "${window[@]}" --data-urlencode 'query={recorded=~".*"}'
get error_regexp.txt "$api/query_range" "${window[@]}" --data-urlencode 'query={recorded="yes"} |~ "("'
get error_not_metric.txt "$api/query" --data-urlencode 'query={recorded="yes"}'
get error_resolution.txt "$api/query_range" "${window[@]}" -d step=0.001 \
  --data-urlencode 'query=count_over_time({recorded="yes"}[1m])'
get error_limit.txt "$api/query_range" "${window[@]}" "${lines[@]}" -d limit=100000
get error_path.txt "$api/nonesuch"

if [ -n "${STRICT_URL:-}" ]; then
  api=$STRICT_URL/loki/api/v1
  tenant=(-H 'X-Scope-OrgID: t1')
  get error_tenant.txt "$api/query_range" "${window[@]}" "${lines[@]}"
  get error_length.txt "$api/query_range" "${tenant[@]}" "${lines[@]}" \
    -d "start=$((at - 864000))000000000" -d "end=${at}000000000" -d limit=7
  get error_busy.txt "$api/query" "${tenant[@]}" --data-urlencode 'query=count_over_time({recorded="yes"}[300d])'
  get error_volume.txt "$api/index/volume" "${tenant[@]}" "${window[@]}" "${lines[@]}"
fi
