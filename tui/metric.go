package tui

import (
	tea "charm.land/bubbletea/v2"

	"obs/correlate"
)

type metricScreen struct {
	*stage
	subject correlate.Subject
}

func newMetricScreen(s *stage, subject correlate.Subject) *metricScreen {
	return &metricScreen{stage: s, subject: subject}
}
func (m *metricScreen) place() place                    { return onMetric }
func (m *metricScreen) crumb() string                   { return m.subject.Service }
func (m *metricScreen) load() tea.Cmd                   { return nil }
func (m *metricScreen) take(any) tea.Cmd                { return nil }
func (m *metricScreen) filter(string) tea.Cmd           { return nil }
func (m *metricScreen) act(action) (tea.Cmd, string)    { return nil, "" }
func (m *metricScreen) picked() picked                  { return picked{} }
func (m *metricScreen) click(int) bool                  { return false }
func (m *metricScreen) draw(width, height int) []string { return filled(nil, width, height) }
