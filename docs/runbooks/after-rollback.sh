#!/usr/bin/env bash
#
# You rolled back, or mended something: is it over? This looks at the last minutes, against the
# same baseline as the case of the incident, so that "as before the incident" is what counts.
# It looks once, at ten minutes. To wait for it instead, with status 0 as soon as all is well:
#
#   obs watch INCIDENT.json --until healthy --timeout 30m
#
#   after-rollback.sh INCIDENT.json
#
# Exit status: 0 healthy again, 20 not yet, 21 too little data to tell; others: no answer.
set -euo pipefail

if (($# != 1)); then
  echo "usage: ${0##*/} INCIDENT.json   the case that obs triage --save wrote" >&2
  exit 2
fi
incident=$1
after=${OBS_CASE:-obs-case-$(date -u +%Y%m%dT%H%M%SZ).json}

status=0
baseline=$(obs open "$incident" --check --jq '
  if .baseline then "\(.baseline.from)/\(.baseline.to)" else error("this is no case of obs triage") end') || status=$?
if ((status != 20 && status != 0 && status != 4)); then exit "$status"; fi

# A window without trouble is what is hoped for, and a verdict is no failure here.
status=0
obs triage --since "${SINCE:-10m}" --baseline "$baseline" -q --save "$after" || status=$?
if ((status != 0 && status != 4)); then exit "$status"; fi

obs diff "$incident" "$after" --check --jq '
  "trend       \(.trend): \(.reason)",
  (.departures[] | "departs     \(.change): \(.text)")'
