//go:build race

package main

// The race detector makes the simulation some ten times slower.
var seeds = []int{1}
