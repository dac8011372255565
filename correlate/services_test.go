package correlate_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"obs/correlate"
	"obs/sources"
)

// services asks for a table, and checks what holds of every one.
func (s *shop) services(q correlate.Question, by correlate.Grouping) *correlate.ServiceTable {
	s.t.Helper()
	t := correlate.NewExplorer(s.set(), q).Services(s.t.Context(), by)
	wellFormedTable(s.t, t)
	return t
}

func wellFormedTable(t *testing.T, table *correlate.ServiceTable) {
	t.Helper()
	if table.Schema != correlate.ServicesSchema || table.Services == nil || table.Alerts == nil || table.Missing == nil || table.Queries == nil {
		t.Errorf("a table with a list that is none: %+v", table)
	}
	for i, r := range table.Services {
		if r.Service == "" || r.Verdict == "" {
			t.Errorf("a row without a service or a verdict: %+v", r)
		}
		if i > 0 && r.Verdict == correlate.Anomalous && table.Services[i-1].Verdict != correlate.Anomalous {
			t.Errorf("%s departs and stands behind one that does not", r.Service)
		}
		for name, reading := range map[string]*correlate.Reading{"rate": r.Rate, "errors": r.Errors, "p50": r.P50, "p95": r.P95, "p99": r.P99, "saturation": r.Saturation} {
			if reading == nil {
				continue
			}
			if _, err := parser.ParseExpr(reading.Query); err != nil {
				t.Errorf("%s of %s cannot be asked again: %s: %v", name, r.Service, reading.Query, err)
			}
			if len(reading.Samples) == 0 || !slices.IsSortedFunc(reading.Samples, func(a, b sources.Sample) int { return a.Time.Compare(b.Time) }) {
				t.Errorf("%s of %s has no samples, or not in their order", name, r.Service)
			}
			if reading.Verdict == correlate.Anomalous && r.Verdict != correlate.Anomalous {
				t.Errorf("%s departs and its row does not: %+v", name, r)
			}
		}
	}
	for _, q := range table.Queries {
		if q.Status == sources.QueryRunning {
			t.Errorf("still running: %+v", q)
		}
	}
}

// names are the rows in their order.
func names(table *correlate.ServiceTable) []string {
	var all []string
	for _, r := range table.Services {
		all = append(all, strings.TrimSpace(r.Service+" "+r.Operation+" "+r.Instance))
	}
	return all
}

func near(got, want float64) bool { return math.Abs(got-want) <= 0.02*math.Abs(want) }

func TestServicesThatDepartComeFirst(t *testing.T) {
	s := slowBank(t)
	table := s.services(question, correlate.PerService)
	if got := names(table); !slices.Equal(got, []string{"checkout", "payment", "cart"}) && !slices.Equal(got, []string{"payment", "checkout", "cart"}) {
		t.Fatalf("rows %q, missing %+v", got, table.Missing)
	}
	slow, cart := table.Services[0], table.Services[2]
	if slow.Verdict != correlate.Anomalous || slow.P95.Verdict != correlate.Anomalous || slow.P95.Direction != "up" || slow.P95.Unit != "seconds" {
		t.Errorf("the slow one: %+v, p95 %+v", slow, slow.P95)
	}
	if slow.P95.Baseline > 0.25 || slow.P95.Window < 1 {
		t.Errorf("p95 went from %v to %v", slow.P95.Baseline, slow.P95.Window)
	}
	if slow.P50 == nil || slow.P99 == nil || slow.P50.Window > slow.P95.Window || slow.P95.Window > slow.P99.Window {
		t.Errorf("quantiles out of order: %+v, %+v, %+v", slow.P50, slow.P95, slow.P99)
	}
	if cart.Verdict != correlate.Healthy || !near(cart.Rate.Window, 20) || cart.Rate.Unit != "requests/s" || cart.Errors.Window != 0 || cart.Saturation != nil {
		t.Errorf("cart: %+v, rate %+v", cart, cart.Rate)
	}
	if want := `sum by (service_name) (rate(` + duration + `_count{service_name="cart"}[`; !strings.HasPrefix(cart.Rate.Query, want) {
		t.Errorf("its query is %s", cart.Rate.Query)
	}
	if len(table.Missing) > 0 {
		t.Errorf("missing: %+v", table.Missing)
	}
}

