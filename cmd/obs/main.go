// Command obs walks from a metric anomaly to a slow trace to its logs, over the
// Prometheus, Loki and Jaeger that already run.
package main

import "os"

func main() { os.Exit(run(os.Args[1:], system())) }
