package correlate

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"obs/correlate/survey"
	"obs/sources"
)

// Looker looks at a system again and again, and holds what it sees against one baseline: the
// time before the trouble. A baseline that moved along would come to take the trouble for what
// is usual.
type Looker struct {
	set      sources.Set
	question Question
	kept     *keptBaseline // nil without metrics
}

// NewLooker looks at what the question is about, but for its window: each look has its own.
func NewLooker(set sources.Set, question Question) *Looker {
	l := &Looker{set: set, question: question}
	if set.Metrics != nil {
		l.kept = &keptBaseline{Metrics: set.Metrics, baseline: question.Baseline, answers: map[string]sources.SeriesAnswer{}}
		l.set.Metrics = l.kept
	}
	return l
}

// Glance is what one look brought.
type Glance struct {
	Case *Case
	// Unseen are the services of the first look's trouble of which there is too little data by
	// now to say that they are well.
	Unseen []string
	// Brief tells that metrics alone were asked, of a short time.
	Brief bool
}

// leastLook is the shortest time that a look judges: three samples of a collection every ten
// seconds, as few as can be compared.
const leastLook = 30 * time.Second

// LookWindow is the time that a look judges. Half of the interval, since rates look back on
// about as much again: so a look rests on what happened since the one before, and trouble that
// has ended between two looks is out of sight by the second look from there.
func LookWindow(now time.Time, interval time.Duration) sources.Window {
	return sources.Window{From: now.Add(-max(interval/2, leastLook)), To: now}
}

// Look looks at a window. The first is the case that all looks are held against, nil where this
// is the first. Where its verdict rests on metrics no more than those are asked for, in some
// 20 queries at most; else all is that a triage asks.
func (l *Looker) Look(ctx context.Context, window sources.Window, first *Case) *Glance {
	question := l.question
	question.Window = window
	w := newWalk(l.set, question, nil)
	if l.set.Metrics == nil || first == nil || !first.measured() {
		return &Glance{Case: w.triage(ctx)}
	}
	w.brief = true
	w.conclude(w.survey(ctx))
	if err := ctx.Err(); err != nil {
		w.found.interrupted(err)
	}
	return &Glance{Case: w.found, Unseen: w.unseen(first), Brief: true}
}

// measured reports whether a case's verdict rests on metrics of the window alone. Growth over
// weeks does not.
func (c *Case) measured() bool {
	departs := false
	for i := range c.Anomalies {
		if c.Anomalies[i].Creep != nil {
			return false
		}
		departs = departs || !c.Anomalies[i].Harmless()
	}
	return departs || c.Verdict == Healthy
}

// unseen are the services that departed in an earlier case and of which the same kind of signal
// cannot be compared now, in the order of the case. Failures are seen where requests are: that
// none fails leaves no series.
func (w *walk) unseen(first *Case) []string {
	var names []string
	for i := range first.Anomalies {
		a := &first.Anomalies[i]
		if a.Harmless() || slices.Contains(names, a.Service) || w.seen(a) {
			continue
		}
		names = append(names, a.Service)
	}
	return names
}

func (w *walk) seen(a *Anomaly) bool {
	wanted := survey.Signal(a.Signal)
	if wanted == survey.Availability && w.reached[a.Service] {
		return true
	}
	for i := range w.measured {
		m := &w.measured[i]
		if !m.departure.Compared || !sameService(m.service, a.Service) || w.absent(m) {
			continue
		}
		signal := m.question.Signal
		requests := signal == survey.Traffic && m.means[1] > 0
		if signal == wanted || (requests && (wanted == survey.Errors || wanted == survey.Availability)) {
			return true
		}
	}
	return false
}

// keptBaseline asks once for what does not change: the answers over a baseline that is over.
type keptBaseline struct {
	sources.Metrics
	baseline sources.Window

	mu      sync.Mutex
	answers map[string]sources.SeriesAnswer
}

// Range implements sources.Metrics.
func (k *keptBaseline) Range(ctx context.Context, query string, w sources.Window, step time.Duration) (sources.SeriesAnswer, error) {
	if !w.To.Equal(k.baseline.To) {
		return k.Metrics.Range(ctx, query, w, step)
	}
	key := fmt.Sprintf("%s %d %s", w, step, query)
	k.mu.Lock()
	answer, known := k.answers[key]
	k.mu.Unlock()
	if known {
		return answer, nil
	}
	answer, err := k.Metrics.Range(ctx, query, w, step)
	if err == nil && len(answer.Warnings) == 0 {
		k.mu.Lock()
		k.answers[key] = answer
		k.mu.Unlock()
	}
	return answer, err
}