// The questions of a triage are not looked for again, and the answer is the same.
func TestServicesAfterATriage(t *testing.T) {
	s := slowBank(t)
	alone := s.services(question, correlate.PerService)
	before := s.asked(sources.Prometheus)
	x := correlate.NewExplorer(s.set(), question)
	x.Triage(s.t.Context(), nil)
	triaged := s.asked(sources.Prometheus)
	after := x.Services(t.Context(), correlate.PerService)
	wellFormedTable(t, after)
	if got := s.asked(sources.Prometheus) - triaged; got >= before || got != len(after.Queries) {
		t.Errorf("%d queries after a triage, of which it lists %d; %d without one", got, len(after.Queries), before)
	}
	if !slices.Equal(names(alone), names(after)) {
		t.Errorf("alone %q, after a triage %q", names(alone), names(after))
	}
}

func TestQueriesOfServicesDoNotGrowWithThem(t *testing.T) {
	ask := func(n int, by correlate.Grouping) []string {
		var all []service
		for i := range n {
			all = append(all, steady(fmt.Sprintf("service-%03d", i), "/", load{rate: 5, seconds: 0.1}))
		}
		s := newShop(t, short, all...)
		if got := len(s.services(short, by).Services); got != n {
			t.Errorf("%d rows of %d services", got, n)
		}
		asked := s.questions(sources.Prometheus)
		slices.Sort(asked)
		return asked
	}
	for _, by := range []correlate.Grouping{correlate.PerService, correlate.PerEndpoint} {
		few, many := ask(3, by), ask(200, by)
		if !slices.Equal(few, many) || len(few) > 16 {
			t.Errorf("by %s, 3 services cost %d queries, 200 services %d", by, len(few), len(many))
		}
	}
}

func TestQueriesOfServicesAreBounded(t *testing.T) {
	apart := short
	apart.Baseline = sources.Window{From: noon.Add(-15 * time.Minute), To: noon.Add(-10 * time.Minute)}
	for name, q := range map[string]correlate.Question{"adjoining": short, "apart": apart} {
		s := newShop(t, q)
		s.metrics.series = everyConvention(q)
		s.services(q, correlate.PerService)
		if got := s.asked(sources.Prometheus); got > 40 {
			t.Errorf("%s: %d queries", name, got)
		}
	}
}

// relabeled are series under another metric and with other labels.
func relabeled(series []counter, change func(name string, set *labels.Builder) (metric string)) []counter {
	all := slices.Clone(series)
	for i := range all {
		set := labels.NewBuilder(all[i].labels)
		set.Set("__name__", change(all[i].labels.Get("__name__"), set))
		all[i].labels = set.Labels()
	}
	return all
}

// spanMetrics are the series as the collector counts the same requests.
func spanMetrics(series []counter, kind string) []counter {
	return relabeled(series, func(name string, set *labels.Builder) string {
		set.Del("http_response_status_code").Set("span_kind", kind).Set("span_name", "GET "+set.Get("http_route")).Del("http_route")
		set.Set("status_code", "STATUS_CODE_UNSET").Set("instance", "collector:8889").Set("job", "collector")
		if name == duration+"_count" {
			return "traces_span_metrics_calls_total"
		}
		return "traces_span_metrics_duration_seconds" + strings.TrimPrefix(name, duration)
	})
}

func TestOneRowForAServiceOfSeveralConventions(t *testing.T) {
	cart := steady("cart", "/add", load{rate: 4, seconds: 0.02})
	s := newShop(t, question, cart)
	s.metrics.series = append(s.metrics.series, spanMetrics(cart.metrics(question), "SPAN_KIND_SERVER")...)
	s.metrics.series = append(s.metrics.series, spanMetrics(steady("redis", "/get", load{rate: 9, seconds: 0.001}).metrics(question), "SPAN_KIND_CLIENT")...)
	table := s.services(question, correlate.PerService)
	if got := names(table); !slices.Equal(got, []string{"redis", "cart"}) {
		t.Fatalf("rows %q", got)
	}
	if redis := table.Services[0]; !strings.Contains(redis.Rate.Query, "traces_span_metrics_calls_total") || redis.P95 == nil {
		t.Errorf("one that spans alone know: %+v", redis)
	}
	for name, reading := range map[string]*correlate.Reading{"rate": table.Services[1].Rate, "p95": table.Services[1].P95, "errors": table.Services[1].Errors} {
		if reading == nil || !strings.Contains(reading.Query, duration) {
			t.Errorf("%s of the service's own metrics: %+v", name, reading)
		}
	}

	endpoints := s.services(question, correlate.PerEndpoint)
	if got := names(endpoints); !slices.Equal(got, []string{"redis GET /get", "cart /add"}) {
		t.Errorf("endpoints %q", got)
	}
	if got := names(s.services(question, correlate.PerInstance)); !slices.Equal(got, []string{"cart"}) {
		t.Errorf("the collector's instance is taken for the services': %q", got)
	}
}

