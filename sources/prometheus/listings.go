package prometheus

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"obs/sources"
)

// LabelValues implements sources.Metrics with /api/v1/label/<name>/values.
func (c *Client) LabelValues(ctx context.Context, label string, matching []string, w sources.Window) (values []string, err error) {
	// A name that is no plain identifier goes into a path in this escaped form (UTF-8
	// names, Prometheus 3).
	name := model.EscapeName(label, model.ValueEncodingEscaping)
	q := question{text: listing("/api/v1/label/"+label+"/values", matchers(matching)...), window: w}
	err = c.ask(ctx, q, func(ctx context.Context) (int, error) {
		found, warnings, _, err := c.api.LabelValues(ctx, name, matching, w.From, w.To)
		if err != nil {
			return 0, err
		}
		notePartial(ctx, warnings)
		for _, value := range found {
			values = append(values, string(value))
		}
		return len(values), nil
	})
	return values, err
}

// Series implements sources.Metrics with /api/v1/series. A limit of 0 is none.
func (c *Client) Series(ctx context.Context, matching []string, w sources.Window, limit int) (sets []sources.Labels, err error) {
	params := matchers(matching)
	var options []v1.Option
	if limit > 0 {
		params = append(params, "limit="+strconv.Itoa(limit))
		options = append(options, v1.WithLimit(uint64(limit)))
	}
	err = c.ask(ctx, question{text: listing("/api/v1/series", params...), window: w}, func(ctx context.Context) (int, error) {
		found, warnings, _, err := c.api.Series(ctx, matching, w.From, w.To, options...)
		if err != nil {
			return 0, err
		}
		if limit <= 0 || len(found) < limit { // that it was cut is what was asked for
			notePartial(ctx, warnings)
		}
		if limit > 0 && len(found) > limit { // servers of before 2.54 know no limit
			found = found[:limit]
		}
		for _, set := range found {
			sets = append(sets, labels(set))
		}
		return len(sets), nil
	})
	return sets, err
}

// Metadata implements sources.Metrics with /api/v1/metadata. Where targets disagree
// about a metric, the first by type, unit and help counts.
func (c *Client) Metadata(ctx context.Context) (known map[string]sources.MetricMetadata, err error) {
	q := question{text: listing("/api/v1/metadata"), missing: "this server does not know types and units: go by the metrics' names"}
	err = c.ask(ctx, q, func(ctx context.Context) (int, error) {
		found, err := c.api.Metadata(ctx, "", "")
		if err != nil {
			return 0, err
		}
		known = make(map[string]sources.MetricMetadata, len(found))
		for name, all := range found {
			if len(all) == 0 {
				continue
			}
			first := slices.MinFunc(all, func(a, b v1.Metadata) int {
				return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Help, b.Help))
			})
			known[name] = sources.MetricMetadata{Type: string(first.Type), Unit: first.Unit, Help: first.Help}
		}
		return len(known), nil
	})
	return known, err
}

// Exemplars implements sources.Metrics with /api/v1/query_exemplars. A server that keeps
// no exemplars answers with none.
func (c *Client) Exemplars(ctx context.Context, query string, w sources.Window) (exemplars []sources.Exemplar, err error) {
	q := question{
		text: listing("/api/v1/query_exemplars", "query="+query), window: w,
		missing: "this server keeps no exemplars: look for traces by service and time",
	}
	err = c.ask(ctx, q, func(ctx context.Context) (int, error) {
		found, err := c.api.QueryExemplars(ctx, query, w.From, w.To)
		if err != nil {
			return 0, err
		}
		for _, series := range found {
			kept := labels(series.SeriesLabels)
			for _, e := range series.Exemplars {
				s := sample(e.Timestamp, e.Value)
				if !w.IsZero() && !w.Contains(s.Time) {
					continue // the server counts w.To in
				}
				exemplars = append(exemplars, sources.Exemplar{Series: kept, Labels: labels(e.Labels), Value: s.Value, Time: s.Time})
			}
		}
		slices.SortStableFunc(exemplars, func(a, b sources.Exemplar) int { return a.Time.Compare(b.Time) })
		return len(exemplars), nil
	})
	return exemplars, err
}

// noRules is what to do where a server evaluates no rules.
const noRules = "this server evaluates no alerting rules: look for alerts where they are evaluated, or name that server to it (VictoriaMetrics's -vmalert.proxyURL), or give ALERTMANAGER_URL"

// Alerts implements sources.Metrics with /api/v1/alerts. VictoriaMetrics answers with none
// for whoever evaluates rules elsewhere; one that has no rules either is an error that is
// ErrNotFound.
func (c *Client) Alerts(ctx context.Context) (alerts []sources.Alert, err error) {
	q := question{text: listing("/api/v1/alerts"), missing: noRules}
	err = c.ask(ctx, q, func(ctx context.Context) (int, error) {
		found, err := c.api.Alerts(ctx)
		if err != nil {
			return 0, err
		}
		for _, a := range found.Alerts {
			if a.State != v1.AlertStatePending && a.State != v1.AlertStateFiring {
				continue
			}
			value, err := strconv.ParseFloat(a.Value, 64)
			if err != nil {
				value = math.NaN()
			}
			alerts = append(alerts, sources.Alert{
				Name: string(a.Labels[model.AlertNameLabel]), State: string(a.State),
				Labels: labels(a.Labels), Annotations: labels(a.Annotations),
				ActiveAt: a.ActiveAt.UTC(), Value: value,
			})
		}
		if len(found.Alerts) == 0 && c.victoria.Load() {
			if rules, err := c.api.Rules(sources.CallFrom(ctx).Part(ctx), nil); err == nil && len(rules.Groups) == 0 {
				failure := c.http.Failure(ctx, sources.ErrNotFound, errors.New("it has no alerting rules"))
				failure.Hint = q.missing
				return 0, failure
			}
		}
		return len(alerts), nil
	})
	return alerts, err
}

// listing is the text of a question that is no query: its path and the parameters as a
// person reads them.
func listing(path string, params ...string) string {
	if len(params) == 0 {
		return "GET " + path
	}
	return "GET " + path + "?" + strings.Join(params, "&")
}

func matchers(selectors []string) []string {
	params := make([]string, len(selectors))
	for i, s := range selectors {
		params[i] = "match[]=" + s
	}
	return params
}
