#!/usr/bin/env bash
#
# A customer sent a request ID (or a trace ID, a traceparent, a link, the output of curl -i).
# This says what became of that one request: where it failed, and what it logged on the way.
#
#   request-id.sh ID [FROM TO]     FROM TO: when to look, for one of long ago: 2026-10-20T09:00:00Z 2026-10-20T10:00:00Z
#
# Exit status: 0 found, 4 found in part, 5 nobody knows the ID; others: no answer.
set -euo pipefail

if (($# != 1 && $# != 3)); then
  echo "usage: ${0##*/} ID [FROM TO]" >&2
  exit 2
fi
case_file=${OBS_CASE:-obs-case-$(date -u +%Y%m%dT%H%M%SZ).json}
when=()
if (($# == 3)); then when=(--from "$2" --to "$3"); fi

status=0
obs trace "$1" "${when[@]}" --save "$case_file" --jq '
  "taken for   \(.taken_for)",
  (.trace // empty | "trace       \(.id)  \(.root.service) \(.root.operation)  \(.duration_seconds * 1000 | round / 1000) s, failed spans: \(.error_count // 0)"),
  (.trace.critical_path // [] | max_by(.self_seconds) // empty | "the time    \(.self_seconds * 1000 | round / 1000) s in \(.service) \(.operation)"),
  (.failure // empty | "failed in   \(.service) \(.operation): \(.message // .exception.message // "without a word")"),
  (.records[] | select(.severity == "error" or .severity == "warn") | "logged      \(.time[11:19]) \(.service) \(.line)")' || status=$?

case $status in
  0 | 4) echo "next        obs open $case_file shows all of it, and obs trace ID --compare what it did otherwise than others" ;;
  5) echo "next        check the ID for what was lost in copying, and say when to look: ${0##*/} ID FROM TO" ;;
esac
exit "$status"
