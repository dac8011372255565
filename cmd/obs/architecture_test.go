package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// room is which imports the packages of a path have. A path or an import that ends in
// /... stands for all below it too.
type room struct {
	path  string
	may   []string // packages of this module; no others
	never []string // packages of other modules and of Go
	// timeless packages do not look at a clock, nor wait.
	timeless bool
}

var network = []string{"net/..."}

// rooms hold the rules between packages: the first whose path fits a package is its own.
// cmd -> tui -> correlate -> sources, and sources/X -> sources.
var rooms = []room{
	{path: "obs/cmd/...", may: []string{"obs/..."}},
	{path: "obs/tui/...", may: []string{"obs/tui/...", "obs/correlate/...", "obs/sources"}, never: network},
	{path: "obs/correlate", may: []string{"obs/correlate/...", "obs/sources", "obs/sources/redact"}, never: network},
	{path: "obs/correlate/report", may: []string{"obs/correlate/...", "obs/sources"}, never: network, timeless: true},
	// It asks, as the walk does, and is told the time.
	{path: "obs/correlate/doctor", may: []string{"obs/correlate/...", "obs/sources", "obs/sources/redact"}, never: network, timeless: true},
	// It reads links, and follows none.
	{
		path: "obs/correlate/ident", may: []string{"obs/sources", "obs/sources/redact"}, timeless: true,
		never: []string{"context", "crypto/rand", "log/...", "math/rand/...", "net", "net/http/...", "os/...", "syscall"},
	},
	// Arithmetic over values: nothing but the arguments decides what comes out.
	{
		path: "obs/correlate/...", may: []string{"obs/correlate/...", "obs/sources"}, timeless: true,
		never: []string{"obs/correlate", "context", "crypto/rand", "log/...", "math/rand/...", "net/...", "os/...", "syscall"},
	},
	// What is published of the answers. Tests read it, and the program does not.
	{path: "obs/docs/schema", may: []string{"obs/correlate/...", "obs/sources", "obs/sources/connect"}, never: network, timeless: true},
	{path: "obs/sources", never: network},
	{path: "obs/sources/connect", may: []string{"obs/sources/..."}},
	// It knows what looks like a secret, and nothing else.
	{path: "obs/sources/redact", never: append([]string{"context", "os/..."}, network...), timeless: true},
	// A recording tells how its backends were connected.
	{path: "obs/sources/recording", may: []string{"obs/sources", "obs/sources/connect", "obs/sources/redact", "obs/sources/transport"}},
	// The stand-in stands behind HTTP like any backend: it shares the signal types with
	// the clients, and nothing else.
	{path: "obs/sources/sandbox/shop", may: []string{"obs/sources"}, never: network},
	// The loader writes to real backends, and reads back as obs reads.
	{path: "obs/sources/sandbox/loader", may: []string{"obs/sources/..."}},
	{path: "obs/sources/sandbox/...", may: []string{"obs/sources", "obs/sources/sandbox/..."}},
	// What backends share of their wire formats is read, and not asked for.
	{path: "obs/sources/otlp", may: []string{"obs/sources"}, never: network},
	{path: "obs/sources/...", may: []string{"obs/sources", "obs/sources/transport", "obs/sources/otlp"}},
}

// clock is what of package time looks at one, or waits.
var clock = []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTicker", "NewTimer", "Sleep", "Tick"}

func fits(pattern, name string) bool {
	below, all := strings.CutSuffix(pattern, "/...")
	return name == below || (all && strings.HasPrefix(name, below+"/"))
}

func fitsAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return fits(p, name) })
}

func TestImportsBetweenRooms(t *testing.T) {
	seen := map[string]bool{}
	for name, files := range packages(t) {
		at := slices.IndexFunc(rooms, func(r room) bool { return fits(r.path, name) })
		if at < 0 {
			t.Errorf("%s is in no room: say what it may import", name)
			continue
		}
		own := rooms[at]
		seen[own.path] = true
		for _, file := range files {
			for _, imported := range imports(t, file) {
				if fitsAny(own.never, imported) || (fits("obs/...", imported) && !fitsAny(own.may, imported)) {
					t.Errorf("%s imports %s, which the rules for %s do not allow", name, imported, own.path)
				}
			}
			for _, call := range clockUses(file) {
				if own.timeless {
					t.Errorf("%s uses time.%s: its results must not depend on a clock", name, call)
				}
			}
		}
	}
	for _, r := range rooms {
		if !seen[r.path] {
			t.Errorf("no package fits %s", r.path)
		}
	}
}

// packages are the files of each package of the module, without tests and what lies in
// testdata.
func packages(t *testing.T) map[string][]*ast.File {
	t.Helper()
	const root = "../.."
	found := map[string][]*ast.File{}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && file != root && (name == "testdata" || strings.HasPrefix(name, ".")) {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, filepath.Dir(file))
		key := path.Join("obs", filepath.ToSlash(below))
		found[key] = append(found[key], parsed)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func imports(t *testing.T, file *ast.File) []string {
	t.Helper()
	var paths []string
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, imported)
	}
	return paths
}

// clockUses are the names in clock that a file takes from package time.
func clockUses(file *ast.File) []string {
	var used []string
	ast.Inspect(file, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if from, ok := selector.X.(*ast.Ident); ok && from.Name == "time" && slices.Contains(clock, selector.Sel.Name) {
			used = append(used, selector.Sel.Name)
		}
		return true
	})
	return used
}

// TestBinaryLinksNothingBanned looks at all packages that the program is built of: none
// under a licence that would bind it, which Loki's own has but for its push format, and
// none that only tests want.
func TestBinaryLinksNothingBanned(t *testing.T) {
	banned := []string{
		"github.com/grafana/loki/...", "github.com/grafana/tempo/...", "github.com/grafana/mimir/...", "github.com/grafana/grafana/...",
		"testing/...", "net/http/httptest", "github.com/rogpeppe/go-internal/...", "github.com/stretchr/testify/...",
		"go.uber.org/goleak/...", "pgregory.net/rapid/...", "github.com/santhosh-tekuri/jsonschema/...", "obs/docs/...", "github.com/prometheus/prometheus/util/teststorage",
	}
	allowed := []string{"github.com/grafana/loki/pkg/push"}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	linked := strings.Fields(string(out))
	if !slices.Contains(linked, "obs/sources/loki") {
		t.Fatalf("this is no list of packages:\n%s", out)
	}
	for _, name := range linked {
		if fitsAny(banned, name) && !fitsAny(allowed, name) {
			t.Errorf("the program links %s", name)
		}
	}
}
