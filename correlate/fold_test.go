package correlate_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"obs/correlate"
)

// pair is a field.
type pair struct{ key, value string }

func TestUnfold(t *testing.T) {
	nested := strings.Repeat(`{"a":`, 30) + "1" + strings.Repeat("}", 30)
	for _, test := range []struct {
		line, message string
		fields        []pair
	}{
		{"", "", nil},
		{"plain text", "plain text", nil},
		{`{"msg":"it failed"}`, "it failed", nil},
		{` {"level":"info","msg":"it failed","code":7,"ok":false,"who":null} ` + "\n", "it failed", []pair{{"level", "info"}, {"code", "7"}, {"ok", "false"}, {"who", "null"}}},
		{`{"body":"first","msg":"second"}`, "first", []pair{{"msg", "second"}}},
		{`{"msg":"","message":"it"}`, "it", []pair{{"msg", ""}}},
		{`{"code":7,"code":8}`, "", []pair{{"code", "7"}, {"code", "8"}}},
		{`{"msg":{"nested":"message"},"z":1,"a":{"b":{"c":"d"},"e":[1,{"f":2}]},"empty":{},"none":[]}`, "", []pair{
			{"msg.nested", "message"}, {"z", "1"}, {"a.b.c", "d"}, {"a.e", `[1,{"f":2}]`}, {"empty", "{}"}, {"none", "[]"},
		}},
		{`{"a.b":"c","":"d"}`, "", []pair{{"a.b", "c"}, {"", "d"}}},
		{`{"error.stack":"a\n\tat b\n\tat c","msg":"it"}`, "it", []pair{{"error.stack", "a\n\tat b\n\tat c"}}},
		{`{"exception":{"stacktrace":["a","at b"]},"stack":["a",1]}`, "", []pair{{"exception.stacktrace", "a\nat b"}, {"stack", `["a",1]`}}},
		{"{}", "", nil},
		{`["msg"]`, `["msg"]`, nil},
		{`{"msg":"cut off`, `{"msg":"cut off`, nil},
		{nested, "", []pair{{strings.Repeat("a.", 19) + "a", strings.Repeat(`{"a":`, 10) + "1" + strings.Repeat("}", 10)}}},

		{`level=info msg=plain`, "plain", []pair{{"level", "info"}}},
		{`ts=1 level=info msg="it failed" err="a \"b\"\tc" n= dur=1.5s` + "\n", "it failed", []pair{{"ts", "1"}, {"level", "info"}, {"err", "a \"b\"\tc"}, {"n", ""}, {"dur", "1.5s"}}},
		{`msg=alone`, "alone", nil},
		{`a=b`, "a=b", nil},
		{`a=b c=d`, "", []pair{{"a", "b"}, {"c", "d"}}},
		{`stack="a\n\tat b" level=error`, "", []pair{{"stack", "a\n\tat b"}, {"level", "error"}}},
		{"stack=\"a\n\\tat b\" level=error", "", []pair{{"stack", "a\n\tat b"}, {"level", "error"}}},
		{`path="C:\d" level=error`, "", []pair{{"path", `C:\d`}, {"level", "error"}}},
		{`took a=b c=d`, `took a=b c=d`, nil},
		{`a=b c=d done`, `a=b c=d done`, nil},
		{`a="b"c=d e=f`, `a="b"c=d e=f`, nil},
		{`a="b c=d`, `a="b c=d`, nil},
		{`a=b"c d=e`, `a=b"c d=e`, nil},
		{`=a b=c`, `=a b=c`, nil},
		{`http://a/?b=c d=e`, `http://a/?b=c d=e`, nil},
	} {
		message, fields := correlate.Unfold(test.line)
		var got []pair
		for _, f := range fields {
			got = append(got, pair{f.Key, f.Value})
		}
		if message != test.message || !slices.Equal(got, test.fields) {
			t.Errorf("%q: got %q, %q; want %q, %q", test.line, message, got, test.message, test.fields)
		}
	}
}

// A line may be as hostile as it likes: what it is taken apart into stays small.
func TestUnfoldIsBounded(t *testing.T) {
	const size = 256 << 10
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprintf(`"k%d":%d`, i, i)
	}
	deep := strings.Repeat("[", 100_000)
	long := strings.Repeat("k", size/2)
	for name, test := range map[string]struct {
		line   string
		fields int
	}{
		"many fields":          {"{" + strings.Join(many, ",") + "}", 129},
		"many nested fields":   {`{"a":{"b":{` + strings.Join(many, ",") + "}}}", 129},
		"many pairs":           {strings.Repeat("a=b ", 10_000), 129},
		"deep lists":           {`{"a":` + deep + strings.Repeat("]", len(deep)) + "}", 0}, // deeper than JSON is read
		"deep objects":         {strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000), 1},
		"a long key":           {`{"` + long + `":{` + strings.Join(many, ",") + "}}", 1},
		"longer than any line": {`{"a":"` + strings.Repeat("x", size) + `"}`, 0},
	} {
		message, fields := correlate.Unfold(test.line)
		if len(fields) != test.fields || (len(fields) == 0) != (message == test.line) {
			t.Errorf("%s: %d fields, want %d", name, len(fields), test.fields)
		}
		if test.fields == 129 && fields[128].Key != correlate.MoreFields {
			t.Errorf("%s: the last field is %+v", name, fields[128])
		}
		bytes := 0
		for _, f := range fields {
			bytes += len(f.Key) + len(f.Value)
		}
		if bytes > 2*len(test.line) {
			t.Errorf("%s: %d bytes of %d", name, bytes, len(test.line))
		}
	}
}

// What loggers write is read back as it was.
func TestUnfoldReadsBack(t *testing.T) {
	key := rapid.StringMatching(`[a-z][a-z0-9_]{0,6}`).Filter(func(k string) bool { return !slices.Contains(correlate.MessageFields, k) })
	rapid.Check(t, func(r *rapid.T) {
		wanted := rapid.MapOfN(key, rapid.String(), 2, 8).Draw(r, "fields")
		said := rapid.StringN(1, -1, -1).Draw(r, "said")
		object := map[string]string{"msg": said}
		pairs := []string{"msg=" + quoted(r, said)}
		for name, value := range wanted {
			object[name] = value
			pairs = append(pairs, name+"="+quoted(r, value))
		}
		for _, line := range []string{quoted(r, object), strings.Join(pairs, " ")} {
			message, fields := correlate.Unfold(line)
			if message != said || len(fields) != len(wanted) {
				r.Errorf("%s: %q, %q", line, message, fields)
			}
			for _, f := range fields {
				if wanted[f.Key] != f.Value {
					r.Errorf("%s: %s is %q, want %q", line, f.Key, f.Value, wanted[f.Key])
				}
			}
		}
	})
}

func quoted(r *rapid.T, v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		r.Fatal(err)
	}
	return string(text)
}

// Any text at all is all message, or fields that stand in it.
func TestUnfoldAnything(t *testing.T) {
	part := rapid.SampledFrom([]string{"{", "}", `"`, ":", ",", "[", "]", "=", " ", "\\", "\n", "msg", "a", "1", "stack", "\xff", "漢"})
	rapid.Check(t, func(r *rapid.T) {
		line := strings.Join(rapid.SliceOfN(part, 0, 40).Draw(r, "parts"), "")
		if message, fields := correlate.Unfold(line); len(fields) == 0 && message == "" && strings.Trim(line, "{} \n") != "" {
			r.Errorf("%q: nothing is left of it", line)
		}
	})
}
