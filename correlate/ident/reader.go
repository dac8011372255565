package ident

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"

	"obs/sources"
)

// rank is how surely an ID is the request's, by where it stood.
type rank int

const (
	ofTraceField rank = iota
	ofHeader
	ofRequestField
	ofShape // it stood alone and looks like one
	ofSpanField
	ofOther // an ID of something else
)

type ranked struct {
	Candidate
	rank rank
}

// reader collects the IDs of one text.
type reader struct {
	text  string
	found []ranked
	notes []string        // why something that was seen gives no ID
	plain bool            // the text is one ID and nothing else
	own   map[string]role // of a team's own names, by the folded ones
	scope scope
}

// scope is what belongs together: a line, a JSON object, the headers of one transcript.
type scope struct {
	first   int // of found, the first that belongs to it
	span    sources.SpanID
	field   string // where the span stood
	sampled Sampling
	when    time.Time
	upper   string // the upper half of a Datadog trace ID
}

func (r *reader) add(rank rank, c Candidate) { r.found = append(r.found, ranked{c, rank}) }

// addRequest adds a request ID if it is a word that stands so in the text: what was
// escaped there could not be searched for in the same words.
func (r *reader) addRequest(rank rank, c Candidate) {
	word := c.Request
	if word == "" || len(word) > maxLength || isCredential(word) || strings.Trim(word, "0-") == "" || !strings.Contains(r.text, word) ||
		strings.ContainsFunc(word, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return
	}
	r.add(rank, c)
}

func (r *reader) note(text string) { r.notes = append(r.notes, text) }

func (r *reader) noted() bool { return len(r.notes) > 0 }

// why says why nothing was found.
func (r *reader) why() string {
	if r.noted() {
		return r.notes[0]
	}
	return "no trace ID, request ID or tracing header is in it"
}

// best is the best rank found; beyond all ranks where nothing is.
func (r *reader) best() rank {
	best := ofOther + 1
	for i := range r.found {
		best = min(best, r.found[i].rank)
	}
	return best
}

// begin starts a scope.
func (r *reader) begin() { r.scope = scope{first: len(r.found)} }

// end gives the scope's IDs what the scope says about them.
func (r *reader) end() {
	s := r.scope
	traced := false
	for i := s.first; i < len(r.found); i++ {
		c := &r.found[i]
		if c.When.IsZero() {
			c.When = s.when
		}
		if c.Kind != Trace || c.rank > ofHeader {
			continue
		}
		if s.upper != "" && isDecimal(c.Field) && strings.HasPrefix(string(c.Trace), strings.Repeat("0", 16)) {
			c.Trace = sources.TraceID(s.upper) + c.Trace[16:]
		}
		if !traced && c.Span == "" {
			c.Span = s.span
		}
		c.Sampled = cmp.Or(c.Sampled, s.sampled)
		traced = true
	}
	if s.span != "" && !traced {
		r.add(ofSpanField, Candidate{Kind: Span, Span: s.span, Field: s.field, When: s.when})
		r.found[len(r.found)-1].form = "without its trace"
	}
	r.begin()
}

