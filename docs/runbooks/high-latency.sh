#!/usr/bin/env bash
#
# You were paged: something is slow. This says since when, for whom, in which span of which
# service the time goes, and what that request logged.
#
#   high-latency.sh [SERVICE]      e.g. high-latency.sh checkout
#
# Exit status, as of obs triage --check: 0 nothing departs, 20 something does, 21 too little
# data to tell, 4 a backend failed and nothing is wrong in what is left; others: no answer.
set -euo pipefail

case_file=${OBS_CASE:-obs-case-$(date -u +%Y%m%dT%H%M%SZ).json}
scope=()
if (($# > 0)); then scope=(--service "$1"); fi

status=0
obs triage --since "${SINCE:-30m}" "${scope[@]}" --check --save "$case_file" --jq '
  "verdict     \(.verdict)",
  "changed     \(.answers.what_changed.text // "not known")",
  "the time    \(.answers.where_time_goes.text // "not known")",
  "how wide    \(.answers.scope.text // "not known")",
  (.suspects[:3][] | "suspect     \(.rank)  \(.service) \(.operation // "")"),
  (.trace // empty | "trace       \(.id)")' || status=$?

case $status in
  0) echo "next        nothing departs from its baseline: look at the alert's own query, or at a longer time with SINCE=2h" ;;
  20) echo "next        obs open $case_file; the first suspect's logs are in it. Who owns it? Is it us: us-or-provider.sh" ;;
  21) echo "next        too little data: obs doctor says what is missing" ;;
  4) echo "next        a backend failed, see above; what is left shows nothing wrong" ;;
esac
exit "$status"
