package shop

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"obs/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var seeds = flag.Int("seeds", 2, "how many seeds to try each scenario with")

// shape is what must be seen in the numbers of a scenario, whatever the seed.
type shape struct {
	// slower services have at least this many times the 95th percentile of before.
	slower map[string]float64
	// failing services fail in at least this share of their requests.
	failing map[string]float64
	// Of all others both stay, but for those that are given up here: services whose
	// requests differ from before because of what others do.
	disturbed []string
	// deployed are the innocent deployments: versions that come in the window.
	deployed map[string]string
	orders   [2]float64 // at least and at most so many times as before
	more     func(t *testing.T, s *Shop, m *memory)
}

var shapes = map[string]shape{
	"latency": {
		slower:    map[string]float64{"checkout": 8, "payment": 8, "mobile-api": 4},
		disturbed: []string{"gateway"},
		deployed:  map[string]string{"cart": "2.8.4"}, orders: [2]float64{0.8, 1.3}, more: otherRegionsAreWell,
	},
	"errors": {
		failing:   map[string]float64{"shipping": 0.4, "checkout": 0.2, "gateway": 0.03, "mobile-api": 0.08},
		disturbed: []string{"payment"},
		deployed:  map[string]string{"catalog": "5.2.1"}, orders: [2]float64{0.4, 0.8},
	},
	"deploy": {
		failing:  map[string]float64{"session": 0.08, "gateway": 0.08, "mobile-api": 0.08},
		deployed: map[string]string{"cart": "2.8.4"}, orders: [2]float64{0.6, 1.1}, more: onlyTheCanaryFails,
	},
	"segment": {
		slower:    map[string]float64{"catalog": 10, "cart": 10},
		disturbed: []string{"gateway", "mobile-api", "checkout", "inventory", "shipping", "payment"},
		deployed:  map[string]string{"recommendation": "0.63.0"}, orders: [2]float64{0.5, 1.1}, more: neitherAlone,
	},
	"saturation": {
		slower:   map[string]float64{"cart": 20, "checkout": 3},
		failing:  map[string]float64{"cart": 0.03, "checkout": 0.03, "gateway": 0.008, "mobile-api": 0.008},
		deployed: map[string]string{"checkout": "3.7.2"}, orders: [2]float64{0, 0.9}, more: thePoolTellsFirst,
		disturbed: []string{"inventory", "catalog", "shipping", "payment"},
	},
	"n-plus-one": {
		slower:   map[string]float64{"inventory": 8, "checkout": 2.5, "gateway": 1.5, "mobile-api": 1.5},
		deployed: map[string]string{"payment": "1.18.5"}, orders: [2]float64{0.8, 1.3}, more: noStatementIsSlow,
	},
	"noisy-neighbour": {
		slower:   map[string]float64{"recommendation": 5, "session": 5, "checkout": 1.5},
		deployed: map[string]string{"payment": "1.18.5"}, orders: [2]float64{0.5, 1.2}, more: onlyTheNodeIsSlow,
		disturbed: []string{"gateway", "mobile-api", "payment"},
	},
	"creep": {
		slower:    map[string]float64{"catalog": 8, "checkout": 2},
		disturbed: []string{"gateway", "mobile-api", "cart", "inventory", "payment", "shipping"},
		deployed:  map[string]string{"checkout": "3.8.0"}, orders: [2]float64{0.4, 0.95}, more: noStepInTheLastHour,
	},
	"bot": {
		deployed: map[string]string{"inventory": "1.44.1"}, orders: [2]float64{0.8, 1.3}, more: theClientIsToBlame,
		disturbed: []string{"gateway", "catalog", "inventory"},
	},
	"silent": {
		deployed: map[string]string{"shipping": "2.1.0"}, orders: [2]float64{0.8, 1.3}, more: nothingIsHeardOfIt,
		disturbed: []string{"recommendation"},
	},
	"healthy": {
		deployed: map[string]string{"cart": "2.8.4", "catalog": "5.2.1"}, orders: [2]float64{0.8, 1.3}, more: onlyTheLogIsNoisy,
	},
}

func TestTruthShows(t *testing.T) {
	for _, sc := range Scenarios() {
		for seed := range *seeds {
			t.Run(fmt.Sprintf("%s/%d", sc.Name, seed), func(t *testing.T) {
				s, m := past(t, sc.Name, uint64(seed), 10_000)
				if got := s.Requests(); got < 8500 || got > 11500 {
					t.Errorf("%d requests", got)
				}
				checkShape(t, s, m, shapes[sc.Name])
			})
		}
	}
}

