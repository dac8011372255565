package ident

import (
	"net/url"
	"strings"

	"github.com/tidwall/gjson"

	"obs/sources"
)

// isLink reports whether a word is an address, with its scheme or without.
func isLink(word string) bool {
	if strings.Contains(word, "://") || strings.HasPrefix(word, "/") {
		return true
	}
	if strings.ContainsAny(word, "{}\"") {
		return false
	}
	path, query, _ := strings.Cut(word, "?")
	return strings.Contains(path, "/trace/") || strings.Contains(path, "/traces/") || strings.Contains(path, "/") && strings.Contains(query, "=")
}

// readLink finds IDs in a link: of Jaeger (/trace/ID?uiFind=SPAN, /search?traceID=ID), of
// Tempo and Jaeger's APIs (/api/traces/ID, /api/v2/traces/ID), of Grafana's Explore
// (left=JSON before version 10.2, panes=JSON since), and of what writes links like them.
func (r *reader) readLink(link string) {
	if _, rest, ok := strings.Cut(link, "://"); ok {
		link = rest
		if host := length(link, "/?#"); strings.Contains(link[:host], "@") {
			link = link[host:] // a user and a password
		}
	}
	link, fragment, _ := strings.Cut(link, "#")
	path, query, _ := strings.Cut(link, "?")
	before := len(r.found)
	r.readPath(path)
	r.readQuery(query)
	if strings.ContainsAny(fragment, "/?=") { // applications of one page keep their address there
		path, query, _ = strings.Cut(fragment, "?")
		if !strings.Contains(path, "/") && query == "" {
			path, query = "", path
		}
		r.readPath(path)
		r.readQuery(query)
	}
	if len(r.found) > before {
		return
	}
	if strings.Contains(path, "/goto/") {
		r.note("a shortened link holds no ID; open it, and give the address that it leads to")
	} else {
		r.note("no ID is in the link")
	}
}

// readPath reads the part after /trace or /traces; any other that is plainly an ID is
// one of something else. Jaeger compares two traces as /trace/ID...ID.
func (r *reader) readPath(path string) {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if p, err := url.PathUnescape(part); err == nil {
			part = p
		}
		part = strip(clean(part))
		if i > 0 && (strings.EqualFold(parts[i-1], "trace") || strings.EqualFold(parts[i-1], "traces")) {
			taken := false
			for id := range strings.SplitSeq(part, "...") {
				if len(id) < shortest {
					continue
				}
				if c, ok := traceValue(id, false); ok {
					c.form = strings.TrimPrefix(c.form+", in a link", ", ")
					r.add(ofHeader, c)
					taken = true
				}
			}
			if taken {
				continue
			}
		}
		r.looks(ofOther, part)
	}
}

// shortest is how many digits a trace ID in a link has at least: a word such as "add"
// is hexadecimal too. Of random 64-bit IDs, one in 4 billion has fewer.
const shortest = 9

// readQuery reads the parameters of a link in their order.
func (r *reader) readQuery(query string) {
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(name)
		value, err := url.QueryUnescape(value)
		if nameErr != nil || err != nil || value == "" {
			continue
		}
		name = strings.TrimPrefix(clean(name), "var-") // a dashboard's variable
		value = strings.ReplaceAll(clean(value), "\n", " ")
		switch kind := r.roleOf(name); {
		case kind == secret || kind == timeName || kind == otherName && !isClear(value):
		case name == "left" || name == "right" || name == "panes":
			if gjson.Valid(value) {
				r.explored(gjson.Parse(value), 0)
			}
		case name == "tags" && isJSON(value): // of Jaeger's search
			r.json("", gjson.Parse(value), 0)
		case name == "tags" || name == "query" || name == "q" || name == "expr" || name == "search":
			r.asked(value)
		case kind == spanName:
			// Jaeger's uiFind is any text that is searched for, and mostly a span.
			if id, ok := sources.ParseSpanID(value); ok && len(value) == 16 {
				r.scope.span, r.scope.field = id, name
			}
		default:
			r.field(name, value)
		}
	}
}

// explored reads the queries of Grafana's Explore, wherever they stand in its JSON. The
// oldest form is an array: from, to, data source, queries.
func (r *reader) explored(value gjson.Result, depth int) {
	const deepest = 16
	if depth > deepest {
		return
	}
	value.ForEach(func(key, inner gjson.Result) bool {
		switch key.String() {
		case "query", "expr", "traceId", "traceID", "search":
			if inner.Type == gjson.String {
				r.asked(strings.ReplaceAll(clean(inner.String()), "\n", " "))
				return true
			}
		}
		if inner.IsObject() || inner.IsArray() {
			r.explored(inner, depth+1)
		}
		return true
	})
}

// asked reads what a data source was asked: of Tempo and Jaeger a trace ID, of others a
// query that may name one.
func (r *reader) asked(query string) {
	query = strip(query)
	if c, ok := traceValue(query, false); ok && len(query) >= shortest {
		c.form = strings.TrimPrefix(c.form+", in a link", ", ")
		r.add(ofHeader, c)
		return
	}
	r.scan(query)
}
