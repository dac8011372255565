package shop

import (
	"time"
)

// causes is what the world does to the shop. All is well where it is zero.
type causes struct {
	// stalled is the share of calls to a region of the payment provider that get no answer.
	stalled map[string]float64
	// expired lists the regions whose carrier shows a certificate that is not valid any more.
	expired map[string]bool
}

// bucket is what is left to a client of what it may ask for.
type bucket struct {
	tokens float64
	filled moment
}

// Each client may ask so often, with so many at once after a pause.
const (
	clientRate  = 0.5 // per second
	clientBurst = 15
)

// admit lets a request in unless its client asks too often.
func (s *Shop) admit(run step) step {
	limited := seq(s.work(0.1), fail(func(f *frame) *fault {
		return &fault{status: 429, kind: "RateLimited", message: "client " + f.request.address + " asks too often", quiet: true}
	}))
	return func(f *frame, done func(*fault)) {
		b := s.clients[f.request.address]
		if b == nil {
			b = &bucket{tokens: clientBurst, filled: s.now}
			s.clients[f.request.address] = b
		}
		b.tokens = min(clientBurst, b.tokens+s.now.since(b.filled).Seconds()*clientRate)
		b.filled = s.now
		if b.tokens < 1 {
			limited(f, done)
			return
		}
		b.tokens--
		run(f, done)
	}
}

// valid refuses what only a program can have written.
func (s *Shop) valid() step {
	return fail(func(f *frame) *fault {
		if !f.request.bot {
			return nil
		}
		return &fault{status: 400, kind: "BadRequest", message: "quantity must be a positive number", quiet: true}
	})
}

// admitLogin refuses some logins, as people forget their passwords.
func (s *Shop) admitLogin() step {
	return seq(s.work(1), fail(func(f *frame) *fault {
		if !chance(f.request.chance, 0.05) {
			return nil
		}
		return &fault{status: 401, kind: "Unauthorized", message: "wrong password", quiet: true}
	}))
}

// token reads a session's token.
func (s *Shop) token() step {
	return fail(func(f *frame) *fault {
		after := f.pod.release.rejectsRotated
		if after == 0 || !f.request.rotated || s.now.since(f.pod.started) < after {
			return nil
		}
		message := "token: key set has no entry for kid k-2026-11"
		s.log(f.pod, levelError, "cannot read token", f.request, f.span, text("error", message), text("user", f.request.user))
		return &fault{status: 500, kind: exceptionNames[f.pod.service.language].illegal, message: message, stack: stackOf(f.pod, "Token.parse", message)}
	})
}

// promotions finds what is off in a cart. An invalid coupon ends it early.
func (s *Shop) promotions(q statement) step {
	run := s.onConnection(q)
	return func(f *frame, done func(*fault)) {
		s.connected(f, func(err *fault) {
			if err != nil {
				done(err)
				return
			}
			run(f, func(err *fault) {
				if f.request.coupon {
					s.log(f.pod, levelInfo, "coupon is not valid", f.request, f.span, text("coupon", "SPRING"+f.request.id[4:8]))
					if f.pod.release.forgetsConnections {
						// Until the database closes what has been idle in a transaction for too long.
						s.after(idleInTransaction, f.pod.pool.release)
						done(err)
						return
					}
				}
				f.pod.pool.release()
				done(err)
			})
		})
	}
}

const idleInTransaction = time.Hour

// priced looks a price up: in the cache, or else in the tenant's price book.
func (s *Shop) priced() step {
	find := s.lookup("GET", "price:?:?", 0.8, (*request).priceKey)
	const text = "SELECT price FROM prices WHERE tenant = $1 AND sku = $2 AND valid @> now() ORDER BY priority LIMIT 1"
	read := s.query(statement{"SELECT", "prices", text, usual(8)})
	// The index does not hold for a price book with overlapping validities: the rows of
	// the whole book are read and sorted.
	readBig := s.query(statement{"SELECT", "prices", text, spread{2100 * time.Millisecond, 0.15}})
	keep := s.command("SETEX", "price:?:? ? ?", 0.8)
	return seq(
		do(func(f *frame) {
			f.pod.hoarded += f.pod.release.hoards * f.request.weight
			f.span.set("tenant.id", f.request.tenant)
			if chance(f.request.chance, priceExpires) {
				s.prices.expire(f.request.priceKey())
			}
		}),
		find,
		choose(func(f *frame) step {
			if !f.cold {
				return nothing
			}
			book := read
			if f.request.tenants == bigTenant {
				book = readBig
			}
			return seq(book, do(func(f *frame) { s.prices.put(f.request.priceKey()) }), keep)
		}),
	)
}

