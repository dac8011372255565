package logql

import (
	"regexp"
	"slices"
	"strings"
)

// Label is a name and its value.
type Label struct{ Name, Value string }

// Labels is a label set in order of name, with each name once.
type Labels []Label

// Get returns the value of the named label, or nothing.
func (l Labels) Get(name string) string {
	value, _ := l.find(name)
	return value
}

func (l Labels) find(name string) (string, bool) {
	for i := range l {
		if l[i].Name == name {
			return l[i].Value, true
		}
	}
	return "", false
}

// Key is a text that no other label set has, in the order of which Loki lists streams
// and series.
func (l Labels) Key() string {
	var b strings.Builder
	for _, label := range l {
		b.WriteString(label.Name)
		b.WriteByte(0xfe)
		b.WriteString(label.Value)
		b.WriteByte(0xff)
	}
	return b.String()
}

func (l Labels) sort() Labels {
	slices.SortFunc(l, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	return l
}

// The operators of matchers and label filters.
const (
	equal       = "="
	notEqual    = "!="
	matchRegexp = "=~"
	notMatch    = "!~"
)

// Matcher is one condition on a label, whose regular expression has to match all of the value.
type Matcher struct {
	Name, Op, Value string
	re              *regexp.Regexp
}

// newMatcher makes one of a label filter.
func newMatcher(name, op, value string) (Matcher, error) {
	return matcherOf(name, op, value, "^(?:", ")$")
}

// newSelector makes one of a stream selector, in which a dot matches line feeds too.
func newSelector(name, op, value string) (Matcher, error) {
	return matcherOf(name, op, value, "^(?s:", ")$")
}

func matcherOf(name, op, value, before, behind string) (m Matcher, err error) {
	m = Matcher{Name: name, Op: op, Value: value}
	if op == matchRegexp || op == notMatch {
		// First without the anchors, which are not to stand in the message.
		if _, err = regexp.Compile(value); err == nil {
			m.re, err = regexp.Compile(before + value + behind)
		}
		if err != nil {
			return m, parseError("%v", err)
		}
	}
	return m, nil
}

// Matches tells whether a label of that value meets the condition; a label that is not
// there has the empty value.
func (m Matcher) Matches(value string) bool {
	switch m.Op {
	case equal:
		return value == m.Value
	case notEqual:
		return value != m.Value
	case matchRegexp:
		return m.re.MatchString(value)
	}
	return !m.re.MatchString(value)
}

// category is where a label of a record comes from.
type category int

const (
	ofStream category = iota
	ofMetadata
	ofLine
	categories
)

// entry is a record on its way through the stages of a query.
type entry struct {
	time   int64
	line   string
	labels [categories]Labels // by where they come from, a name in one only
	owned  [categories]bool   // else the labels are somebody else's
	buffer [categories]Labels // for owned ones, from record to record
	base   Labels             // of the stream, whatever becomes of them
	// What went wrong with it, if anything did.
	err, detail string
}

// reset begins with another record. Its labels are not written to.
func (e *entry) reset(time int64, line string, stream, metadata Labels) {
	e.time, e.line, e.err, e.detail = time, line, "", ""
	for c := range categories {
		if e.owned[c] {
			e.buffer[c] = e.labels[c][:0]
		}
	}
	e.base = stream
	e.labels = [categories]Labels{stream, metadata, e.buffer[ofLine][:0]}
	e.owned = [categories]bool{ofLine: true}
}

const (
	errorLabel  = "__error__"
	detailLabel = "__error_details__"
)

// fail keeps the record and notes what a stage could not do with it.
func (e *entry) fail(kind, detail string) {
	e.err = kind
	if detail != "" {
		e.detail = detail
	}
}

func (e *entry) get(name string) (string, bool) {
	switch {
	case name == errorLabel && e.err != "":
		return e.err, true
	case name == detailLabel && e.detail != "":
		return e.detail, true
	}
	for c := ofLine; c >= ofStream; c-- {
		if value, ok := e.labels[c].find(name); ok {
			return value, true
		}
	}
	return "", false
}

// own makes the labels of a category ones that can be written to.
func (e *entry) own(c category) {
	if !e.owned[c] {
		e.labels[c] = append(e.buffer[c][:0], e.labels[c]...)
		e.owned[c] = true
	}
}

// remove takes away the labels of which drop tells so.
func (e *entry) remove(drop func(Label) bool) {
	for c := range categories {
		if slices.ContainsFunc(e.labels[c], drop) {
			e.own(c)
			e.labels[c] = slices.DeleteFunc(e.labels[c], drop)
		}
	}
}

// set gives a label a value, wherever it came from before.
func (e *entry) set(name, value string) {
	e.remove(func(l Label) bool { return l.Name == name })
	e.labels[ofLine] = append(e.labels[ofLine], Label{name, value})
}

// found adds what a parser found in the line. A name that the stream or the metadata has
// too is told apart by a suffix, and the first of equal names counts.
func (e *entry) found(name, value string) {
	name = e.parsedName(name)
	if e.parsed(name) == nil {
		e.labels[ofLine] = append(e.labels[ofLine], Label{name, value})
	}
}

// extract adds what was asked for by name: it takes the place of what was found before.
func (e *entry) extract(name, value string) {
	name = e.parsedName(name)
	if old := e.parsed(name); old != nil {
		old.Value = value
	} else {
		e.labels[ofLine] = append(e.labels[ofLine], Label{name, value})
	}
}

// parsed is the label of that name that came of the line, if any did.
func (e *entry) parsed(name string) *Label {
	for i := range e.labels[ofLine] {
		if e.labels[ofLine][i].Name == name {
			return &e.labels[ofLine][i]
		}
	}
	return nil
}

// parsedName is the name for what a parser calls so.
func (e *entry) parsedName(name string) string {
	if e.isBase(name) {
		return name + "_extracted"
	}
	return name
}

// isBase tells a name that the stream had when it began, or that the metadata has.
func (e *entry) isBase(name string) bool {
	if _, ok := e.base.find(name); ok {
		return true
	}
	_, ok := e.labels[ofMetadata].find(name)
	return ok
}

// all are the entry's labels from wherever they come, in order of name.
func (e *entry) all() Labels {
	all := make(Labels, 0, len(e.labels[ofStream])+len(e.labels[ofMetadata])+len(e.labels[ofLine])+2)
	for _, labels := range e.labels {
		all = append(all, labels...)
	}
	return e.withError(all).sort()
}

func (e *entry) withError(labels Labels) Labels {
	for _, l := range []Label{{errorLabel, e.err}, {detailLabel, e.detail}} {
		if l.Value != "" {
			labels = append(slices.DeleteFunc(labels, func(have Label) bool { return have.Name == l.Name }), l)
		}
	}
	return labels
}

// Identifier makes a label's name of any text, as Loki does with what it finds in lines.
func Identifier(text string) string {
	text = strings.TrimSpace(text)
	if text != "" && text[0] >= '0' && text[0] <= '9' {
		return "_" + underscored(text)
	}
	return underscored(text)
}

// underscored has an underscore for each character that cannot stand in a label's name.
func underscored(text string) string {
	plain := true
	for i := range len(text) {
		plain = plain && isNameByte(text[i], false)
	}
	if plain {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r < 0x80 && isNameByte(byte(r), false) {
			return r
		}
		return '_'
	}, text)
}

func isNameByte(c byte, first bool) bool {
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (!first && c >= '0' && c <= '9')
}
