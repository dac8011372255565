package schema

import (
	"slices"
	"strings"
	"testing"
)

// TestBreaks mends and breaks one schema in every way that there is.
func TestBreaks(t *testing.T) {
	const whole = `{"type": "object",
  "properties": {
    "schema": {"const": "obs.x/v1"},
    "name": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
    "share": {"$ref": "#/$defs/Number"},
    "count": {"type": "integer"},
    "verdict": {"$ref": "#/$defs/Verdict"},
    "join": {"type": "string", "examples": ["trace_id"]},
    "list": {"type": "array", "items": {"$ref": "#/$defs/Part"}},
    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    "note": {"type": "string"}
  },
  "required": ["schema", "name", "list"],
  "$defs": {
    "Number": {"type": ["number", "null"]},
    "Verdict": {"type": "string", "enum": ["healthy", "anomalous"]},
    "Part": {"type": "object", "properties": {"id": {"type": "string"}, "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}}}, "required": ["id"]}
  }}`
	for _, test := range []struct {
		name     string
		old, new string
		want     []string
	}{
		{"nothing", "", "", nil},
		{"a key is added", `"note": {"type": "string"}`, `"note": {"type": "string"}, "more": {"type": "integer"}`, nil},
		{"a key comes to be always there", `"required": ["schema", "name", "list"]`, `"required": ["schema", "name", "list", "note"]`, nil},
		{"a number is always one", `["number", "null"]`, `"number"`, nil},
		{"a value is known", `["trace_id"]`, `["trace_id", "link"]`, nil},
		{"an open text is closed", `"examples": ["trace_id"]`, `"enum": ["trace_id"]`, nil},
		{"words are mended", `{"type": "integer"}`, `{"type": "integer", "description": "how many"}`, nil},
		{"a definition stands where it is used", `{"$ref": "#/$defs/Number"}`, `{"type": ["number", "null"]}`, nil},

		{"a key is gone", `,
    "note": {"type": "string"}`, "", []string{"note: is gone"}},
		{"a key is renamed", `"count"`, `"counts"`, []string{"count: is gone"}},
		{"a type is another", `"count": {"type": "integer"}`, `"count": {"type": "string"}`, []string{"count: may be string, which it was not"}},
		{"an integer becomes a number", `"integer"`, `"number"`, []string{"count: may be number, which it was not"}},
		{"a type more", `"name": {"type": "string"}`, `"name": {"type": ["string", "null"]}`, []string{"name: may be null, which it was not"}},
		{"no type any more", `"name": {"type": "string"}`, `"name": {}`, []string{"name: may be anything, and was string"}},
		{"an object becomes a list", "{\"type\": \"object\",\n  \"properties\": {\n", "{\"type\": \"array\",\n  \"properties\": {\n", []string{"the object itself: may be array, which it was not"}},
		{"a key may be left out", `["schema", "name", "list"]`, `["schema", "list"]`, []string{"name: was always there"}},
		{"a key of a part may be left out", `, "required": ["id"]`, ``, []string{"list[].id: was always there"}},
		{"a key of a part is another", `{"id": {"type": "string"}`, `{"id": {"type": "integer"}`, []string{"list[].id: may be integer, which it was not"}},
		{"parts are something else", `"items": {"$ref": "#/$defs/Part"}},
    "labels"`, `"items": {"type": "string"}},
    "labels"`, []string{"list[]: may be string, which it was not", "list[].id: was always there", "list[].id: is gone", "list[].parts: is gone"}},
		{"values of keys are something else", `"additionalProperties": {"type": "string"}`, `"additionalProperties": {"type": "integer"}`, []string{"labels.*: may be integer, which it was not"}},
		{"values of keys may be anything", `, "additionalProperties": {"type": "string"}`, ``, []string{"labels.*: may be anything, and was string"}},
		{"a value more", `["healthy", "anomalous"]`, `["healthy", "anomalous", "creeping"]`, []string{"verdict: may be creeping, which it was not"}},
		{"a value fewer", `["healthy", "anomalous"]`, `["healthy"]`, []string{"verdict: is never anomalous any more"}},
		{"any value", `, "enum": ["healthy", "anomalous"]`, ``, []string{"verdict: may have any value, and had one of [healthy anomalous]"}},
		{"no time", `, "format": "date-time"`, ``, []string{"time: was a date-time"}},
		{"another version", `obs.x/v1`, `obs.x/v2`, []string{"schema: was always obs.x/v1"}},
	} {
		if n := strings.Count(whole, test.old); test.old != "" && n != 1 {
			t.Fatalf("%s: what is replaced is there %d times", test.name, n)
		}
		got, err := Breaks([]byte(whole), []byte(strings.Replace(whole, test.old, test.new, 1)))
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q (%v)", test.name, got, test.want, err)
		}
	}
	if _, err := Breaks([]byte(whole), []byte("{")); err == nil {
		t.Error("half a schema is held against a whole one")
	}
}
