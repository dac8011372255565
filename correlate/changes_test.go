package correlate_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql/parser"

	"obs/correlate"
	"obs/sources"
)

// always is before the baseline and after the window.
var (
	longAgo = baseline.From.Add(-10 * time.Minute)
	atLast  = window.To.Add(time.Minute)
)

// during is a gauge with one value from a moment until another, after which its target is
// gone.
func during(from, to time.Time, v float64, pairs ...string) gauge {
	g := gauge{labels: labels.FromStrings(pairs...)}
	at := from
	for ; at.Before(to); at = at.Add(collected) {
		g.samples = append(g.samples, point{at.UnixMilli(), v})
	}
	if to.Before(atLast) {
		g.samples = append(g.samples, point{at.UnixMilli(), math.Float64frombits(value.StaleNaN)})
	}
	return g
}

// then joins what one series was before and after.
func then(before, after gauge) gauge {
	ends := before.samples[:len(before.samples)-1] // without the mark of its end
	return gauge{labels: before.labels, samples: append(ends, after.samples...)}
}

func instance(version, name string, from, to time.Time) gauge {
	return during(from, to, 1, "__name__", "target_info", "job", "shop/cart", "service_version", version, "instance", name)
}

func started(name string, from, to time.Time) gauge {
	return during(from, to, float64(from.Unix()-1), "__name__", "process_start_time_seconds", "job", "shop/cart", "instance", name)
}

func scraped(name string, from, to time.Time) gauge {
	return during(from, to, 1, "__name__", "up", "job", "shop/cart", "instance", name)
}

