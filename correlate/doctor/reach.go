package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"obs/correlate"
	"obs/correlate/survey"
	"obs/sources"
)

// KindReach is the kind of a finding about how far back the backends reach together.
const KindReach = "retention.overlap"

// probes are how long ago something is looked for.
var probes = []time.Duration{time.Hour, 6 * time.Hour, 24 * time.Hour, 3 * 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour}

// probed is the time in which a probe looks: around that age, and as wide as a tenth of it, so
// that a quiet hour does not look like the end of what is kept.
func (e *exam) probed(ago time.Duration) sources.Window {
	at := e.options.Now.Add(-ago)
	return sources.Window{From: at.Add(-ago / 20), To: at.Add(ago / 20)}
}

// reachBack finds out how far back each backend reaches.
func (e *exam) reachBack(ctx context.Context) {
	together(
		func() { e.reachMetrics(ctx) },
		func() {
			query := e.anyRecord()
			e.reach(sources.Loki, func(w sources.Window) (bool, error) {
				answer, err := e.set.Logs.Records(ctx, query, w, 1, true)
				return len(answer.Records) > 0, err
			})
		},
		func() {
			q := e.anyTrace()
			if q.Service == "" {
				return // none is known
			}
			e.reach(e.tracer, func(w sources.Window) (bool, error) {
				q := q
				q.Window = w
				answer, err := e.set.Traces.Search(ctx, q)
				return len(answer.Traces) > 0, err
			})
		},
	)
}

// reachMetrics asks for all probes in one query.
func (e *exam) reachMetrics(ctx context.Context) {
	if !e.answers(sources.Prometheus) {
		return
	}
	asked := make([]string, len(probes))
	for i, ago := range probes {
		asked[i] = fmt.Sprintf("count(%s offset %dh)", e.known(), int(ago.Hours()))
	}
	answer, err := e.set.Metrics.Instant(ctx, survey.Together(asked), e.options.Now)
	if err != nil {
		e.failed(sources.Prometheus, "how far back metrics reach was not looked at", err)
		return
	}
	for i, series := range survey.Apart(answer.Series, len(asked)) {
		if len(series) > 0 {
			e.reaches(sources.Prometheus, probes[i])
		}
	}
}

func (e *exam) reach(backend sources.Backend, holds func(sources.Window) (bool, error)) {
	if !e.answers(backend) {
		return
	}
	var parts []func()
	for _, ago := range probes {
		parts = append(parts, func() {
			some, err := holds(e.probed(ago))
			if err != nil {
				e.failed(backend, "how far back it reaches was not looked at", err)
			}
			if some {
				e.reaches(backend, ago)
			}
		})
	}
	together(parts...)
}

func (e *exam) reaches(backend sources.Backend, ago time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.servers[backend]
	s.ReachSeconds = max(s.ReachSeconds, ago.Seconds())
}

// judgeReach compares how far back the backends reach. That all of them are young is no gap.
// Where some services alone are looked at, theirs may be younger than what is kept.
func (e *exam) judgeReach() {
	shortest, longest := -1.0, 0.0
	var said, short []string
	var evidence []correlate.Evidence
	for _, backend := range e.backends() {
		s := e.servers[backend]
		if s.State != Answers {
			continue
		}
		if shortest < 0 || s.ReachSeconds < shortest {
			shortest = s.ReachSeconds
		}
		longest = max(longest, s.ReachSeconds)
		said = append(said, fmt.Sprintf("%s %s", backend.Name(), Reach(s)))
		evidence = append(evidence, correlate.Evidence{Backend: backend, Query: e.probeQuery(backend), Values: []correlate.Value{{Name: "reach", Value: s.ReachSeconds, Unit: "seconds"}}})
	}
	e.report.OverlapSeconds = max(0, shortest)
	const day = 24 * time.Hour
	if len(said) < 2 || len(e.options.Services) > 0 || shortest >= day.Seconds() || longest < day.Seconds() {
		return
	}
	var mends []Mend
	for _, backend := range e.backends() {
		if s := e.servers[backend]; s.State == Answers && s.ReachSeconds < day.Seconds() {
			short = append(short, backend.Name())
			mends = append(mends, mendRetention[backend])
		}
	}
	e.find(Finding{
		Kind: KindReach, Grade: Weak,
		Statement: fmt.Sprintf("the backends do not reach equally far back (%s): what happened yesterday cannot be walked, for want of %s", strings.Join(said, ", "), strings.Join(short, " and ")),
		Evidence:  evidence, Mends: mends,
	})
}

// Reach says how far back a backend reaches, as far as the probes tell.
func Reach(s *Server) string {
	if s.ReachSeconds == 0 {
		return "under 1 h"
	}
	return "at least " + Age(seconds(s.ReachSeconds))
}
