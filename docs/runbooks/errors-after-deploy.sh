#!/usr/bin/env bash
#
# Errors since a deployment? This compares the time since then with the time before, and says
# what was deployed, who is to blame, and which log lines are new. Roll back what is both
# changed and suspect; that something was deployed is no proof by itself.
#
#   errors-after-deploy.sh TIME    when it was deployed: 14:05, now-20m, 2026-11-21T14:05:00Z
#
# Exit status: 0 nothing departs since then, 20 something does, 21 too little data to tell, 4 a
# backend failed and nothing is wrong in what is left; others: no answer.
set -euo pipefail

if (($# != 1)); then
  echo "usage: ${0##*/} TIME   e.g. ${0##*/} now-20m" >&2
  exit 2
fi
deployed=$1
case_file=${OBS_CASE:-obs-case-$(date -u +%Y%m%dT%H%M%SZ).json}

# Without --baseline the time before is as long as the time since.
status=0
# shellcheck disable=SC2016 # the dollar is jq's
obs triage --from "$deployed" --check --save "$case_file" --jq '
  (.suspects[0].service // "") as $suspect
  | "verdict     \(.verdict)",
    (.answers.failing_dependency.text // empty | "fails       \(.)"),
    (.changes // [] | .[] | "deployed    \(.service) \(.text)" + if .service == $suspect then "   <- and the first suspect: roll this back" else "" end),
    (.suspects[:3][] | "suspect     \(.rank)  \(.service) \(.operation // "")")' || status=$?

# What the first suspect says now, and did not say before. No new line is no failure (5).
suspect=
if ((status == 20)); then
  suspect=$(obs open "$case_file" --jq '.suspects[0].service // empty' 2>/dev/null || true)
fi
if [[ -n $suspect ]]; then
  obs logs --service "$suspect" --patterns --from "$deployed" \
    --jq '.patterns[] | select(.change == "new") | "new line    \(.window_count)x  \(.pattern)"' || true
  echo "next        obs open $case_file; after the rollback: after-rollback.sh $case_file"
fi
exit "$status"
