package spans

import (
	"strings"

	"obs/sources"
)

// Key names a kind of work: what spans of different traces are compared by.
type Key struct {
	Service   string
	Operation string // without what differs from request to request
}

// KeyOf is the kind of work that a span is.
func KeyOf(span *sources.Span) Key {
	return Key{Service: span.Service, Operation: kindOf(span.Operation)}
}

// variableDigits is from how many digits on a part of a path is taken for a value. Names
// have one or two (v1, oauth2, base64). A judgement.
const variableDigits = 3

// kindOf is an operation's name with {} in place of the values in a path. A span is to be named
// by its route, and many are named by the path that was asked for: each of these would be a kind
// of its own, which nothing can be compared with.
func kindOf(operation string) string {
	if !strings.ContainsRune(operation, '/') {
		return operation
	}
	path, _, _ := strings.Cut(operation, "?")
	if !strings.ContainsAny(path, "0123456789") {
		return path
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if isValue(part) {
			parts[i] = "{}"
		}
	}
	return strings.Join(parts, "/")
}

// isValue reports whether a part of a path is a number, or has as many digits as IDs have.
func isValue(part string) bool {
	digits := 0
	for i := range len(part) {
		if part[i] >= '0' && part[i] <= '9' {
			digits++
		}
	}
	return digits >= variableDigits || (digits > 0 && digits == len(part))
}
