package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"obs/correlate"
	"obs/sources"
)

// JSON writes the case as one indented JSON object. It is safe on a terminal: what a
// terminal would act on is escaped, as JSON allows for any character. A number that is
// not finite, which JSON does not have, is written as null.
func JSON(w io.Writer, c *correlate.Case) error { return writeJSON(w, c) }

// Value writes any other value that has a form of its own, as JSON does a case.
func Value(w io.Writer, value any) error { return writeJSON(w, value) }

// writeJSON writes any of the values that obs tells, as JSON does a case.
func writeJSON(w io.Writer, value any) error {
	out := bufio.NewWriter(w)
	if err := writeParts(out, reflect.ValueOf(value), ""); err != nil {
		return err
	}
	return errors.Join(out.WriteByte('\n'), out.Flush())
}

// grows tells the types with lists that are as long as what a backend holds. They are
// written field by field, and such lists element by element, so that the text of a large
// trace never stands in memory beside it.
func grows(t reflect.Type) bool {
	return t == reflect.TypeFor[correlate.Case]() || t == reflect.TypeFor[correlate.Trace]()
}

// writeParts writes a value whose lines behind the first are indented.
func writeParts(out *bufio.Writer, v reflect.Value, indent string) error {
	switch {
	case v.Kind() == reflect.Pointer && grows(v.Type().Elem()) && !v.IsNil():
		return writeParts(out, v.Elem(), indent)
	case v.Kind() == reflect.Struct && grows(v.Type()):
		return writeList(out, '{', '}', indent, func(next func() error) error {
			for i := range v.NumField() {
				name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
				if left(v.Field(i), options) {
					continue
				}
				if err := next(); err != nil {
					return err
				}
				if _, err := fmt.Fprintf(out, "%q: ", name); err != nil {
					return err
				}
				if err := writeParts(out, v.Field(i), indent+"  "); err != nil {
					return err
				}
			}
			return nil
		})
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct && v.Len() > 0:
		return writeList(out, '[', ']', indent, func(next func() error) error {
			for i := range v.Len() {
				if err := next(); err != nil {
					return err
				}
				if err := writeParts(out, v.Index(i), indent+"  "); err != nil {
					return err
				}
			}
			return nil
		})
	}
	text, err := encodeFinite(v, indent)
	if err != nil {
		return err
	}
	_, err = out.Write(inert(text))
	return err
}

// writeList writes what stands between two brackets. Members calls next before each.
func writeList(out *bufio.Writer, first, last byte, indent string, members func(next func() error) error) error {
	separator := string(first) + "\n  "
	err := members(func() error {
		_, err := out.WriteString(separator + indent)
		separator = ",\n  "
		return err
	})
	if err != nil {
		return err
	}
	_, err = out.WriteString("\n" + indent + string(last))
	return err
}

// left tells that a field is left out, by the options of its tag.
func left(v reflect.Value, options string) bool {
	switch options {
	case "omitempty":
		switch v.Kind() {
		case reflect.Slice, reflect.Map, reflect.String:
			return v.Len() == 0
		case reflect.Struct:
			return false
		}
		return v.IsZero()
	case "omitzero":
		if zero, ok := v.Interface().(interface{ IsZero() bool }); ok {
			return zero.IsZero()
		}
		return v.IsZero()
	}
	return false
}

// encodeFinite is a value as JSON, with null for numbers that are not finite.
func encodeFinite(v reflect.Value, indent string) ([]byte, error) {
	text, err := encode(v.Interface(), indent)
	if notFinite := (*json.UnsupportedValueError)(nil); errors.As(err, &notFinite) {
		if v.Kind() == reflect.Float64 {
			return []byte("null"), nil
		}
		text, err = encode(finite(v).Interface(), indent)
		text = standsIn.ReplaceAll(text, []byte("${1}null$2"))
	}
	return text, err
}

func encode(value any, indent string) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent(indent, "  ")
	err := encoder.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// inert escapes the characters that JSON leaves raw and a terminal acts on. They can
// stand nowhere but in strings.
func inert(text []byte) []byte {
	kept := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(text[i:])
		}
		switch {
		case r == '\n' || !sources.Acts(r):
			kept = append(kept, text[i:i+size]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			kept = fmt.Appendf(kept, `\u%04x\u%04x`, high, low)
		default:
			kept = fmt.Appendf(kept, `\u%04x`, r)
		}
		i += size
	}
	return kept
}

// standIn takes the place of a number that is not finite while a value is encoded. It
// is then found by its line: a string cannot hold the end of one.
const standIn = -math.MaxFloat64

var standsIn = regexp.MustCompile(`(?m)(": )` + regexp.QuoteMeta(strconv.FormatFloat(standIn, 'g', -1, 64)) + `(,?)$`)

// finite copies a value, with standIn for each number in it that is not finite.
func finite(v reflect.Value) reflect.Value {
	kept := reflect.New(v.Type()).Elem()
	kept.Set(v)
	switch v.Kind() {
	case reflect.Float64:
		if math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0) {
			kept.SetFloat(standIn)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			kept.Set(reflect.New(v.Type().Elem()))
			kept.Elem().Set(finite(v.Elem()))
		}
	case reflect.Slice:
		if !v.IsNil() {
			kept.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
			for i := range v.Len() {
				kept.Index(i).Set(finite(v.Index(i)))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				kept.Field(i).Set(finite(v.Field(i)))
			}
		}
	default: // holds no number
	}
	return kept
}
