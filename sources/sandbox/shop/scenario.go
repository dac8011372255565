package shop

import (
	"fmt"
	"strings"
	"time"
)

// Scenario is a story with a known end.
type Scenario struct {
	Name  string
	Title string // one line
	Truth Truth
	// script plans what happens; at turns minutes after the window's start (negative:
	// before it) into moments.
	script func(s *Shop, at func(minutes float64) moment)
	// before is how long ago the old window lies, in a scenario about weeks.
	before time.Duration
	// extra is about how many requests come beside those of shoppers, as a share.
	extra float64
}

// Truth is what a right triage says about a scenario.
type Truth struct {
	Verdict string `json:"verdict"` // anomalous or healthy
	// Culprit is the service to be named first, and Operation the name of the span that
	// shows it. Both are empty where nothing is wrong.
	Culprit   string `json:"culprit,omitempty"`
	Operation string `json:"operation,omitempty"`
	// Where tells by attributes which part of the culprit's work is concerned, if not all.
	Where map[string]string `json:"where,omitempty"`
	// Symptom is the service whose users feel it.
	Symptom string `json:"symptom,omitempty"`
	// Onset is when users begin to feel it, and Began when the cause set in: both from
	// the window's start, negative before it. Where chance decides when it is felt, as
	// with exhaustion, the onset is exact to some five minutes; else to one.
	Onset time.Duration `json:"onset,omitempty"`
	Began time.Duration `json:"began,omitempty"`
	// Kind is what the trouble is: dependency, expiry, release, segment, exhaustion,
	// chatty, node, leak, silence, client or none.
	Kind string `json:"kind"`
	// Decoys are what a hasty judge would blame.
	Decoys      []string `json:"decoys,omitempty"`
	Explanation string   `json:"explanation"`
}

// Verdicts of a Truth.
const (
	Anomalous = "anomalous"
	Healthy   = "healthy"
)

// Scenarios lists all there are.
func Scenarios() []Scenario {
	return []Scenario{
		latency(), errorsScenario(), badDeploy(), segment(), saturation(), nPlusOne(), noisyNeighbour(), creep(), bot(), silent(), healthy(),
	}
}

// Find returns the scenario with a name.
func Find(name string) (Scenario, error) {
	var known []string
	for _, sc := range Scenarios() {
		if sc.Name == name {
			return sc, nil
		}
		known = append(known, sc.Name)
	}
	return Scenario{}, fmt.Errorf("no scenario is called %q: there are %s", name, strings.Join(known, ", "))
}

// noisyRecommendation is a decoy of most scenarios.
const noisyRecommendation = "recommendation: a few of its requests fail and log errors, before and after"
