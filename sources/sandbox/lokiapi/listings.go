package lokiapi

import (
	"maps"
	"slices"
	"strings"
	"time"

	"obs/sources/sandbox/lokiapi/logql"
)

// listingSpan is how far back of now labels and series are listed without a start.
const listingSpan = 6 * time.Hour

func sortStreams(streams []lineStream) {
	slices.SortFunc(streams, func(a, b lineStream) int { return strings.Compare(a.key, b.key) })
}

// inWindow are the streams that the query parameter selects and that have records in
// the window; all of them without a query.
func (r *request) inWindow() ([]logql.Stream, error) {
	from, to, err := r.window(listingSpan)
	if err != nil {
		return nil, err
	}
	var matchers []logql.Matcher
	if r.params.Get("query") != "" {
		if matchers, err = r.selector(); err != nil {
			return nil, err
		}
	}
	return r.server.store.Select(matchers, from.UnixNano(), to.UnixNano()), nil
}

func (s *server) labels(r *request) (any, error) {
	streams, err := r.inWindow()
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, stream := range streams {
		for _, l := range stream.Labels {
			names[l.Name] = true
		}
	}
	return list(names), nil
}

func (s *server) labelValues(r *request) (any, error) {
	streams, err := r.inWindow()
	if err != nil {
		return nil, err
	}
	values := map[string]bool{}
	for _, stream := range streams {
		if value := stream.Labels.Get(r.PathValue("name")); value != "" {
			values[value] = true
		}
	}
	return list(values), nil
}

// list answers with some names in order. Loki leaves an empty list out.
func list(names map[string]bool) answer {
	if len(names) == 0 {
		return answer{Status: "success"}
	}
	return success(slices.Sorted(maps.Keys(names)))
}

func (s *server) series(r *request) (any, error) {
	from, to, err := r.window(listingSpan)
	if err != nil {
		return nil, err
	}
	selectors := slices.Concat(r.params["match"], r.params["match[]"])
	if len(selectors) == 0 {
		selectors = []string{"{}"}
	}
	found := map[string]labelSet{}
	for _, text := range selectors {
		matchers, err := logql.ParseSelector(text)
		if err != nil {
			return nil, err
		}
		for _, stream := range s.store.Select(matchers, from.UnixNano(), to.UnixNano()) {
			found[stream.Labels.Key()] = labelSet(stream.Labels)
		}
	}
	all := []labelSet{}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		all = append(all, found[key])
	}
	return success(all), nil
}
