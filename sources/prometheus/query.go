package prometheus

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"obs/sources"
)

// Instant implements sources.Metrics with /api/v1/query. A scalar comes as one series
// without labels, and a range vector with all its samples. The zero time is the server's
// present.
func (c *Client) Instant(ctx context.Context, query string, at time.Time) (sources.SeriesAnswer, error) {
	q := question{text: query, window: sources.Window{From: at, To: at}}
	return c.series(ctx, q, func(ctx context.Context) (model.Value, v1.Warnings, v1.Infos, error) {
		return c.api.Query(ctx, query, at)
	})
}

// Range implements sources.Metrics with /api/v1/query_range. Of a query with more
// points than a server gives, every second, third and so on is asked for instead, and
// a warning says so.
func (c *Client) Range(ctx context.Context, query string, w sources.Window, step time.Duration) (sources.SeriesAnswer, error) {
	fits := fittingStep(w.Duration(), step)
	answer, err := c.series(ctx, question{text: query, window: w}, func(ctx context.Context) (model.Value, v1.Warnings, v1.Infos, error) {
		return c.api.QueryRange(ctx, query, v1.Range{Start: w.From, End: w.To, Step: fits})
	})
	if fits != step && err == nil {
		answer.Warnings = append(answer.Warnings, fmt.Sprintf(
			"a step of %s over %s makes more points than a server gives: the samples are %s apart instead", step, w.Duration(), fits))
	}
	return answer, err
}

// maxSteps is how many steps a range may have: a server refuses more, with "exceeded
// maximum resolution of 11,000 points per timeseries".
const maxSteps = 11_000

// fittingStep is the smallest multiple of step of which d has no more than the server
// allows. Being a multiple, it leaves out samples and moves none.
func fittingStep(d, step time.Duration) time.Duration {
	if step <= 0 || d/step <= maxSteps { // the server says what is wrong with a step of 0
		return step
	}
	most := step * maxSteps
	times := int64((d + most - 1) / most)
	return time.Duration(times) * step
}

// series puts a query and reads its result.
func (c *Client) series(ctx context.Context, q question, send func(context.Context) (model.Value, v1.Warnings, v1.Infos, error)) (sources.SeriesAnswer, error) {
	var answer sources.SeriesAnswer
	err := c.ask(ctx, q, func(ctx context.Context) (int, error) {
		value, warnings, infos, err := send(ctx)
		if err != nil {
			return 0, err
		}
		var histograms int
		if answer.Series, histograms, err = seriesOf(value); err != nil {
			return 0, err
		}
		notePartial(ctx, warnings)
		for _, remark := range slices.Concat(warnings, v1.Warnings(infos)) {
			answer.Warnings = append(answer.Warnings, sources.Printable(remark))
		}
		if histograms > 0 {
			answer.Warnings = append(answer.Warnings, fmt.Sprintf(
				"left out of the result: %d samples that are histograms and no numbers; histogram_quantile, histogram_avg or histogram_count make numbers of them", histograms))
		}
		return len(answer.Series), nil
	})
	return answer, err
}

// aboutQuery begins what the engine remarks on a query, since Prometheus 2.48; older servers
// remark nothing on it.
const aboutQuery = "PromQL "

// notePartial keeps what the server warns of its own data: Thanos names the stores that did
// not answer (https://thanos.io/tip/components/query.md/#partial-response), and Prometheus
// the servers that it reads from remotely. The answer holds what the others had.
func notePartial(ctx context.Context, warnings v1.Warnings) {
	for _, w := range warnings {
		if !strings.HasPrefix(w, aboutQuery) {
			sources.CallFrom(ctx).Partial(w)
		}
	}
}

// errNoResult is of the kind that client_golang has for what it cannot decode.
var errNoResult = &v1.Error{Type: v1.ErrBadResponse, Msg: "the answer holds no result"}

// seriesOf converts a result, and counts the samples in it that are native histograms.
// They are left out, and so are series of nothing else: which number to make of a
// histogram is for the query to say.
func seriesOf(value model.Value) (series []sources.Series, histograms int, err error) {
	switch value := value.(type) {
	case model.Vector:
		for _, s := range value {
			if s == nil {
				return nil, 0, errNoResult
			}
			if s.Histogram != nil {
				histograms++
				continue
			}
			series = append(series, sources.Series{Labels: labels(s.Metric), Samples: []sources.Sample{sample(s.Timestamp, s.Value)}})
		}
	case model.Matrix:
		for _, s := range value {
			if s == nil {
				return nil, 0, errNoResult
			}
			histograms += len(s.Histograms)
			if len(s.Values) == 0 {
				continue
			}
			samples := make([]sources.Sample, len(s.Values))
			for i, v := range s.Values {
				samples[i] = sample(v.Timestamp, v.Value)
			}
			series = append(series, sources.Series{Labels: labels(s.Metric), Samples: samples})
		}
	case *model.Scalar:
		series = []sources.Series{{Labels: sources.Labels{}, Samples: []sources.Sample{sample(value.Timestamp, value.Value)}}}
	default:
		return nil, 0, errNoResult
	}
	return series, histograms, nil
}

func sample(t model.Time, v model.SampleValue) sources.Sample {
	return sources.Sample{Time: t.Time().UTC(), Value: float64(v)}
}

// labels converts a model.Metric or a model.LabelSet.
func labels[Set ~map[model.LabelName]model.LabelValue](set Set) sources.Labels {
	converted := make(sources.Labels, len(set))
	for name, value := range set {
		converted[string(name)] = string(value)
	}
	return converted
}