func TestChanges(t *testing.T) {
	at := noon.Add(-10 * time.Minute)
	type change struct {
		kind, service, text string
		at                  time.Time
	}
	tests := []struct {
		name   string
		gauges []gauge
		want   []change
	}{
		{name: "nothing was done", gauges: []gauge{
			instance("1.8.2", "a", longAgo, atLast), scraped("a", longAgo, atLast), started("a", longAgo, atLast),
			during(longAgo, atLast, 3, "__name__", "kube_deployment_status_replicas", "deployment", "cart", "namespace", "shop"),
			during(longAgo, atLast, 7, "__name__", "kube_configmap_metadata_resource_version", "configmap", "cart-config", "namespace", "shop"),
			during(longAgo, atLast, 0, "__name__", "kube_pod_container_status_restarts_total", "container", "cart", "pod", "cart-1"),
		}},
		{name: "nothing is known"},
		{
			name: "a version on half of the instances, which explains their start",
			gauges: []gauge{
				instance("1.8.2", "a", longAgo, atLast), instance("1.8.2", "b", longAgo, atLast),
				instance("1.8.2", "c", longAgo, at), instance("1.8.2", "d", longAgo, at.Add(time.Minute)),
				instance("1.8.3", "e", at, atLast), instance("1.8.3", "f", at.Add(time.Minute), atLast),
				started("e", at, atLast), started("f", at.Add(time.Minute), atLast),
			},
			want: []change{{"version", "cart", "1.8.2 → 1.8.3 on 2 of 4 instances", at}},
		},
		{
			name:   "a version on all instances",
			gauges: []gauge{instance("1.8.2", "a", longAgo, at), instance("1.8.3", "b", at, atLast)},
			want:   []change{{"version", "cart", "1.8.2 → 1.8.3", at}},
		},
		{
			name: "a version that was taken back",
			gauges: []gauge{
				instance("1.8.2", "a", longAgo, atLast), instance("1.8.2", "b", longAgo, at),
				instance("1.8.3", "c", at, noon), instance("1.8.2", "d", noon, atLast),
			},
			want: []change{
				{"version", "cart", "1.8.2 → 1.8.3 on 1 of 2 instances", at},
				{"version", "cart", "1.8.3 → 1.8.2", noon},
			},
		},
		{
			name: "an instance that is not collected for a moment is no change",
			gauges: []gauge{
				instance("1.8.2", "a", longAgo, atLast),
				then(instance("1.8.3", "b", longAgo, at), instance("1.8.3", "b", at.Add(2*time.Minute), atLast)),
			},
		},
		{
			name: "the tag of an image",
			gauges: []gauge{
				during(longAgo, at, 1, "__name__", "kube_pod_container_info", "container", "cart", "pod", "cart-1", "image", "registry.example:5000/shop/cart:1.8.2"),
				during(at, atLast, 1, "__name__", "kube_pod_container_info", "container", "cart", "pod", "cart-2", "image", "registry.example:5000/shop/cart:1.8.3@sha256:00ff"),
			},
			want: []change{{"version", "cart", "1.8.2 → 1.8.3", at}},
		},
		{
			name: "two metrics tell of one version",
			gauges: []gauge{
				instance("1.8.2", "a", longAgo, at), instance("1.8.3", "b", at, atLast),
				during(longAgo, at, 1, "__name__", "cart_build_info", "job", "shop/cart", "version", "1.8.2", "instance", "a"),
				during(at, atLast, 1, "__name__", "cart_build_info", "job", "shop/cart", "version", "1.8.3", "instance", "b"),
			},
			want: []change{{"version", "cart", "1.8.2 → 1.8.3", at}},
		},
		{
			name: "a process that started anew",
			gauges: []gauge{
				scraped("a", longAgo, atLast), scraped("b", longAgo, atLast), started("b", longAgo, atLast),
				then(started("a", longAgo, at), started("a", at, atLast)),
			},
			want: []change{{"restart", "cart", "1 of 2 instances started anew", at}},
		},
		{
			name: "a start time that wavers is no start",
			gauges: []gauge{
				then(then(
					started("a", longAgo.Add(11*time.Minute), longAgo.Add(12*time.Minute)),
					during(longAgo.Add(12*time.Minute), longAgo.Add(13*time.Minute), float64(longAgo.Add(11*time.Minute).Unix()), "x", "y")),
					during(longAgo.Add(13*time.Minute), atLast, float64(longAgo.Add(11*time.Minute).Unix()-1), "x", "y")),
			},
			want: []change{{"restart", "cart", "1 instance started anew", longAgo.Add(11 * time.Minute)}},
		},
		{
			name: "a container that Kubernetes restarted",
			gauges: []gauge{then(
				during(longAgo, at, 4, "__name__", "kube_pod_container_status_restarts_total", "container", "cart", "pod", "cart-1", "namespace", "shop"),
				during(at, atLast, 5, "x", "y"))},
			want: []change{{"restart", "cart", "1 container started anew", at}},
		},
		{
			name: "a process whose CPU time begins anew",
			gauges: []gauge{then(
				during(longAgo, at, 400, "__name__", "process_cpu_seconds_total", "job", "shop/cart", "instance", "a"),
				during(at, atLast, 1, "x", "y"))},
			want: []change{{"restart", "cart", "1 instance started anew", at}},
		},
		{
			name: "more replicas, which explains the start of one",
			gauges: []gauge{
				then(during(longAgo, at, 2, "__name__", "kube_deployment_status_replicas", "deployment", "cart", "namespace", "shop"), during(at, atLast, 3, "x", "y")),
				started("c", at, atLast), scraped("a", longAgo, atLast), scraped("c", at, atLast),
			},
			want: []change{{"replicas", "cart", "2 → 3 instances", at}},
		},
		{
			name:   "an instance that is gone",
			gauges: []gauge{scraped("a", longAgo, atLast), scraped("b", longAgo, at)},
			want:   []change{{"replicas", "cart", "2 → 1 instance", at}},
		},
		{
			name: "an old and a new one side by side are no change of replicas",
			gauges: []gauge{then(then(
				during(longAgo, at, 2, "__name__", "kube_deployment_status_replicas", "deployment", "cart"),
				during(at, at.Add(time.Minute), 3, "x", "y")), during(at.Add(time.Minute), atLast, 2, "x", "y"))},
		},
		{
			name: "a configuration",
			gauges: []gauge{
				then(during(longAgo, at, 7, "__name__", "kube_configmap_metadata_resource_version", "configmap", "cart-config", "namespace", "shop"), during(at, atLast, 9, "x", "y")),
				then(during(longAgo, at, 1e6, "__name__", "proxy_config_hash", "job", "proxy"), during(at, atLast, 2e6, "x", "y")),
			},
			want: []change{{"config", "cart-config", "configmap cart-config changed", at}, {"config", "proxy", "configuration changed", at}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newShop(t, question)
			s.metrics.gauges = test.gauges
			found, lost := correlate.NewExplorer(s.set(), question).Changes(t.Context())
			if len(lost) > 0 {
				t.Errorf("missing %+v", lost)
			}
			if len(found) != len(test.want) {
				t.Fatalf("changes %+v", found)
			}
			for i, want := range test.want {
				c := found[i]
				if c.Kind != want.kind || c.Service != want.service || c.Text != want.text {
					t.Errorf("change %+v, want %+v", c, want)
				}
				// It is seen at the next moment that is asked for.
				if late := c.Time.Sub(want.at); late < 0 || late > 30*time.Second {
					t.Errorf("%s is said to be of %s, and was at %s", c.Text, c.Time, want.at)
				}
				if _, err := parser.ParseExpr(c.Query); err != nil {
					t.Errorf("its query: %s: %v", c.Query, err)
				}
				if again, err := s.metrics.Range(t.Context(), c.Query, baseline.Union(window), time.Minute); err != nil || len(again.Series) == 0 {
					t.Errorf("its query shows nothing: %s, %v", c.Query, err)
				}
			}
		})
	}
}

