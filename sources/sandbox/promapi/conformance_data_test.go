package promapi

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"obs/sources"
)

// recorded is when the data of the recorded answers begin. They last an hour.
var recorded = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// one is a series of the conformance suite's data.
type one struct {
	labels    sources.Labels
	samples   []sources.Sample // a NaN with the bits of staleMarker ends the series
	exemplars []sources.Exemplar
}

// dataset is what both sides of the suite hold: an hour of some forty series, from base
// on, all labelled with the name of the run.
func dataset(base time.Time, run string) []one {
	random := rand.New(rand.NewPCG(1, 2))
	var all []one
	add := func(every time.Duration, value func(i int) (float64, bool), labels ...string) *one {
		s := one{labels: sources.Labels{"run": run}}
		for i := 0; i < len(labels); i += 2 {
			s.labels[labels[i]] = labels[i+1]
		}
		for i := range int(time.Hour/every) + 1 {
			if v, ok := value(i); ok {
				s.samples = append(s.samples, sources.Sample{Time: base.Add(time.Duration(i) * every), Value: v})
			}
		}
		all = append(all, s)
		return &all[len(all)-1]
	}
	const scrape = 15 * time.Second

	// Counters, two of which begin again half way.
	for _, instance := range []string{"a:80", "b:80"} {
		for j, code := range []string{"200", "404", "500"} {
			total := 0.0
			add(scrape, func(i int) (float64, bool) {
				total += float64(random.IntN(20 / (j + 1)))
				if code != "404" && instance == "b:80" && i == 120 {
					total = 3
				}
				return total, true
			}, "__name__", "http_requests_total", "job", "shop", "instance", instance, "code", code, "method", "GET")
		}
	}
	// Gauges of all kinds of numbers.
	for j, node := range []string{"n1", "n2", "n3"} {
		add(scrape, func(i int) (float64, bool) {
			return 1e9 + 1e8*math.Sin(float64(i)/20+float64(j)) + float64(random.IntN(1000)), true
		}, "__name__", "node_memory_bytes", "node", node, "zone", fmt.Sprintf("z%d", j%2))
	}
	add(scrape, func(i int) (float64, bool) { return -273.15 + float64(i)/7, true }, "__name__", "temperature_celsius", "place", "out\"side\\ \n\tü")
	odd := []float64{0, math.NaN(), math.Inf(1), math.Inf(-1), 1e300, -1e-300, 4.9e-324, 0.1, 1e21, 1e-7, 123456789.123456789}
	for i, v := range odd {
		add(time.Minute, func(int) (float64, bool) { return v, true }, "__name__", "odd", "n", fmt.Sprint(i))
	}
	// A classic histogram with exemplars.
	bounds := []float64{0.1, 0.25, 0.5, 1, math.Inf(1)}
	for _, route := range []string{"/cart", "/pay"} {
		counts := make([]float64, len(bounds))
		sum, seen := 0.0, make([][]float64, len(bounds))
		exemplars := make([][]sources.Exemplar, len(bounds))
		for i := range 241 {
			for range random.IntN(6) {
				took := random.ExpFloat64() / 3
				sum += took
				kept := false
				for b, bound := range bounds {
					if took > bound {
						continue
					}
					counts[b]++
					if !kept && i%20 == 7 {
						exemplars[b] = append(exemplars[b], sources.Exemplar{
							Labels: sources.Labels{"trace_id": fmt.Sprintf("%016x%016x", random.Uint64(), random.Uint64()), "span_id": fmt.Sprintf("%016x", random.Uint64())},
							Value:  took, Time: base.Add(time.Duration(i)*scrape - 3*time.Second + time.Duration(len(exemplars[b]))*time.Millisecond),
						})
					}
					kept = true
				}
			}
			for b := range bounds {
				seen[b] = append(seen[b], counts[b])
			}
		}
		common := []string{"job", "shop", "service_name", "checkout", "route", route}
		for b, bound := range bounds {
			le := "+Inf"
			if !math.IsInf(bound, 1) {
				le = fmt.Sprint(bound)
			}
			s := add(scrape, func(i int) (float64, bool) { return seen[b][i], true },
				append([]string{"__name__", "http_request_duration_seconds_bucket", "le", le}, common...)...)
			s.exemplars = exemplars[b]
		}
		add(scrape, func(i int) (float64, bool) { return sum * float64(i) / 240, true },
			append([]string{"__name__", "http_request_duration_seconds_sum"}, common...)...)
		add(scrape, func(i int) (float64, bool) { return seen[4][i], true },
			append([]string{"__name__", "http_request_duration_seconds_count"}, common...)...)
	}
	// Names that are no identifiers.
	for _, kind := range []string{"server", "client"} {
		total := 0.0
		add(scrape, func(int) (float64, bool) { total += random.Float64(); return total, true },
			"__name__", "http.server.requests", "service.name", "checkout", "span kind/ü", kind, "http.response.status_code", "503")
	}
	// Series with gaps.
	add(scrape, func(i int) (float64, bool) {
		if i == 80 {
			return staleMarker, true
		}
		return float64(i), i < 80 || i > 160
	}, "__name__", "up", "job", "shop", "instance", "marked")
	add(scrape, func(i int) (float64, bool) { return 1, i < 80 || i > 160 }, "__name__", "up", "job", "shop", "instance", "silent")
	add(4*time.Minute, func(i int) (float64, bool) { return float64(i * i), true }, "__name__", "sparse")
	add(7*time.Minute+1234*time.Millisecond, func(i int) (float64, bool) { return float64(i), true }, "__name__", "sparser")
	for j, version := range []string{"v1", "v2"} {
		add(scrape, func(i int) (float64, bool) {
			if j == 0 && i == 120 {
				return staleMarker, true
			}
			return 1, (i < 120) == (j == 0)
		}, "__name__", "build_info", "version", version, "instance", "a:80")
	}
	return all
}

// holding is a store with the data.
func holding(all []one) *Store {
	s := NewStore()
	for _, series := range all {
		add := s.Appender(series.labels)
		for _, sample := range series.samples {
			add(sample.Time, sample.Value)
		}
		for _, e := range series.exemplars {
			s.Exemplar(series.labels, e)
		}
	}
	// Of a metric of the real server's own, since no other has metadata there.
	s.Metadata("prometheus_ready", sources.MetricMetadata{
		Type: "gauge", Help: "Whether Prometheus startup was fully completed and the server is ready for normal operation.",
	})
	return s
}
