package tui

import (
	tea "charm.land/bubbletea/v2"

	"obs/sources"
)

type traceScreen struct {
	*stage
	of *traceOf
}

func newTraceScreen(s *stage, of *traceOf) *traceScreen {
	return &traceScreen{stage: s, of: of}
}
func (t *traceScreen) place() place                    { return onTrace }
func (t *traceScreen) crumb() string                   { return "trace" }
func (t *traceScreen) load() tea.Cmd                   { return nil }
func (t *traceScreen) take(any) tea.Cmd                { return nil }
func (t *traceScreen) filter(string) tea.Cmd           { return nil }
func (t *traceScreen) act(action) (tea.Cmd, string)    { return nil, "" }
func (t *traceScreen) picked() picked                  { return picked{} }
func (t *traceScreen) click(int) bool                  { return false }
func (t *traceScreen) draw(width, height int) []string { return filled(nil, width, height) }

// traceOf names the trace to show; nil is that of the case.
type traceOf struct{ id sources.TraceID }
