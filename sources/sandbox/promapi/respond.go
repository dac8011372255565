package promapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/annotations"
)

// failure is an error with the kind that Prometheus gives it.
type failure struct {
	kind string
	err  error
}

// The kinds of failure, with their statuses.
const (
	badData   = "bad_data"
	execution = "execution"
	canceled  = "canceled"
	timedOut  = "timeout"
	internal  = "internal"
)

var statuses = map[string]int{
	badData:   http.StatusBadRequest,
	execution: http.StatusUnprocessableEntity,
	canceled:  499, // the client has gone; nginx's number
	timedOut:  http.StatusServiceUnavailable,
	internal:  http.StatusInternalServerError,
}

// result is what an endpoint answers: encoded data with remarks, or a failure. Neither
// is an answer without content.
type result struct {
	data    json.RawMessage
	remarks annotations.Annotations
	failed  *failure
}

func bad(err error) result { return result{failed: &failure{badData, err}} }

func badParam(name string, err error) result {
	return bad(fmt.Errorf("invalid parameter %q: %w", name, err))
}

// failing tells the engine's errors apart.
func failing(err error) result {
	var (
		cancel  promql.ErrQueryCanceled
		timeout promql.ErrQueryTimeout
		storage promql.ErrStorage
	)
	kind := execution
	switch {
	case errors.As(err, &cancel), errors.Is(err, context.Canceled):
		kind = canceled
	case errors.As(err, &timeout):
		kind = timedOut
	case errors.As(err, &storage):
		kind = internal
	}
	return result{failed: &failure{kind, err}}
}

// encoded is a result of what encoding/json makes of v.
func encoded(v any, remarks annotations.Annotations) result {
	data, err := json.Marshal(v)
	if err != nil {
		return result{failed: &failure{internal, err}}
	}
	return result{data: data, remarks: remarks}
}

// mostRemarks is how many warnings, and how many infos, an answer lists.
const mostRemarks = 10

// answering serves an endpoint, its answers in Prometheus's envelope.
func answering(endpoint func(*http.Request) result) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := safely(endpoint, r)
		w.Header().Set("Content-Type", "application/json")
		if f := answer.failed; f != nil {
			w.WriteHeader(statuses[f.kind])
			b := appendText([]byte(`{"status":"error","errorType":`), f.kind)
			_, _ = w.Write(append(appendText(append(b, `,"error":`...), f.err.Error()), '}'))
			return
		}
		if answer.data == nil {
			w.Header().Del("Content-Type")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		warnings, infos := answer.remarks.AsStrings(r.FormValue("query"), mostRemarks, mostRemarks)
		b := append([]byte(`{"status":"success","data":`), answer.data...)
		if len(warnings) > 0 {
			b = appendList(append(b, `,"warnings":`...), warnings, appendText)
		}
		if len(infos) > 0 {
			b = appendList(append(b, `,"infos":`...), infos, appendText)
		}
		_, _ = w.Write(append(b, '}')) //nolint:gosec // JSON, and said to be: no browser takes it for a page
	})
}

// safely turns a panic into a failure, with where it came from: the engine catches its
// own, and this is for what it does not.
func safely(endpoint func(*http.Request) result, r *http.Request) (answer result) {
	defer func() {
		if p := recover(); p != nil {
			answer = result{failed: &failure{internal, fmt.Errorf("panic: %v\n%s", p, debug.Stack())}}
		}
	}()
	return endpoint(r)
}
