package shop

import (
	"time"
)

// build declares the services and what each does on request. Times are medians in
// milliseconds of an ordinary day.
func (s *Shop) build() {
	add := func(name, language string, format logFormat, replicas, pool int, version string) *service {
		svc := &service{
			name: name, language: language, format: format, replicas: replicas, poolSize: pool,
			heap: 0.15e9, limit: 2e9, release: release{version: version}, operation: map[string]*operation{},
		}
		s.services[name] = svc
		s.order = append(s.order, svc)
		return svc
	}
	s.buildFront(
		add("gateway", "go", logFormat{style: styleJSON, ids: idsMetadata}, 3, 0, "4.11.2"),
		add("mobile-api", "go", logFormat{style: styleJSON, ids: idsMetadata}, 2, 0, "2.30.0"),
	)
	s.buildCheckout(add("checkout", "java", logFormat{style: styleJSON, ids: idsMetadata}, 2, 20, "3.7.1"))
	s.buildPayment(add("payment", "java", logFormat{style: styleJSON, ids: idsCamel}, 2, 20, "1.18.4"))
	s.buildCart(add("cart", "java", logFormat{style: styleJSON, ids: idsSnake}, 2, 60, "2.8.3"))
	s.buildCatalog(add("catalog", "java", logFormat{style: styleLogfmt, ids: idsSnake}, 2, 30, "5.2.0"))
	s.buildInventory(add("inventory", "go", logFormat{style: styleJSON, ids: idsSnake}, 2, 20, "1.44.0"))
	s.buildShipping(add("shipping", "java", logFormat{style: styleText, ids: idsText}, 2, 10, "2.0.9"))
	s.buildRecommendation(add("recommendation", "python", logFormat{style: styleJSON, ids: idsCamel}, 2, 0, "0.62.0"))
	s.buildSession(add("session", "go", logFormat{style: styleLogfmt, ids: idsSnake}, 3, 10, "1.8.7"))
	s.services["catalog"].limit = 4e9

	zones := []string{"eu-west-1a", "eu-west-1b", "eu-west-1c"}
	for i := range 6 {
		s.nodes = append(s.nodes, &node{name: "node-" + zones[i%3][len("eu-west-"):] + "-" + string(rune('1'+i/3)), zone: zones[i%3], cores: 8})
	}
}

// inner is how the shop's services call each other unless more is known.
var inner = policy{timeout: 5 * time.Second}

// buildFront declares the two services that shoppers reach.
func (s *Shop) buildFront(gateway, mobile *service) {
	session := s.call("session", "GET /session", inner)
	product := s.call("catalog", "GET /products/{id}", inner)
	listing := s.call("catalog", "GET /products", inner)
	stock := s.call("inventory", "GET /stock/{id}", inner)
	cart := s.call("cart", "GET /carts/{id}", inner)
	order := s.call("checkout", "POST /orders", policy{timeout: 10 * time.Second})

	for _, front := range []*service{gateway, mobile} {
		prefix := ""
		if front == mobile {
			prefix = "/v1"
		}
		recommended := s.recommended()
		entry := func(method, route string, run step) *operation {
			o := front.handles(method, prefix+route, s.admit(run))
			o.entry = true
			return o
		}
		entry("GET", "/home", seq(s.work(1.5), session, par(listing, recommended), s.work(2)))
		entry("GET", "/products/{id}", seq(s.work(1.4), session, par(product, stock, recommended), s.work(1.6)))
		entry("POST", "/checkout", seq(s.work(2), session, order, s.work(1.5))).created = true
		if front == mobile {
			continue
		}
		entry("GET", "/cart", seq(s.work(1.4), session, cart, s.work(1.6)))
		entry("POST", "/cart/items", seq(s.work(1.5), s.valid(), session, s.call("cart", "POST /carts/{id}/items", inner), s.work(1))).created = true
		entry("GET", "/orders/{id}", seq(s.work(1.5), session, s.call("checkout", "GET /orders/{id}", inner), s.work(1)))
		entry("POST", "/login", seq(s.work(2), s.call("session", "POST /session", inner))).created = true
	}
}

// recommended asks for recommendations and goes on without them if there are none in
// time: a page is no worse for it than a shelf with the best sellers.
func (s *Shop) recommended() step {
	b := &breaker{}
	ask := s.call("recommendation", "GET /recommendations", policy{timeout: 600 * time.Millisecond, breaker: b})
	return orElse(ask, func(f *frame, err *fault) step {
		return do(func(f *frame) {
			if err.kind != "CircuitOpen" {
				s.log(f.pod, levelWarn, "showing best sellers instead of recommendations", f.request, f.span, text("reason", err.message))
			}
		})
	})
}

