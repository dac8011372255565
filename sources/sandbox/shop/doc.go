// Package shop simulates a web shop of ten services and what goes wrong in it.
//
// One stream of simulated requests runs through services, connection pools, caches,
// a database and two external APIs, on a clock of its own. Metrics, traces and logs
// are all read off that one simulation, so that they share their trace, span and
// request IDs and never contradict each other. What a scenario changes is a cause (a
// region that no longer answers, a release with a bug, a batch job on a node); every
// effect follows from it.
//
// A seed decides everything: the same scenario, options and seed give the same bytes.
//
// The package knows no store and no HTTP: it gives its signals to a Sink. It judges
// nothing either; what a right judgement would be stands in each scenario's Truth.
package shop
