package correlate_test

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"obs/correlate"
	"obs/sources"
)

// versionChange is a change of version as statements say it.
var versionChange = regexp.MustCompile(`^(\S+) (\S+) → (\S+) on (?:all (\d+)|(\d+) of (\d+)) instances? at ([\d:]{8})$`)

// change checks a change of version against the counts of instances by version: the second
// begins when the statement says, on as many instances, beside or after the first. It adds
// what the statement says in numbers, and tells when it was.
func (p *proof) change(text string, answer *answered, r *recomputed) (at time.Time) {
	m := versionChange.FindStringSubmatch(text)
	if m == nil {
		p.Fatalf("nothing is known of how to check the change %q", text)
	}
	from, to := p.samplesOf(answer, m[2]), p.samplesOf(answer, m[3])
	if len(from) == 0 || len(to) == 0 || !from[0].Time.Before(to[0].Time) {
		p.Fatalf("no change of version in %+v: %q", answer.series, text)
	}
	instances, of := 0.0, 0.0
	for _, s := range to {
		instances = max(instances, s.Value)
	}
	for _, s := range slices.Concat(from, to) {
		of = max(of, s.Value)
	}
	if last := from[len(from)-1]; m[4] != "" && !last.Time.Before(to[len(to)-1].Time) {
		p.Errorf("%s was there until %s: %q", m[2], last.Time, text)
	}
	r.said = append(r.said, m[2], m[3], correlate.Clock(to[0].Time))
	r.says(int(instances), int(of))
	return to[0].Time
}

// samplesOf are the samples of a version.
func (p *proof) samplesOf(answer *answered, version string) []sources.Sample {
	i := slices.IndexFunc(answer.series, func(s sources.Series) bool {
		return slices.Contains(slices.Collect(maps.Values(s.Labels)), version)
	})
	if i < 0 {
		return nil
	}
	return answer.series[i].Samples
}

// changedBefore works out a change before the trouble, how long before the onset it was, and
// how many of the traces in trouble came to its version.
func (p *proof) changedBefore(m []string) recomputed {
	var r recomputed
	at := p.change(m[1], p.answers[0], &r)
	service, _, _ := strings.Cut(m[1], " ")
	onset := p.found.Anomalies[0].Onset
	first := true
	for _, a := range p.found.Anomalies {
		if a.Service == service && !a.Onset.IsZero() && (first || a.Onset.Before(onset)) {
			onset, first = a.Onset, false
		}
	}
	gap := onset.Sub(at)
	r.said = append(r.said, fmt.Sprintf("%.0f s", gap.Seconds()))
	if gap >= time.Minute {
		r.said = append(r.said, fmt.Sprintf("%.0f", gap.Minutes()), fmt.Sprintf("%.0f", gap.Hours()))
	}
	if m[2] == "" {
		return r
	}
	came, of := 0.0, 0.0
	for _, t := range p.troubled(p.answers[1]) {
		versions := map[string]bool{}
		for i := range t.Trace.Spans {
			if s := &t.Trace.Spans[i]; s.Service == service {
				versions[s.Resource.Get("service.version")] = true
			}
		}
		of += share(len(versions) > 0)
		came += share(versions[m[2]])
	}
	r.values = map[string]float64{"traces in trouble that came to it": came, "traces in trouble that came to the service": of}
	return r
}

func (p *proof) othersChanged(m []string) recomputed {
	var r recomputed
	texts := strings.Split(m[1], "; ")
	if len(texts) != len(p.answers) {
		p.Fatalf("%d changes and %d answers: %q", len(texts), len(p.answers), p.finding.Statement)
	}
	for i, text := range texts {
		p.change(text, p.answers[i], &r)
	}
	return r
}

// changedElsewhere checks the change, and that all that it cites beside it is what the statement
// of what tells the trouble apart cites.
func (p *proof) changedElsewhere(m []string) recomputed {
	var r recomputed
	p.change(m[1], p.answers[0], &r)
	i := slices.IndexFunc(p.found.Findings, func(f correlate.Finding) bool {
		return strings.Contains(f.Statement, " have "+m[3]+" in "+m[2]) && reflect.DeepEqual(f.Evidence, p.finding.Evidence[1:])
	})
	if i < 0 {
		p.Fatalf("nothing tells the trouble apart by %s in %s", m[3], m[2])
	}
	told := proof{T: p.T, grounds: p.grounds, finding: &p.found.Findings[i], answers: p.answers[1:]}
	r.values = told.toldApart(tellsApart.FindStringSubmatch(told.finding.Statement)).values
	return r
}
