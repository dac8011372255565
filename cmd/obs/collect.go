package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// collectFrom is how much memory a run takes before anything in it is collected. Go begins at
// 4 MiB, and with a heap that grows to 40 it collects six times what nearly all stays: a fifth
// of the work on a large trace. This is more than most runs ever need, and little on a machine
// with a terminal.
const collectFrom = 96 << 20 // bytes

// collectLate holds the collector back below so many bytes. Above, it goes at Go's usual pace.
// Who has set a pace in the environment has it from the first byte on.
func collectLate(from int64, getenv func(string) string) {
	if getenv("GOGC") != "" || getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(from)
	afterCollection(func() (again bool) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		if live[0].Value.Uint64() < uint64(from)/2 {
			return true // a collection that was asked for, or of much that was let go of
		}
		// At a limit that it cannot keep, the collector would do nothing but collect.
		debug.SetGCPercent(usualPercent)
		debug.SetMemoryLimit(math.MaxInt64)
		return false
	})
}

// usualPercent is Go's own: the heap doubles between two collections.
const usualPercent = 100

// afterCollection calls then after the next collection, and after others as long as it wants to.
func afterCollection(then func() (again bool)) {
	// What holds no pointer may share its place in memory with what lives on.
	runtime.AddCleanup(new(*byte), func(struct{}) {
		if then() {
			afterCollection(then)
		}
	}, struct{}{})
}
