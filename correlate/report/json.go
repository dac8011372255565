package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"obs/correlate"
	"obs/sources"
)

// JSON writes the case as one indented JSON object. It is safe on a terminal: what a
// terminal would act on is escaped, as JSON allows for any character. A number that is
// not finite, which JSON does not have, is written as null.
func JSON(w io.Writer, c *correlate.Case) error { return writeJSON(w, c) }

// writeJSON writes any of the values that obs tells, as JSON does a case.
func writeJSON(w io.Writer, value any) error {
	text, err := encode(value)
	if notFinite := (*json.UnsupportedValueError)(nil); errors.As(err, &notFinite) {
		text, err = encode(finite(reflect.ValueOf(value)).Interface())
		text = standsIn.ReplaceAll(text, []byte("${1}null$2"))
	}
	if err != nil {
		return err
	}
	_, err = w.Write(inert(text))
	return err
}

func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(value)
	return b.Bytes(), err
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
