package jaegerapi

import (
	"math"
	"slices"
	"strings"

	"obs/sources"
)

// span is a sources.Span in a third of its size. It never changes.
type span struct {
	process    *process
	operation  string
	id, parent uint64
	start, end int64 // nanoseconds since 1970; the end is after the start
	attributes attributes
	more       *more // nil for most
	kind       sources.Kind
	status     sources.Code
	instant    bool // came with no duration
}

// more is what few spans have.
type more struct {
	message string // of the status
	events  []event
	links   []link
}

type event struct {
	at         int64
	name       string
	attributes attributes
}

type link struct {
	trace traceID
	span  uint64
}

// process is what made a span: its service and its resource, shared by all its spans.
type process struct {
	service  string
	resource attributes // with service.name
}

// attributes is a list in order of key. Each is shared with others that are the same.
type attributes []*sources.Attribute

func (list attributes) get(key string) (string, bool) {
	for _, a := range list {
		if a.Key == key {
			return a.Value, true
		}
	}
	return "", false
}

// has reports whether the key has exactly this value.
func (list attributes) has(want sources.Attribute) bool {
	value, ok := list.get(want.Key)
	return ok && value == want.Value
}

// Keys with a meaning of their own.
const (
	keyService      = "service.name"
	keyScope        = "otel.scope.name"
	keyScopeVersion = "otel.scope.version"
	keyTraceState   = "w3c.tracestate"
)

// isField reports whether the key stands for a field of a span or of its scope, which
// sources.Span has no place for.
func isField(key string) bool {
	return key == keyScope || key == keyScopeVersion || key == keyTraceState
}

// missingService is what Jaeger calls the service of a resource that names none.
const missingService = "missing-service-name"

// internLimit bounds how many attributes and texts are remembered. Past it they are
// forgotten and gathered anew, which costs some sharing: a key whose values never
// repeat must not fill the memory.
const internLimit = 1 << 15

// interned finds what was stored before.
type interned struct {
	pairs     map[sources.Attribute]*sources.Attribute
	texts     map[string]string
	processes map[string]*process
	// seen leads from the first attribute of a caller's resource to its process, to
	// spare building the key: spans of a process mostly come with the same slice.
	seen map[*sources.Attribute]seenProcess
}

type seenProcess struct {
	*process
	service  string
	resource sources.Attributes
}

func newInterned() interned {
	return interned{
		pairs:     map[sources.Attribute]*sources.Attribute{},
		texts:     map[string]string{},
		processes: map[string]*process{},
		seen:      map[*sources.Attribute]seenProcess{},
	}
}

func (n *interned) convert(s *sources.Span) *span {
	start := min(max(nanos(s.Start), 0), math.MaxInt64-1)
	out := &span{
		process:    n.processOf(s.Service, s.Resource),
		operation:  n.text(s.Operation),
		id:         spanNumber(s.ID),
		parent:     spanNumber(s.ParentID),
		start:      start,
		end:        start + min(int64(s.Duration), math.MaxInt64-start),
		attributes: n.attributes(s.Attributes),
		kind:       s.Kind,
		status:     s.Status,
	}
	if out.end <= out.start {
		out.end, out.instant = start+1, true
	}
	if s.StatusMessage == "" && len(s.Events) == 0 && len(s.Links) == 0 {
		return out
	}
	out.more = &more{message: n.text(s.StatusMessage)}
	for _, e := range s.Events {
		out.more.events = append(out.more.events, event{at: max(nanos(e.Time), 0), name: n.text(e.Name), attributes: n.attributes(e.Attributes)})
	}
	for _, l := range s.Links {
		if id, ok := parsed(l.TraceID); ok {
			out.more.links = append(out.more.links, link{trace: id, span: spanNumber(l.SpanID)})
		}
	}
	return out
}

func spanNumber(id sources.SpanID) uint64 {
	padded, ok := sources.ParseSpanID(string(id))
	if !ok {
		return 0
	}
	return number(string(padded))
}

func (n *interned) text(text string) string {
	if known, ok := n.texts[text]; ok {
		return known
	}
	if len(n.texts) >= internLimit {
		clear(n.texts)
	}
	kept := strings.ToValidUTF8(text, "\uFFFD") // JSON holds no other
	n.texts[text] = kept
	return kept
}

func (n *interned) attributes(list sources.Attributes) attributes {
	if len(list) == 0 {
		return nil
	}
	out := make(attributes, 0, len(list))
	for _, a := range list {
		known := n.pairs[a]
		if known == nil {
			if len(n.pairs) >= internLimit {
				clear(n.pairs)
			}
			known = &sources.Attribute{Key: n.text(a.Key), Value: stored(a.Value)}
			n.pairs[a] = known
		}
		out = append(out, known)
	}
	if !slices.IsSortedFunc(out, byKey) {
		slices.SortStableFunc(out, byKey)
	}
	return out
}

func byKey(a, b *sources.Attribute) int { return strings.Compare(a.Key, b.Key) }

func (n *interned) processOf(service string, resource sources.Attributes) *process {
	if len(resource) > 0 {
		if seen, ok := n.seen[&resource[0]]; ok && seen.service == service && slices.Equal(seen.resource, resource) {
			return seen.process
		}
	}
	name := service
	named := make(sources.Attributes, 0, len(resource)+1)
	for _, a := range resource {
		if a.Key != keyService {
			named = append(named, a)
		} else if name == "" {
			name = a.Value
		}
	}
	if name == "" {
		name = missingService
	}
	named = append(named, sources.Attribute{Key: keyService, Value: name})
	named.Sort()

	var key strings.Builder
	for _, a := range named {
		key.WriteString(a.Key + "\x00" + a.Value + "\x00")
	}
	known := n.processes[key.String()]
	if known == nil {
		if len(n.processes) >= internLimit {
			clear(n.processes)
		}
		known = &process{service: n.text(name), resource: n.attributes(named)}
		n.processes[key.String()] = known
	}
	if len(resource) > 0 {
		if len(n.seen) >= internLimit {
			clear(n.seen)
		}
		// A copy: the caller's slice is its own to change.
		n.seen[&resource[0]] = seenProcess{process: known, service: service, resource: slices.Clone(resource)}
	}
	return known
}
