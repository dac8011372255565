package profile

import (
	"encoding/json"
	"reflect"
)

// SchemaID names the form of the configuration file to editors.
const SchemaID = "obs.config/v1"

// Schema is a JSON Schema of the configuration file, made of the same types that it is read
// into.
func Schema() ([]byte, error) {
	defs := definitions{}
	root := defs.object(reflect.TypeFor[File]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = SchemaID
	root["description"] = "The configuration file of obs."
	root["$defs"] = defs
	text, err := json.MarshalIndent(root, "", "  ")
	return append(text, '\n'), err
}

// definitions are what is referred to, by name: the types with keys, and a text.
type definitions map[string]any

// of is the schema of a type, by the rules of the strict reader: a text may look like a
// number, as tenants do, and a key may be left without a value.
func (d definitions) of(t reflect.Type) map[string]any {
	switch shapeOf(t) {
	case text:
		if t == versionType {
			return map[string]any{"enum": tlsVersions()}
		}
		return d.refer("Text", func() map[string]any { return map[string]any{"type": orNull("string", "number", "boolean")} })
	case whole:
		return map[string]any{"type": orNull("integer")}
	case yesNo:
		return map[string]any{"type": orNull("boolean")}
	case command:
		return d.refer("Command", func() map[string]any {
			argument := d.of(reflect.TypeFor[string]())
			return map[string]any{"anyOf": []any{argument, map[string]any{"type": "array", "minItems": 1, "items": argument}}}
		})
	case list:
		return map[string]any{"type": orNull("array"), "items": d.of(bare(t.Elem()))}
	case keys:
		if t.Kind() == reflect.Struct {
			return d.refer(t.Name(), func() map[string]any { return d.object(t) })
		}
		return d.object(t)
	}
	return map[string]any{}
}

// refer refers to a definition, which is made with its first use.
func (d definitions) refer(name string, made func() map[string]any) map[string]any {
	if _, known := d[name]; !known {
		d[name] = nil
		d[name] = made()
	}
	return map[string]any{"$ref": "#/$defs/" + name}
}

// object is the schema of a type with keys.
func (d definitions) object(t reflect.Type) map[string]any {
	s := map[string]any{"type": orNull("object"), "additionalProperties": false}
	if values := free(t); values != nil {
		s["additionalProperties"] = d.of(values)
	}
	if t.Kind() != reflect.Struct {
		return s
	}
	properties := map[string]any{}
	for _, f := range fields(t) {
		property := d.of(f.kind)
		if f.doc != "" {
			property["description"] = f.doc
		}
		properties[f.name] = property
	}
	if len(properties) > 0 {
		s["properties"] = properties
	}
	return s
}

func orNull(types ...string) []string { return append(types, "null") }
