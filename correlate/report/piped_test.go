package report_test

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/charmbracelet/x/exp/golden"

	"obs/correlate"
	"obs/correlate/doctor"
	"obs/correlate/report"
)

// pipedTables are the tables for programs, of values that are made or filled with a text.
var pipedTables = map[string]struct {
	made   func(io.Writer) error
	filled func(w io.Writer, with string) error
}{
	"services": {
		func(w io.Writer) error { return report.ServicesPiped(w, madeServices()) },
		func(w io.Writer, with string) error {
			return report.ServicesPiped(w, filled[correlate.ServiceTable](with))
		},
	},
	"alerts": {
		func(w io.Writer) error { return report.AlertsPiped(w, madeAlerts()) },
		func(w io.Writer, with string) error { return report.AlertsPiped(w, filled[correlate.AlertList](with)) },
	},
	"patterns": {
		func(w io.Writer) error { return report.PatternsPiped(w, madeLogs()) },
		func(w io.Writer, with string) error { return report.PatternsPiped(w, filled[correlate.LogView](with)) },
	},
	"doctor": {
		func(w io.Writer) error { return report.DoctorPiped(w, madeReport()) },
		func(w io.Writer, with string) error { return report.DoctorPiped(w, filled[doctor.Report](with)) },
	},
}

func filled[T any](with string) *T {
	value := new(T)
	fill(reflect.ValueOf(value).Elem(), "", with)
	return value
}

// madeReport is an examination of two services, one of a name that fits no column.
func madeReport() *doctor.Report {
	ok, broken := doctor.Hop{Grade: doctor.OK}, doctor.Hop{Grade: doctor.Broken}
	return &doctor.Report{
		Schema: doctor.Schema, Grade: doctor.Broken, Window: window(-30*time.Minute, 0),
		Services: []doctor.Service{
			{Name: "checkout-for-a-region-with-a-long-name", Grade: doctor.Broken, Hops: doctor.Hops{Metric: ok, MetricToTrace: broken, TraceToRecords: ok, RecordToTrace: ok, Names: ok, Errors: doctor.Hop{Grade: doctor.Unknown}}},
			{Name: "cart", Grade: doctor.OK, Hops: doctor.Hops{Metric: ok, MetricToTrace: ok, TraceToRecords: ok, RecordToTrace: ok, Names: ok, Errors: ok}},
		},
		Findings: []doctor.Finding{{ID: "f1", Kind: doctor.KindNoExemplars, Grade: doctor.Broken, Statement: "no exemplars"}},
	}
}

func TestPipedTables(t *testing.T) {
	for name, table := range pipedTables {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := table.made(&b); err != nil {
				t.Fatal(err)
			}
			golden.RequireEqual(t, b.String())
		})
	}
}

// Whatever the backends say, each row has the columns of the first, and nothing in it acts.
func TestPipedTablesAreRows(t *testing.T) {
	for name, table := range pipedTables {
		for what, payload := range hostile {
			var b strings.Builder
			if err := table.filled(&b, payload+"\t\n\x1b[31m"); err != nil {
				t.Fatal(err)
			}
			columns := 0
			for line := range strings.Lines(b.String()) {
				cells := strings.Count(line, "\t")
				if cells == 0 && name == "doctor" {
					continue // what stands around its matrix
				}
				if columns == 0 {
					columns = cells
				}
				if cells != columns {
					t.Errorf("%s with %s: %d tabs, and %d in the first line: %q", name, what, cells, columns, line)
				}
			}
			if columns < 5 {
				t.Errorf("%s with %s has %d tabs in a line", name, what, columns)
			}
			for _, r := range b.String() {
				if r != '\n' && r != '\t' && r != '\u200d' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) {
					t.Errorf("%s with %s: %U is written as it is", name, what, r)
				}
			}
		}
	}
}

func TestWritingPipedTablesFails(t *testing.T) {
	reader, writer := io.Pipe()
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	for name, table := range pipedTables {
		if err := table.made(writer); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
