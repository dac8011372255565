#!/usr/bin/env bash
#
# Is it us, or somebody whom we call? This looks at the span to blame: where it is a call that
# left our traces, and nothing of ours ran beneath it, the one at the other end is to blame.
# It prints PROVIDER with the address, US with the service, or UNCLEAR.
#
#   us-or-provider.sh [CASE.json]  of the case that another runbook saved; a new triage without
#
# Exit status: 0 nothing departs, 20 something does, 21 too little data to tell, 4 a backend
# failed and nothing is wrong in what is left; others: no answer.
set -euo pipefail

case_file=${1:-}
status=0
if [[ -z $case_file ]]; then
  case_file=${OBS_CASE:-obs-case-$(date -u +%Y%m%dT%H%M%SZ).json}
  obs triage --since "${SINCE:-30m}" --check --save "$case_file" --jq '"verdict     \(.verdict)"' || status=$?
else
  obs open "$case_file" --check --jq '"verdict     \(.verdict)"' || status=$?
fi
if ((status != 20)); then exit "$status"; fi

# A pool that ran dry or a slow function is a span of kind internal; a call of one of our own
# services has that service's spans beneath it.
# shellcheck disable=SC2016 # the dollars are jq's
obs open "$case_file" --check --jq '
  (.trace // {spans: []}) as $trace
  | first($trace.spans[] | select(.span_id == $trace.blamed_span_id)) // null
  | if . == null then "UNCLEAR     no trace shows it"
    else . as $span
    | ([.attributes // [] | .[] | {(.key): .value}] | add // {}) as $said
    | ($said["server.address"] // $said["net.peer.name"] // $said["peer.service"] // "an unnamed address") as $other
    | any($trace.spans[]; .parent_span_id == $span.span_id and .service != $span.service) as $ours
    | if $span.kind == "client" and ($ours | not) and ($said | has("db.system") or has("db.system.name") | not)
      then "PROVIDER    \($other), called by \($span.service): \($span.operation)"
      else "US          \($span.service): \($span.operation)" end,
      (.status_message // empty | "it says     \(.)")
    end' || (($? == 20))
echo "next        PROVIDER: their status page, our fallback; attach obs open $case_file -o markdown to the ticket"
exit "$status"
