#!/usr/bin/env bash
#
# For a job that runs each night: can the walk from a metric to a trace to its logs still be
# walked? That breaks in silence, by an upgrade or a renamed label, and shows at the worst
# moment. The report is kept as Markdown, for the job's page and for those who mend it.
#
#   nightly-doctor.sh [REPORT.md]
#
# Exit status: 0 fine, or weak in places; 20 a hop is broken, and the job should fail; 4 a
# backend failed; others: no answer.
set -euo pipefail

report=${1:-obs-doctor.md}
status=0
obs doctor --check --since "${SINCE:-1h}" --timeout 5m -o markdown >"$report" || status=$?

# The first line is the whole in a sentence; what is broken is listed with what mends it.
head -n 1 "$report"
grep -n '✖' "$report" || true
echo "the report is in $report"
exit "$status"
