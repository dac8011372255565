package sources

import (
	"strings"
	"time"
)

// Record is one log entry. What the server knows about it stands apart by where it
// came from, so that one stream stays one stream.
type Record struct {
	Time     time.Time
	Stream   Labels // the labels of its stream, shared by all its records
	Metadata Labels // structured metadata, of this record alone
	Line     string
}

// RecordAnswer is the records that a query found.
type RecordAnswer struct {
	Records   []Record
	Truncated bool // there are more than were asked for
	Warnings  []string
}

// Field is a name that can be had from a record's text.
type Field struct {
	Name        string
	Type        string // string, int, float, bytes, duration, boolean
	Cardinality uint64
	Parsers     []string // json, logfmt, or none for structured metadata
}

// Volume is how many bytes of records the streams with these labels have.
type Volume struct {
	Labels Labels
	Bytes  int64
}

// LogQuery is a LogQL query for records, put together from parts that are quoted.
// Conditions on metadata come before any text filter, so that the server can skip
// what need not be read.
type LogQuery struct {
	Selector Selector // at least one matcher that does not match the empty value
	// AnyField holds conditions of which one must hold, on structured metadata or labels.
	AnyField []Matcher
	// Contains holds texts that the line must all have.
	Contains []string
	// LineRegexp is a regular expression that the line must match; none when empty.
	LineRegexp string
}

// String renders the query in LogQL.
func (q LogQuery) String() string {
	var b strings.Builder
	b.WriteString(q.Selector.String())
	if len(q.AnyField) > 0 {
		conditions := make([]string, len(q.AnyField))
		for i, m := range q.AnyField {
			conditions[i] = quoteName(m.Name) + string(m.Op) + Quote(m.Value)
		}
		b.WriteString(" | " + strings.Join(conditions, " or "))
	}
	for _, text := range q.Contains {
		b.WriteString(" |= " + Quote(text))
	}
	if q.LineRegexp != "" {
		b.WriteString(" |~ " + Quote(q.LineRegexp))
	}
	return b.String()
}