func TestEndpointsAndInstances(t *testing.T) {
	slow := service{"shop", "/pay", load{rate: 5, seconds: 0.1}, load{rate: 5, seconds: 2.04}}
	s := newShop(t, question)
	for i, one := range []service{slow, steady("shop", "/list", load{rate: 7, seconds: 0.02})} {
		s.metrics.series = append(s.metrics.series, relabeled(one.metrics(question), func(name string, set *labels.Builder) string {
			set.Set("pod", fmt.Sprintf("shop-%d", i)).Set("instance", fmt.Sprintf("10.0.0.%d:80", i))
			return name
		})...)
	}
	for by, want := range map[correlate.Grouping][]string{
		correlate.PerEndpoint: {"shop /pay", "shop /list"}, correlate.PerInstance: {"shop  shop-0", "shop  shop-1"},
	} {
		table := s.services(question, by)
		if got := names(table); !slices.Equal(got, want) {
			t.Fatalf("by %s: %q", by, got)
		}
		if table.Services[0].Verdict != correlate.Anomalous || table.Services[1].Verdict != correlate.Healthy || !near(table.Services[1].Rate.Window, 7) {
			t.Errorf("by %s: %+v", by, table.Services)
		}
	}
	only := question
	only.Services = []string{"none"}
	if table := s.services(only, correlate.PerService); len(table.Services) != 0 || len(table.Missing) != 1 || table.Missing[0].Kind != correlate.MissingNoData {
		t.Errorf("another service: %+v", table)
	}
}

// lasting are the series of a service that was there for some time only.
func lasting(s service, from, to time.Time) []counter {
	all := s.metrics(question)
	for i := range all {
		all[i].count = int(to.Sub(from)/collected) + 1
		all[i].from = from
	}
	return all
}

func TestGoneAndAppeared(t *testing.T) {
	s := newShop(t, question, steady("stays", "/", load{rate: 1, seconds: 0.1}))
	s.metrics.series = append(s.metrics.series, lasting(steady("gone", "/", load{rate: 3, seconds: 0.1}), baseline.From.Add(-10*time.Minute), window.From.Add(-10*time.Minute))...)
	s.metrics.series = append(s.metrics.series, lasting(steady("fresh", "/", load{rate: 2, seconds: 0.1}), window.From, window.To)...)
	table := s.services(question, correlate.PerService)
	if got := names(table); !slices.Equal(got, []string{"gone", "fresh", "stays"}) {
		t.Fatalf("rows %q", got)
	}
	gone, fresh := table.Services[0], table.Services[1]
	if !gone.Gone || gone.Verdict != correlate.Anomalous || gone.Rate.Direction != "down" || !math.IsNaN(gone.Rate.Window) || !near(gone.Rate.Baseline, 3) {
		t.Errorf("gone: %+v, %+v", gone, gone.Rate)
	}
	if fresh.Gone || fresh.Verdict != correlate.Inconclusive || !math.IsNaN(fresh.Rate.Baseline) {
		t.Errorf("fresh: %+v, %+v", fresh, fresh.Rate)
	}
	if table := s.services(question, correlate.PerEndpoint); table.Services[0].Service == "gone" || table.Services[0].Verdict == correlate.Anomalous {
		t.Errorf("an endpoint that is not asked for any more is called anomalous: %+v", table.Services[0])
	}
}

func TestMoreTrafficAloneIsNotBad(t *testing.T) {
	s := newShop(t, question, service{"shop", "/", load{rate: 1, seconds: 0.1}, load{rate: 9, seconds: 0.1}})
	row := s.services(question, correlate.PerService).Services[0]
	if row.Verdict != correlate.Healthy || row.Rate.Verdict != correlate.Healthy || row.Rate.Direction != "up" {
		t.Errorf("%+v, %+v", row, row.Rate)
	}
}

