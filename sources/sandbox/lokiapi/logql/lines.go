package logql

import (
	"container/heap"
	"context"
	"slices"
)

// Records are those of one stream in order of time. They do not change.
type Records interface {
	Len() int
	Time(i int) int64 // in nanoseconds
	Line(i int) string
	// Metadata appends the record's metadata to into, in order of name.
	Metadata(i int, into Labels) Labels
}

// Stream is a label set and its records.
type Stream struct {
	Labels  Labels
	Records Records
}

// Source is what queries read.
type Source interface {
	// Select returns the streams that all matchers match, with their records of
	// from <= time < to, in order of the labels' Key. Streams without any are left out.
	Select(matchers []Matcher, from, to int64) []Stream
}

// Line is a record that a query found, with what its stages made of it.
type Line struct {
	Time                     int64
	Text                     string
	Stream, Metadata, Parsed Labels
}

// LineParams bound a query for lines.
type LineParams struct {
	From, To int64 // in nanoseconds, the end exclusive
	Limit    int
	Forward  bool
	Interval int64 // that must lie between one line and the next, if positive
}

// Lines runs a query for lines. They come in order of time, those of one stream and time
// in the order of their arrival, or all of this the other way round.
func Lines(ctx context.Context, source Source, q *LogQuery, p LineParams) ([]Line, error) {
	if q.late != nil {
		return nil, q.late
	}
	streams := source.Select(q.Matchers, p.From, p.To)
	m := merge{forward: p.Forward}
	for i, s := range streams {
		at := 0
		if !p.Forward {
			at = s.Records.Len() - 1
		}
		m.cursors = append(m.cursors, cursor{stream: i, records: s.Records, at: at})
	}
	heap.Init(&m)
	var lines []Line
	seen := make([]moment, len(streams))
	var e entry
	var metadata Labels
	for read := 0; len(m.cursors) > 0 && len(lines) < p.Limit; read++ {
		if read%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		c := &m.cursors[0]
		stream, at := c.stream, c.at
		records := c.records
		if m.step(c) {
			heap.Fix(&m, 0)
		} else {
			heap.Pop(&m)
		}
		time := records.Time(at)
		if n := len(lines); n > 0 && p.Interval > 0 && distance(time, lines[n-1].Time) < p.Interval {
			continue
		}
		metadata = records.Metadata(at, metadata[:0])
		e.reset(time, records.Line(at), streams[stream].Labels, metadata)
		if !q.run(&e) {
			continue
		}
		line := e.finish()
		if !seen[stream].twice(line) {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// moment holds the lines that a stream has given for one time: what stages have made
// equal is given once.
type moment struct {
	began bool
	time  int64
	first Line
	more  map[string]bool
}

func (m *moment) twice(l Line) bool {
	if !m.began || m.time != l.Time {
		*m = moment{began: true, time: l.Time, first: l}
		return false
	}
	if m.more == nil {
		m.more = map[string]bool{m.first.key(): true}
	}
	key := l.key()
	if m.more[key] {
		return true
	}
	m.more[key] = true
	return false
}

func (l Line) key() string { return l.All().Key() + l.Text }

func distance(a, b int64) int64 { return max(a-b, b-a) }

// finish is what the entry has become; it shares nothing with the entry but what was
// the stream's in the first place.
func (e *entry) finish() Line {
	line := Line{Time: e.time, Text: e.line, Stream: e.labels[ofStream], Metadata: slices.Clone(e.labels[ofMetadata])}
	if e.owned[ofStream] {
		line.Stream = slices.Clone(line.Stream).sort()
	}
	if parsed := e.withError(slices.Clone(e.labels[ofLine])); len(parsed) > 0 {
		line.Parsed = parsed.sort()
	}
	return line
}

// All are the line's labels from wherever they come.
func (l Line) All() Labels { return slices.Concat(l.Stream, l.Metadata, l.Parsed).sort() }

// Tailer sends records through a query one by one, as they arrive.
type Tailer struct {
	query *LogQuery
	entry entry
}

// NewTailer returns one for the query, or what is wrong with it.
func NewTailer(q *LogQuery) (*Tailer, error) {
	if q.late != nil {
		return nil, q.late
	}
	return &Tailer{query: q}, nil
}

// Line is what the query makes of a record; ok is false when it leaves it out.
func (t *Tailer) Line(time int64, line string, stream, metadata Labels) (l Line, ok bool) {
	for _, m := range t.query.Matchers {
		if !m.Matches(stream.Get(m.Name)) {
			return Line{}, false
		}
	}
	t.entry.reset(time, line, stream, metadata)
	if !t.query.run(&t.entry) {
		return Line{}, false
	}
	return t.entry.finish(), true
}

// cursor stands at a record of a stream.
type cursor struct {
	stream  int
	records Records
	at      int
}

// merge is a heap of cursors, by time and then by stream.
type merge struct {
	cursors []cursor
	forward bool
}

func (m *merge) step(c *cursor) bool {
	if m.forward {
		c.at++
		return c.at < c.records.Len()
	}
	c.at--
	return c.at >= 0
}

func (m *merge) Len() int      { return len(m.cursors) }
func (m *merge) Swap(i, j int) { m.cursors[i], m.cursors[j] = m.cursors[j], m.cursors[i] }
func (m *merge) Push(x any)    { m.cursors = append(m.cursors, x.(cursor)) }

func (m *merge) Pop() any {
	last := m.cursors[len(m.cursors)-1]
	m.cursors = m.cursors[:len(m.cursors)-1]
	return last
}

func (m *merge) Less(i, j int) bool {
	a, b := m.cursors[i], m.cursors[j]
	at, bt := a.records.Time(a.at), b.records.Time(b.at)
	if at == bt {
		return a.stream < b.stream
	}
	return (at < bt) == m.forward
}
