//go:build !race

package main

var seeds = []int{1, 2, 3}
