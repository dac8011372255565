//go:build race

package correlate_test

// The race detector makes the simulation some ten times slower.
var groundedScenarios = []string{"latency", "saturation"}
