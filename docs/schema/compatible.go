package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Breaks are what a later schema of a form takes from those who rely on the earlier one, one
// sentence each; none where it is a compatible successor. README.md has the rules.
func Breaks(earlier, later []byte) ([]string, error) {
	c := comparison{seen: map[[2]string]bool{}}
	for i, text := range [][]byte{earlier, later} {
		if err := json.Unmarshal(text, &c.root[i]); err != nil {
			return nil, err
		}
	}
	c.compare("", c.root[0], c.root[1])
	return c.breaks, nil
}

// comparison is that of two documents.
type comparison struct {
	root   [2]map[string]any
	seen   map[[2]string]bool // pairs of definitions, which may hold themselves
	breaks []string
}

func (c *comparison) add(at, format string, args ...any) {
	if at == "" {
		at = "the object itself"
	}
	c.breaks = append(c.breaks, at+": "+fmt.Sprintf(format, args...))
}

// compare holds a part of the earlier schema against that of the later one at the same place.
func (c *comparison) compare(at string, earlier, later map[string]any) {
	a, refA := c.resolve(0, earlier)
	b, refB := c.resolve(1, later)
	if refA != "" && refB != "" {
		if c.seen[[2]string{refA, refB}] {
			return
		}
		c.seen[[2]string{refA, refB}] = true
	}
	for _, kind := range types(b) {
		if !slices.Contains(types(a), kind) {
			c.add(at, "may be %s, which it was not", kind)
		}
	}
	if len(types(a)) > 0 && len(types(b)) == 0 {
		c.add(at, "may be anything, and was %s", strings.Join(types(a), " or "))
	}
	if a["const"] != nil && a["const"] != b["const"] {
		c.add(at, "was always %v", a["const"])
	}
	if a["format"] != nil && a["format"] != b["format"] {
		c.add(at, "was a %v", a["format"])
	}
	c.values(at, a, b)
	for _, name := range texts(a["required"]) {
		if !slices.Contains(texts(b["required"]), name) {
			c.add(join(at, name), "was always there")
		}
	}
	was, is := object(a["properties"]), object(b["properties"])
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if is[name] == nil {
			c.add(join(at, name), "is gone")
			continue
		}
		c.compare(join(at, name), object(was[name]), object(is[name]))
	}
	if a["items"] != nil {
		c.compare(at+"[]", object(a["items"]), object(b["items"]))
	}
	if a["additionalProperties"] != nil {
		c.compare(join(at, "*"), object(a["additionalProperties"]), object(b["additionalProperties"]))
	}
}

// values holds lists of values against each other. One that was open may be closed.
func (c *comparison) values(at string, a, b map[string]any) {
	was, closed := a["enum"].([]any)
	if !closed {
		return
	}
	is, still := b["enum"].([]any)
	if !still {
		c.add(at, "may have any value, and had one of %v", was)
		return
	}
	for _, value := range is {
		if !slices.ContainsFunc(was, func(v any) bool { return reflect.DeepEqual(v, value) }) {
			c.add(at, "may be %v, which it was not", value)
		}
	}
	for _, value := range was {
		if !slices.ContainsFunc(is, func(v any) bool { return reflect.DeepEqual(v, value) }) {
			c.add(at, "is never %v any more", value)
		}
	}
}

// resolve follows a reference, whose name it returns too.
func (c *comparison) resolve(of int, s map[string]any) (map[string]any, string) {
	reference, ok := s["$ref"].(string)
	if !ok {
		return s, ""
	}
	name := strings.TrimPrefix(reference, "#/$defs/")
	return object(object(c.root[of]["$defs"])[name]), name
}

// types are the types that a schema names.
func types(s map[string]any) []string {
	if one, ok := s["type"].(string); ok {
		return []string{one}
	}
	return texts(s["type"])
}

func texts(list any) (all []string) {
	for _, item := range asList(list) {
		if text, ok := item.(string); ok {
			all = append(all, text)
		}
	}
	return all
}

func asList(value any) []any {
	list, _ := value.([]any)
	return list
}

func object(value any) map[string]any {
	o, _ := value.(map[string]any)
	return o
}

func join(at, name string) string { return strings.TrimPrefix(at+"."+name, ".") }