// A pool of each of two pods: one runs full after the turn. Gauges are made of what
// grows, since what counts is their ratio.
func TestSaturation(t *testing.T) {
	s := newShop(t, question, steady("cart", "/add", load{rate: 4, seconds: 0.02}))
	for i := range s.metrics.series {
		set := labels.NewBuilder(s.metrics.series[i].labels)
		s.metrics.series[i].labels = set.Set("pod", "cart-a").Labels()
	}
	from := baseline.From.Add(-10 * time.Minute)
	gauge := func(before, after float64, pairs ...string) {
		s.metrics.series = append(s.metrics.series, counter{
			labels: labels.FromStrings(append(pairs, "service_name", "cart")...), from: from, turn: window.From,
			count: int(window.To.Sub(from)/collected) + 1, before: before, after: after,
		})
	}
	for pod, after := range map[string]float64{"cart-a": 2.6, "cart-b": 0.1} {
		gauge(0.1, after, "__name__", "db_client_connection_count", "db_client_connection_state", "used", "pod", pod)
		gauge(50, 50, "__name__", "db_client_connection_count", "db_client_connection_state", "idle", "pod", pod)
		gauge(1, 1, "__name__", "db_client_connection_max", "pod", pod)
		gauge(0.3, 0.3, "__name__", "process_open_fds", "pod", pod)
		gauge(1, 1, "__name__", "process_max_fds", "pod", pod)
	}
	row := s.services(question, correlate.PerService).Services[0]
	if row.Resource != "connection pool" || row.Saturation.Verdict != correlate.Anomalous || row.Verdict != correlate.Anomalous || row.Saturation.Unit != "ratio" {
		t.Fatalf("%+v, %s %+v", row, row.Resource, row.Saturation)
	}
	if !near(row.Saturation.Baseline, 0.1) || row.Saturation.Window < 0.7 || row.Saturation.Window > 1.3 {
		t.Errorf("it went from %v to %v", row.Saturation.Baseline, row.Saturation.Window)
	}
	pods := s.services(question, correlate.PerInstance)
	if got := names(pods); !slices.Equal(got, []string{"cart  cart-a", "cart  cart-b"}) {
		t.Fatalf("instances %q", got)
	}
	if other := pods.Services[1]; other.Resource != "file descriptors" || !near(other.Saturation.Window, 0.3) || other.Verdict != correlate.Healthy {
		t.Errorf("the other pod: %+v, %s %+v", other, other.Resource, other.Saturation)
	}
}

func TestServicesWithoutAnswers(t *testing.T) {
	none := correlate.NewExplorer(sources.Set{}, question).Services(t.Context(), correlate.PerService)
	if len(none.Missing) != 1 || none.Missing[0].Kind != correlate.MissingNotConfigured {
		t.Errorf("without Prometheus: %+v", none.Missing)
	}
	s := newShop(t, question)
	if empty := s.services(question, correlate.PerService); len(empty.Missing) != 1 || empty.Missing[0].Kind != correlate.MissingNoData {
		t.Errorf("without services: %+v", empty.Missing)
	}
	s = slowBank(t)
	s.before = func(backend sources.Backend, _ string) error { return down(backend) }
	if broken := s.services(question, correlate.PerService); len(broken.Services) != 0 || len(broken.Missing) != 1 || broken.Missing[0].Kind != correlate.MissingFailed {
		t.Errorf("with Prometheus down: %+v", broken.Missing)
	}
	// One question that fails costs its own column.
	s = slowBank(t)
	s.before = func(backend sources.Backend, text string) error {
		if strings.Contains(text, "histogram_quantile(0.99") {
			return down(backend)
		}
		return nil
	}
	part := s.services(question, correlate.PerService)
	if len(part.Services) != 3 || part.Services[0].P99 != nil || part.Services[0].P95 == nil || len(part.Missing) != 1 {
		t.Errorf("without p99: %q, missing %+v", names(part), part.Missing)
	}
	s = slowBank(t)
	s.before = func(backend sources.Backend, text string) error {
		if strings.HasPrefix(text, "sum by (service_name) (rate("+duration+"_count") {
			return down(backend)
		}
		return nil
	}
	uncounted := s.services(question, correlate.PerService)
	if len(uncounted.Services) != 3 || uncounted.Services[0].Rate != nil || uncounted.Services[0].P95 == nil || len(uncounted.Missing) != 1 {
		t.Errorf("without rates: %q, missing %+v", names(uncounted), uncounted.Missing)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := correlate.NewExplorer(slowBank(t).set(), question).Services(ctx, correlate.PerService)
	if len(ended.Missing) != 1 || ended.Missing[0].Kind != correlate.MissingTimeout {
		t.Errorf("interrupted: %+v", ended.Missing)
	}
}
