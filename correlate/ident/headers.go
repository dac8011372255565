package ident

import (
	"fmt"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
	"time"

	"obs/sources"
)

// The headers by which requests carry their trace, as their standards write them:
//   - traceparent: https://www.w3.org/TR/trace-context/#traceparent-header
//   - b3: https://github.com/openzipkin/b3-propagation#single-header
//   - uber-trace-id: https://www.jaegertracing.io/docs/1.76/sdk-migration/#propagation-format
//   - x-amzn-trace-id: https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
//   - x-cloud-trace-context: https://cloud.google.com/trace/docs/trace-context
var (
	traceparent = regexp.MustCompile(`(?i)^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$`)
	cutParent   = regexp.MustCompile(`(?i)^00-([0-9a-f]{32})(?:-[0-9a-f]{0,16})?(?:-[0-9a-f]?)?$`)
	b3          = regexp.MustCompile(`(?i)^([0-9a-f]{16}|[0-9a-f]{32})-([0-9a-f]{16})(?:-([01d])(?:-[0-9a-f]{16})?)?$`)
	uber        = regexp.MustCompile(`(?i)^([0-9a-f]{1,32}):([0-9a-f]{1,16}):[0-9a-f]{1,16}:([0-9a-f]{1,2})$`)
	xray        = regexp.MustCompile(`(?i)^1-([0-9a-f]{8})-([0-9a-f]{24})$`)
	cloud       = regexp.MustCompile(`(?i)^([0-9a-f]{32})(?:/([0-9]{1,20}))?(?:;o=([0-9]))?$`)
)

// headers are the parsers of headers by their folded names.
var headers = map[string]func(string) (Candidate, bool){
	"traceparent":           readTraceparent,
	"elasticapmtraceparent": readTraceparent,
	"b3":                    readB3,
	"sentrytrace":           readSentry, // https://develop.sentry.dev/sdk/telemetry/traces/#header-sentry-trace
	"ubertraceid":           readUber,
	"xamzntraceid":          readXRay,
	"xcloudtracecontext":    readCloud,
}

// propagated reads the value of a propagation header that came without its name.
func propagated(value string) (Candidate, bool) {
	if c, ok := readTraceparent(value); ok {
		return c, true
	}
	if c, ok := readB3(value); ok {
		return c, true
	}
	if c, ok := readXRay(value); ok {
		return c, true
	}
	if c, ok := readUber(value); ok && !tooShort(value) {
		return c, true
	}
	if strings.ContainsAny(value, "/;") {
		return readCloud(value)
	}
	return Candidate{}, false
}

// tooShort reports whether a trace:span:parent:flags without a name may as well be a
// time of day or an address. Of random 64-bit IDs, one in 65536 has fewer than 12 digits.
func tooShort(value string) bool {
	const enough = 12
	trace, rest, _ := strings.Cut(colons(value), ":")
	span, _, _ := strings.Cut(rest, ":")
	return len(trace) < enough || len(span) < enough
}

// broken says why a value that has the form of a header is none; empty for any other.
func broken(value string) string {
	m := traceparent.FindStringSubmatch(value)
	switch {
	case m == nil:
		return ""
	case strings.EqualFold(m[1], "ff"):
		return "a traceparent of version ff, which is forbidden"
	case strings.Trim(m[2], "0") == "":
		return "a traceparent with a trace ID of zeros"
	case m[1] == "00" && m[5] != "":
		return "a traceparent of version 00 with more than four parts"
	}
	return ""
}

// readTraceparent reads a version it does not know as the standard says: by its first
// four parts.
func readTraceparent(value string) (Candidate, bool) {
	if m := cutParent.FindStringSubmatch(value); m != nil && !traceparent.MatchString(value) {
		return traced(m[1], "", "", "W3C traceparent, cut short")
	}
	m := traceparent.FindStringSubmatch(value)
	if m == nil || broken(value) != "" {
		return Candidate{}, false
	}
	return traced(m[2], m[3], bit(m[4], 1), "W3C traceparent")
}

func readB3(value string) (Candidate, bool) {
	m := b3.FindStringSubmatch(value)
	if m == nil {
		return Candidate{}, false
	}
	return traced(m[1], m[2], sampling(m[3]), "B3 header")
}

func readSentry(value string) (Candidate, bool) {
	c, ok := readB3(value)
	c.form = "sentry-trace header"
	return c, ok
}

