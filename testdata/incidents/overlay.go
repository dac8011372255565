package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// number is one of those in the source: where its expression stands in which file.
type number struct {
	judgement
	path       string // of the file
	begin, end int    // bytes of the expression
	written    string // the expression
	entry      string // within a composite literal, such as [byPath].weight
}

// title is how a number is called in the table.
func (n *number) title() string {
	return n.pkg + "." + n.name + n.entry
}

// turn is what is done to a number.
type turn int

// The turns.
const (
	halved turn = iota
	doubled
	off
)

// turned is the number after it: half of a whole number is rounded up, and twice a share is
// one at most.
func (n *number) turned(how turn) string {
	switch {
	case how == off:
		return "0 * (" + n.written + ")"
	case how == doubled && n.share:
		return "min(1, 2 * (" + n.written + "))"
	case how == doubled:
		return "2 * (" + n.written + ")"
	}
	if whole, err := strconv.Atoi(n.written); err == nil {
		return strconv.Itoa((whole + 1) / 2)
	}
	return "(" + n.written + ") / 2"
}

// findAll finds the numbers of all judgements below the root of the module.
func findAll(root string, all []judgement) ([]number, error) {
	var found []number
	for _, j := range all {
		some, err := find(root, j)
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
	}
	return found, nil
}

// find looks for a judgement among what its package declares.
func find(root string, j judgement) ([]number, error) {
	paths, err := filepath.Glob(filepath.Join(root, j.pkg, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		value := declared(file, j.name)
		if value == nil {
			continue
		}
		f := finder{files: files, text: text, of: number{judgement: j, path: path}}
		f.numbers(value, "")
		if len(f.found) == 0 {
			return nil, fmt.Errorf("%s: %s is no number and holds none", path, j.name)
		}
		return f.found, nil
	}
	return nil, fmt.Errorf("%s declares no %s: has it another name by now? the list is in judgements.go", j.pkg, j.name)
}

// declared is the value that a file gives to a constant or variable of its package.
func declared(file *ast.File, name string) ast.Expr {
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || (group.Tok != token.CONST && group.Tok != token.VAR) {
			continue
		}
		for _, spec := range group.Specs {
			one := spec.(*ast.ValueSpec)
			for i, ident := range one.Names {
				if ident.Name == name && i < len(one.Values) {
					return one.Values[i]
				}
			}
		}
	}
	return nil
}

// finder collects the numbers of one declaration.
type finder struct {
	files *token.FileSet
	text  []byte
	of    number
	found []number
}

// numbers notes an expression that is a number, or those in a composite literal.
func (f *finder) numbers(value ast.Expr, entry string) {
	switch v := value.(type) {
	case *ast.CompositeLit:
		_, isMap := v.Type.(*ast.MapType)
		for _, element := range v.Elts {
			pair, ok := element.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			key := f.source(pair.Key)
			if isMap {
				f.numbers(pair.Value, entry+"["+key+"]")
			} else if !isWord(pair.Value) {
				f.numbers(pair.Value, entry+"."+key)
			}
		}
	case *ast.BasicLit:
		if v.Kind == token.INT || v.Kind == token.FLOAT {
			f.note(value, entry)
		}
	case *ast.BinaryExpr, *ast.SelectorExpr, *ast.ParenExpr:
		f.note(value, entry) // such as 10 * time.Minute
	}
}

// isWord reports whether a value is a name, such as true.
func isWord(value ast.Expr) bool {
	_, is := value.(*ast.Ident)
	return is
}

func (f *finder) note(value ast.Expr, entry string) {
	n := f.of
	n.begin, n.end = f.offset(value.Pos()), f.offset(value.End())
	n.written, n.entry = f.source(value), entry
	f.found = append(f.found, n)
}

func (f *finder) source(node ast.Node) string {
	return string(f.text[f.offset(node.Pos()):f.offset(node.End())])
}

func (f *finder) offset(at token.Pos) int { return f.files.Position(at).Offset }

// overlay writes copies of the files with the numbers turned into a folder, and beside them
// what tells `go build -overlay` to take them instead. It returns that file's path.
func overlay(folder string, all []number, how turn) (string, error) {
	byPath := map[string][]number{}
	for _, n := range all {
		byPath[n.path] = append(byPath[n.path], n)
	}
	replace := map[string]string{}
	for i, path := range slices.Sorted(maps.Keys(byPath)) {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		some := byPath[path]
		slices.SortFunc(some, func(a, b number) int { return b.begin - a.begin }) // from the end, so that offsets hold
		for _, n := range some {
			if string(text[n.begin:n.end]) != n.written {
				return "", fmt.Errorf("%s was written to while it was read", path)
			}
			text = slices.Concat(text[:n.begin], []byte(n.turned(how)), text[n.end:])
		}
		whole, err := filepath.Abs(path)
		if err != nil {
			return "", err
		}
		instead := filepath.Join(folder, fmt.Sprintf("%d-%s", i, filepath.Base(path)))
		if err := os.WriteFile(instead, text, 0o600); err != nil {
			return "", err
		}
		replace[whole] = instead
	}
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(map[string]any{"Replace": replace}); err != nil {
		return "", err
	}
	file := filepath.Join(folder, "overlay.json")
	return file, os.WriteFile(file, body.Bytes(), 0o600)
}
