package main

import (
	"errors"
	"testing"

	"obs/correlate"
	"obs/sources"
)

func statusOf(err error) int {
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	return exitOK
}

// The scripts run into each status; this is which one wins where several fit.
func TestExitStatus(t *testing.T) {
	answered := []correlate.Query{{Backend: sources.Loki, Status: sources.QueryOK}}
	nothing := []correlate.Query{{Backend: sources.Loki, Status: sources.QueryEmpty}}
	failed := []correlate.Query{{Backend: sources.Loki, Status: sources.QueryFailed}}
	// Jaeger lacks one API, which is an answer only if it has the other.
	lacks := []correlate.Query{{Backend: sources.Jaeger, Status: sources.QueryEmpty}, {Backend: sources.Jaeger, Status: sources.QueryFailed}}
	missing := func(kinds ...string) (all []correlate.Missing) {
		for _, kind := range kinds {
			all = append(all, correlate.Missing{Backend: sources.Loki, Kind: kind})
		}
		return all
	}
	slow := []correlate.Anomaly{{Service: "checkout"}}
	records := []correlate.Record{{Line: "paid"}}
	const (
		failure, refusal, timeout = correlate.MissingFailed, correlate.MissingRefused, correlate.MissingTimeout
		cut, none, unset          = correlate.MissingTruncated, correlate.MissingNoData, correlate.MissingNotConfigured
	)
	for _, test := range []struct {
		name   string
		found  correlate.Case
		triage int
		gate   int // the same with --check
		lookup int
	}{
		{"anomalous", correlate.Case{Verdict: correlate.Anomalous, Anomalies: slow, Queries: answered, Records: records}, exitOK, exitAnomalous, exitOK},
		{"anomalous in part", correlate.Case{Verdict: correlate.Anomalous, Anomalies: slow, Queries: answered, Records: records, Missing: missing(failure)}, exitPartial, exitAnomalous, exitPartial},
		{"healthy", correlate.Case{Verdict: correlate.Healthy, Queries: answered}, exitOK, exitOK, exitNotFound},
		{"healthy in part", correlate.Case{Verdict: correlate.Healthy, Queries: answered, Missing: missing(cut)}, exitPartial, exitPartial, exitNotFound},
		{"records in part", correlate.Case{Verdict: correlate.Healthy, Queries: answered, Records: records, Missing: missing(cut)}, exitPartial, exitPartial, exitPartial},
		{"what is not configured or not there is no failure", correlate.Case{Verdict: correlate.Healthy, Queries: answered, Records: records, Missing: missing(unset, none)}, exitOK, exitOK, exitOK},
		{"nothing", correlate.Case{Verdict: correlate.Inconclusive, Queries: nothing}, exitNotFound, exitInconclusive, exitNotFound},
		{"records alone", correlate.Case{Verdict: correlate.Inconclusive, Queries: answered, Records: records}, exitOK, exitInconclusive, exitOK},
		{"inconclusive for a failure", correlate.Case{Verdict: correlate.Inconclusive, Queries: answered, Missing: missing(refusal)}, exitPartial, exitPartial, exitPartial},
		{"a trace", correlate.Case{Queries: answered, Trace: &correlate.Trace{}}, exitOK, exitOK, exitOK},

		{"all fails", correlate.Case{Verdict: correlate.Inconclusive, Queries: failed, Missing: missing(failure)}, exitFailed, exitFailed, exitFailed},
		{"all refuse", correlate.Case{Verdict: correlate.Inconclusive, Queries: failed, Missing: missing(refusal, unset)}, exitRefused, exitRefused, exitRefused},
		{"all are slow", correlate.Case{Verdict: correlate.Inconclusive, Queries: failed, Missing: missing(timeout)}, exitTimeout, exitTimeout, exitTimeout},
		{"one fails, one refuses", correlate.Case{Verdict: correlate.Inconclusive, Queries: failed, Missing: missing(refusal, failure, timeout)}, exitFailed, exitFailed, exitFailed},
		{"one refuses, one is slow", correlate.Case{Verdict: correlate.Inconclusive, Queries: failed, Missing: missing(timeout, refusal)}, exitRefused, exitRefused, exitRefused},
		{"neither of two APIs", correlate.Case{Verdict: correlate.Inconclusive, Queries: lacks, Missing: missing(failure)}, exitFailed, exitFailed, exitFailed},
		{"nothing was asked", correlate.Case{Verdict: correlate.Inconclusive}, exitFailed, exitFailed, exitFailed},

		{"interrupted with an answer", correlate.Case{Verdict: correlate.Anomalous, Anomalies: slow, Queries: answered, Interrupted: true, Missing: missing(timeout)}, exitTimeout, exitTimeout, exitTimeout},
		{"interrupted without one", correlate.Case{Verdict: correlate.Inconclusive, Queries: failed, Interrupted: true, Missing: missing(timeout)}, exitTimeout, exitTimeout, exitTimeout},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := statusOf(verdictExit(&test.found, false)); got != test.triage {
				t.Errorf("triage: %d, want %d", got, test.triage)
			}
			if got := statusOf(verdictExit(&test.found, true)); got != test.gate {
				t.Errorf("triage --check: %d, want %d", got, test.gate)
			}
			if got := statusOf(lookupExit(&test.found)); got != test.lookup {
				t.Errorf("trace: %d, want %d", got, test.lookup)
			}
		})
	}
}