func (s *Shop) buildCheckout(svc *service) {
	reserve := s.call("inventory", "POST /reservations", policy{timeout: 4 * time.Second})
	quote := s.call("shipping", "POST /quotes", policy{timeout: 2 * time.Second, retries: 2, backoff: 40 * time.Millisecond})
	pay := s.call("payment", "POST /payments", policy{timeout: 9 * time.Second})
	insert := s.query(statement{"INSERT", "orders", "INSERT INTO orders (id, tenant, customer, total, state) VALUES ($1, $2, $3, $4, $5)", usual(8)})
	svc.handles("POST", "/orders", seq(
		s.work(5),
		s.call("cart", "GET /carts/{id}", inner),
		par(reserve, quote),
		pay,
		insert,
		do(func(f *frame) {
			s.orders[f.pod] += f.request.weight
			s.log(f.pod, levelInfo, "order placed", f.request, f.span, text("order", "o-"+f.request.id[4:12]), text("tenant", f.request.tenant),
				number("lines", float64(f.request.lines)))
		}),
		s.publish("orders", "shipping", s.ship()),
		s.work(3),
	)).created = true
	svc.handles("GET", "/orders/{id}", seq(s.work(2),
		s.query(statement{"SELECT", "orders", "SELECT * FROM orders WHERE id = $1", usual(5)}), s.work(1)))
}

func (s *Shop) buildCart(svc *service) {
	promotions := s.promotions(statement{"SELECT", "promotions", "SELECT * FROM promotions WHERE tenant = $1 AND sku = ANY($2)", usual(5)})
	svc.handles("GET", "/carts/{id}", seq(s.work(2), s.command("HGETALL", "cart:?", 0.9), promotions,
		s.call("catalog", "POST /prices", inner), s.work(1.5)))
	svc.handles("POST", "/carts/{id}/items", seq(s.work(1.5), s.call("catalog", "GET /products/{id}", inner),
		s.command("HSET", "cart:? ? ?", 0.9), s.work(1))).created = true
}

func (s *Shop) buildCatalog(svc *service) {
	priced := s.priced()
	known := fail(func(f *frame) *fault {
		if !f.request.bot {
			return nil
		}
		return &fault{status: 404, kind: "NotFound", message: "no product " + f.request.subject("/products/{id}"), quiet: true}
	})
	read := s.query(statement{"SELECT", "products", "SELECT * FROM products WHERE id = $1", usual(4)})
	svc.handles("GET", "/products/{id}", seq(s.work(2), read, known, priced, s.work(1)))
	svc.handles("GET", "/products", seq(s.work(4),
		s.query(statement{"SELECT", "products", "SELECT * FROM products WHERE tenant = $1 ORDER BY rank LIMIT 48", usual(13)}), s.work(3)))
	svc.handles("POST", "/prices", seq(s.work(1.5), priced, s.work(1)))
}

func (s *Shop) buildInventory(svc *service) {
	svc.handles("GET", "/stock/{id}", seq(s.work(1),
		s.query(statement{"SELECT", "stock", "SELECT sku, free FROM stock WHERE sku = $1", usual(3.5)})))
	svc.handles("POST", "/reservations", seq(s.work(2), s.reserve(), s.work(1))).created = true
}

func (s *Shop) buildRecommendation(svc *service) {
	model := fail(func(f *frame) *fault {
		if !chance(f.request.chance, recommendationFaults) {
			return nil
		}
		message := "no model for segment " + f.request.tenant + "/" + f.request.region
		s.log(f.pod, levelError, "ranking failed", f.request, f.span, text("error", message))
		return &fault{status: 500, kind: "KeyError", message: message, stack: stackOf(f.pod, "Ranking.load", message)}
	})
	svc.handles("GET", "/recommendations", seq(s.work(4), s.command("ZREVRANGE", "affinity:?", 1.2), s.inside("rank candidates", seq(s.work(7), model)), s.work(1)))
}

// recommendationFaults is the share of recommendations that fail on any day, to the
// notice of nobody but whoever reads the logs.
const recommendationFaults = 0.04

func (s *Shop) buildSession(svc *service) {
	svc.handles("GET", "/session", seq(s.work(0.8), s.command("GET", "session:?", 0.7), s.token()))
	svc.handles("POST", "/session", seq(s.admitLogin(), s.query(statement{"SELECT", "users", "SELECT id, secret FROM users WHERE email = $1", usual(3)}),
		s.inside("verify password", s.work(24)), s.command("SETEX", "session:? ? ?", 0.8))).created = true
}