// candidates are the IDs found, likeliest first, each once. What only looks like an ID
// or is one of something else is left out where there is better.
func (r *reader) candidates() []Candidate {
	best := r.best()
	slices.SortStableFunc(r.found, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	var kept []Candidate
	for _, found := range r.found {
		if c := found.Candidate; found.rank <= ofRequestField || found.rank == best {
			kept = merge(kept, c)
		}
	}
	// A span ID without its trace can only be searched for as text.
	if len(kept) > 0 && !slices.ContainsFunc(kept, func(c Candidate) bool { return c.Kind != Span }) {
		for _, c := range slices.Clone(kept) {
			if id := string(c.Span); strings.Contains(r.text, id) {
				kept = merge(kept, Candidate{Kind: Request, Request: id, form: "the span ID as text", When: c.When})
			}
		}
	}
	kept = kept[:min(len(kept), maxCandidates)]
	for i := range kept {
		kept[i].Reading = kept[i].words()
	}
	return kept
}

// merge adds a candidate, or to the same one what this one knows more.
func merge(kept []Candidate, c Candidate) []Candidate {
	for i := range kept {
		k := &kept[i]
		if k.Kind != c.Kind || k.id() != c.id() {
			continue
		}
		k.Span = cmp.Or(k.Span, c.Span)
		k.Sampled = cmp.Or(k.Sampled, c.Sampled)
		if k.When.IsZero() {
			k.When, k.made = c.When, c.made
		}
		return kept
	}
	return append(kept, c)
}

// nothings are what loggers write where a request has no ID.
var nothings = []string{"", "-", "--", "null", "nil", "<nil>", "none", "n/a", "na", "undefined", "unknown", "unset", "empty", "(null)"}

// field takes in one named value. It reports whether the name says what the value is.
func (r *reader) field(name, value string) bool {
	kind := r.roleOf(name)
	value = strip(value)
	if kind != secret && slices.Contains(nothings, strings.ToLower(value)) {
		return kind != unnamed && kind != messageName
	}
	switch kind {
	case unnamed, messageName:
		return false
	case secret:
		r.secret()
	case traceName:
		return r.traceField(name, value)
	case headerName:
		if c, ok := headerOf(name)(value); ok {
			c.Field = name
			r.add(ofHeader, c)
		} else {
			r.note(headerNote(name, value))
		}
	case stateName:
		r.note("a tracestate holds no trace ID; give the traceparent that came with it")
		for _, c := range tracestate(value) {
			c.Field = name
			r.add(ofSpanField, c)
		}
	case spanName:
		r.spanField(name, value)
	case requestName:
		r.addRequest(ofRequestField, requestOf(name, value))
	case sampledName:
		r.scope.sampled = cmp.Or(r.scope.sampled, sampling(value))
	case flagsName:
		r.scope.sampled = cmp.Or(r.scope.sampled, bit(value, 1))
	case upperName, tagsName:
		r.tags(value)
	case timeName:
		if r.scope.when.IsZero() {
			r.scope.when = readTime(value)
		}
	case otherName:
		c := requestOf(name, value)
		c.form = "of something else"
		r.addRequest(ofOther, c)
	}
	return true
}

func (r *reader) secret() {
	r.note("it holds a credential, which is not looked at, and no ID beside it")
}

// traceField takes in the value of a field that names a trace ID. The names that stand
// for other things too count only where the value is a trace ID's.
func (r *reader) traceField(name, value string) bool {
	c, ok := traceValue(value, isDecimal(name))
	switch fold(name) {
	case "trace", "operationid", "root", "self":
		if !ok || len(value) < 16 {
			return false
		}
	}
	if why := broken(value); why != "" || strings.Trim(value, "0-x") == "" {
		r.note(cmp.Or(why, "an ID of zeros names nothing"))
		return true
	}
	if ok {
		c.Field = name
		r.add(ofTraceField, c)
		return true
	}
	r.addRequest(ofRequestField, requestOf(name, value)) // an ID of the program's own making
	return true
}

func (r *reader) spanField(name, value string) {
	if id, ok := spanValue(value, isDecimal(name)); ok && r.scope.span == "" {
		r.scope.span, r.scope.field = id, name
	}
}

// tags reads x-datadog-tags, or the one of them that is the upper half of the trace ID.
func (r *reader) tags(value string) {
	for part := range strings.SplitSeq(value, ",") {
		part = strings.ToLower(strings.TrimPrefix(strings.TrimSpace(part), "_dd.p.tid="))
		if id, ok := sources.ParseSpanID(part); ok && len(part) == 16 {
			r.scope.upper = string(id)
		}
	}
}

// requestOf is a request ID with the form that it has.
func requestOf(name, value string) Candidate {
	for _, c := range shapes(value) {
		if c.Kind == Request {
			c.Field = name
			return c
		}
	}
	return Candidate{Kind: Request, Request: value, Field: name}
}

// headerNote says why a header gives no ID.
func headerNote(name, value string) string {
	if why := broken(value); why != "" {
		return why
	}
	if s := sampling(value); fold(name) == "b3" && s != Unsaid {
		return "this b3 header says only that the request was " + string(s) + "; it holds no trace ID"
	}
	return "the header " + sources.Shorten(sources.Printable(name), 40) + " holds no trace ID in a form that is known"
}
