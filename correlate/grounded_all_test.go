//go:build !race

package correlate_test

import simulation "obs/sources/sandbox/shop"

var groundedScenarios = func() (names []string) {
	for _, s := range simulation.Scenarios() {
		names = append(names, s.Name)
	}
	return names
}()
