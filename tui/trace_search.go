package tui

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"obs/sources"
)

// haystack is the text of all spans and records in lower case, in one piece, so that one
// pass over it finds everything: 50,000 spans are looked through between two keys.
type haystack struct {
	text []byte
	// at is where each item begins: the spans, the records in the order of recordOf, and
	// then the resources, which spans of one process share.
	at       []int
	resource []int32 // of each span, among the resources; -1 for none
}

// searched bounds how much of one value can be found: a stack trace's beginning, not the
// body of a request that somebody attached.
const searched = 4096

// haystack writes down what can be found.
func (t *requestTree) haystack() *haystack {
	h := &haystack{text: make([]byte, 0, t.textSize())}
	type block struct {
		first *sources.Attribute
		size  int
	}
	known := map[block]int32{}
	var resources []sources.Attributes
	h.resource = make([]int32, t.size())
	h.at = make([]int, 0, t.size()+len(t.records)+1)
	for i := range t.size() {
		s := t.span(i)
		h.begin()
		h.add(s.Service)
		h.add(s.Operation)
		h.add(s.StatusMessage)
		h.addAll(s.Attributes)
		for _, e := range s.Events {
			h.add(e.Name)
			h.addAll(e.Attributes)
		}
		h.resource[i] = -1
		if len(s.Resource) > 0 {
			key := block{&s.Resource[0], len(s.Resource)}
			number, seen := known[key]
			if !seen {
				number = int32(len(resources))
				known[key] = number
				resources = append(resources, s.Resource)
			}
			h.resource[i] = number
		}
	}
	for _, i := range t.recordOf {
		r := &t.records[i]
		h.begin()
		h.add(r.Service)
		h.add(r.Severity)
		h.add(rowOfLine(r.Line))
	}
	for _, r := range resources {
		h.begin()
		h.addAll(r)
	}
	return h
}

// textSize is about how long the text is.
func (t *requestTree) textSize() int {
	size := 0
	add := func(all sources.Attributes) {
		for i := range all {
			size += min(len(all[i].Key), searched) + min(len(all[i].Value), searched) + 2
		}
	}
	for i := range t.size() {
		s := t.span(i)
		size += len(s.Service) + len(s.Operation) + min(len(s.StatusMessage), searched) + 3
		add(s.Attributes)
		for j := range s.Events {
			size += len(s.Events[j].Name) + 1
			add(s.Events[j].Attributes)
		}
	}
	for i := range t.records {
		size += len(t.records[i].Service) + len(t.records[i].Severity) + min(len(t.records[i].Line), searched) + 3
	}
	return size
}

func (h *haystack) begin() { h.at = append(h.at, len(h.text)) }

func (h *haystack) addAll(all sources.Attributes) {
	for _, a := range all {
		h.lower(a.Key)
		h.text = append(h.text, '=')
		h.add(a.Value)
	}
}

// add adds a text that ends there: what is searched for never spans two.
func (h *haystack) add(text string) {
	h.lower(text)
	h.text = append(h.text, '\n')
}

func (h *haystack) lower(text string) {
	text = text[:min(len(text), searched)]
	from := len(h.text)
	h.text = append(h.text, text...)
	for i := from; i < len(h.text); i++ {
		c := h.text[i]
		if c >= utf8.RuneSelf {
			h.text = append(h.text[:from], strings.ToLower(text)...)
			return
		}
		if 'A' <= c && c <= 'Z' {
			h.text[i] = c + 'a' - 'A'
		}
	}
}

// item is the text of one.
func (h *haystack) item(i int) []byte {
	end := len(h.text)
	if i+1 < len(h.at) {
		end = h.at[i+1]
	}
	return h.text[h.at[i]:end]
}

// find lists the items that hold a text, which is in lower case and not empty. Where
// among is not nil only those are looked at.
func (h *haystack) find(needle string, among []int32) []int32 {
	text := []byte(needle)
	var found []int32
	if among != nil {
		for _, i := range among {
			if bytes.Contains(h.item(int(i)), text) {
				found = append(found, i)
			}
		}
		return found
	}
	item := 0
	for from := 0; ; {
		at := bytes.Index(h.text[from:], text)
		if at < 0 {
			return found
		}
		at += from
		if item+1 < len(h.at) && h.at[item+1] <= at {
			next, same := slices.BinarySearch(h.at[item:], at)
			if !same {
				next--
			}
			item += next
		}
		found = append(found, int32(item))
		if item+1 >= len(h.at) {
			return found
		}
		from = h.at[item+1]
		item++
	}
}

// traceSearch is what was searched for in a tree, and where it is.
type traceSearch struct {
	needle string
	items  []int32     // that hold it
	spots  []traceSpot // that hold it, in the order of the screen
}

// seek searches. A text that goes on from the one before is looked for only where that
// was found.
func (v *treeView) seek(text string, before traceSearch) traceSearch {
	s := traceSearch{needle: strings.ToLower(text)}
	if s.needle == "" || v.hay == nil {
		return s
	}
	var among []int32
	if before.needle != "" && strings.Contains(s.needle, before.needle) {
		if among = before.items; among == nil {
			among = []int32{}
		}
	}
	s.items = v.hay.find(s.needle, among)
	n := v.size()
	hit := make([]bool, len(v.hay.at))
	for _, i := range s.items {
		hit[i] = true
	}
	exact := int32(-1) // an ID is found only whole: its digits are in too many others
	if id, ok := sources.ParseSpanID(s.needle); ok && len(s.needle) == len(id) {
		if at, known := v.byID[id]; known {
			exact = at
		}
	}
	for i := range n + 1 {
		if i < n && (hit[i] || int32(i) == exact || (v.hay.resource[i] >= 0 && hit[n+len(v.recordOf)+int(v.hay.resource[i])])) {
			s.spots = append(s.spots, traceSpot{i, -1})
		}
		for at := v.recordAt[i]; at < v.recordAt[i+1]; at++ {
			if hit[n+int(at)] {
				s.spots = append(s.spots, traceSpot{i, int(at)})
			}
		}
	}
	return s
}

func compareSpots(a, b traceSpot) int {
	if a.span != b.span {
		return a.span - b.span
	}
	return a.record - b.record
}

// index is the place of a spot among those found, or where it would be.
func (s *traceSearch) index(at traceSpot) (int, bool) {
	return slices.BinarySearchFunc(s.spots, at, compareSpots)
}

// holds reports whether a spot was found.
func (s *traceSearch) holds(at traceSpot) bool {
	_, found := s.index(at)
	return found
}