func checkShape(t *testing.T, s *Shop, m *memory, want shape) {
	before, now := s.Baseline(), settled(s)
	for _, svc := range s.order {
		was, is := m.figures(before, of(svc.name)), m.figures(now, of(svc.name))
		ratio, least := is.p95/was.p95, want.slower[svc.name]
		t.Logf("%-15s %6.2f -> %6.2f/s  p95 %6.3f -> %6.3f s  failing %.3f -> %.3f", svc.name, was.rate, is.rate, was.p95, is.p95, was.failing, is.failing)
		if least > 0 && ratio < least {
			t.Errorf("%s is %.1f times as slow as before, and not %v times", svc.name, ratio, least)
		}
		if fails, must := is.failing-was.failing, want.failing[svc.name]; must > 0 && fails < must {
			t.Errorf("%s fails in %.3f more of its requests, and not in %.3f", svc.name, fails, must)
		}
		if least > 0 || want.failing[svc.name] > 0 || slices.Contains(want.disturbed, svc.name) {
			continue
		}
		if ratio > 1.35 || ratio < 0.7 || is.failing-was.failing > 0.025 {
			t.Errorf("%s departs", svc.name)
		}
	}
	for service, version := range want.deployed {
		if !m.versions(s.Window(), service)[version] {
			t.Errorf("%s %s did not come", service, version)
		}
		if m.versions(before, service)[version] {
			t.Errorf("%s %s was there before", service, version)
		}
	}
	if r := m.figures(before, of("recommendation")); r.failing < 0.02 || r.failing > 0.07 {
		t.Errorf("recommendation fails in %.3f of its requests", r.failing)
	}
	orders := m.increase(now, "orders_completed_total", nil) / now.Duration().Seconds()
	usual := m.increase(before, "orders_completed_total", nil) / before.Duration().Seconds()
	t.Logf("orders %.3f -> %.3f/s", usual, orders)
	if r := orders / usual; r < want.orders[0] || r > want.orders[1] {
		t.Errorf("%.2f times as many orders", r)
	}
	if want.more != nil {
		want.more(t, s, m)
	}
}

// meanOf is the mean duration of the spans that fit, and how many there are.
func (m *memory) meanOf(w sources.Window, fits func(sp *sources.Span) bool) (mean time.Duration, n int) {
	var total time.Duration
	m.spansOf(w, func(sp *sources.Span) {
		if fits(sp) {
			total += sp.Duration
			n++
		}
	})
	return total / time.Duration(max(1, n)), n
}

func otherRegionsAreWell(t *testing.T, s *Shop, m *memory) {
	for _, r := range regions {
		mean, n := m.meanOf(settled(s), func(sp *sources.Span) bool { return sp.Attributes.Get("server.address") == r.value+".payments.example" })
		if slow := mean > time.Second; n < 20 || slow != (r.value == "eu-west") {
			t.Errorf("%d charges to %s take %v", n, r.value, mean)
		}
	}
}

func onlyTheCanaryFails(t *testing.T, s *Shop, m *memory) {
	w := settled(s)
	bad, good := m.figures(w, of("session", "service_version", "1.9.0")), m.figures(w, of("session", "service_version", "1.8.7"))
	if bad.failing < 0.3 || good.failing > 0 || good.rate < bad.rate {
		t.Errorf("1.9.0: %+v, 1.8.7: %+v", bad, good)
	}
	early := sources.Window{From: s.Window().From.Add(6 * time.Minute), To: s.Window().From.Add(10*time.Minute + 30*time.Second)}
	if f := m.figures(early, of("session", "service_version", "1.9.0")); f.failing > 0 || f.rate == 0 {
		t.Errorf("1.9.0 at first: %+v", f)
	}
}

func neitherAlone(t *testing.T, s *Shop, m *memory) {
	for _, big := range []bool{false, true} {
		for _, hit := range []string{"true", "false"} {
			mean, n := m.meanOf(settled(s), func(sp *sources.Span) bool {
				return sp.Service == "catalog" && sp.Kind == sources.KindServer && sp.Attributes.Get("shop.cache.hit") == hit &&
					(sp.Attributes.Get("tenant.id") == tenantName(bigTenant)) == big
			})
			if slow := mean > time.Second; n < 15 || slow != (big && hit == "false") || (!slow && mean > 40*time.Millisecond) {
				t.Errorf("%d lookups take %v: tenant %v, hit %s", n, mean, big, hit)
			}
		}
	}
}

func thePoolTellsFirst(t *testing.T, s *Shop, m *memory) {
	for _, p := range s.services["cart"].pods {
		onset := s.at2time(p.pool.driedAt).Sub(s.Window().From)
		t.Logf("%s ran dry %v into the window", p.name, onset.Round(time.Second))
		if !p.pool.dry || onset < time.Minute || onset > 20*time.Minute {
			t.Errorf("%s ran dry: %v, %v into the window", p.name, p.pool.dry, onset)
		}
	}
	used := func(at time.Time) (n float64) {
		for _, k := range m.matching("db_client_connection_count", of("cart", "service_version", "2.9.0", "db_client_connection_state", "used")) {
			n += k.before(at)
		}
		return n
	}
	from := s.Window().From
	if a, b, c := used(from.Add(-15*time.Minute)), used(from.Add(-5*time.Minute)), used(from); a >= b || b >= c || c < 50 {
		t.Errorf("connections in use before: %v, %v, %v", a, b, c)
	}
}

