package tui

import (
	"bytes"
	"fmt"
	"strings"

	"charm.land/bubbles/v2/spinner"
	"charm.land/bubbles/v2/viewport"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
)

// Below this size there is no room for anything worth reading.
const (
	leastWidth  = 60
	leastHeight = 15
)

// A terminal that does not know its size, as a serial line or a container's, is taken
// for the usual one.
const (
	usualWidth  = 80
	usualHeight = 24
)

type (
	stepMsg correlate.Step
	caseMsg struct{ found *correlate.Case }
)

// model is the program's state. Only Update changes it.
type model struct {
	options Options
	start   func() // begins the work, and does not wait for it

	width, height int
	spinner       spinner.Model
	steps         []correlate.Step // in the order in which they began
	found         *correlate.Case  // nil until the work is done
	body          viewport.Model   // the case as text
}

func newModel(o Options) *model {
	body := viewport.New()
	body.SetHorizontalStep(8)
	return &model{options: o, spinner: spinner.New(spinner.WithSpinner(spinner.MiniDot)), body: body}
}

// Init starts the work.
func (m *model) Init() tea.Cmd {
	m.start()
	return m.spinner.Tick
}

// Update takes one message in. It does no work that takes time.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		cmd := m.resize(msg)
		return m, cmd
	case stepMsg:
		if msg.SoFar != nil {
			return m, nil
		}
		m.note(correlate.Step(msg))
		return m, nil
	case caseMsg:
		m.found = msg.found
		m.body.SetContent(render(m.found))
		return m, nil
	case spinner.TickMsg:
		if m.found != nil {
			return m, nil // nothing turns any more
		}
		var cmd tea.Cmd
		m.spinner, cmd = m.spinner.Update(msg)
		return m, cmd
	case tea.KeyPressMsg:
		switch msg.String() {
		case "q", "esc", "ctrl+c":
			return m, tea.Quit
		case "g", "home":
			m.body.GotoTop()
			return m, nil
		case "G", "end":
			m.body.GotoBottom()
			return m, nil
		}
	}
	var cmd tea.Cmd
	m.body, cmd = m.body.Update(msg)
	return m, cmd
}

// resize lays the screen out anew. What was in sight stays so as far as there is room.
func (m *model) resize(size tea.WindowSizeMsg) tea.Cmd {
	if size.Width <= 0 || size.Height <= 0 {
		usual := tea.WindowSizeMsg{Width: usualWidth, Height: usualHeight}
		return func() tea.Msg { return usual } // as a message, so that it reaches the renderer too
	}
	m.width, m.height = size.Width, size.Height
	m.body.SetWidth(size.Width)
	m.body.SetHeight(max(1, size.Height-chrome))
	// A larger screen shows what would otherwise be empty space behind the end.
	m.body.SetYOffset(m.body.YOffset())
	m.body.SetXOffset(m.body.XOffset())
	return nil
}

// note keeps one line for each step: its end takes the place of its beginning.
func (m *model) note(s correlate.Step) {
	for i := range m.steps {
		if m.steps[i].Name == s.Name {
			m.steps[i] = s
			return
		}
	}
	m.steps = append(m.steps, s)
}

func render(c *correlate.Case) string {
	var b bytes.Buffer
	if err := report.Text(&b, c); err != nil {
		return "the case cannot be shown: " + sources.Printable(err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n") // else an empty line would stand at the end
}

// chrome is how many lines the header and the footer take.
const chrome = 3

var (
	strong = lipgloss.NewStyle().Bold(true)
	faint  = lipgloss.NewStyle().Faint(true)
	// The three colours of a terminal's own palette that mean healthy, watch and bad
	// everywhere; a sign stands beside each.
	verdictColor = map[correlate.Verdict]lipgloss.Style{
		correlate.Healthy:      strong.Foreground(lipgloss.Green),
		correlate.Inconclusive: strong.Foreground(lipgloss.Yellow),
		correlate.Anomalous:    strong.Foreground(lipgloss.Red),
	}
)

// View draws the state.
func (m *model) View() tea.View {
	view := tea.NewView(m.frame())
	view.AltScreen = true
	view.MouseMode = tea.MouseModeCellMotion
	view.WindowTitle = "obs " + m.options.Title
	return view
}

func (m *model) frame() string {
	switch {
	case m.width == 0:
		return "" // the size is not known yet
	case m.width < leastWidth || m.height < leastHeight:
		return fmt.Sprintf("obs needs %dx%d,\nhere are %dx%d.\nq leaves.", leastWidth, leastHeight, m.width, m.height)
	}
	var b strings.Builder
	b.WriteString(m.header() + "\n" + m.style(faint, strings.Repeat("─", m.width)) + "\n")
	if m.found == nil {
		b.WriteString(m.working())
	} else {
		b.WriteString(m.body.View())
	}
	b.WriteString("\n" + m.footer())
	return b.String()
}

func (m *model) header() string {
	title := " obs  " + m.options.Title
	if m.found == nil {
		return m.style(strong, title)
	}
	switch v := m.found.Verdict; v {
	case "":
		return m.style(strong, report.Fit(title+" · "+m.found.TakenFor, m.width))
	default:
		return m.style(strong, title+" · ") + m.style(verdictColor[v], report.Sign(v)+" "+strings.ToUpper(string(v)))
	}
}

func (m *model) working() string {
	lines := make([]string, 0, m.height)
	for _, s := range m.steps {
		mark := m.spinner.View()
		switch {
		case s.Failed:
			mark = "✗"
		case s.Done:
			mark = "✓"
		}
		lines = append(lines, report.Fit(fmt.Sprintf(" %s %-10s %s", mark, s.Name, s.Text), m.width))
	}
	if len(lines) == 0 {
		lines = append(lines, " "+m.spinner.View()+" asking")
	}
	for len(lines) < m.height-chrome {
		lines = append(lines, "")
	}
	return strings.Join(lines[len(lines)-(m.height-chrome):], "\n") // the latest, if not all have room
}

func (m *model) footer() string {
	if m.found == nil {
		return m.style(faint, " q leave")
	}
	return m.style(faint, fmt.Sprintf(" ↑↓ scroll  ←→ sideways  g top  G end  q leave   %3.0f %%", m.body.ScrollPercent()*100))
}

func (m *model) style(s lipgloss.Style, text string) string {
	if m.options.NoColor {
		return text
	}
	return s.Render(text)
}