// The number of questions does not grow with the number of services, and they are asked
// once.
func TestChangesAreAskedForOnce(t *testing.T) {
	s := newShop(t, question)
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		s.metrics.gauges = append(s.metrics.gauges, during(longAgo, noon, 1, "__name__", "target_info", "job", name, "service_version", "1", "instance", name),
			during(noon, atLast, 1, "__name__", "target_info", "job", name, "service_version", "2", "instance", name))
	}
	x := correlate.NewExplorer(s.set(), question)
	for range 3 {
		if found, _ := x.Changes(t.Context()); len(found) != 6 {
			t.Fatalf("changes %+v", found)
		}
	}
	if n := s.asked(sources.Prometheus); n > 4 {
		t.Errorf("%d questions: %q", n, s.questions(sources.Prometheus))
	}
}

func TestChangesOfABackendThatIsDown(t *testing.T) {
	s := newShop(t, question)
	s.metrics.gauges = []gauge{instance("1", "a", longAgo, noon), instance("2", "b", noon, atLast)}
	s.before = failing(down, sources.Prometheus)
	x := correlate.NewExplorer(s.set(), question)
	if found, lost := x.Changes(t.Context()); len(found) > 0 || len(lost) != 1 || lost[0].Backend != sources.Prometheus || lost[0].Kind != correlate.MissingFailed {
		t.Errorf("changes %+v, missing %+v", found, lost)
	}
	// One of the questions alone costs its own part.
	s.before = func(_ sources.Backend, text string) error {
		if strings.Contains(text, "process_start_time_seconds") {
			return errors.New("too many series")
		}
		return nil
	}
	if found, lost := x.Changes(t.Context()); len(found) != 1 || len(lost) != 1 || !strings.Contains(lost[0].Reason, "restarts were not looked at") {
		t.Errorf("changes %+v, missing %+v", found, lost)
	}
	s.before = nil
	if found, lost := x.Changes(t.Context()); len(found) != 1 || len(lost) != 0 {
		t.Errorf("when it is back: changes %+v, missing %+v", found, lost)
	}
	if found, lost := correlate.NewExplorer(sources.Set{}, question).Changes(t.Context()); len(found) > 0 || len(lost) != 1 || lost[0].Kind != correlate.MissingNotConfigured {
		t.Errorf("without an address: changes %+v, missing %+v", found, lost)
	}
}
