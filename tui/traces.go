package tui

import (
	tea "charm.land/bubbletea/v2"

	"obs/correlate"
)

type tracesScreen struct {
	*stage
	subject correlate.Subject
}

func newTracesScreen(s *stage, subject correlate.Subject, cohorts *correlate.Cohorts) *tracesScreen {
	return &tracesScreen{stage: s, subject: subject}
}
func (t *tracesScreen) place() place                    { return onTraces }
func (t *tracesScreen) crumb() string                   { return t.subject.Service }
func (t *tracesScreen) load() tea.Cmd                   { return nil }
func (t *tracesScreen) take(any) tea.Cmd                { return nil }
func (t *tracesScreen) filter(string) tea.Cmd           { return nil }
func (t *tracesScreen) act(action) (tea.Cmd, string)    { return nil, "" }
func (t *tracesScreen) picked() picked                  { return picked{} }
func (t *tracesScreen) click(int) bool                  { return false }
func (t *tracesScreen) draw(width, height int) []string { return filled(nil, width, height) }
