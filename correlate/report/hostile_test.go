package report_test

import (
	"bytes"
	"fmt"
	"html"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
)

// hostile are texts that a backend, or whoever writes into it, might send.
var hostile = map[string]string{
	"clears the screen":      "a\x1b[2J\x1b[Hb",
	"sets the clipboard":     "a\x1b]52;c;aGVsbG8=\x07b",
	"sets the title":         "a\x1b]0;owned\x1b\\b",
	"C1 as a character":      "a\u009b2Jb",
	"C1 as a byte":           "a\x9b2Jb",
	"rings and goes back":    "a\a\b\b\x7f\x00b",
	"overwrites its line":    "a\rforged",
	"begins a new line":      "a\nforged\r\nforged\vforged\fforged\u0085forged",
	"separates lines":        "a\u2028forged\u2029forged",
	"reorders":               "a\u202egpj.exe\u202c\u2066b\u2069",
	"hides":                  "a\u200b\u200c\u2060\ufeff\u00ad\U000e0041b",
	"is not UTF-8":           "a\xff\xfe\xc3(b\xed\xa0\x80",
	"joins":                  "👩\u200d💻\u200d",
	"is long":                strings.Repeat("long 漢字 ", 200),
	"is one long word":       strings.Repeat("word", 500),
	"ends a fence":           "a\n```\n# forged\n```",
	"ends fences":            "```` ``````` ``` ~~~",
	"ends code":              "`a`` ``` `",
	"is code":                "`",
	"is much code":           strings.Repeat("`", 500) + "a",
	"ends a cell":            "a | b \\| c || \\\\| d",
	"ends in a backslash":    `a\`,
	"is HTML":                `<script>alert(1)</script><!-- <img src=x onerror=y> <b`,
	"is entities":            "&lt;b&gt; &copy; &#42;a&#42; &amp;",
	"is a link":              "[a](https://a.example) ![b](https://b.example) <https://c.example> [d][e]",
	"ends a link":            "https://a.example/) [b](javascript:c",
	"is emphasis":            "*a* _b_ **c** __d__ ~~e~~ ~f~ $g$",
	"is a heading":           "# forged",
	"is a rule":              "---",
	"is a setext heading":    "===",
	"is a list":              "- forged",
	"is a numbered list":     "1. forged",
	"is a numbered list too": "123) forged",
	"is a task":              "[ ] forged",
	"is a quotation":         "> forged",
	"is a table":             "| --- | --- |",
	"is indented":            "     forged",
	"is a definition":        "[a]: https://a.example",
	"is blank":               "   ",
	"is percents":            "%s %d %!(EXTRA) %n",
}

// shapes are the cases that are drawn differently, made of full ones.
var shapes = map[string]func(*correlate.Case){
	"anomalous": func(c *correlate.Case) { c.Verdict = correlate.Anomalous },
	"healthy":   func(c *correlate.Case) { c.Verdict = correlate.Healthy },
	"unknown":   func(*correlate.Case) {},
	"lookup":    func(c *correlate.Case) { c.Verdict = "" },
	"nothing":   func(c *correlate.Case) { c.Verdict, c.Trace, c.Records, c.OtherTraces = "", nil, nil, nil },
}

// full is a case in which every list has elements, every pointer leads somewhere, and
// every text is the one given, whatever fields a case has.
func full(payload string) *correlate.Case {
	c := &correlate.Case{}
	fill(reflect.ValueOf(c).Elem(), "", payload)
	return c
}

func fill(v reflect.Value, name, payload string) {
	switch v.Kind() {
	case reflect.String:
		if strings.HasSuffix(name, "URL") {
			payload = "https://h.example/" + payload // nothing else becomes a link
		}
		v.SetString(payload)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name, payload)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), name, payload)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value, name, payload)
		key := reflect.New(v.Type().Key()).Elem()
		fill(key, name, payload)
		v.SetMapIndex(key, value)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(noon))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), v.Type().Field(i).Name, payload)
			}
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Float64:
		v.SetFloat(0.5)
	default:
		panic(fmt.Sprintf("a case has a %s in %s, which this test does not know", v.Kind(), name))
	}
}

func TestHostileText(t *testing.T) {
	for shape := range shapes {
		want := harmless(t, shape)
		for name, payload := range hostile {
			t.Run(shape+" "+name, func(t *testing.T) { checkHostile(t, shape, payload, want) })
		}
	}
}

func FuzzHostileText(f *testing.F) {
	f.Add("lookup", "a\x1b[2J\n```\n# forged | `b` <c> [d](e)")
	f.Add("anomalous", "- 漢字 \u202e &amp; \xff")
	want := map[string]string{}
	for shape := range shapes {
		want[shape] = harmless(f, shape)
	}
	f.Fuzz(func(t *testing.T, shape, payload string) {
		if shapes[shape] == nil || payload == "" { // an empty text is left out with its separators
			t.Skip()
		}
		checkHostile(t, shape, payload, want[shape])
	})
}

