package promapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/stats"
)

// query answers /api/v1/query.
func (a *api) query(r *http.Request) result {
	most, err := limit(r)
	if err != nil {
		return badParam("limit", err)
	}
	at, err := optionalMoment(r, "time", a.options.Now())
	if err != nil {
		return badParam("time", err)
	}
	return a.run(r, most, 0, func(ctx context.Context, opts promql.QueryOpts) (promql.Query, error) {
		return a.engine.NewInstantQuery(ctx, a.store, opts, r.FormValue("query"), at)
	})
}

// queryRange answers /api/v1/query_range.
func (a *api) queryRange(r *http.Request) result {
	most, err := limit(r)
	if err != nil {
		return badParam("limit", err)
	}
	start, err := moment(r.FormValue("start"))
	if err != nil {
		return badParam("start", err)
	}
	end, err := moment(r.FormValue("end"))
	if err != nil {
		return badParam("end", err)
	}
	if end.Before(start) {
		return badParam("end", errors.New("end timestamp must not be before start time"))
	}
	step, err := duration(r.FormValue("step"))
	if err != nil {
		return badParam("step", err)
	}
	if step <= 0 {
		return badParam("step", errors.New("zero or negative query resolution step widths are not accepted. Try a positive integer"))
	}
	if end.Sub(start)/step > time.Duration(a.options.MaxPoints) {
		return bad(fmt.Errorf("exceeded maximum resolution of %s points per timeseries. Try decreasing the query resolution (?step=XX)", thousands(a.options.MaxPoints)))
	}
	return a.run(r, most, end.Sub(start), func(ctx context.Context, opts promql.QueryOpts) (promql.Query, error) {
		return a.engine.NewRangeQuery(ctx, a.store, opts, r.FormValue("query"), start, end, step)
	})
}

// run evaluates a query with the parameters that both kinds have; over is its range.
func (a *api) run(r *http.Request, most int, over time.Duration, prepare func(context.Context, promql.QueryOpts) (promql.Query, error)) result {
	ctx := r.Context()
	if text := r.FormValue("timeout"); text != "" {
		timeout, err := duration(text)
		if err != nil {
			return badParam("timeout", err)
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	var lookback time.Duration
	if text := r.FormValue("lookback_delta"); text != "" {
		var err error
		if lookback, err = duration(text); err != nil {
			return bad(fmt.Errorf("error parsing lookback delta duration: %w", err))
		}
	}
	query, err := prepare(ctx, promql.NewPrometheusQueryOpts(false, lookback))
	if err != nil {
		return badParam("query", err)
	}
	defer query.Close()
	if a.excessive(r.FormValue("query"), over) {
		return failing(promql.ErrTooManySamples("query execution"))
	}
	got := query.Exec(ctx)
	if got.Err != nil {
		return failing(got.Err)
	}
	value, remarks := got.Value, got.Warnings
	if cut := truncated(value, most); cut != nil {
		value = cut
		remarks.Add(errTruncated)
	}
	data, err := appendValue([]byte(`{"resultType":"`+string(value.Type())+`","result":`), value)
	if err != nil {
		return result{failed: &failure{internal, err}}
	}
	if wanted := r.FormValue("stats"); wanted != "" {
		if wanted != "true" && wanted != "all" {
			remarks.Add(fmt.Errorf("value %q for parameter \"stats\" is deprecated and will be rejected in the next major release, use %q or %q", wanted, "true", "all"))
		}
		counted, err := json.Marshal(stats.NewQueryStats(query.Stats()))
		if err != nil {
			return result{failed: &failure{internal, err}}
		}
		data = append(append(data, `,"stats":`...), counted...)
	}
	return result{data: append(data, '}'), remarks: remarks}
}

// excessive reports whether a subquery has more steps than a query may hold samples. The
// engine makes room for all steps before it counts the first sample: of billions of them,
// a server of its own dies, and the sandbox with the program that it is part of.
func (a *api) excessive(text string, over time.Duration) bool {
	expr, err := parser.ParseExpr(text)
	if err != nil {
		return false
	}
	found := false
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		if _, ok := node.(*parser.SubqueryExpr); !ok {
			return nil
		}
		// A subquery covers its own range and those that it stands in.
		reach := over.Seconds()
		var step time.Duration
		for _, n := range append(path, node) {
			if s, ok := n.(*parser.SubqueryExpr); ok {
				reach += s.Range.Seconds()
				step = cmp.Or(s.Step, a.options.Evaluation)
			}
		}
		found = found || reach/step.Seconds() > float64(a.options.MaxSamples)
		return nil
	})
	return found
}

// truncated is the value cut to most series; nil where nothing needs cutting.
func truncated(value parser.Value, most int) parser.Value {
	switch v := value.(type) {
	case promql.Vector:
		if most > 0 && len(v) > most {
			return v[:most]
		}
	case promql.Matrix:
		if most > 0 && len(v) > most {
			return v[:most]
		}
	}
	return nil
}

// thousands writes a number with commas.
func thousands(n int) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// queryExemplars answers /api/v1/query_exemplars.
func (a *api) queryExemplars(r *http.Request) result {
	start, end, failed := span(r)
	if failed != nil {
		return *failed
	}
	if end.Before(start) {
		return bad(errors.New("end timestamp must not be before start timestamp"))
	}
	expr, err := parser.ParseExpr(r.FormValue("query"))
	if err != nil {
		return bad(err)
	}
	selected := parser.ExtractSelectors(expr)
	if len(selected) == 0 {
		return result{}
	}
	found := a.store.exemplars.find(timestamp.FromTime(start), timestamp.FromTime(end), selected)
	return result{data: appendExemplars(nil, found)}
}
