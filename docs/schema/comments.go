package schema

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// comments are what the source of a module says of its types.
type comments struct {
	root     string
	packages map[string]*source // by path of import
}

// source is what one package says.
type source struct {
	types  map[string]string   // by name
	fields map[string]string   // by Type.Field
	values map[string][]string // constants of a type, in the order of the source
}

// of reads a package, whose path begins with the module's name.
func (c *comments) of(path string) (*source, error) {
	if known := c.packages[path]; known != nil {
		return known, nil
	}
	_, below, _ := strings.Cut(path, "/")
	files, err := filepath.Glob(filepath.Join(c.root, filepath.FromSlash(below), "*.go"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no source of %s is in %s", path, c.root)
	}
	s := &source{types: map[string]string{}, fields: map[string]string{}, values: map[string][]string{}}
	for _, name := range files { // in the order of their names
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, declared := range file.Decls {
			if general, ok := declared.(*ast.GenDecl); ok {
				s.read(general)
			}
		}
	}
	c.packages[path] = s
	return s, nil
}

func (s *source) read(general *ast.GenDecl) {
	for _, spec := range general.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			doc := spec.Doc
			if doc == nil {
				doc = general.Doc
			}
			keys := map[string]string{}
			if fields, ok := spec.Type.(*ast.StructType); ok {
				keys = keysOf(fields)
				s.readFields(spec.Name.Name, fields, keys)
			}
			s.types[spec.Name.Name] = inJSON(words(doc), keys)
		case *ast.ValueSpec:
			of, ok := spec.Type.(*ast.Ident)
			if general.Tok != token.CONST || !ok {
				continue
			}
			for _, value := range spec.Values {
				if literal, ok := value.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					text, _ := strconv.Unquote(literal.Value) // it was parsed
					s.values[of.Name] = append(s.values[of.Name], text)
				}
			}
		}
	}
}

// readFields reads what is said of fields, above them and behind them.
func (s *source) readFields(name string, fields *ast.StructType, keys map[string]string) {
	for _, f := range fields.Fields.List {
		text := inJSON(strings.TrimSpace(words(f.Doc)+" "+words(f.Comment)), keys)
		for _, ident := range f.Names {
			s.fields[name+"."+ident.Name] = text
		}
	}
}

// keysOf are the names in JSON of a type's fields.
func keysOf(fields *ast.StructType) map[string]string {
	keys := map[string]string{}
	for _, f := range fields.Fields.List {
		if f.Tag == nil {
			continue
		}
		tag, _ := strconv.Unquote(f.Tag.Value) // it was parsed
		key, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		for _, ident := range f.Names {
			keys[ident.Name] = key
		}
	}
	return keys
}

// inJSON puts a comment on Go into the words of those who read JSON: its fields are keys, and
// what is nil is absent.
func inJSON(text string, keys map[string]string) string {
	return named.ReplaceAllStringFunc(text, func(word string) string {
		switch key := keys[word]; {
		case word == "nil":
			return "absent"
		case word == "Nil":
			return "Absent"
		case key == "" || word == strings.ToUpper(word): // ID is a word too
			return word
		default:
			return key
		}
	})
}

// named are the words that may have to be put otherwise.
var named = regexp.MustCompile(`\bnil\b|\b[A-Z]\w*\b`)

// words are a comment in one line.
func words(group *ast.CommentGroup) string { return strings.Join(strings.Fields(group.Text()), " ") }
