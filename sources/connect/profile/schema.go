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
	root := schemaOf(reflect.TypeFor[File]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = SchemaID
	root["description"] = "The configuration file of obs."
	text, err := json.MarshalIndent(root, "", "  ")
	return append(text, '\n'), err
}

func schemaOf(t reflect.Type) map[string]any {
	switch shapeOf(t) {
	case text:
		return map[string]any{"type": "string"}
	case whole:
		return map[string]any{"type": "integer"}
	case yesNo:
		return map[string]any{"type": "boolean"}
	case command:
		return map[string]any{"anyOf": []any{
			map[string]any{"type": "string"},
			map[string]any{"type": "array", "items": map[string]any{"type": "string"}},
		}}
	case list:
		return map[string]any{"type": "array", "items": schemaOf(bare(t.Elem()))}
	case keys:
		s := map[string]any{"type": "object", "additionalProperties": false}
		if values := free(t); values != nil {
			s["additionalProperties"] = schemaOf(values)
		}
		if t.Kind() == reflect.Struct {
			properties := map[string]any{}
			for _, f := range fields(t) {
				property := schemaOf(f.kind)
				if f.doc != "" {
					property["description"] = f.doc
				}
				properties[f.name] = property
			}
			if len(properties) > 0 {
				s["properties"] = properties
			}
		}
		return s
	}
	return map[string]any{}
}
