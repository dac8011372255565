package logql

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// stage is one step of a query's lines: it may change the entry, and tells whether to keep it.
type stage interface{ apply(e *entry) bool }

// run sends an entry through all stages.
func (q *LogQuery) run(e *entry) bool {
	for _, s := range q.stages {
		if !s.apply(e) {
			return false
		}
	}
	return true
}

// looksAtLabels tells whether any stage goes by labels, and not only makes some.
func (q *LogQuery) looksAtLabels() bool {
	for _, s := range q.stages {
		switch s.(type) {
		case *lineFilter, decolorize, *jsonParser, *jsonExtractor, *logfmtParser, *regexpParser, *patternParser:
		default:
			return true
		}
	}
	return false
}

func quoted(text string) string { return strconv.Quote(text) }

// lineFilter keeps lines that have one of some texts, or none of them.
type lineFilter struct {
	op     string
	accept []func(line string) bool
}

func (f *lineFilter) add(text string) error {
	var accept func(string) bool
	switch f.op {
	case "|=", "!=":
		accept = func(line string) bool { return strings.Contains(line, text) }
	case "|~", "!~":
		re, err := regexp.Compile(text)
		if err != nil {
			return err
		}
		accept = re.MatchString
	default:
		pattern, err := linePattern(text)
		if err != nil {
			return err
		}
		accept = pattern.matches
	}
	f.accept = append(f.accept, accept)
	return nil
}

func (f *lineFilter) apply(e *entry) bool {
	for _, accept := range f.accept {
		if accept(e.line) {
			return f.op[0] == '|'
		}
	}
	return f.op[0] != '|'
}

// labelFilter is a condition on labels. One that cannot be told of a record holds, and
// marks the record.
type labelFilter interface{ stage }

type anyOf []labelFilter

func (f anyOf) apply(e *entry) bool {
	for _, one := range f {
		if one.apply(e) {
			return true
		}
	}
	return false
}

type allOf []labelFilter

func (f allOf) apply(e *entry) bool {
	for _, one := range f {
		if !one.apply(e) {
			return false
		}
	}
	return true
}

type textFilter struct{ matcher Matcher }

func (f textFilter) apply(e *entry) bool {
	value, _ := e.get(f.matcher.Name)
	return f.matcher.Matches(value)
}

// conversion makes a number of a label's value.
type conversion func(value string) (float64, error)

func labelNumber(value string) (float64, error) { return strconv.ParseFloat(value, 64) }

func labelSeconds(value string) (float64, error) {
	d, err := time.ParseDuration(value)
	return d.Seconds(), err
}

// labelBytes reads amounts with or without a unit, in any case.
func labelBytes(value string) (float64, error) {
	value = strings.TrimSpace(value)
	plain := numberWord.FindString(value)
	n, err := strconv.ParseFloat(plain, 64)
	if err != nil {
		return 0, err
	}
	unit := strings.ToUpper(strings.TrimSpace(value[len(plain):]))
	size, ok := byteUnits[unit]
	if !ok {
		return 0, errors.New("unhandled size name: " + strings.ToLower(unit))
	}
	return n * size, nil
}

type numberFilter struct {
	name, op string
	value    float64
	convert  conversion
}

func (f numberFilter) apply(e *entry) bool {
	text, ok := e.get(f.name)
	if !ok {
		return false
	}
	value, err := f.convert(text)
	if err != nil {
		e.fail("LabelFilterErr", err.Error())
		return true
	}
	op := f.op
	if op == equal {
		op = "=="
	}
	_, holds := operate(op, value, f.value)
	return holds
}

// unwrap makes a number of a label, for functions that do not count lines.
type unwrap struct {
	name    string
	convert conversion
	filters []labelFilter
}

// value takes the label out of the entry. Without the label there is nothing to add up.
func (u *unwrap) value(e *entry) (value float64, ok bool) {
	text, _ := e.get(u.name)
	if text == "" {
		return 0, false
	}
	value, err := u.convert(text)
	if err != nil {
		e.fail("SampleExtractionErr", err.Error())
	}
	for _, f := range u.filters {
		if !f.apply(e) {
			return 0, false
		}
	}
	if err == nil {
		e.remove(func(l Label) bool { return l.Name == u.name })
	}
	return value, true
}

// selectLabels is drop or keep. A matcher without operator takes the label as it is.
type selectLabels struct {
	keep     bool
	matchers []Matcher
}

func (s *selectLabels) apply(e *entry) bool {
	named := func(l Label) bool {
		for _, m := range s.matchers {
			if m.Name == l.Name && (m.Op == "" || m.Matches(l.Value)) {
				return true
			}
		}
		return false
	}
	if s.keep {
		e.remove(func(l Label) bool { return !named(l) })
		return true
	}
	if named(Label{errorLabel, e.err}) {
		e.err = ""
	}
	if named(Label{detailLabel, e.detail}) {
		e.detail = ""
	}
	e.remove(func(l Label) bool { return l.Name != errorLabel && l.Name != detailLabel && named(l) })
	return true
}

var colors = regexp.MustCompile("\x1b\\[[0-9;:]*[A-Za-z]")

// decolorize takes away what colours a line on a terminal.
type decolorize struct{}

func (decolorize) apply(e *entry) bool {
	if strings.IndexByte(e.line, 0x1b) >= 0 {
		e.line = colors.ReplaceAllString(e.line, "")
	}
	return true
}

// rename is one part of label_format: the value of another label, or a template.
type rename struct {
	name, from string
	template   *lineTemplate
}

type labelFormat struct{ renames []rename }

func (s *labelFormat) add(name, value string, isTemplate bool) error {
	for _, r := range s.renames {
		if r.name == name {
			return errors.New("multiple label name '" + name + "' not allowed in a single format operation")
		}
	}
	r := rename{name: name, from: value}
	var err error
	if isTemplate {
		if r.template, err = newTemplate("label", value); err != nil {
			err = errors.New("invalid template for label '" + name + "': " + err.Error())
		}
	}
	s.renames = append(s.renames, r)
	return err
}

func (s *labelFormat) apply(e *entry) bool {
	for _, r := range s.renames {
		if r.template != nil {
			value, err := r.template.render(e)
			if err != nil {
				e.fail("TemplateFormatErr", err.Error())
				continue
			}
			e.set(r.name, value)
		} else if value, ok := e.get(r.from); ok {
			e.remove(func(l Label) bool { return l.Name == r.from })
			e.set(r.name, value)
		}
	}
	return true
}

type lineFormat struct{ template *lineTemplate }

func newLineFormat(text string) (*lineFormat, error) {
	t, err := newTemplate("line", text)
	if err != nil {
		err = errors.New("invalid line template: " + err.Error())
	}
	return &lineFormat{t}, err
}

func (s *lineFormat) apply(e *entry) bool {
	line, err := s.template.render(e)
	if err != nil {
		e.fail("TemplateFormatErr", err.Error())
		return true
	}
	e.line = line
	return true
}
