package lokiapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"obs/sources/sandbox/lokiapi/logql"
)

// request is one question, with its parameters from the address and from a form.
type request struct {
	*http.Request
	params url.Values
	now    time.Time
	began  time.Time
	server *server
}

// endpoint answers with a value to be written as JSON, or refuses.
type endpoint func(r *request) (any, error)

// maxForm bounds the body of a question.
const maxForm = 1 << 20

func (s *server) handle(answer endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), s.Timeout)
		defer cancel()
		r = r.WithContext(ctx)
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			refuse(w, badRequest("%v", err))
			return
		}
		value, err := answer(&request{Request: r, params: r.Form, now: s.Now(), began: time.Now(), server: s})
		if err != nil {
			refuse(w, err)
			return
		}
		writeJSON(w, value)
	}
}

// statusClosed is what Loki answers to those who have gone.
const statusClosed = 499

// refuse writes an error as Loki does: plain text.
func refuse(w http.ResponseWriter, err error) {
	status, text := http.StatusInternalServerError, err.Error()
	refusal := (*logql.Error)(nil)
	switch {
	case errors.As(err, &refusal):
		status = refusal.Status
	case errors.Is(err, context.DeadlineExceeded):
		status, text = http.StatusGatewayTimeout, "Request timed out, decrease the duration of the request or add more label matchers (prefer exact match over regex match) to reduce the amount of data processed."
	case errors.Is(err, context.Canceled):
		status, text = statusClosed, "The request was cancelled by the client."
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) //nolint:gosec // it quotes the query, as plain text that is declared to be some
}

func writeJSON(w http.ResponseWriter, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_, _ = w.Write(append(body, '\n'))
}

func badRequest(format string, args ...any) error {
	return &logql.Error{Status: http.StatusBadRequest, Text: fmt.Sprintf(format, args...)}
}

// categorized tells whether to keep metadata and parsed labels apart.
func categorized(h http.Header) bool {
	for _, flags := range h.Values("X-Loki-Response-Encoding-Flags") {
		for flag := range strings.SplitSeq(flags, ",") {
			if strings.TrimSpace(flag) == "categorize-labels" {
				return true
			}
		}
	}
	return false
}

// moment reads a time: whole seconds, nanoseconds, seconds with a fraction, or RFC 3339.
func moment(text string, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}
	if strings.Contains(text, ".") {
		if seconds, err := strconv.ParseFloat(text, 64); err == nil {
			whole, part := math.Modf(seconds)
			if math.Abs(whole) > math.MaxInt64/1e9 {
				return otherwise, badRequest("cannot parse %q to a valid timestamp", text)
			}
			return time.Unix(int64(whole), int64(part*1e9)).UTC(), nil
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err == nil && len(text) <= 10:
		return time.Unix(n, 0).UTC(), nil
	case err == nil:
		return time.Unix(0, n).UTC(), nil
	}
	if t, other := time.Parse(time.RFC3339Nano, text); other == nil {
		if t.Year() < 1678 || t.Year() > 2261 {
			return otherwise, badRequest("%q is out of range", text)
		}
		return t.UTC(), nil
	}
	return otherwise, badRequest("%v", err)
}

func (r *request) moment(name string, otherwise time.Time) (time.Time, error) {
	t, err := moment(r.params.Get(name), otherwise)
	if err != nil {
		return t, badRequest("could not parse '%s' parameter: %v", name, err)
	}
	return t, nil
}

// window reads start, end and since. Without them it is the span before now.
func (r *request) window(span time.Duration) (from, to time.Time, err error) {
	if text := r.params.Get("since"); text != "" {
		d, err := model.ParseDuration(text)
		if err != nil {
			return from, to, badRequest("could not parse 'since' parameter: %v", err)
		}
		span = time.Duration(d)
	}
	if to, err = r.moment("end", r.now); err != nil {
		return from, to, err
	}
	latest := to
	if r.now.Before(latest) {
		latest = r.now
	}
	from, err = r.moment("start", latest.Add(-span))
	return from, to, err
}

func (r *request) number(name string, otherwise int) (int, error) {
	text := r.params.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, badRequest("%v", err)
	}
	return n, nil
}

// lines reads a number of lines, within what one answer may have.
func (r *request) lines(name string, otherwise int) (int, error) {
	n, err := r.number(name, otherwise)
	switch {
	case err != nil:
		return 0, err
	case n <= 0:
		return 0, badRequest("limit must be a positive value")
	case n > r.server.MaxEntries:
		return 0, badRequest("max entries limit per query exceeded, limit > max_entries_limit_per_query (%d > %d)", n, r.server.MaxEntries)
	}
	return n, nil
}

// span reads a duration: seconds, or with a unit.
func (r *request) span(name string, otherwise time.Duration) (time.Duration, error) {
	text := r.params.Get(name)
	if text == "" {
		return otherwise, nil
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if nanoseconds := seconds * 1e9; math.Abs(nanoseconds) < math.MaxInt64 {
			return time.Duration(nanoseconds), nil
		}
		return 0, badRequest("cannot parse %q to a valid duration. It overflows int64", text)
	}
	d, err := model.ParseDuration(text)
	if err != nil {
		return 0, badRequest("cannot parse %q to a valid duration", text)
	}
	return time.Duration(d), nil
}

const (
	// aimedPoints is how many points a series gets of those who do not name a step.
	aimedPoints = 250
	maxPoints   = 11000
)

// step reads how far apart evaluations are.
func (r *request) step(from, to time.Time) (time.Duration, error) {
	aimed := max((to.Sub(from) / aimedPoints).Truncate(time.Second), time.Second)
	step, err := r.span("step", aimed)
	switch {
	case err != nil:
		return 0, err
	case step <= 0:
		return 0, badRequest("zero or negative query resolution step widths are not accepted. Try a positive integer")
	case to.Sub(from)/step > maxPoints:
		return 0, badRequest("exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter")
	}
	return step, nil
}

// selector reads matchers from the query, where none at all select everything.
func (r *request) selector() ([]logql.Matcher, error) {
	return logql.ParseSelector(r.params.Get("query"))
}
