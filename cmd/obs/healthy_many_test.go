//go:build integration && !race

package main

// The tests against real servers take minutes anyhow.
var healthySeeds = func() (all []int) {
	for seed := 1; seed <= 30; seed++ {
		all = append(all, seed)
	}
	return all
}()
