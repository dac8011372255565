package sources

import (
	"runtime"
	"sync"
)

// fewAtOnce are so many things that to share them out would take longer than to go through them.
const fewAtOnce = 1000

// OnAllProcessors calls each with the parts of a range of n, at the same time where n is large:
// a trace of tens of thousands of spans is gone through several times until it is shown. It
// returns when all are done.
func OnAllProcessors(n int, each func(from, to int)) {
	parts := runtime.GOMAXPROCS(0)
	if n < fewAtOnce {
		parts = 1
	}
	var group sync.WaitGroup
	for part := range parts {
		group.Go(func() { each(n*part/parts, n*(part+1)/parts) })
	}
	group.Wait()
}
