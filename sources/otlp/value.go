package otlp

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"obs/sources"
)

// attributes reads a list of attributes, with room for some more. Values are the text by
// which Jaeger compares them in a search.
func (r *otlpReader) attributes(room int) (sources.Attributes, error) {
	r.list = r.list[:0]
	err := r.array(func() error {
		if a, usual := r.usualAttribute(); usual {
			r.list = append(r.list, a)
			return nil
		}
		var a sources.Attribute
		err := r.object(func(name []byte) (err error) {
			switch string(name) {
			case "key":
				a.Key, err = r.text()
			case "value":
				a.Value, err = r.value()
			default:
				err = r.skip()
			}
			return err
		})
		r.list = append(r.list, a)
		return err
	})
	if len(r.list) == 0 {
		return nil, err
	}
	return append(make(sources.Attributes, 0, len(r.list)+room), r.list...), err
}

// How servers write an attribute that is a text or a whole number.
const (
	keyBegins    = `{"key":"`
	textFollows  = `","value":{"stringValue":"`
	wholeFollows = `","value":{"intValue":"`
	valueEnds    = `"}}`
)

// usualAttribute reads an attribute that is written without spaces and escapes, in the order
// of its definition, as nearly all are. Where it is not, nothing is read.
func (r *otlpReader) usualAttribute() (a sources.Attribute, usual bool) {
	if r.decoder != nil {
		return a, false // it is not here yet
	}
	c := &r.checked
	c.next()
	rest, begins := bytes.CutPrefix(c.text[c.at:], []byte(keyBegins))
	if !begins {
		return a, false
	}
	key, rest, plain := plainText(rest)
	if !plain {
		return a, false
	}
	follows, whole := textFollows, bytes.HasPrefix(rest, []byte(wholeFollows))
	if whole {
		follows = wholeFollows
	}
	rest, begins = bytes.CutPrefix(rest, []byte(follows))
	if !begins {
		return a, false
	}
	value, rest, plain := plainText(rest)
	if !plain || !bytes.HasPrefix(rest, []byte(valueEnds)) || (whole && !isWhole(value)) {
		return a, false
	}
	c.at = len(c.text) - len(rest) + len(valueEnds)
	return sources.Attribute{Key: r.texts.of(key), Value: r.texts.of(value)}, true
}

// plainText is what stands before the next quote, and what stands from there on; plain is
// false where it is not the text as it stands.
func plainText(text []byte) (inner, rest []byte, plain bool) {
	end := bytes.IndexByte(text, '"')
	if end < 0 || bytes.IndexByte(text[:end], '\\') >= 0 || !utf8.Valid(text[:end]) {
		return nil, nil, false
	}
	return text[:end], text[end:], true
}

// isWhole tells a whole number as it is written when it is written anew, and that fits into
// 64 bits whatever its digits are.
func isWhole(text []byte) bool {
	digits := bytes.TrimPrefix(text, []byte("-"))
	return isDecimal(digits) && len(digits) <= 18 && (digits[0] != '0' || len(text) == 1)
}

// value reads an AnyValue as text.
func (r *otlpReader) value() (string, error) {
	text := ""
	err := r.object(func(name []byte) (err error) {
		switch string(name) {
		case "stringValue", "string_value":
			text, err = r.text()
		case "intValue", "int_value":
			var value int64
			value, err = r.integer()
			r.unquoted = strconv.AppendInt(r.unquoted[:0], value, 10)
			text = r.texts.of(r.unquoted)
		default:
			var value any
			value, err = r.valueOf(string(name))
			text = AsText(value)
		}
		return err
	})
	return text, err
}

// raw reads an AnyValue that stands in another one.
func (r *otlpReader) raw() (any, error) {
	var value any
	err := r.object(func(name []byte) (err error) {
		value, err = r.valueOf(string(name))
		return err
	})
	return value, err
}

// valueOf reads what an AnyValue holds under a name: string, bool, int64, float64,
// []byte, []any or map[string]any.
func (r *otlpReader) valueOf(name string) (any, error) {
	switch name {
	case "stringValue", "string_value":
		return r.text()
	case "intValue", "int_value":
		return r.integer()
	case "boolValue", "bool_value":
		value, err := r.scalar("tf")
		return value.Kind() == 't', err
	case "doubleValue", "double_value":
		value, err := r.scalar(`0"`)
		if value.Kind() == '"' { // which is how infinity is written
			value = r.plain(value)
		}
		if value == nil {
			return 0.0, err
		}
		return strconv.ParseFloat(string(value), 64)
	case "bytesValue", "bytes_value":
		text, err := r.text()
		if err != nil {
			return nil, err
		}
		return base64.StdEncoding.DecodeString(text)
	case "arrayValue", "array_value":
		list := []any{}
		err := r.values(func() error {
			value, err := r.raw()
			list = append(list, value)
			return err
		})
		return list, err
	case "kvlistValue", "kvlist_value":
		fields := map[string]any{}
		err := r.values(func() error {
			var key string
			var value any
			err := r.object(func(name []byte) (err error) {
				switch string(name) {
				case "key":
					key, err = r.text()
				case "value":
					value, err = r.raw()
				default:
					err = r.skip()
				}
				return err
			})
			fields[key] = value
			return err
		})
		return fields, err
	}
	return nil, r.skip()
}

// values reads the list that an array or a map of OTLP holds.
func (r *otlpReader) values(element func() error) error {
	return r.object(func(name []byte) error {
		if string(name) == "values" {
			return r.array(element)
		}
		return r.skip()
	})
}

// integer reads a whole number, 0 for a null.
func (r *otlpReader) integer() (int64, error) {
	digits, err := r.digits()
	if digits == nil {
		return 0, err
	}
	return strconv.ParseInt(string(digits), 10, 64)
}

// AsText is a value as Jaeger writes it where it needs text.
func AsText(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return pcommon.NewValueDouble(v).AsString()
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(value) != nil {
		return "" // a number in it is not finite
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// AppendMissing appends an attribute that has a value and no namesake in the list.
func AppendMissing(list sources.Attributes, a sources.Attribute) sources.Attributes {
	if a.Value == "" || slices.ContainsFunc(list, func(other sources.Attribute) bool { return other.Key == a.Key }) {
		return list
	}
	return append(list, a)
}
