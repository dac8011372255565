package tempoapi

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"obs/sources"
)

// resources writes spans as Tempo's JSON has them: OTLP by the rules of protocol buffers,
// with IDs in base64, enumerations by name and large numbers as text. Spans of one resource
// stand together.
func resources(spans []sources.Span) []any {
	var all []any
	for len(spans) > 0 {
		first := spans[0].Resource
		var of []any
		var rest []sources.Span
		for _, s := range spans {
			if same(s.Resource, first) {
				of = append(of, spanJSON(&s))
			} else {
				rest = append(rest, s)
			}
		}
		all = append(all, map[string]any{
			"resource":   map[string]any{"attributes": attributesJSON(first)},
			"scopeSpans": []any{map[string]any{"scope": map[string]any{}, "spans": of}},
		})
		spans = rest
	}
	return all
}

func same(a, b sources.Attributes) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func spanJSON(s *sources.Span) any {
	span := map[string]any{
		"traceId": inBase64(string(s.TraceID)), "spanId": inBase64(string(s.ID)), "name": s.Operation,
		"startTimeUnixNano": strconv.FormatInt(s.Start.UnixNano(), 10), "endTimeUnixNano": strconv.FormatInt(s.End().UnixNano(), 10),
		"attributes": attributesJSON(s.Attributes), "status": statusJSON(s),
	}
	if s.ParentID != "" {
		span["parentSpanId"] = inBase64(string(s.ParentID))
	}
	if s.Kind != sources.KindUnset {
		span["kind"] = "SPAN_KIND_" + strings.ToUpper(string(s.Kind))
	}
	var events, links []any
	for _, e := range s.Events {
		events = append(events, map[string]any{
			"timeUnixNano": strconv.FormatInt(e.Time.UnixNano(), 10), "name": e.Name, "attributes": attributesJSON(e.Attributes),
		})
	}
	for _, l := range s.Links {
		links = append(links, map[string]any{"traceId": inBase64(string(l.TraceID)), "spanId": inBase64(string(l.SpanID))})
	}
	if events != nil {
		span["events"] = events
	}
	if links != nil {
		span["links"] = links
	}
	return span
}

func statusJSON(s *sources.Span) any {
	status := map[string]any{}
	if s.Status != sources.StatusUnset && s.Status != "" {
		status["code"] = "STATUS_CODE_" + strings.ToUpper(string(s.Status))
	}
	if s.StatusMessage != "" {
		status["message"] = s.StatusMessage
	}
	return status
}

// inBase64 is an ID's bytes, none for what is no ID.
func inBase64(id string) string {
	raw, err := hex.DecodeString(id)
	if err != nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(raw)
}

func attributesJSON(attributes sources.Attributes) []any {
	all := []any{}
	for _, a := range attributes {
		all = append(all, map[string]any{"key": a.Key, "value": valueJSON(typed(a))})
	}
	return all
}

func valueJSON(value any) any {
	switch v := value.(type) {
	case bool:
		return map[string]any{"boolValue": v}
	case int64:
		return map[string]any{"intValue": strconv.FormatInt(v, 10)}
	case float64:
		return map[string]any{"doubleValue": v}
	case []string:
		list := []any{}
		for _, each := range v {
			list = append(list, valueJSON(each))
		}
		return map[string]any{"arrayValue": map[string]any{"values": list}}
	}
	return map[string]any{"stringValue": value}
}

// typed is what the text of an attribute most likely was: a bool, int64, float64 or
// []string where that is written as this very text, else the text. sources.Span holds
// values as text.
func typed(a sources.Attribute) any {
	if a.Value == "true" || a.Value == "false" {
		return a.Value == "true"
	}
	if n, err := strconv.ParseInt(a.Value, 10, 64); err == nil && strconv.FormatInt(n, 10) == a.Value {
		return n
	}
	if f, err := strconv.ParseFloat(a.Value, 64); err == nil && strings.Contains(a.Value, ".") && strconv.FormatFloat(f, 'f', -1, 64) == a.Value {
		return f
	}
	var list []string
	if strings.HasPrefix(a.Value, "[") && json.Unmarshal([]byte(a.Value), &list) == nil {
		var b strings.Builder
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if encoder.Encode(list) == nil && strings.TrimSuffix(b.String(), "\n") == a.Value {
			return list
		}
	}
	return a.Value
}

// elements are the values that an equation is tried on.
func elements(value any) []any {
	list, ok := value.([]string)
	if !ok {
		return []any{value}
	}
	var all []any
	for _, each := range list {
		all = append(all, each)
	}
	return all
}
