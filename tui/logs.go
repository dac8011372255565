package tui

import (
	tea "charm.land/bubbletea/v2"

	"obs/correlate"
)

type logsScreen struct {
	*stage
	question correlate.LogQuestion
	title    string
}

func newLogsScreen(s *stage, question correlate.LogQuestion, title string) *logsScreen {
	return &logsScreen{stage: s, question: question, title: title}
}
func (l *logsScreen) place() place                    { return onLogs }
func (l *logsScreen) crumb() string                   { return l.title }
func (l *logsScreen) load() tea.Cmd                   { return nil }
func (l *logsScreen) take(any) tea.Cmd                { return nil }
func (l *logsScreen) filter(string) tea.Cmd           { return nil }
func (l *logsScreen) act(action) (tea.Cmd, string)    { return nil, "" }
func (l *logsScreen) picked() picked                  { return picked{} }
func (l *logsScreen) click(int) bool                  { return false }
func (l *logsScreen) draw(width, height int) []string { return filled(nil, width, height) }
