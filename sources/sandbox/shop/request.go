package shop

import (
	"math/rand/v2"
	"strconv"
	"strings"

	"obs/sources"
)

// request is one that came into the shop from outside, and all that it leads to.
type request struct {
	number  uint64
	id      string
	trace   sources.TraceID
	tenant  string
	tenants int // the tenant's number
	user    string
	region  string // where the shopper pays
	address string
	agent   string
	product int // its number, the popular ones first
	lines   int // of the order or cart
	weight  float64
	coupon  bool // an invalid one
	rotated bool // the token was signed with the rotated key
	bot     bool

	sampled    bool // by chance; see complete
	detailed   bool // it leaves traces and logs
	chance     *rand.Rand
	spans      []*span
	unfinished int // spans, and messages that will lead to spans
}

// The tenants whose shops these are, the regions that shoppers pay in, and their shares.
var (
	tenants = []share[int]{{38, 0}, {24, 1}, {18, 2}, {11, 3}, {6, 4}, {3, 5}}
	regions = []share[string]{{35, "eu-west"}, {25, "eu-central"}, {40, "us-east"}}
	agents  = []share[string]{
		{50, "Mozilla/5.0 (X11; Linux x86_64)"}, {35, "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X)"}, {15, "shop-app/8.2.1"},
	}
)

const (
	products   = 500
	bigTenant  = 2 // its price book is so large that reading it takes seconds
	couponsBad = 0.09
	rotatedKey = 0.45
)

func tenantName(n int) string { return "tenant-" + string(rune('a'+n)) }

// newRequest draws everything about a request that does not depend on how it fares.
func (s *Shop) newRequest() *request {
	s.requests++
	r := &request{number: s.requests, chance: newChance(s.options.Seed, chanceRequests+s.requests), weight: s.phase().weight}
	r.detailed = r.weight == 1
	high, low := r.chance.Uint64(), r.chance.Uint64()|1
	r.trace = sources.TraceID(appendHex(appendHex(make([]byte, 0, 32), high), low))
	r.id = "req-" + string(appendHex(make([]byte, 0, 16), r.chance.Uint64()^s.requests))
	r.tenants = pick(r.chance, tenants)
	r.tenant = tenantName(r.tenants)
	r.region = pick(r.chance, regions)
	r.agent = pick(r.chance, agents)
	r.user = "u-" + strconv.Itoa(10_000+r.chance.IntN(40_000))
	r.address = "198.51.100." + strconv.Itoa(1+r.chance.IntN(254))
	// Popularity falls with the rank: an exponential is close enough to what shops see.
	r.product = min(products-1, int(r.chance.ExpFloat64()*products/5))
	r.lines = 1 + min(24, int(r.chance.ExpFloat64()*5))
	r.coupon = chance(r.chance, couponsBad)
	r.rotated = chance(r.chance, rotatedKey)
	r.sampled = chance(r.chance, keptShare)
	return r
}

// subject is what stands for {id} in a route.
func (r *request) subject(route string) string {
	switch {
	case r.bot:
		return "x" + strconv.Itoa(900_000+int(r.number))
	case strings.Contains(route, "cart"):
		return "c-" + r.user
	case strings.Contains(route, "order"):
		return "o-" + strconv.Itoa(700_000+int(r.number))
	}
	return strconv.Itoa(1000 + r.product)
}

// priceKey is under which the price of the product for the tenant is cached.
func (r *request) priceKey() uint32 { return uint32(r.tenants)<<16 | uint32(r.product) }
