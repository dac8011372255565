package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/charmbracelet/x/exp/golden"
	"go.uber.org/goleak"

	"obs/correlate"
	"obs/correlate/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorded are cases that obs found out from real backends, as -o json wrote them:
// triages of an incident, of a quiet window, of one cut short by --timeout, and of one
// where Prometheus and Jaeger did not run; a request that failed, and a trace ID that
// nobody knows.
var recorded = []string{"triage", "healthy", "interrupted", "down", "trace", "nothing"}

func recording(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "case-"+name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func readCase(t testing.TB, text string) *correlate.Case {
	t.Helper()
	var c correlate.Case
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields() // a case that was saved is shown whole
	if err := decoder.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return &c
}

type form func(io.Writer, *correlate.Case) error

var forms = map[string]form{"text": report.Text, "markdown": report.Markdown, "json": report.JSON, "html": report.HTML}

func write(t testing.TB, as form, c *correlate.Case) string {
	t.Helper()
	var b bytes.Buffer
	if err := as(&b, c); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRecordedCases(t *testing.T) {
	for _, name := range recorded {
		t.Run(name, func(t *testing.T) {
			text := recording(t, name)
			c := readCase(t, text)
			t.Run("text", func(t *testing.T) { golden.RequireEqual(t, write(t, report.Text, c)) })
			t.Run("markdown", func(t *testing.T) { golden.RequireEqual(t, write(t, report.Markdown, c)) })
			if got := write(t, report.JSON, c); got != text {
				t.Errorf("marshals to something else than what it was read from:\n%s", got)
			}
		})
	}
}

func TestMadeCases(t *testing.T) {
	for name, build := range made {
		t.Run(name, func(t *testing.T) {
			for as, form := range forms {
				if as != "html" { // whose tests look at its structure: a style is a matter of taste
					t.Run(as, func(t *testing.T) { golden.RequireEqual(t, write(t, form, build())) })
				}
			}
		})
	}
}

// A case that was saved says the same as when it was found out.
func TestReadBackTheSame(t *testing.T) {
	for name, build := range made {
		c := build()
		again := readCase(t, write(t, report.JSON, c))
		for as, form := range forms {
			if live, saved := write(t, form, c), write(t, form, again); live != saved {
				t.Errorf("%s as %s: live\n%s\nread back\n%s", name, as, live, saved)
			}
		}
	}
}

// A writer that fails, such as a full disk, is no success.
func TestWritingFails(t *testing.T) {
	reader, writer := io.Pipe()
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	for as, form := range forms {
		if err := form(writer, madeTriage()); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: got %v, want %v", as, err, io.ErrClosedPipe)
		}
	}
}
