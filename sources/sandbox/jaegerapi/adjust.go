package jaegerapi

import (
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"obs/sources"
)

// shown is a span as an answer shows it. A server adjusts traces before it hands them
// out, unless they are asked for raw.
type shown struct {
	*span
	id, parent uint64
	warnings   []string
}

// The server adjusts no timestamps unless it is told to, and says what it would do.
const (
	warnDuration  = "Negative duration detected, sanitizing end timestamp. Original end timestamp: %s, adjusted to: %s"
	warnDuplicate = "duplicate span IDs; skipping clock skew adjustment"
	warnSkew      = "clock skew adjustment disabled; not applying calculated delta of %v"
)

// asStored shows the spans as they came, but for the repair that the server makes as it
// takes them in.
func asStored(f found) []*shown {
	all := make([]*shown, len(f.spans))
	for i, s := range f.spans {
		all[i] = &shown{span: s, id: s.id, parent: s.parent}
		if s.instant {
			all[i].warn(fmt.Sprintf(warnDuration, time.Unix(0, s.start).UTC(), time.Unix(0, s.end).UTC()))
		}
	}
	return all
}

func (s *shown) warn(text string) { s.warnings = append(s.warnings, text) }

// separate gives those server spans IDs of their own that share one with a client span,
// as both sides of a call do with Zipkin's clients, and makes them children of it.
func separate(all []*shown) {
	used := map[uint64]bool{}
	client := map[uint64]bool{}
	for _, s := range all {
		used[s.id] = true
		client[s.id] = client[s.id] || s.kind == "client"
	}
	renamed := map[uint64]uint64{}
	next := uint64(0)
	for _, s := range all {
		if s.kind != "server" || !client[s.id] {
			continue
		}
		for next++; used[next]; {
			next++
		}
		renamed[s.id] = next
		s.parent, s.id = s.id, next
	}
	for _, s := range all {
		if id, ok := renamed[s.parent]; ok && s.id != id {
			s.parent = id
		}
	}
}

// withoutRepeats drops spans that are the same as one before them in everything.
func withoutRepeats(all []*shown) []*shown {
	byID := make(map[uint64][]*shown, len(all))
	return slices.DeleteFunc(all, func(s *shown) bool {
		if slices.ContainsFunc(byID[s.id], s.same) {
			return true
		}
		byID[s.id] = append(byID[s.id], s)
		return false
	})
}

func (s *shown) same(o *shown) bool {
	return s.parent == o.parent && s.process == o.process && s.operation == o.operation && s.kind == o.kind &&
		s.status == o.status && s.start == o.start && s.end == o.end && s.instant == o.instant &&
		s.attributes.equal(o.attributes) && s.more.equal(o.more)
}

func (list attributes) equal(o attributes) bool {
	return slices.EqualFunc(list, o, func(a, b *sources.Attribute) bool { return *a == *b })
}

func (m *more) equal(o *more) bool {
	if m == nil || o == nil {
		return m == o
	}
	return m.message == o.message && slices.Equal(m.links, o.links) && slices.EqualFunc(m.events, o.events, func(a, b event) bool {
		return a.at == b.at && a.name == b.name && a.attributes.equal(b.attributes)
	})
}

// skew is what the two APIs do differently as they look for clocks that disagree.
type skew struct {
	parent  func(*shown) uint64
	host    func(*process) string // spans of one host share a clock; empty if unknown
	missing string                // the warning about a parent that is not there
}

// check warns about spans that lie outside of their parent in time, or have none.
func (k skew) check(all []*shown) {
	byID := make(map[uint64]*shown, len(all))
	for _, s := range all {
		if byID[s.id] != nil {
			s.warn(warnDuplicate)
		} else {
			byID[s.id] = s
		}
	}
	children := map[uint64][]*shown{}
	var roots []*shown
	for _, s := range all {
		if byID[s.id] != s {
			continue
		}
		parent := k.parent(s)
		switch {
		case parent == 0:
			roots = append(roots, s)
		case byID[parent] == nil:
			s.warn(fmt.Sprintf(k.missing, digits(parent)))
			roots = append(roots, s)
		default:
			children[parent] = append(children[parent], s)
		}
	}
	// A span of the same host as its parent is off by as much as that one is.
	type step struct {
		*shown
		delta time.Duration
	}
	var pending []step
	for _, root := range roots {
		pending = append(pending, step{root, 0})
	}
	for len(pending) > 0 {
		at := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		host := k.host(at.process)
		for _, child := range children[at.id] {
			next := step{child, at.delta}
			if own := k.host(child.process); own != host || own == "" {
				next.delta = offset(child.span, at.span)
			}
			if next.delta != 0 {
				child.warn(fmt.Sprintf(warnSkew, next.delta))
			}
			pending = append(pending, next)
		}
	}
}

// offset is by how much a child would have to move to lie within its parent.
func offset(child, parent *span) time.Duration {
	childLasts, parentLasts := child.end-child.start, parent.end-parent.start
	switch {
	case childLasts > parentLasts && child.start < parent.start:
		return time.Duration(parent.start - child.start)
	case childLasts > parentLasts, child.start >= parent.start && child.end <= parent.end:
		return 0
	}
	return time.Duration(parent.start + (parentLasts-childLasts)/2 - child.start)
}

// hostV3 is the host of a process by OpenTelemetry's attributes.
func hostV3(p *process) string {
	for _, key := range []string{"host.id", "host.ip", "host.name"} {
		if text, ok := p.resource.get(key); ok {
			value := pcommon.NewValueEmpty()
			typed(value, key, text)
			if value.Type() == pcommon.ValueTypeSlice && value.Slice().Len() > 0 {
				return value.Slice().At(0).AsString()
			}
			return value.Str()
		}
	}
	return ""
}

// hostV1 is the host of a process by the tag of Jaeger's own clients.
func hostV1(p *process) string {
	text, _ := p.resource.get("ip")
	return text
}
