//go:build race

package tui

// walked is how many of the scenarios are walked through. Under the race detector the
// simulations take minutes, and two of them run all code.
var walked = 2
