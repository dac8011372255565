package correlate

import (
	"fmt"
	"testing"

	"obs/correlate/anomaly"
	"obs/correlate/survey"
	"obs/sources"
)

func TestJudgedByPeers(t *testing.T) {
	tests := []struct {
		name      string
		metric    string
		signal    survey.Signal
		was, is   float64
		stands    bool // out among the others
		anomalous bool
	}{
		{"a resource used up", "cpu_limit_utilization_ratio", survey.Saturation, 0.03, 0.99, true, true},
		{"a resource as before", "cpu_limit_utilization_ratio", survey.Saturation, 0.03, 0.031, false, false},
		{"a rate says little in so short a time", "bytes_per_second", survey.Traffic, 0.03, 0.99, true, false},
		{"less of a resource is no trouble", "cpu_limit_utilization_ratio", survey.Saturation, 0.99, 0.01, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var all []measured
			q := &survey.Question{Signal: test.signal}
			for i := range 9 {
				all = append(all, measured{service: fmt.Sprint(i), question: q, labels: sources.Labels{"__name__": test.metric},
					departure: anomaly.Departure{Baseline: 0.02 + 0.002*float64(i), Window: 0.021 + 0.002*float64(i)}})
			}
			all[8].departure.Baseline, all[8].departure.Window = test.was, test.is
			judgeByPeers(all)
			if got := all[8]; (got.peers > 0) != test.stands || got.departure.Anomalous != test.anomalous {
				t.Errorf("%+v", got)
			}
			for _, other := range all[:8] {
				if other.peers != 0 || other.departure.Anomalous {
					t.Errorf("another: %+v", other)
				}
			}
		})
	}
}
