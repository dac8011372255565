// Command obs walks from a metric anomaly to a slow trace to its logs, over the
// Prometheus, Loki and Jaeger that already run.
package main

import (
	"os"
	_ "time/tzdata" // --tz works where the machine has no zone files
)

func main() {
	collectLate(collectFrom, os.Getenv)
	os.Exit(run(os.Args[1:], system()))
}
