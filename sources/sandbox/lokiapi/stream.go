package lokiapi

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
	"strings"
	"sync"

	"obs/sources/sandbox/lokiapi/logql"
)

// stream holds the records of one label set: their texts one after the other in large
// blocks, and for each an entry that says where. That is some 24 bytes for a record
// beside its own text.
type stream struct {
	labels logql.Labels
	key    string // of the labels

	mu      sync.Mutex
	entries []entry // in order of time, then of arrival; what is in it does not change
	late    []entry // that came with a time before the last of entries
	blocks  []*strings.Builder
	names   []string // of metadata
	nameIDs map[string]int
	texts   []string // of the blocks; nil when they have grown since
}

// entry says where the texts of a record are: line bytes from start on, then metadata
// as pairs of a name's place in names and a text with its length before it.
type entry struct {
	time           int64
	start          uint32
	line, metadata uint32
	block          uint32
}

const (
	firstBlock = 1 << 10
	largeBlock = 256 << 10
)

// append adds a record, and tells false if it is there already.
func (s *stream) append(time int64, line string, metadata logql.Labels) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	packed := s.pack(metadata)
	ordered := len(s.entries) == 0 || s.entries[len(s.entries)-1].time <= time
	if s.has(time, line, packed, ordered) {
		return false
	}
	need := len(line) + len(packed)
	var block *strings.Builder
	if n := len(s.blocks); n > 0 {
		block = s.blocks[n-1]
	}
	// A block never grows beyond what it was made with, so that texts stay in place.
	if block == nil || block.Cap()-block.Len() < need {
		size := firstBlock
		if block != nil {
			size = min(2*block.Cap(), largeBlock)
		}
		block = &strings.Builder{}
		block.Grow(max(size, need))
		s.blocks = append(s.blocks, block)
	}
	e := entry{
		time: time, block: uint32(len(s.blocks) - 1), start: uint32(block.Len()),
		line: uint32(len(line)), metadata: uint32(len(packed)),
	}
	block.WriteString(line)
	block.Write(packed)
	s.texts = nil
	if ordered {
		s.entries = append(s.entries, e)
	} else {
		s.late = append(s.late, e)
	}
	return true
}

// has looks for an equal record.
func (s *stream) has(time int64, line string, packed []byte, ordered bool) bool {
	same := func(e entry) bool {
		if e.time != time || int(e.line) != len(line) || int(e.metadata) != len(packed) {
			return false
		}
		text := s.blocks[e.block].String()[e.start:]
		return text[:e.line] == line && text[e.line:e.line+e.metadata] == string(packed)
	}
	if ordered {
		for i := len(s.entries) - 1; i >= 0 && s.entries[i].time == time; i-- {
			if same(s.entries[i]) {
				return true
			}
		}
		return false
	}
	for i := sort.Search(len(s.entries), func(i int) bool { return s.entries[i].time >= time }); i < len(s.entries) && s.entries[i].time == time; i++ {
		if same(s.entries[i]) {
			return true
		}
	}
	// Whatever is late and equal is found when the late ones are put in their places.
	return false
}

func (s *stream) pack(metadata logql.Labels) (packed []byte) {
	for _, l := range metadata {
		id, known := s.nameIDs[l.Name]
		if !known {
			if s.nameIDs == nil {
				s.nameIDs = map[string]int{}
			}
			id = len(s.names)
			name := strings.Clone(l.Name)
			s.nameIDs[name] = id
			s.names = append(s.names, name)
		}
		packed = binary.AppendUvarint(packed, uint64(id))
		packed = binary.AppendUvarint(packed, uint64(len(l.Value)))
		packed = append(packed, l.Value...)
	}
	return packed
}

// settle puts late records in their places, and leaves out those that were there.
func (s *stream) settle() {
	if len(s.late) == 0 {
		return
	}
	byTime := func(a, b entry) int { return cmp.Compare(a.time, b.time) }
	earliest := slices.MinFunc(s.late, byTime).time
	// Those who are reading have the entries as they were, so these are not touched.
	kept := make([]entry, 0, len(s.entries)+2*len(s.late))
	first := sort.Search(len(s.entries), func(i int) bool { return s.entries[i].time >= earliest })
	kept = append(kept, s.entries[:first]...)
	moved := slices.Concat(s.entries[first:], s.late)
	slices.SortStableFunc(moved, byTime)
	for _, e := range moved { // first: of those with the time at hand
		if len(kept) > 0 && kept[len(kept)-1].time != e.time {
			first = len(kept)
		}
		if !slices.ContainsFunc(kept[first:], func(o entry) bool { return o.time == e.time && s.text(o) == s.text(e) && o.line == e.line }) {
			kept = append(kept, e)
		}
	}
	s.entries, s.late = kept, nil
}

func (s *stream) text(e entry) string {
	return s.blocks[e.block].String()[e.start : e.start+e.line+e.metadata]
}

// between are the records of from <= time < to. What arrives later does not show in it.
func (s *stream) between(from, to int64) records {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	lo := sort.Search(len(s.entries), func(i int) bool { return s.entries[i].time >= from })
	hi := lo + sort.Search(len(s.entries)-lo, func(i int) bool { return s.entries[lo+i].time >= to })
	if lo >= hi {
		return records{}
	}
	if s.texts == nil {
		s.texts = make([]string, len(s.blocks))
		for i, b := range s.blocks {
			s.texts[i] = b.String()
		}
	}
	return records{entries: s.entries[lo:hi:hi], texts: s.texts, names: s.names[:len(s.names):len(s.names)]}
}

// records is a part of a stream as it was at a moment. It implements logql.Records.
type records struct {
	entries []entry
	texts   []string
	names   []string
}

func (r records) Len() int         { return len(r.entries) }
func (r records) Time(i int) int64 { return r.entries[i].time }

func (r records) Line(i int) string {
	e := r.entries[i]
	return r.texts[e.block][e.start : e.start+e.line]
}

func (r records) Metadata(i int, into logql.Labels) logql.Labels {
	e := r.entries[i]
	packed := r.texts[e.block][e.start+e.line : e.start+e.line+e.metadata]
	for packed != "" {
		var id, size int
		id, packed = uvarint(packed)
		size, packed = uvarint(packed)
		into = append(into, logql.Label{Name: r.names[id], Value: packed[:size]})
		packed = packed[size:]
	}
	return into
}

// uvarint reads what binary.AppendUvarint has written.
func uvarint(text string) (n int, rest string) {
	for i := 0; ; i++ {
		n |= int(text[i]&0x7f) << (7 * i)
		if text[i] < 0x80 {
			return n, text[i+1:]
		}
	}
}
