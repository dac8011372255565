package tui

import (
	"testing"

	"obs/correlate"
)

func TestOverviewOfACase(t *testing.T) {
	p := &paper{services: func(by correlate.Grouping) *correlate.ServiceTable {
		return &correlate.ServiceTable{Grouping: by, Services: []correlate.ServiceRow{{Service: "frontend", Verdict: correlate.Anomalous}}}
	}}
	d := drive(t, showing(p, recorded(t, "triage")), 120, 34)
	d.shows("ANOMALOUS", "frontend")
	t.Log("\n" + d.text())
	d.press("c")
	d.on(onCase)
	t.Log("\n" + d.text())
	d.press("?")
	t.Log("\n" + d.text())
	d.press("esc", "esc", ":")
	d.write("cas")
	t.Log("\n" + d.text())
}
