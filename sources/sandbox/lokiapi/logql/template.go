package logql

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
)

// lineTemplate is a template of line_format or label_format, with the functions of
// Loki's documentation that are about texts and numbers. It belongs to one query under
// way, since two of the functions tell of the entry at hand.
type lineTemplate struct {
	template *template.Template
	entry    *entry
	plain    string // when it is text alone
	isPlain  bool
}

func newTemplate(name, text string) (*lineTemplate, error) {
	if !strings.Contains(text, "{{") {
		return &lineTemplate{plain: text, isPlain: true}, nil
	}
	t := &lineTemplate{}
	functions := template.FuncMap{
		"__line__":      func() string { return t.entry.line },
		"__timestamp__": func() time.Time { return time.Unix(0, t.entry.time).UTC() },
	}
	for name, f := range templateFunctions {
		functions[name] = f
	}
	parsed, err := template.New(name).Option("missingkey=zero").Funcs(functions).Parse(text)
	if err != nil {
		return nil, err
	}
	if len(parsed.Templates()) > 1 {
		return nil, errors.New("templates inside of templates are not supported")
	}
	if parsed.Tree != nil {
		if err := harmless(parsed.Root); err != nil {
			return nil, err
		}
	}
	t.template = parsed
	return t, nil
}

// harmless refuses what could go on for ever.
func harmless(node parse.Node) error {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, inner := range n.Nodes {
			if err := harmless(inner); err != nil {
				return err
			}
		}
		return nil
	case *parse.IfNode:
		return errors.Join(harmless(n.List), harmless(n.ElseList))
	case *parse.WithNode:
		return errors.Join(harmless(n.List), harmless(n.ElseList))
	case *parse.TextNode, *parse.ActionNode, *parse.CommentNode:
		return nil
	}
	return fmt.Errorf("template: %q is not supported", node)
}

// maxRendered bounds what a template makes of one line: the longest line that Loki
// takes where nobody has set it otherwise.
const maxRendered = 256 << 10

var errRendered = fmt.Errorf("the text is longer than %d bytes", maxRendered)

type boundedBuffer struct{ bytes.Buffer }

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxRendered {
		return 0, errRendered
	}
	return b.Buffer.Write(p)
}

func (t *lineTemplate) render(e *entry) (string, error) {
	if t == nil || t.isPlain {
		if t == nil {
			return "", nil
		}
		return t.plain, nil
	}
	values := map[string]string{}
	for _, labels := range e.labels {
		for _, l := range labels {
			values[l.Name] = l.Value
		}
	}
	t.entry = e
	var b boundedBuffer
	if err := t.template.Execute(&b, values); err != nil {
		return "", err
	}
	return b.String(), nil
}

func repeat(count int, text string) (string, error) {
	if count < 0 || count*len(text) > maxRendered || count > maxRendered {
		return "", errRendered
	}
	return strings.Repeat(text, count), nil
}

// truncate keeps that many bytes, of the end where it is negative.
func truncate(n int, text string) string {
	switch {
	case n >= 0 && n < len(text):
		return text[:n]
	case n < 0 && n > -len(text):
		return text[len(text)+n:]
	}
	return text
}

// substring takes bytes from start up to end, and up to the text's own end where that
// comes first or end is negative. A start that is beyond it is an error of the template.
func substring(start, end int, text string) string {
	switch {
	case start < 0:
		return text[:end]
	case end < 0 || end > len(text):
		return text[start:]
	}
	return text[start:end]
}

func replaceAll(expression, text, replacement string) (string, error) {
	re, err := regexp.Compile(expression)
	if err != nil {
		return "", err
	}
	return re.ReplaceAllString(text, replacement), nil
}

func seconds(text string) (float64, error) {
	d, err := time.ParseDuration(text)
	return d.Seconds(), err
}

// integer and decimal read what a template gives to arithmetic: a number, or a label's text.
func integer(v any) int64 { return int64(decimal(v)) }

func decimal(v any) float64 {
	switch n := v.(type) {
	case int:
		return float64(n)
	case int64:
		return float64(n)
	case float64:
		return n
	case string:
		f, _ := strconv.ParseFloat(n, 64)
		return f
	}
	return 0
}

func fold[T int64 | float64](read func(any) T, op func(a, b T) T) func(any, ...any) T {
	return func(first any, rest ...any) T {
		result := read(first)
		for _, v := range rest {
			result = op(result, read(v))
		}
		return result
	}
}

var templateFunctions = template.FuncMap{
	"ToLower": strings.ToLower, "lower": strings.ToLower,
	"ToUpper": strings.ToUpper, "upper": strings.ToUpper,
	"TrimSpace": strings.TrimSpace, "trim": strings.TrimSpace,
	"Trim": strings.Trim, "TrimLeft": strings.TrimLeft, "TrimRight": strings.TrimRight,
	"TrimPrefix": strings.TrimPrefix, "TrimSuffix": strings.TrimSuffix, "Replace": strings.Replace,
	"trimAll":    func(cut, text string) string { return strings.Trim(text, cut) },
	"trimPrefix": func(cut, text string) string { return strings.TrimPrefix(text, cut) },
	"trimSuffix": func(cut, text string) string { return strings.TrimSuffix(text, cut) },
	"replace":    func(from, to, text string) string { return strings.ReplaceAll(text, from, to) },
	"contains":   func(part, text string) bool { return strings.Contains(text, part) },
	"hasPrefix":  func(part, text string) bool { return strings.HasPrefix(text, part) },
	"hasSuffix":  func(part, text string) bool { return strings.HasSuffix(text, part) },
	"trunc":      truncate,
	"substr":     substring,
	"repeat":     repeat,
	"default": func(instead, value string) string {
		if value == "" {
			return instead
		}
		return value
	},
	"regexReplaceAll": replaceAll,
	"urlencode":       url.QueryEscape,
	"urldecode":       url.QueryUnescape,
	"b64enc":          func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) },
	"duration":        seconds, "duration_seconds": seconds,
	"bytes":   labelBytes,
	"int":     integer,
	"float64": decimal,
	"add":     fold(integer, func(a, b int64) int64 { return a + b }),
	"mul":     fold(integer, func(a, b int64) int64 { return a * b }),
	"max":     fold(integer, func(a, b int64) int64 { return max(a, b) }),
	"min":     fold(integer, func(a, b int64) int64 { return min(a, b) }),
	"sub":     func(a, b any) int64 { return integer(a) - integer(b) },
	"div":     func(a, b any) int64 { return integer(a) / integer(b) },
	"mod":     func(a, b any) int64 { return integer(a) % integer(b) },
	"addf":    fold(decimal, func(a, b float64) float64 { return a + b }),
	"mulf":    fold(decimal, func(a, b float64) float64 { return a * b }),
	"subf":    fold(decimal, func(a, b float64) float64 { return a - b }),
	"divf":    fold(decimal, func(a, b float64) float64 { return a / b }),
	"floor":   func(v any) float64 { return math.Floor(decimal(v)) },
	"ceil":    func(v any) float64 { return math.Ceil(decimal(v)) },
}
