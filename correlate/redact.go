package correlate

import (
	"reflect"
	"slices"
	"sync"
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

// redactedSpans does the same without reflection and on all processors, for traces of tens of
// thousands of spans.
func redactedSpans(spans []Span) (clean []Span, changed bool) {
	var mu sync.Mutex
	clean = spans
	sources.OnAllProcessors(len(spans), func(from, to int) {
		found := redactRange(spans, from, to)
		mu.Lock()
		defer mu.Unlock()
		for i, s := range found {
			if !changed {
				clean, changed = slices.Clone(spans), true
			}
			clean[i] = s
		}
	})
	return clean, changed
}

// redactRange has those of the spans from one place to another in which something was redacted.
func redactRange(spans []Span, from, to int) map[int]Span {
	found := map[int]Span{}
	var clean sources.Attributes // a resource in which there is nothing, as the next span's may be
	for i := from; i < to; i++ {
		s := spans[i]
		s.StatusMessage, s.Operation = redact.Text(s.StatusMessage), redact.Text(s.Operation)
		other := s.StatusMessage != spans[i].StatusMessage || s.Operation != spans[i].Operation
		other = redactAttributes(&s.Attributes) || other
		if len(s.Resource) == 0 || len(s.Resource) != len(clean) || &s.Resource[0] != &clean[0] {
			if redactAttributes(&s.Resource) {
				other = true
			} else {
				clean = s.Resource
			}
		}
		other = redactEvents(&s.Events) || other
		if other {
			found[i] = s
		}
	}
	return found
}

func redactEvents(all *[]sources.Event) (changed bool) {
	for i := range *all {
		e := (*all)[i]
		e.Name = redact.Text(e.Name)
		if !redactAttributes(&e.Attributes) && e.Name == (*all)[i].Name {
			continue
		}
		if !changed {
			*all, changed = slices.Clone(*all), true
		}
		(*all)[i] = e
	}
	return changed
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
