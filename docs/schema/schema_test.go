package schema

import (
	"bytes"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	update  = flag.Bool("update", false, "rewrite the schemas")
	publish = flag.Bool("publish", false, "keep the schemas as published, if they break nothing")
)

const root = "../.."

// published holds the schemas as they were last published.
const published = "published"

func TestSchemasAreCurrent(t *testing.T) {
	wanted := map[string]bool{}
	for _, o := range Outputs {
		want, err := o.Schema(root)
		if err != nil {
			t.Fatal(err)
		}
		name := File(o.ID)
		wanted[name] = true
		if *update {
			if err := os.WriteFile(name, want, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the types say (%v); make schema writes it", name, err)
		}
		if _, err := compile(want); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	files, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if !wanted[name] {
			t.Errorf("%s is of no form in Outputs", name)
		}
	}
}

// What was published is still true. That holds for all that was published before too, since each was
// held against the one before.
func TestSchemasBreakNothing(t *testing.T) {
	for _, o := range Outputs {
		later, err := o.Schema(root)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(published, File(o.ID))
		earlier, err := os.ReadFile(path)
		if err == nil {
			breaks, err := Breaks(earlier, later)
			if err != nil {
				t.Error(err)
			}
			for _, b := range breaks {
				t.Errorf("%s: %s", o.ID, b)
			}
		} else if !os.IsNotExist(err) { // a form that was not published yet
			t.Error(err)
		}
		if *publish && !t.Failed() {
			if err := os.WriteFile(path, later, 0o600); err != nil {
				t.Error(err)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(published, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d schemas are published: %v", len(files), err)
	}
	for _, path := range files {
		if !slices.ContainsFunc(Outputs, func(o Output) bool { return File(o.ID) == filepath.Base(path) }) {
			t.Errorf("%s was published, and is of no form in Outputs", path)
		}
	}
}

// Every form that an exported constant names is published, but for the configuration file,
// which has a schema of its own. What is not exported names files that obs keeps for itself.
func TestEveryFormIsPublished(t *testing.T) {
	isForm := regexp.MustCompile(`^obs\.[a-z_]+/v\d+$`)
	found := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (name == "testdata" || strings.HasPrefix(name, ".")):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for i, value := range spec.Values {
				literal, ok := value.(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING || !spec.Names[i].IsExported() {
					continue
				}
				id, _ := strconv.Unquote(literal.Value) // it was parsed
				if !isForm.MatchString(id) || id == "obs.config/v1" {
					continue
				}
				found++
				if !slices.ContainsFunc(Outputs, func(o Output) bool { return o.ID == id }) {
					t.Errorf("%s of %s has no line in Outputs", id, path)
				}
			}
			return true
		})
		return nil
	})
	if err != nil || found == 0 {
		t.Fatalf("%d forms: %v", found, err)
	}
}

func TestValidateFindsWhatIsWrong(t *testing.T) {
	const window = `"window":{"from":"2026-11-21T12:00:00Z","to":"2026-11-21T12:30:00Z"}`
	logs := func(records string) string {
		return `{"schema":"obs.logs/v1",` + window + `,"query":"","records":` + records + `,"patterns":[],"missing":[],"queries":[],"later":1}`
	}
	const line = `{"time":"2026-11-21T12:00:00Z","line":"paid","join":"trace_id"}`
	for _, test := range []struct{ name, id, text, wrong string }{
		{"a view", "obs.logs/v1", logs("[]"), ""},
		{"a view with a record", "obs.logs/v1", logs("[" + line + "]"), ""},
		{"a list that is null", "obs.logs/v1", logs("null"), "/records"},
		{"another type", "obs.logs/v1", logs(`[{"time":"2026-11-21T12:00:00Z","line":1,"join":""}]`), "/records/0/line"},
		{"no time", "obs.logs/v1", logs(`[{"time":"noon","line":"","join":""}]`), "/records/0/time"},
		{"a key is missing", "obs.logs/v1", logs(`[{"time":"2026-11-21T12:00:00Z","join":""}]`), "line"},
		{"another form", "obs.logs/v1", strings.Replace(logs("[]"), "logs/v1", "logs/v2", 1), "/schema"},
		{"a stream", "obs.record/v1", line + "\n" + line + "\n", ""},
		{"a stream that ends within a line", "obs.record/v1", line + "\n{", "value 2"},
		{"nothing", "obs.record/v1", "", "value 1"},
		{"a form that there is not", "obs.none/v1", "{}", "no schema"},
	} {
		err := Validate(test.id, strings.NewReader(test.text))
		switch {
		case test.wrong == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)):
			t.Errorf("%s: got %v, want %q in it", test.name, err, test.wrong)
		}
	}
}
