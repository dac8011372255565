package correlate

import (
	"testing"

	"obs/sources"
)

func TestSeriesOfAlert(t *testing.T) {
	of := func(all ...sources.Labels) []sources.Series {
		series := make([]sources.Series, len(all))
		for i := range all {
			series[i].Labels = all[i]
		}
		return series
	}
	alert := sources.Labels{"alertname": "A", "service": "pay", "pod": "pay-1", "severity": "page", "cluster": "eu"}
	for name, c := range map[string]struct {
		all  []sources.Series
		want int
	}{
		"none":            {nil, -1},
		"its own":         {of(sources.Labels{"__name__": "x", "service": "cart"}, sources.Labels{"__name__": "x", "service": "pay"}), 1},
		"the most labels": {of(sources.Labels{}, sources.Labels{"service": "pay", "pod": "pay-1"}, sources.Labels{"service": "pay"}), 1},
		"of all":          {of(sources.Labels{}), 0},
		"others' alone":   {of(sources.Labels{"service": "cart"}, sources.Labels{"service": "pay", "zone": "a"}), -1},
		"replaced":        {of(sources.Labels{"service": "checkout"}, sources.Labels{"service": "checkout"}), 0},
	} {
		if got := seriesOfAlert(c.all, alert); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
