package attributes

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// technicalKeys describe the instrumentation, the thread or the connection and not the
// request: they are alike in all traces of one build, or differ at random. The service's
// name is a part of every condition already.
var technicalKeys = map[string]bool{
	"service.name": true, "span.kind": true, "internal.span.format": true,
	"sampler.type": true, "sampler.param": true, "sampling.priority": true, "sampled": true,
	"process.pid": true, "process.parent_pid": true, "thread.id": true, "thread.name": true,
	"w3c.tracestate": true, "client-uuid": true, "jaeger.version": true,
	"client.port": true, "network.peer.port": true, "net.peer.port": true, "net.sock.peer.port": true, "source.port": true,
}

// technicalPrefixes are those of whole groups of such keys.
var technicalPrefixes = []string{"otel.scope.", "otel.library.", "telemetry.sdk.", "telemetry.distro.", "telemetry.auto.", "@jaeger"}

func technical(key string) bool {
	return technicalKeys[key] || hasPrefix(key, technicalPrefixes)
}

// symptomKeys say how a request went, and not whose it was or where it ran: its outcome, and
// that it was sent again, in the conventions of OpenTelemetry (old and stable) and OpenTracing.
var symptomKeys = map[string]bool{
	"error": true, "status.code": true, "http.status_code": true, "http.status_text": true,
	"http.request.resend_count": true, "http.resend_count": true,
	"rpc.grpc.status_code": true, "grpc.status_code": true, "rpc.connect_rpc.error_code": true,
}

// symptomPrefixes are those of what comes with an answer or a failure.
var symptomPrefixes = []string{"error.", "error_", "exception.", "http.response.", "http.response_", "otel.status_", "db.response.", "rpc.response."}

// symptomWords in a key tell that it measures the time which the request took, or counts how
// often it was tried.
var symptomWords = []string{"duration", "latency", "elapsed", "retry_count", "retries"}

func symptom(key string) bool {
	if symptomKeys[key] || hasPrefix(key, symptomPrefixes) {
		return true
	}
	lower := strings.ToLower(key)
	for _, word := range symptomWords {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return false
}

func allSymptoms(conditions []Condition) bool {
	for _, c := range conditions {
		if !symptom(c.Key) {
			return false
		}
	}
	return true
}

// instanceKeys name a process or machine by an ID. Unlike the ID of a request it is the
// same in many traces, and where no name stands beside it, it is all that tells which
// instance is bad.
var instanceKeys = map[string]bool{
	"service.instance.id": true, "k8s.pod.uid": true, "container.id": true, "host.id": true,
}

func hasPrefix(key string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// namesThing reports whether the numbers under a key name something, so that larger and
// smaller mean nothing.
func namesThing(key string) bool {
	if strings.HasSuffix(key, "ID") || strings.HasSuffix(key, "Id") {
		return true
	}
	last := key[strings.LastIndexAny(key, "._-")+1:]
	switch strings.ToLower(last) {
	case "id", "uid", "pid", "tid", "port", "code", "number", "line", "lineno", "version":
		return true
	}
	return false
}

// looksLikeID finds 16 hexadecimal digits and more in a row, as span and trace IDs have,
// and UUIDs, also as a part of the value. Decimal digits alone are a number.
func looksLikeID(value string) bool {
	run, letters := 0, false
	for i := 0; i < len(value); i++ {
		b := value[i]
		switch {
		case b >= '0' && b <= '9':
			run++
		case b >= 'a' && b <= 'f', b >= 'A' && b <= 'F':
			run++
			letters = true
		case b == '-' && (run == 8 || run == 12 || run == 16 || run == 20) && len(value)-i > 12:
			// A dash where a UUID has one does not end the row.
		default:
			run, letters = 0, false
		}
		if run >= 16 && letters {
			return true
		}
	}
	return run >= 16 && run == len(value) && len(value) > 19 // more digits than any integer of 64 bits
}

// looksLikeTime finds a date and time, or a date, as ISO 8601 writes them.
func looksLikeTime(value string) bool {
	if len(value) < 10 || value[4] != '-' || value[7] != '-' {
		return false
	}
	_, err := time.Parse(time.DateOnly, value[:10])
	return err == nil
}

// isMoment reports whether a number is a Unix time, in seconds to nanoseconds, within a
// year of the requests. Sizes and counts fall into that range only by accident.
func isMoment(number float64, about time.Time) bool {
	const year = 365 * 24 * 3600
	for _, unit := range []float64{1, 1e3, 1e6, 1e9} {
		if seconds := number/unit - float64(about.Unix()); seconds > -year && seconds < year {
			return true
		}
	}
	return false
}

// parseNumber reads a finite decimal number.
func parseNumber(value string) (float64, bool) {
	if value == "" || len(value) > 32 || strings.IndexByte("+-.0123456789", value[0]) < 0 {
		return 0, false
	}
	number, err := strconv.ParseFloat(value, 64)
	if err != nil || number-number != 0 {
		return 0, false
	}
	return number, true
}

// maxValue is how many bytes of a value are compared: as much as tells statements and
// URLs apart, and no more than a screen can show.
const maxValue = 256

func cutValue(value string) (text string, cut bool) {
	if len(value) <= maxValue {
		return value, false
	}
	end := maxValue
	for end > maxValue-utf8.UTFMax && !utf8.RuneStart(value[end]) {
		end--
	}
	return value[:end], true
}