// harmless is the structure of the Markdown of a case with texts that do nothing.
func harmless(t testing.TB, shape string) string {
	t.Helper()
	c := full("harmless")
	shapes[shape](c)
	return skeleton(write(t, report.Markdown, c))
}

func checkHostile(t *testing.T, shape, payload, structure string) {
	t.Helper()
	c := full(payload)
	shapes[shape](c)
	for as, form := range forms {
		written := write(t, form, c)
		if !utf8.ValidString(written) {
			t.Errorf("%s is not UTF-8", as)
		}
		for i, r := range written {
			if r != '\n' && r != '\u200d' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) {
				t.Errorf("%s has %U at %d: %q", as, r, i, written[max(0, i-20):min(len(written), i+20)])
				break
			}
		}
	}
	// No text of another line than its own, and no line of its own.
	for line := range strings.Lines(write(t, report.Text, c)) {
		if strings.HasPrefix(strings.TrimSpace(line), "forged") && !strings.HasPrefix(strings.TrimSpace(payload), "forged") {
			t.Errorf("a line was forged: %q", line)
		}
	}
	markdown := write(t, report.Markdown, c)
	if got := skeleton(markdown); got != structure {
		t.Errorf("the Markdown has the structure\n%s\nwant\n%s\nof\n%s", got, structure, markdown[:min(len(markdown), 4000)])
	}
	// Beside its safety: it says what the text says.
	if said, want := words(plain(t, markdown)), words(sources.Printable(payload)); !strings.Contains(said, want) {
		t.Errorf("%q does not stand for itself in\n%s", want, said[:min(len(said), 4000)])
	}
}

// words is the text without what Markdown takes for a single space.
func words(s string) string { return strings.Join(strings.Fields(s), " ") }

// GitHub's dialect, without the links that it makes of bare addresses.
var markdownReader = goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.TaskList))

// skeleton is the structure of a Markdown document without its texts.
func skeleton(markdown string) string {
	source := []byte(markdown)
	var b strings.Builder
	depth := 0
	err := ast.Walk(markdownReader.Parser().Parse(text.NewReader(source)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if n.Kind() == ast.KindText || n.Kind() == ast.KindString {
			return ast.WalkContinue, nil
		}
		if !entering {
			depth--
			return ast.WalkContinue, nil
		}
		fmt.Fprintf(&b, "%s%s", strings.Repeat(" ", depth), n.Kind())
		switch n := n.(type) {
		case *ast.Heading:
			fmt.Fprintf(&b, " %d", n.Level)
		case *ast.Link:
			fmt.Fprintf(&b, " %.18q", n.Destination)
		}
		b.WriteByte('\n')
		depth++
		return ast.WalkContinue, nil
	})
	if err != nil {
		return err.Error()
	}
	return b.String()
}

var tags = regexp.MustCompile(`<[^>]*>`)

// plain is what a reader of the rendered document sees.
func plain(t *testing.T, markdown string) string {
	t.Helper()
	var b bytes.Buffer
	if err := markdownReader.Convert([]byte(markdown), &b); err != nil {
		t.Fatal(err)
	}
	return html.UnescapeString(tags.ReplaceAllString(b.String(), ""))
}
