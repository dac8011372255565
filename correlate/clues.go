package correlate

import "obs/sources"

// A clue is one kind of evidence against one service. What it weighs stands in rank.go.
type clue struct {
	kind      clueKind
	service   string
	operation string
	// strength is how sure and how large the departure is, from 0 to 1.
	strength float64
	finding  string // its ID, empty for what is no statement of its own
	// traces are requests of the window that show it; none where that is not known.
	traces []sources.TraceID
}

// keep notes a clue.
func (w *walk) keep(c clue) {
	if c.strength > 0 && c.service != "" {
		w.clues = append(w.clues, c)
	}
}
