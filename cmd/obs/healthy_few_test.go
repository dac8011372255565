//go:build !integration || race

package main

// Some beside those of the table of scenarios.
var healthySeeds = []int{4, 5}
