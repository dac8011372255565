package otlp

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// anyJSON draws values, with whatever may stand in strings.
func anyJSON(depth int) *rapid.Generator[any] {
	scalars := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int().AsAny(), rapid.Float64Range(-1e9, 1e9).AsAny(),
		rapid.String().AsAny(), rapid.SampledFrom([]any{`\`, `\\`, `"`, `\"`, `{`, `]`, `a\"b`, "\\\\\"", "\u2028", ""}),
	}
	if depth > 0 {
		scalars = append(scalars, rapid.SliceOfN(anyJSON(depth-1), 0, 4).AsAny(), rapid.MapOfN(rapid.String(), anyJSON(depth-1), 0, 4).AsAny())
	}
	return rapid.OneOf(scalars...)
}

// What is parted by brackets and quotes is what a decoder reads.
func TestChecked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text []byte
		indent := rapid.SampledFrom([]string{"", " ", "\t"}).Draw(t, "indent")
		for range rapid.IntRange(0, 4).Draw(t, "values") {
			one, err := json.MarshalIndent(anyJSON(3).Draw(t, "value"), "", indent)
			if err != nil {
				t.Fatal(err)
			}
			text = append(append(text, one...), '\n')
		}
		c := checked{text: text}
		decoder := jsontext.NewDecoder(strings.NewReader(string(text)), jsontext.AllowDuplicateNames(true))
		for decoder.PeekKind() != 0 {
			if got, want := c.kind(), decoder.PeekKind(); got != want {
				t.Fatalf("kind %v, want %v", got, want)
			}
			want, err := decoder.ReadValue()
			if err != nil {
				t.Fatal(err)
			}
			if got := c.value(); string(got) != string(want) {
				t.Fatalf("%s, want %s", got, want)
			}
		}
		if c.kind() != 0 || c.value() != nil {
			t.Fatal("it goes on behind its end")
		}
	})
}

// Members and elements are called as by a decoder.
func TestCheckedScanner(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, err := json.Marshal(anyJSON(3).Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		walk := func(s *scanner) string {
			var b strings.Builder
			var read func() error
			read = func() error {
				kind := s.checked.kind()
				if s.decoder != nil {
					kind = s.decoder.PeekKind()
				}
				switch kind {
				case '{':
					b.WriteString("{")
					err := s.object(func(name []byte) error {
						b.WriteString(string(name) + "=")
						return read()
					})
					b.WriteString("}")
					return err
				case '[':
					b.WriteString("[")
					err := s.array(func() error { b.WriteString(","); return read() })
					b.WriteString("]")
					return err
				case '"':
					text, err := s.text()
					b.WriteString("'" + text)
					return err
				}
				value, err := s.value()
				b.Write(value)
				return err
			}
			if err := read(); err != nil {
				t.Fatal(err)
			}
			return b.String()
		}
		if got, want := walk(&scanner{checked: checked{text: text}}), walk(newScanner(strings.NewReader(string(text)))); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	})
}
