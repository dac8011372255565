//go:build !race

package tui

import "obs/sources/sandbox/shop"

// walked is how many of the scenarios are walked through.
var walked = len(shop.Scenarios())
