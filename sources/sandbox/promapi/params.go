package promapi

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/promql/parser"
)

// The bounds of a range that names none, as Prometheus has them: some
// 292 million years either way.
var (
	minTime = time.Unix(math.MinInt64/1000+62135596801, 0).UTC()
	maxTime = time.Unix(math.MaxInt64/1000-62135596801, 999999999).UTC()
)

// moment reads seconds since 1970 or RFC 3339.
func moment(text string) (time.Time, error) {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		whole, part := math.Modf(seconds)
		part = math.Round(part*1000) / 1000
		return time.Unix(int64(whole), int64(part*float64(time.Second))).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	// Clients send the bounds in their printed form, whose years no parser reads.
	switch text {
	case minTime.Format(time.RFC3339Nano):
		return minTime, nil
	case maxTime.Format(time.RFC3339Nano):
		return maxTime, nil
	}
	return time.Time{}, fmt.Errorf("cannot parse %q to a valid timestamp", text)
}

func optionalMoment(r *http.Request, name string, otherwise time.Time) (time.Time, error) {
	text := r.FormValue(name)
	if text == "" {
		return otherwise, nil
	}
	t, err := moment(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("invalid time value for '%s': %w", name, err)
	}
	return t, nil
}

// span reads the optional parameters start and end, in milliseconds; the result is the
// failure, if any.
func span(r *http.Request) (start, end time.Time, failed *result) {
	start, err := optionalMoment(r, "start", minTime)
	if err != nil {
		answer := badParam("start", err)
		return start, end, &answer
	}
	end, err = optionalMoment(r, "end", maxTime)
	if err != nil {
		answer := badParam("end", err)
		return start, end, &answer
	}
	return start, end, nil
}

// duration reads seconds or PromQL's notation.
func duration(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		nanos := seconds * float64(time.Second)
		if nanos > math.MaxInt64 || nanos < math.MinInt64 {
			return 0, fmt.Errorf("cannot parse %q to a valid duration. It overflows int64", text)
		}
		return time.Duration(nanos), nil
	}
	if d, err := model.ParseDuration(text); err == nil {
		return time.Duration(d), nil
	}
	return 0, fmt.Errorf("cannot parse %q to a valid duration", text)
}

// limit reads the optional parameter limit; 0 is none.
func limit(r *http.Request) (int, error) {
	text := r.FormValue("limit")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, err
	}
	if n < 0 {
		return 0, errors.New("limit must be non-negative")
	}
	return n, nil
}

// errTruncated is the warning of an answer that a limit cut short.
var errTruncated = errors.New("results truncated due to limit")

// selectors reads the parameters match[].
func selectors(r *http.Request) ([][]*labels.Matcher, error) {
	sets, err := parser.ParseMetricSelectors(r.Form["match[]"])
	if err != nil {
		return nil, err
	}
	for _, set := range sets {
		if matchesEmpty(set) {
			return nil, errors.New("match[] must contain at least one non-empty matcher")
		}
	}
	return sets, nil
}

func matchesEmpty(set []*labels.Matcher) bool {
	for _, m := range set {
		if m != nil && !m.Matches("") {
			return false
		}
	}
	return true
}

// querier is the store between two moments.
func (a *api) querier(start, end time.Time) querier {
	return querier{store: a.store, from: timestamp.FromTime(start), to: timestamp.FromTime(end)}
}
