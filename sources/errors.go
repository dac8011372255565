package sources

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kinds of failure. Every *Error is one of these: test with errors.Is.
var (
	// ErrUnreachable: no connection, or it broke.
	ErrUnreachable = errors.New("cannot be reached")
	// ErrRefused: the server wants other credentials (401, 403).
	ErrRefused = errors.New("refused access")
	// ErrBadQuery: the server does not accept the question (400, 422).
	ErrBadQuery = errors.New("did not accept the query")
	// ErrNotFound: the server answered, and what was asked for is not there.
	ErrNotFound = errors.New("not found")
	// ErrNotThisAPI: something answers at the address, but not the API that was expected.
	ErrNotThisAPI = errors.New("does not answer as this API")
	// ErrTooLarge: the answer is larger than obs is willing to read.
	ErrTooLarge = errors.New("answer too large")
	// ErrBusy: the server says that it has too much to do (429, 503), also after retries.
	ErrBusy = errors.New("is too busy")
	// ErrServer: the server failed (5xx).
	ErrServer = errors.New("failed")
	// ErrTimeout: no answer in time, or the run was cancelled.
	ErrTimeout = errors.New("did not answer in time")
)

// Error is a question that a backend did not answer. It names who was asked, where,
// what, why there is no answer, and what to do about it.
type Error struct {
	Backend Backend
	URL     string // without credentials
	Asked   string // the query, or what was to be listed
	Kind    error  // one of the kinds above
	Status  int    // HTTP status, 0 when none came
	Detail  string // what the server or the network said; cleaned, at most a few hundred bytes
	Hint    string // what to do about it
	Err     error  // what lies beneath, may be nil

	// Line and Column, in characters from 1, are where in the query the server stopped; 0 where
	// it does not say. The column may be one behind the end.
	Line, Column int
}

// Error renders one line without the hint.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s at %s %v", e.Backend, e.URL, e.Kind)
	if e.Status != 0 {
		fmt.Fprintf(&b, " (HTTP %d)", e.Status)
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.Asked != "" {
		fmt.Fprintf(&b, "; asked: %s", e.Asked)
	}
	return b.String()
}

// Unwrap makes errors.Is find both the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// IsCancelled reports whether err came of a context that ended, by a deadline or by
// being cancelled, and not of the backend.
func IsCancelled(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
