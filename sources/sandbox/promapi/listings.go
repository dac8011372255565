package promapi

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// labelNames answers /api/v1/labels.
func (a *api) labelNames(r *http.Request) result {
	return a.labelListing(r, func(q querier, matchers []*labels.Matcher) []string {
		names, _, _ := q.LabelNames(r.Context(), nil, matchers...)
		return names
	})
}

// labelValues answers /api/v1/label/NAME/values.
func (a *api) labelValues(r *http.Request) result {
	name := r.PathValue("name")
	if strings.HasPrefix(name, "U__") { // the form that a name of any characters has in a path
		name = model.UnescapeName(name, model.ValueEncodingEscaping)
	}
	if !model.UTF8Validation.IsValidLabelName(name) {
		return bad(fmt.Errorf("invalid label name: %q", name))
	}
	return a.labelListing(r, func(q querier, matchers []*labels.Matcher) []string {
		values, _, _ := q.LabelValues(r.Context(), name, nil, matchers...)
		return values
	})
}

func (a *api) labelListing(r *http.Request, list func(querier, []*labels.Matcher) []string) result {
	most, err := limit(r)
	if err != nil {
		return badParam("limit", err)
	}
	start, end, failed := span(r)
	if failed != nil {
		return *failed
	}
	sets, err := selectors(r)
	if err != nil {
		return bad(err)
	}
	if len(sets) == 0 {
		sets = [][]*labels.Matcher{nil}
	}
	q := a.querier(start, end)
	union := map[string]struct{}{}
	for _, set := range sets {
		for _, text := range list(q, set) {
			union[text] = struct{}{}
		}
	}
	all := slices.AppendSeq([]string{}, maps.Keys(union))
	slices.Sort(all)
	var remarks annotations.Annotations
	if most > 0 && len(all) > most {
		all = all[:most]
		remarks.Add(errTruncated)
	}
	return encoded(all, remarks)
}

// series answers /api/v1/series.
func (a *api) series(r *http.Request) result {
	if err := r.ParseForm(); err != nil {
		return bad(fmt.Errorf("error parsing form values: %w", err))
	}
	if len(r.Form["match[]"]) == 0 {
		return bad(errors.New("no match[] parameter provided"))
	}
	most, err := limit(r)
	if err != nil {
		return badParam("limit", err)
	}
	start, end, failed := span(r)
	if failed != nil {
		return *failed
	}
	sets, err := selectors(r)
	if err != nil {
		return badParam("match[]", err)
	}
	q := a.querier(start, end)
	selected := make([]storage.SeriesSet, len(sets))
	for i, set := range sets {
		selected[i] = q.Select(r.Context(), true, nil, set...)
	}
	var remarks annotations.Annotations
	found := []labels.Labels{}
	all := storage.NewMergeSeriesSet(selected, 0, storage.ChainedSeriesMerge)
	for all.Next() {
		if most > 0 && len(found) == most {
			remarks.Add(errTruncated)
			break
		}
		found = append(found, all.At().Labels())
	}
	if err := all.Err(); err != nil {
		return failing(err)
	}
	return result{data: appendList(nil, found, appendLabels), remarks: remarks}
}

// metricMetadata answers /api/v1/metadata. Which metrics a limit leaves is anybody's
// guess with Prometheus; here they are the first by name.
func (a *api) metricMetadata(r *http.Request) result {
	type described struct {
		Type string `json:"type"`
		Unit string `json:"unit"`
		Help string `json:"help"`
	}
	limits := map[string]int{"limit": -1, "limit_per_metric": -1}
	for _, name := range []string{"limit", "limit_per_metric"} {
		if text := r.FormValue(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil {
				return bad(fmt.Errorf("%s must be a number", name))
			}
			limits[name] = n
		}
	}
	only := r.FormValue("metric")
	found := map[string][]described{}
	a.store.mu.RLock()
	defer a.store.mu.RUnlock()
	for _, name := range slices.Sorted(maps.Keys(a.store.metadata)) {
		if most := limits["limit"]; most >= 0 && len(found) >= most {
			break
		}
		if only == "" || only == name {
			m := a.store.metadata[name]
			found[name] = []described{{Type: m.Type, Unit: m.Unit, Help: m.Help}}
		}
	}
	return encoded(found, nil)
}

// Version is the release of Prometheus whose engine evaluates the queries.
const Version = "3.4.2"

// buildInfo answers /api/v1/status/buildinfo. Its revision says what this is.
func (a *api) buildInfo(*http.Request) result {
	return encoded(struct {
		Version   string `json:"version"`
		Revision  string `json:"revision"`
		Branch    string `json:"branch"`
		BuildUser string `json:"buildUser"`
		BuildDate string `json:"buildDate"`
		GoVersion string `json:"goVersion"`
	}{Version: Version, Revision: "obs-sandbox", GoVersion: runtime.Version()}, nil)
}
