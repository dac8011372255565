package sources_test

import (
	"testing"
	"time"

	"obs/sources"
)

func TestSkew(t *testing.T) {
	asked := time.Date(2026, 11, 21, 12, 0, 0, 400e6, time.UTC)
	answered := asked.Add(200 * time.Millisecond)
	tests := map[string]struct {
		clock time.Time
		want  time.Duration
		known bool
	}{
		"none given":        {},
		"the same second":   {asked.Truncate(time.Second), 0, true},
		"the second before": {asked.Truncate(time.Second).Add(-time.Second), -400 * time.Millisecond, true},
		"a minute behind":   {asked.Truncate(time.Second).Add(-time.Minute), -time.Minute + 600*time.Millisecond, true},
		"a minute ahead":    {answered.Truncate(time.Second).Add(time.Minute), time.Minute - 600*time.Millisecond, true},
		"ahead by a moment": {asked.Truncate(time.Second).Add(time.Second), 400 * time.Millisecond, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, known := sources.Server{Clock: test.clock, Asked: asked, Answered: answered}.Skew()
			if got != test.want || known != test.known {
				t.Errorf("%s, %t; want %s, %t", got, known, test.want, test.known)
			}
		})
	}
}
