package jaegerapi

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// typed sets value to what the text of an attribute most likely was: a truth value, a
// number, an array or a map where Jaeger would write that as this very text, else the
// text. So a client that reads values as text, or searches by it, cannot tell whether
// the guess was right. Names, IDs and versions are texts whatever they look like.
func typed(value pcommon.Value, key, text string) {
	value.SetStr(text)
	if text == "" || textual(key) {
		return
	}
	switch first := text[0]; {
	case text == "true" || text == "false":
		value.SetBool(text == "true")
	case first == '-' || ('0' <= first && first <= '9'):
		literal := json.Number(text)
		if n, err := literal.Int64(); err == nil {
			value.SetInt(n)
		} else if f, err := literal.Float64(); err == nil {
			value.SetDouble(f)
		}
	case first == '[' || first == '{':
		var parsed any
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber() // or large integers would lose digits
		if decoder.Decode(&parsed) != nil || fill(value, parsed) != nil {
			value.SetStr(text)
		}
	}
	switch written := value.AsString(); {
	case written == text:
	case value.Type() != pcommon.ValueTypeStr && escaped(written) == text:
	default:
		value.SetStr(text)
	}
}

// escaped is a list or map in JSON as Jaeger writes and compares it: with the three
// characters escaped that HTML takes for markup. Newer releases of its library write
// them as they are.
func escaped(text string) string {
	var b bytes.Buffer
	json.HTMLEscape(&b, []byte(text))
	return b.String()
}

// stored is the text under which a value is kept and found.
func stored(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD") // JSON holds no other
	if (strings.HasPrefix(text, "[") || strings.HasPrefix(text, "{")) && strings.ContainsAny(text, "&<>") && json.Valid([]byte(text)) {
		return escaped(text)
	}
	return text
}

// textual reports whether the key is of the kind whose values are texts by OpenTelemetry's
// semantic conventions, such as enduser.id, service.version or thread.name.
func textual(key string) bool {
	switch key[strings.LastIndexAny(key, "._")+1:] {
	case "id", "name", "version", "message", "type":
		return true
	}
	return false
}

// fill sets value to what was read from JSON.
func fill(value pcommon.Value, parsed any) error {
	switch v := parsed.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			value.SetInt(n)
			return nil
		}
		f, err := v.Float64()
		if err != nil {
			return err
		}
		value.SetDouble(f)
	case []any:
		list := value.SetEmptySlice()
		for _, each := range v {
			if err := fill(list.AppendEmpty(), each); err != nil {
				return err
			}
		}
	case map[string]any:
		fields := value.SetEmptyMap()
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if err := fill(fields.PutEmpty(key), v[key]); err != nil {
				return err
			}
		}
	default:
		return value.FromRaw(parsed) // a text, a truth value or null
	}
	return nil
}
