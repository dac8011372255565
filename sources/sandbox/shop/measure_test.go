package shop

import (
	"sort"
	"strconv"
	"testing"
	"time"

	"obs/sources"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// past runs a scenario up to noon.
func past(t testing.TB, name string, seed uint64, requests int) (*Shop, *memory) {
	t.Helper()
	sc, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	s, m := New(sc, Options{Seed: seed, Now: noon, Requests: requests}), newMemory()
	if err := s.Past(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	return s, m
}

const requestSeconds = "http_server_request_duration_seconds"

// quantile is what histogram_quantile makes of the buckets' increase in a window.
func (m *memory) quantile(q float64, w sources.Window, with sources.Labels) float64 {
	byBound := map[float64]float64{}
	for _, k := range m.matching(requestSeconds+"_bucket", with) {
		le, _ := strconv.ParseFloat(k.labels["le"], 64)
		byBound[le] += k.before(w.To) - k.before(w.From)
	}
	bounds := make([]float64, 0, len(byBound))
	for b := range byBound {
		bounds = append(bounds, b)
	}
	sort.Float64s(bounds)
	if len(bounds) == 0 {
		return 0
	}
	rank := q * byBound[bounds[len(bounds)-1]]
	low, below := 0.0, 0.0
	for _, b := range bounds[:len(bounds)-1] {
		if byBound[b] >= rank && byBound[b] > below {
			return low + (b-low)*(rank-below)/(byBound[b]-below)
		}
		low, below = b, byBound[b]
	}
	return low
}

// figures are what the request metrics say about a service, or a route of it.
type figures struct{ rate, p95, failing, refused float64 }

func (m *memory) figures(w sources.Window, with sources.Labels) figures {
	var f figures
	all := 0.0
	for _, k := range m.matching(requestSeconds+"_count", with) {
		n := k.before(w.To) - k.before(w.From)
		all += n
		switch k.labels["http_response_status_code"][0] {
		case '5':
			f.failing += n
		case '4':
			f.refused += n
		}
	}
	f.rate = all / w.Duration().Seconds()
	f.failing, f.refused = f.failing/max(1, all), f.refused/max(1, all)
	f.p95 = m.quantile(0.95, w, with)
	return f
}

func of(service string, namesAndValues ...string) sources.Labels {
	l := sources.Labels{"service_name": service}
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		l[namesAndValues[i]] = namesAndValues[i+1]
	}
	return l
}

// settled is the second half of the window, when every scenario is under way.
func settled(s *Shop) sources.Window {
	w := s.Window()
	return sources.Window{From: w.From.Add(w.Duration() / 2), To: w.To}
}

// versions lists the versions of a service that were scraped in a window.
func (m *memory) versions(w sources.Window, service string) map[string]bool {
	found := map[string]bool{}
	for _, k := range m.matching("shop_build_info", of(service)) {
		for _, sample := range k.samples {
			if w.Contains(sample.Time) && !isStale(sample.Value) {
				found[k.labels["version"]] = true
			}
		}
	}
	return found
}

// spansOf calls f for every kept span that started in the window.
func (m *memory) spansOf(w sources.Window, f func(sp *sources.Span)) {
	for _, trace := range m.traces {
		for i := range trace {
			if w.Contains(trace[i].Start) {
				f(&trace[i])
			}
		}
	}
}

// lines counts the records of a service in a window by the level that they carry.
func (m *memory) lines(w sources.Window, service string) map[string]int {
	counts := map[string]int{}
	for _, k := range m.streams {
		if k.labels["service_name"] != service {
			continue
		}
		for _, r := range k.records {
			if w.Contains(r.Time) {
				counts[levelIn(r.Line)]++
			}
		}
	}
	return counts
}
