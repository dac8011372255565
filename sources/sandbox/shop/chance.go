package shop

import (
	"math"
	"math/rand/v2"
	"time"
)

// Each concern draws from a generator of its own, so that what one of them does leaves
// the others as they were: the same seed gives the same shoppers in every scenario.
const (
	chanceArrivals uint64 = iota + 1
	chanceNames
	chanceBackground
	chanceBots
	chanceRequests // and all above: one generator for each request
)

func newChance(seed, concern uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, concern*0x9e3779b97f4a7c15)) //nolint:gosec // a simulation wants to be repeatable
}

// spread is a log-normal distribution of durations: most near the median, some much
// longer, none negative, as latencies are.
type spread struct {
	median time.Duration
	sigma  float64
}

// usual is a spread around a median in milliseconds: its 95th percentile is half as
// long again.
func usual(ms float64) spread { return spread{milliseconds(ms), 0.25} }

func (s spread) draw(r *rand.Rand) time.Duration {
	return time.Duration(float64(s.median) * math.Exp(s.sigma*r.NormFloat64()))
}

// exponential draws a waiting time with the given mean.
func exponential(r *rand.Rand, mean time.Duration) time.Duration {
	return time.Duration(r.ExpFloat64() * float64(mean))
}

func chance(r *rand.Rand, p float64) bool { return p > 0 && r.Float64() < p }

// share is a weighted choice.
type share[T any] struct {
	weight float64
	value  T
}

func pick[T any](r *rand.Rand, shares []share[T]) T {
	total := 0.0
	for i := range shares {
		total += shares[i].weight
	}
	at := r.Float64() * total
	for i := range shares {
		if at -= shares[i].weight; at < 0 {
			return shares[i].value
		}
	}
	return shares[len(shares)-1].value
}

const letters = "bcdfghjklmnpqrstvwxz2456789" // as Kubernetes names things: no vowels, no words

func randomName(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[r.IntN(len(letters))]
	}
	return string(b)
}

const hexDigits = "0123456789abcdef"

// appendHex appends v with all its leading zeros.
func appendHex(b []byte, v uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, hexDigits[v>>shift&0xf])
	}
	return b
}
