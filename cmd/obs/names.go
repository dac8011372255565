package main

import (
	"fmt"
	"slices"

	"obs/correlate"
	"obs/sources/connect/profile"
)

// namesOf are the team's own names as a profile has them. A field may be named by a profile,
// by the file of a folder and by a data source of Grafana; it counts once. What cannot be meant
// is wrong use.
func namesOf(p profile.Names) (correlate.Names, error) {
	names := correlate.Names{TraceFields: once(p.TraceIDFields), RequestFields: once(p.RequestIDFields), Services: p.Services}
	if err := names.Validate(); err != nil {
		return correlate.Names{}, usage(fmt.Errorf("names of the profile: %w", err), "obs config edit opens it")
	}
	return names, nil
}

// once leaves the first of what is alike.
func once(all []string) []string {
	var kept []string
	for _, one := range all {
		if !slices.Contains(kept, one) {
			kept = append(kept, one)
		}
	}
	return kept
}
