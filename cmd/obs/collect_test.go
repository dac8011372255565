package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

// What lives is compared with the bytes from which collections begin, and not what was ever
// allocated: below, nothing is collected unasked, above, at Go's pace.
func TestCollectLate(t *testing.T) {
	percent, limit := debug.SetGCPercent(usualPercent), debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	})
	unset := func(string) string { return "" }

	collectLate(1, func(name string) string { return map[string]string{"GOMEMLIMIT": "1GiB"}[name] })
	if percent, limit := pace(); percent != usualPercent || limit != math.MaxInt64 {
		t.Errorf("told another pace: %d %%, %d bytes", percent, limit)
	}

	const much = 1 << 40
	collectLate(much, unset)
	for before := collections(); collections() < before+3; {
		runtime.GC()
	}
	if percent, limit := pace(); percent != math.MaxUint64 || limit != much {
		t.Errorf("below the bytes: %d %%, %d bytes", percent, limit)
	}

	// What stands in memory of a test is more than this, so that the first collection ends it.
	collectLate(1<<20, unset)
	for held := make([]byte, 1<<20); ; runtime.GC() {
		if percent, limit := pace(); percent == usualPercent && limit == math.MaxInt64 {
			runtime.KeepAlive(held)
			break
		}
	}
}

func pace() (percent, limit uint64) {
	all := []metrics.Sample{{Name: "/gc/gogc:percent"}, {Name: "/gc/gomemlimit:bytes"}}
	metrics.Read(all)
	return all[0].Value.Uint64(), all[1].Value.Uint64()
}

func collections() uint64 {
	all := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(all)
	return all[0].Value.Uint64()
}