// priceExpires is the share of lookups that find a price whose time is over.
const priceExpires = 0.008

// reserve takes what was ordered out of the free stock.
func (s *Shop) reserve() step {
	all := seq(
		s.query(statement{"SELECT", "stock", "SELECT sku, free FROM stock WHERE sku = ANY($1) FOR UPDATE", usual(6)}),
		s.query(statement{"UPDATE", "stock", "UPDATE stock SET free = free - l.n FROM unnest($1, $2) AS l(sku, n) WHERE stock.sku = l.sku", usual(7)}),
	)
	each := forEachLine(seq(
		s.query(statement{"SELECT", "stock", "SELECT free FROM stock WHERE sku = $1 FOR UPDATE", usual(20)}),
		s.query(statement{"UPDATE", "stock", "UPDATE stock SET free = free - $2 WHERE sku = $1", usual(22)}),
	))
	return choose(func(f *frame) step {
		if f.pod.release.lineByLine {
			return each
		}
		return all
	})
}

// providerTimeout is how long a charge may take.
const providerTimeout = 1750 * time.Millisecond

func (s *Shop) buildPayment(svc *service) {
	charge := map[string]step{}
	for _, r := range regions {
		e := endpoint{
			host: r.value + ".payments.example", method: "POST", route: "/v1/charges",
			takes: spread{milliseconds(92), 0.2}, timeout: providerTimeout,
		}
		charge[r.value] = s.external(e, func(f *frame) (time.Duration, *fault) {
			if chance(f.request.chance, s.causes.stalled[r.value]) {
				return time.Hour, nil
			}
			return 0, nil
		})
	}
	const spare = "us-east"
	warn := func(f *frame, message string, err *fault) {
		s.log(f.pod, levelWarn, message, f.request, f.span, text("region", f.request.region), text("reason", err.message))
	}
	pay := func(f *frame) step {
		region := charge[f.request.region]
		return orElse(region, func(f *frame, err *fault) step {
			warn(f, "charge failed, trying again", err)
			return orElse(region, func(f *frame, err *fault) step {
				if f.request.region == spare {
					return nil
				}
				warn(f, "charge failed twice, using another region", err)
				return charge[spare]
			})
		})
	}
	declined := fail(func(f *frame) *fault {
		if !chance(f.request.chance, 0.025) {
			return nil
		}
		s.log(f.pod, levelWarn, "card declined", f.request, f.span, text("reason", "insufficient_funds"))
		return &fault{status: 402, kind: "CardDeclined", message: "card declined: insufficient_funds", quiet: true}
	})
	svc.handles("POST", "/payments", seq(s.work(3), choose(pay), declined,
		s.query(statement{"INSERT", "ledger", "INSERT INTO ledger (payment, tenant, amount, state) VALUES ($1, $2, $3, $4)", usual(6)}),
		s.work(1))).created = true
}

// carrierOf is who brings parcels to a region.
func carrierOf(region string) string {
	return "carrier-" + region + ".example"
}

func (s *Shop) buildShipping(svc *service) {
	rates := map[string]step{}
	for _, r := range regions {
		host := carrierOf(r.value)
		e := endpoint{host: host, method: "POST", route: "/v2/rates", takes: usual(17), timeout: time.Second}
		rates[r.value] = s.external(e, func(f *frame) (time.Duration, *fault) {
			if !s.causes.expired[r.value] {
				return 0, nil
			}
			message := "certificate has expired: " + host
			return -milliseconds(9), &fault{
				status: 500, kind: exceptionNames[svc.language].tls, message: message, stack: stackOf(f.pod, "CarrierClient.rates", message),
			}
		})
	}
	ask := func(f *frame) step {
		return orElse(rates[f.request.region], func(f *frame, err *fault) step {
			s.log(f.pod, levelError, "no rate from carrier", f.request, f.span, text("carrier", carrierOf(f.request.region)), text("error", err.kind+": "+err.message))
			return nil
		})
	}
	svc.handles("POST", "/quotes", seq(s.work(2.5), choose(ask), s.work(1)))
}

// ship is what shipping does with an order that was placed.
func (s *Shop) ship() step {
	return seq(s.work(4),
		s.query(statement{"INSERT", "shipments", "INSERT INTO shipments (\"order\", carrier, state) VALUES ($1, $2, $3)", usual(7)}),
		do(func(f *frame) {
			s.log(f.pod, levelInfo, "shipment created", f.request, f.span, text("carrier", carrierOf(f.request.region)))
		}))
}
