package survey

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"obs/sources"
)

func classicQuantile(histogram string) func(float64) shape {
	return func(quantile float64) shape {
		return func(only sources.Selector, by []string, over time.Duration) string {
			return scaled(fmt.Sprintf("histogram_quantile(%v, sum by (le, %s) (rate(%s[%s])))",
				quantile, sources.GroupLabels(by...), sources.MetricSelector(histogram+"_bucket", only), promDuration(over)), histogram)
		}
	}
}

func nativeQuantile(histogram string) func(float64) shape {
	return func(quantile float64) shape {
		return func(only sources.Selector, by []string, over time.Duration) string {
			return scaled(fmt.Sprintf("histogram_quantile(%v, sum by (%s) (rate(%s[%s])))",
				quantile, sources.GroupLabels(by...), sources.MetricSelector(histogram, only), promDuration(over)), histogram)
		}
	}
}

func classicSum(histogram string) shape {
	return func(only sources.Selector, by []string, over time.Duration) string {
		return scaled(fmt.Sprintf("sum by (%s) (rate(%s[%s]))",
			sources.GroupLabels(by...), sources.MetricSelector(histogram+"_sum", only), promDuration(over)), histogram)
	}
}

func nativeSum(histogram string) shape {
	return func(only sources.Selector, by []string, over time.Duration) string {
		return scaled(fmt.Sprintf("histogram_sum(sum by (%s) (rate(%s[%s])))",
			sources.GroupLabels(by...), sources.MetricSelector(histogram, only), promDuration(over)), histogram)
	}
}

func counted(counter string) shape {
	return func(only sources.Selector, by []string, over time.Duration) string {
		return fmt.Sprintf("sum by (%s) (rate(%s[%s]))",
			sources.GroupLabels(by...), sources.MetricSelector(counter, only), promDuration(over))
	}
}

func countedNative(histogram string) shape {
	return func(only sources.Selector, by []string, over time.Duration) string {
		return fmt.Sprintf("histogram_count(sum by (%s) (rate(%s[%s])))",
			sources.GroupLabels(by...), sources.MetricSelector(histogram, only), promDuration(over))
	}
}

// failureRatio is the share of requests that failed: 0 where there was traffic and no
// failure, and no value without traffic.
func failureRatio(count shape, failure sources.Matcher) shape {
	return func(only sources.Selector, by []string, over time.Duration) string {
		all := count(only, by, over)
		failed := count(append(slices.Clone(only), failure), by, over)
		return fmt.Sprintf("(%s or 0 * %s) / (%s > 0)", failed, all, all)
	}
}

// scaled turns a duration into seconds.
func scaled(query, metric string) string {
	if per := secondsPer(metric); per != 1 {
		return query + " / " + strconv.FormatFloat(per, 'f', -1, 64)
	}
	return query
}

// promDuration renders d as PromQL reads it.
func promDuration(d time.Duration) string {
	if d%time.Second == 0 {
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	}
	return strconv.FormatInt(max(1, d.Milliseconds()), 10) + "ms"
}

func baseName(metric string) string { return strings.TrimSuffix(metric, "_bucket") }

func sortedNames(labels sources.Labels) []string { return slices.Sorted(maps.Keys(labels)) }

func sortedKeys(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
