package loki

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"time"

	"obs/sources"
)

var errNotMetric = errors.New("this query selects log lines, where one that counts or measures is wanted, such as count_over_time({…}[1m])")

// Instant implements sources.Logs. A scalar comes as one series without labels.
func (c *Client) Instant(ctx context.Context, query string, at time.Time) (sources.SeriesAnswer, error) {
	q := question{text: query, window: sources.Window{From: at, To: at}, endpoint: "query", params: url.Values{}}
	q.params.Set("query", query)
	q.params.Set("time", nanoseconds(at))
	return c.series(ctx, q, at)
}

// minStep is Loki's resolution of steps.
const minStep = time.Millisecond

// Range implements sources.Logs, with evaluations at the multiples of step since the
// Unix epoch that lie in w, both ends included. Loki moves evaluations to such times by
// itself wherever it splits queries, which it does by default, and beyond both ends of
// w if need be; asking for them in the first place gives the same answer everywhere,
// and nothing of what lies outside. A window without such a time is evaluated at its
// start. Steps are of whole milliseconds, at least one.
func (c *Client) Range(ctx context.Context, query string, w sources.Window, step time.Duration) (sources.SeriesAnswer, error) {
	step = max(step.Truncate(minStep), minStep)
	aligned := sources.Window{From: alignUp(w.From, step), To: alignUp(w.To.Add(1-step), step)}
	if aligned.From.After(w.To) {
		return c.Instant(ctx, query, w.From)
	}
	q := question{text: query, window: aligned, endpoint: "query_range", params: windowParams(aligned)}
	q.params.Set("query", query)
	q.params.Set("step", strconv.FormatFloat(step.Seconds(), 'f', -1, 64))
	answer, err := c.series(ctx, q, aligned.From)
	for i, series := range answer.Series {
		answer.Series[i].Samples = slices.DeleteFunc(series.Samples, func(s sources.Sample) bool {
			return s.Time.Before(aligned.From) || s.Time.After(aligned.To)
		})
	}
	return answer, err
}

// alignUp is the first multiple of step since the Unix epoch that is not before t.
func alignUp(t time.Time, step time.Duration) time.Time {
	over := t.UnixNano() % int64(step)
	if over > 0 {
		over -= int64(step)
	}
	return t.Add(-time.Duration(over))
}

// series puts a metric question; a scalar is dated at, since Loki dates it wrongly.
func (c *Client) series(ctx context.Context, q question, at time.Time) (answer sources.SeriesAnswer, err error) {
	err = c.ask(ctx, q, func(body []byte) (int, error) {
		answer, err = decodeSeries(body, at)
		return len(answer.Series), err
	})
	return answer, err
}

func decodeSeries(body []byte, at time.Time) (answer sources.SeriesAnswer, err error) {
	result, warnings, err := decodeData[struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	}](body)
	if err != nil {
		return answer, err
	}
	for _, warning := range warnings {
		answer.Warnings = append(answer.Warnings, sources.Printable(warning))
	}
	switch result.ResultType {
	case "vector", "matrix":
		var list []struct {
			Metric sources.Labels `json:"metric"`
			Value  *sample        `json:"value"`
			Values []sample       `json:"values"`
		}
		err = json.Unmarshal(result.Result, &list)
		for _, one := range list {
			series := sources.Series{Labels: one.Metric}
			if one.Value != nil {
				series.Samples = append(series.Samples, sources.Sample(*one.Value))
			}
			for _, s := range one.Values {
				series.Samples = append(series.Samples, sources.Sample(s))
			}
			answer.Series = append(answer.Series, series)
		}
	case "scalar":
		var value float64
		_, value, err = decodePair(result.Result)
		answer.Series = []sources.Series{{Samples: []sources.Sample{{Time: at, Value: value}}}}
	case "streams":
		err = errNotMetric
	default:
		err = fmt.Errorf("the result is of the type %.50q", result.ResultType)
	}
	if err != nil {
		return sources.SeriesAnswer{}, err
	}
	return answer, nil
}

// decodeData reads the envelope that all answers but those of detected_fields have.
// Data is the zero value when there is none, which is how Loki writes an empty list.
func decodeData[T any](body []byte) (data T, warnings []string, err error) {
	var answer struct {
		Status   string   `json:"status"`
		Data     T        `json:"data"`
		Warnings []string `json:"warnings"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return data, nil, err
	}
	if answer.Status != "success" {
		return data, nil, fmt.Errorf("the status is %.50q", answer.Status)
	}
	return answer.Data, answer.Warnings, nil
}

type sample sources.Sample

func (s *sample) UnmarshalJSON(text []byte) error {
	seconds, value, err := decodePair(text)
	if err != nil {
		return err
	}
	if math.Abs(seconds) > maxSeconds {
		return fmt.Errorf("%g is not a time", seconds)
	}
	// Loki counts in milliseconds; what is finer is noise of the floating point.
	s.Time, s.Value = time.UnixMilli(int64(math.Round(seconds*1000))).UTC(), value
	return nil
}

// maxSeconds is the furthest that a time with nanoseconds in an int64 can be from 1970.
const maxSeconds = math.MaxInt64 / 1e9

// decodePair reads [seconds, "value"], where the value may be NaN, +Inf or -Inf.
func decodePair(text []byte) (seconds, value float64, err error) {
	var number string
	if err := json.Unmarshal(text, &[]any{&seconds, &number}); err != nil {
		return 0, 0, err
	}
	value, err = strconv.ParseFloat(number, 64)
	return seconds, value, err
}