func noStatementIsSlow(t *testing.T, s *Shop, m *memory) {
	for _, w := range []sources.Window{s.Baseline(), settled(s)} {
		mean, n := m.meanOf(w, func(sp *sources.Span) bool { return sp.Service == "inventory" && sp.Kind == sources.KindClient })
		_, orders := m.meanOf(w, func(sp *sources.Span) bool {
			return sp.Operation == "POST /reservations" && sp.Kind == sources.KindServer
		})
		per := float64(n) / float64(orders)
		if mean > 30*time.Millisecond || (w == settled(s)) != (per > 8) {
			t.Errorf("%d statements for %d orders take %v", n, orders, mean)
		}
	}
}

func onlyTheNodeIsSlow(t *testing.T, s *Shop, m *memory) {
	for _, name := range []string{"session", "recommendation", "checkout", "payment"} {
		var there, elsewhere []time.Duration
		m.spansOf(settled(s), func(sp *sources.Span) {
			if sp.Service == name && sp.Kind == sources.KindServer && sp.Operation != "GET /orders/{id}" {
				if sp.Resource.Get("k8s.node.name") == s.nodes[noisyNode].name {
					there = append(there, sp.Duration)
				} else {
					elsewhere = append(elsewhere, sp.Duration)
				}
			}
		})
		slices.Sort(there)
		slices.Sort(elsewhere)
		if len(there) < 20 || len(elsewhere) < 20 {
			t.Fatalf("%s: %d and %d spans", name, len(there), len(elsewhere))
		}
		if slow, well := there[len(there)/2], elsewhere[len(elsewhere)/2]; slow < well+20*time.Millisecond {
			t.Errorf("%s takes %v on the node and %v elsewhere", name, slow, well)
		}
	}
	if s.nodes[noisyNode].name != s.Truth().Where["k8s.node.name"] {
		t.Errorf("the node is called %s", s.nodes[noisyNode].name)
	}
}

func noStepInTheLastHour(t *testing.T, s *Shop, m *memory) {
	w := s.Window()
	hourBefore := m.figures(sources.Window{From: w.From.Add(-28 * time.Minute), To: w.From}, of("catalog"))
	is := m.figures(w, of("catalog"))
	if is.p95 > 2*hourBefore.p95 || is.failing > 0 {
		t.Errorf("half an hour before %+v, now %+v", hourBefore, is)
	}
	was, checkout := m.figures(s.Baseline(), of("checkout", "http_route", "/orders")), m.figures(w, of("checkout", "http_route", "/orders"))
	if was.p95 > 0.3 || checkout.p95 < 0.5 || checkout.p95 > 1.4 {
		t.Errorf("checkout took %.3f s and takes %.3f s", was.p95, checkout.p95)
	}
}

func theClientIsToBlame(t *testing.T, s *Shop, m *memory) {
	burst := sources.Window{From: s.Window().From.Add(10 * time.Minute), To: s.Window().From.Add(23 * time.Minute)}
	f := m.figures(burst, of("gateway"))
	if was := m.figures(s.Baseline(), of("gateway")); f.refused < 0.2 || f.failing > 0.002 || was.refused > 0.1 || f.rate < 1.5*was.rate {
		t.Errorf("the gateway: %+v", f)
	}
	for _, code := range []string{"400", "404", "429"} {
		if m.increase(burst, requestSeconds+"_count", of("gateway", "http_response_status_code", code)) < 50 {
			t.Errorf("hardly any %s", code)
		}
	}
}

func nothingIsHeardOfIt(t *testing.T, s *Shop, m *memory) {
	now := settled(s)
	if n := m.lines(now, "recommendation"); len(n) != 0 {
		t.Errorf("it logs: %v", n)
	}
	if f := m.figures(now, of("recommendation")); f.rate != 0 {
		t.Errorf("it counts: %+v", f)
	}
	for _, k := range m.matching("up", of("recommendation")) {
		if k.before(now.To) != 1 {
			t.Error("it is down")
		}
	}
	_, waits := m.meanOf(s.Window(), func(sp *sources.Span) bool { return sp.Attributes.Get("error.type") == "timeout" })
	if waits == 0 || waits > 60 {
		t.Errorf("%d calls time out", waits)
	}
}

func onlyTheLogIsNoisy(t *testing.T, s *Shop, m *memory) {
	was, is := m.lines(s.Baseline(), "catalog")["error"], m.lines(s.Window(), "catalog")["error"]
	if is < was*3/2 {
		t.Errorf("catalog logged %d errors and logs %d", was, is)
	}
}
