package schema

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// dialect is the JSON Schema that the files are written in.
const dialect = "https://json-schema.org/draft/2020-12/schema"

// Schema is the JSON Schema of a form, from its types and their comments in the source of
// the module at root. A type that has no form of its own in JSON is an error, as is a field
// without a name.
func (o Output) Schema(root string) ([]byte, error) {
	w := &writer{comments: comments{root: root, packages: map[string]*source{}}, defs: map[string]any{}, names: map[reflect.Type]string{}}
	top, err := w.object(o.Type)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.ID, err)
	}
	top["$schema"], top["title"] = dialect, o.ID
	top["description"] = strings.TrimSpace(o.Summary + " " + fmt.Sprint(top["description"]))
	if _, says := o.Type.FieldByName("Schema"); says {
		top["properties"].(map[string]any)["schema"] = map[string]any{"const": o.ID}
	}
	if len(w.defs) > 0 {
		top["$defs"] = w.defs
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err = encoder.Encode(top)
	return []byte(text.String()), err
}

// writer makes the schema of one form.
type writer struct {
	comments comments
	defs     map[string]any
	names    map[reflect.Type]string // of the definitions
}

// of is the schema of what stands where a value of the type is.
func (w *writer) of(t reflect.Type) (map[string]any, error) {
	if t == reflect.TypeFor[time.Time]() {
		return map[string]any{"type": "string", "format": "date-time"}, nil
	}
	for _, own := range []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()} {
		if t.Implements(own) || reflect.PointerTo(t).Implements(own) {
			return nil, fmt.Errorf("%s writes itself: say here what", t)
		}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return w.of(t.Elem())
	case reflect.Bool:
		return map[string]any{"type": "boolean"}, nil
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return map[string]any{"type": "integer"}, nil
	case reflect.Float64:
		return w.refer(t, "Number", func() (map[string]any, error) {
			return map[string]any{"type": []string{"number", "null"}, "description": "null where it is not finite, as without samples."}, nil
		})
	case reflect.String:
		if t.PkgPath() == "" {
			return map[string]any{"type": "string"}, nil
		}
		return w.refer(t, t.Name(), func() (map[string]any, error) { return w.text(t) })
	case reflect.Slice:
		items, err := w.of(t.Elem())
		return map[string]any{"type": "array", "items": items}, err
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			break
		}
		values, err := w.of(t.Elem())
		return map[string]any{"type": "object", "additionalProperties": values}, err
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return map[string]any{}, nil // anything
		}
	case reflect.Struct:
		return w.refer(t, t.Name(), func() (map[string]any, error) { return w.object(t) })
	default:
	}
	return nil, fmt.Errorf("%s has no schema", t)
}

// refer refers to a definition, which is made with its first use. Of two types of one name
// the second is named with its package.
func (w *writer) refer(t reflect.Type, name string, made func() (map[string]any, error)) (map[string]any, error) {
	known, ok := w.names[t]
	if !ok {
		if _, taken := w.defs[name]; taken {
			name = t.String()
		}
		w.names[t], w.defs[name] = name, nil // before it is made, since it may hold itself
		definition, err := made()
		if err != nil {
			return nil, err
		}
		w.defs[name], known = definition, name
	}
	return map[string]any{"$ref": "#/$defs/" + known}, nil
}

// text is the schema of a type of texts, with the values that are known of it.
func (w *writer) text(t reflect.Type) (map[string]any, error) {
	src, err := w.comments.of(t.PkgPath())
	if err != nil {
		return nil, err
	}
	s := map[string]any{"type": "string"}
	describe(s, src.types[t.Name()])
	values := slices.DeleteFunc(slices.Clone(src.values[t.Name()]), func(v string) bool { return v == "" }) // which is left out
	switch {
	case len(values) == 0:
	case slices.Contains(closed, t):
		s["enum"] = values
	default:
		s["examples"] = values
	}
	return s, nil
}

// object is the schema of a struct. It is open: keys may come, so that what reads it must not
// mind any that it does not know.
func (w *writer) object(t reflect.Type) (map[string]any, error) {
	src, err := w.comments.of(t.PkgPath())
	if err != nil {
		return nil, err
	}
	properties, required := map[string]any{}, []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case !f.IsExported() || name == "-":
			continue
		case name == "":
			return nil, fmt.Errorf("%s.%s has no name in JSON", t, f.Name)
		}
		property, err := w.of(f.Type)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t, f.Name, err)
		}
		describe(property, src.fields[t.Name()+"."+f.Name])
		properties[name] = property
		if !leavesOut(f.Type, options) {
			required = append(required, name)
		}
	}
	s := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	describe(s, src.types[t.Name()])
	return s, nil
}

// leavesOut tells that a field may be left out, by the options of its tag. A struct is never
// empty.
func leavesOut(t reflect.Type, options string) bool {
	return options == "omitzero" || (options == "omitempty" && t.Kind() != reflect.Struct)
}

func describe(s map[string]any, text string) {
	if text != "" {
		s["description"] = text
	}
}
