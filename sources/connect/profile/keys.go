package profile

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/prometheus/common/config"
)

// field is one key that a type of the configuration takes.
type field struct {
	name string
	doc  string
	kind reflect.Type
}

// fields are the keys of a struct, in order, with those of what it takes in.
func fields(t reflect.Type) []field {
	var all []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
		case strings.Contains(options, "inline") && bare(f.Type).Kind() == reflect.Struct:
			all = append(all, fields(bare(f.Type))...)
		case strings.Contains(options, "inline"): // a map, whose keys are free
		case name != "":
			all = append(all, field{name: name, doc: f.Tag.Get("doc"), kind: bare(f.Type)})
		}
	}
	return all
}

// free is the type of values under keys of any name, nil where there are none such.
func free(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Map {
		return bare(t.Elem())
	}
	for i := range t.NumField() {
		if f := t.Field(i); strings.Contains(f.Tag.Get("yaml"), ",inline") && f.Type.Kind() == reflect.Map {
			return bare(f.Type.Elem())
		}
	}
	return nil
}

func bare(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// shape is what a value looks like in YAML.
type shape string

const (
	text    shape = "a text"
	whole   shape = "a whole number"
	yesNo   shape = "true or false"
	list    shape = "a list"
	keys    shape = "keys with values"
	command shape = "a command: a text, or a list of arguments"
	any_    shape = "anything"
)

var (
	urlType     = reflect.TypeFor[config.URL]()
	commandType = reflect.TypeFor[Command]()
	secretType  = reflect.TypeFor[config.Secret]()
	versionType = reflect.TypeFor[config.TLSVersion]()
)

func shapeOf(t reflect.Type) shape {
	switch t {
	case urlType, versionType:
		return text
	case commandType:
		return command
	}
	switch t.Kind() {
	case reflect.String:
		return text
	case reflect.Bool:
		return yesNo
	case reflect.Int, reflect.Int64, reflect.Uint16:
		return whole
	case reflect.Slice:
		return list
	case reflect.Map, reflect.Struct:
		return keys
	}
	return any_
}

// tlsVersions are the values that a version of TLS can have, in order.
func tlsVersions() []string { return slices.Sorted(maps.Keys(config.TLSVersions)) }

// Nearest is the candidate that a misspelt word is likely to mean: at most a third of it
// differs. It is empty where none is that near.
func Nearest(word string, candidates []string) string {
	best, least := "", len([]rune(word))/3+1
	for _, candidate := range candidates {
		if d := distance(word, candidate); d < least || (d == least && best == "") {
			best, least = candidate, d
		}
	}
	return best
}

// distance is how many letters have to be changed, added, removed or swapped with the next
// one to make b of a (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(strings.ToLower(a)), []rune(strings.ToLower(b))
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range y {
		rows[0][j+1] = j + 1
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			change := 1
			if x[i-1] == y[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}

// Key is a key of a profile, as obs config set takes it.
type Key struct{ Path, Doc string }

// Keys are the keys of a profile that are obs's own, in order. Those below http_config and
// sigv4 are in their own documentation, and the names under maps are the team's.
func Keys() []Key {
	var all []Key
	var below func(reflect.Type, string)
	below = func(t reflect.Type, path string) {
		for _, f := range fields(t) {
			if shapeOf(f.kind) == keys && f.kind.Kind() == reflect.Struct && f.kind.PkgPath() == t.PkgPath() {
				below(f.kind, path+f.name+".")
				continue
			}
			all = append(all, Key{path + f.name, f.doc})
		}
	}
	below(reflect.TypeFor[Profile](), "")
	return all
}
