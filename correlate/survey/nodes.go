package survey

import (
	"fmt"
	"strings"
	"time"

	"obs/sources"
)

// ContainersOn is a query for the CPUs that each container on a machine uses, as the
// kubelet's cAdvisor counts them. Which label names the machine depends on how it is scraped.
func ContainersOn(node string, over time.Duration) string {
	var parts []string
	for _, label := range []string{"node", "instance", "kubernetes_io_hostname"} {
		selector := sources.Selector{{Name: label, Op: sources.Equal, Value: node}, {Name: "container", Op: sources.NotEqual, Value: ""}}
		parts = append(parts, fmt.Sprintf("sum by (namespace, pod, container) (rate(%s[%s]))",
			sources.MetricSelector("container_cpu_usage_seconds_total", selector), promDuration(over)))
	}
	return strings.Join(parts, " or ")
}

// ContainerName is what the work in a container is called: the container's name, which is
// mostly that of the workload; the pod's where it has none.
func ContainerName(labels sources.Labels) string {
	name, _ := labels.First("container", "pod")
	return name
}
