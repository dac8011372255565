package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const someSource = `package p

const second = 1000 // a duration

const (
	// whole is odd.
	whole = 3
	part  = 0.75
	wait  = 10 * second
	word  = "none"
)

type limit struct {
	Ratio, Delta float64
	Up           bool
}

var limits = map[string]limit{
	"slow": {Ratio: 1.5, Delta: 0.01, Up: true},
	"gone": {Ratio: 2},
}

var one = limit{Ratio: 3, Up: true}
`

// turnedSource writes someSource with all numbers of the given names turned, type-checks the
// copy and returns it. What it was made of is unchanged.
func turnedSource(t *testing.T, how turn, of ...judgement) (*types.Package, string) {
	t.Helper()
	root := write(t, map[string]string{"p.go": someSource, "p_test.go": "package p\n\nconst whole = 99\n"})
	numbers, err := findAll(root, of)
	if err != nil {
		t.Fatal(err)
	}
	file, err := overlay(t.TempDir(), numbers, how)
	if err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var told struct{ Replace map[string]string }
	if err := json.Unmarshal(body, &told); err != nil {
		t.Fatal(err)
	}
	original := filepath.Join(root, "p.go")
	if len(told.Replace) != 1 || told.Replace[original] == "" {
		t.Fatalf("the overlay replaces %v", told.Replace)
	}
	if kept, err := os.ReadFile(original); err != nil || string(kept) != someSource {
		t.Errorf("the source was touched: %v\n%s", err, kept)
	}
	text, err := os.ReadFile(told.Replace[original])
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, "p.go", text, 0)
	if err != nil {
		t.Fatal(err)
	}
	checked, err := new(types.Config).Check("p", files, []*ast.File{parsed}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return checked, string(text)
}

func TestConstantsAreTurned(t *testing.T) {
	for _, test := range []struct {
		of   judgement
		how  turn
		want float64
	}{
		{judgement{name: "whole"}, halved, 2}, // up
		{judgement{name: "whole"}, doubled, 6},
		{judgement{name: "part"}, halved, 0.375},
		{judgement{name: "part"}, doubled, 1.5},
		{judgement{name: "part", share: true}, doubled, 1},
		{judgement{name: "part", off: true}, off, 0},
		{judgement{name: "wait"}, halved, 5000},
		{judgement{name: "wait"}, doubled, 20000},
	} {
		t.Run(fmt.Sprint(test.of.name, " ", test.how), func(t *testing.T) {
			p, text := turnedSource(t, test.how, test.of)
			got, _ := constant.Float64Val(constant.ToFloat(p.Scope().Lookup(test.of.name).(*types.Const).Val()))
			if got != test.want {
				t.Errorf("%v, want %v in\n%s", got, test.want, text)
			}
		})
	}
}

// Each number of a literal is one of its own, and only that one is turned.
func TestNumbersOfALiteral(t *testing.T) {
	root := write(t, map[string]string{"p.go": someSource})
	numbers, err := findAll(root, []judgement{{pkg: ".", name: "limits"}, {pkg: ".", name: "one"}})
	if err != nil {
		t.Fatal(err)
	}
	var titles []string
	for i := range numbers {
		titles = append(titles, numbers[i].title()+"="+numbers[i].written)
	}
	want := `..limits["slow"].Ratio=1.5 ..limits["slow"].Delta=0.01 ..limits["gone"].Ratio=2 ..one.Ratio=3`
	if got := strings.Join(titles, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for name, count := range map[string]int{"limits": 3, `limits["slow"].Delta`: 1} {
		if some, err := only(numbers, []string{name}); err != nil || len(some) != count {
			t.Errorf("--only %s: %v, %v", name, some, err)
		}
	}
	if _, err := only(numbers, []string{"none"}); err == nil {
		t.Error("a name that no number has is taken")
	}
	_, text := turnedSource(t, doubled, judgement{name: "limits"}, judgement{name: "part"})
	for _, want := range []string{`"slow": {Ratio: 2 * (1.5), Delta: 2 * (0.01), Up: true}`, `"gone": {Ratio: 2 * (2)}`, "part  = 2 * (0.75)", "whole = 3\n", "limit{Ratio: 3, Up: true}"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
}

func TestAListThatDoesNotFitTheSource(t *testing.T) {
	root := write(t, map[string]string{"p.go": someSource})
	for _, test := range []struct{ name, want string }{
		{"hole", "declares no hole"},
		{"word", "is no number"},
	} {
		if _, err := findAll(root, []judgement{{pkg: ".", name: "whole"}, {pkg: ".", name: test.name}}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

// Every number of the list is in the source, and triage compiles with all of them turned.
func TestJudgementsCompileTurned(t *testing.T) {
	root, err := moduleRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	numbers, err := findAll(root, judgements)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i := range numbers {
		if title := numbers[i].title(); seen[title] {
			t.Errorf("%s is listed twice", title)
		} else {
			seen[title] = true
		}
	}
	for _, how := range []turn{halved, doubled} {
		if err := compile(t.Context(), root, t.TempDir(), numbers, how, "./correlate/..."); err != nil {
			t.Errorf("%s: %v", how, err)
		}
	}
}

func TestSensitivityTable(t *testing.T) {
	a := &number{judgement: judgement{pkg: "correlate", name: "weights"}, entry: "[byGap].weight", written: "0.6"}
	b := &number{judgement: judgement{pkg: "correlate", name: "full"}, written: "0.9"}
	asIs := &marks{top: [3]float64{100, 100, 100}, right: 11, demo: 11}
	worse := &marks{top: [3]float64{87.5, 100, 100}, right: 10, demo: 11, failed: 1}
	got := sensitivityTable(asIs, []variant{{a, halved}, {a, doubled}, {a, off}, {b, halved}, {b, doubled}}, []*marks{worse, asIs, asIs, asIs, asIs})
	want := "" +
		"   NUMBER                          VALUE  HALVED                       AS IS              DOUBLED            OFF\n" +
		"*  correlate.weights[byGap].weight  0.6    88 100 100 10/11 (1 failed)  100 100 100 11/11  100 100 100 11/11  100 100 100 11/11\n" +
		"   correlate.full                   0.9    100 100 100 11/11            100 100 100 11/11  100 100 100 11/11  -\n" +
		"1 of 2 numbers, marked with a star, move anything\n"
	if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