// readUber takes the colons as they are or URL-encoded, since the header was once sent so.
func readUber(value string) (Candidate, bool) {
	m := uber.FindStringSubmatch(colons(value))
	if m == nil {
		return Candidate{}, false
	}
	return traced(m[1], m[2], bit(m[3], 3), "Jaeger's uber-trace-id") // 1 is sampled, 2 is debug
}

func colons(value string) string {
	return strings.NewReplacer("%3A", ":", "%3a", ":").Replace(value)
}

// readXRay reads Root=1-…;Parent=…;Sampled=1, or the ID alone. A load balancer adds its
// own ID as Self; the request's is Root.
func readXRay(value string) (Candidate, bool) {
	parts := map[string]string{}
	for part := range strings.SplitSeq(value, ";") {
		key, v, named := strings.Cut(strings.TrimSpace(part), "=")
		if !named {
			key, v = "root", key
		}
		if key = strings.ToLower(key); parts[key] == "" {
			parts[key] = v
		}
	}
	for _, key := range []string{"root", "self"} {
		m := xray.FindStringSubmatch(parts[key])
		if m == nil {
			continue
		}
		c, ok := traced(m[1]+m[2], parts["parent"], sampling(parts["sampled"]), "AWS X-Ray trace ID")
		if seconds, err := strconv.ParseInt(m[1], 16, 64); ok && err == nil {
			c.setMade(time.Unix(seconds, 0))
		}
		return c, ok
	}
	return Candidate{}, false
}

func readCloud(value string) (Candidate, bool) {
	m := cloud.FindStringSubmatch(value)
	if m == nil {
		return Candidate{}, false
	}
	span := ""
	if n, err := strconv.ParseUint(m[2], 10, 64); err == nil {
		span = strconv.FormatUint(n, 16)
	}
	return traced(m[1], span, sampling(m[3]), "X-Cloud-Trace-Context")
}

// traced is a candidate for a trace; a span that is none is left out.
func traced(trace, span string, sampled Sampling, form string) (Candidate, bool) {
	id, ok := sources.ParseTraceID(trace)
	if !ok {
		return Candidate{}, false
	}
	c := Candidate{Kind: Trace, Trace: id, Sampled: sampled, form: form}
	c.Span, _ = sources.ParseSpanID(span)
	return c, true
}

// sampling reads the values that say whether a trace was kept: those of B3 (d is for
// debug), X-Ray (? asks), Datadog's priorities (-1, 0, 1, 2), and true and false.
func sampling(value string) Sampling {
	switch strings.ToLower(value) {
	case "1", "2", "d", "true":
		return Sampled
	case "0", "-1", "false":
		return NotSampled
	}
	return Unsaid
}

// bit tells from hexadecimal flags whether any bit of the mask is set.
func bit(flags string, mask uint8) Sampling {
	n, err := strconv.ParseUint(flags, 16, 8)
	switch {
	case err != nil:
		return Unsaid
	case bits.OnesCount8(uint8(n)&mask) > 0:
		return Sampled
	}
	return NotSampled
}

// tracestate finds the span IDs that vendors document for their entries; a tracestate
// never holds the trace ID.
//   - dd=…;p:SPAN: https://docs.datadoghq.com/tracing/trace_collection/trace_context_propagation/
//   - ACCOUNT@nr=version-type-account-app-SPAN-transaction-…: https://github.com/newrelic/newrelic-telemetry-sdk-specs
func tracestate(value string) (spans []Candidate) {
	for entry := range strings.SplitSeq(value, ",") {
		key, v, _ := strings.Cut(strings.TrimSpace(entry), "=")
		span, form := "", ""
		switch {
		case key == "dd":
			for part := range strings.SplitSeq(v, ";") {
				if p, ok := strings.CutPrefix(part, "p:"); ok {
					span, form = p, "Datadog's entry of a tracestate"
				}
			}
		case strings.HasSuffix(key, "@nr"):
			if parts := strings.Split(v, "-"); len(parts) > 4 {
				span, form = parts[4], "New Relic's entry of a tracestate"
			}
		}
		if id, ok := sources.ParseSpanID(span); ok && len(span) == 16 {
			spans = append(spans, Candidate{Kind: Span, Span: id, form: form})
		}
	}
	return spans
}

// decimal is a 64-bit ID as Datadog writes it, with the upper half in hexadecimal where
// it is known.
func decimal(digits, upper string) (Candidate, bool) {
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n == 0 {
		return Candidate{}, false
	}
	return traced(fmt.Sprintf("%s%016x", upper, n), "", "", "decimal, as Datadog writes IDs")
}
