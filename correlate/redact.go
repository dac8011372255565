package correlate

import (
	"reflect"
	"slices"
	"time"

	"obs/sources"
	"obs/sources/redact"
)

// redact takes out of the case what looks like a secret. A case is passed on, in tickets and
// files, to people who may not read the logs that it quotes. Nothing is changed in place: a
// screen may be reading what it was shown before, and sources share what they return.
func (c *Case) redact() {
	if clean, changed := redacted(reflect.ValueOf(*c)); changed {
		*c = clean.Interface().(Case)
	}
}

var (
	momentType    = reflect.TypeFor[time.Time]()
	spansType     = reflect.TypeFor[[]Span]()
	attributeType = reflect.TypeFor[sources.Attribute]()
)

// redacted is a value whose texts are redacted, and whether that changed any.
func redacted(v reflect.Value) (clean reflect.Value, changed bool) {
	switch v.Kind() {
	case reflect.String:
		return redactedText(v, redact.Text(v.String()))
	case reflect.Pointer:
		if v.IsNil() {
			return v, false
		}
		inner, changed := redacted(v.Elem())
		if !changed {
			return v, false
		}
		clean = reflect.New(v.Type().Elem())
		clean.Elem().Set(inner)
		return clean, true
	case reflect.Struct:
		return redactedStruct(v)
	case reflect.Slice:
		return redactedSlice(v)
	case reflect.Map:
		return redactedMap(v)
	}
	return v, false
}

func redactedText(v reflect.Value, text string) (clean reflect.Value, changed bool) {
	if text == v.String() {
		return v, false
	}
	return reflect.ValueOf(text).Convert(v.Type()), true
}

func redactedStruct(v reflect.Value) (clean reflect.Value, changed bool) {
	switch v.Type() {
	case momentType:
		return v, false
	case attributeType:
		a := v.Interface().(sources.Attribute)
		text := redact.Field(a.Key, a.Value)
		if text == a.Value {
			return v, false
		}
		a.Value = text
		return reflect.ValueOf(a), true
	}
	clean = v
	for i := range v.NumField() {
		field, other := redacted(v.Field(i))
		if !other {
			continue
		}
		if !changed {
			clean, changed = reflect.New(v.Type()).Elem(), true
			clean.Set(v)
		}
		clean.Field(i).Set(field)
	}
	return clean, changed
}

func redactedSlice(v reflect.Value) (clean reflect.Value, changed bool) {
	switch {
	case v.Type() == spansType:
		spans, changed := redactedSpans(v.Interface().([]Span))
		return reflect.ValueOf(spans), changed
	case v.Len() == 0 || !hasText(v.Type().Elem()):
		return v, false
	}
	clean = v
	for i := range v.Len() {
		element, other := redacted(v.Index(i))
		if !other {
			continue
		}
		if !changed {
			clean, changed = reflect.MakeSlice(v.Type(), v.Len(), v.Len()), true
			reflect.Copy(clean, v)
		}
		clean.Index(i).Set(element)
	}
	return clean, changed
}

// hasText spares looking at every number of a series.
func hasText(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Struct, reflect.Slice, reflect.Map, reflect.Pointer:
		return true
	}
	return false
}

func redactedMap(v reflect.Value) (clean reflect.Value, changed bool) {
	clean = v
	for entries := v.MapRange(); entries.Next(); {
		value, other := redacted(entries.Value())
		if name := entries.Key(); name.Kind() == reflect.String && entries.Value().Kind() == reflect.String {
			value, other = redactedText(entries.Value(), redact.Field(name.String(), entries.Value().String()))
		}
		if !other {
			continue
		}
		if !changed {
			clean, changed = reflect.MakeMapWithSize(v.Type(), v.Len()), true
			for all := v.MapRange(); all.Next(); {
				clean.SetMapIndex(all.Key(), all.Value())
			}
		}
		clean.SetMapIndex(entries.Key(), value)
	}
	return clean, changed
}

// redactedSpans does the same without reflection, for traces of tens of thousands of spans.
func redactedSpans(spans []Span) (clean []Span, changed bool) {
	clean = spans
	for i := range spans {
		s := spans[i]
		s.StatusMessage, s.Operation = redact.Text(s.StatusMessage), redact.Text(s.Operation)
		other := s.StatusMessage != spans[i].StatusMessage || s.Operation != spans[i].Operation
		other = redactAttributes(&s.Attributes) || other
		other = redactAttributes(&s.Resource) || other
		for j := range s.Events {
			e := s.Events[j]
			e.Name = redact.Text(e.Name)
			if !redactAttributes(&e.Attributes) && e.Name == s.Events[j].Name {
				continue
			}
			if len(spans[i].Events) > 0 && &s.Events[0] == &spans[i].Events[0] {
				s.Events = slices.Clone(s.Events)
			}
			s.Events[j], other = e, true
		}
		if !other {
			continue
		}
		if !changed {
			clean, changed = slices.Clone(spans), true
		}
		clean[i] = s
	}
	return clean, changed
}

func redactAttributes(all *sources.Attributes) (changed bool) {
	for i := range *all {
		a := &(*all)[i]
		text := redact.Field(a.Key, a.Value)
		if text == a.Value {
			continue
		}
		if !changed {
			*all, changed = slices.Clone(*all), true
		}
		(*all)[i].Value = text
	}
	return changed
}
