package attributes

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestLooksLikeID(t *testing.T) {
	tests := []struct {
		value string
		want  bool
	}{
		{"4bf92f3577b34da6", true},
		{"4BF92F3577B34DA6A3CE929D0E0E4736", true},
		{"c9bf9e57-1685-4c89-bafb-ff5af830be8a", true},
		{"req-c9bf9e57-1685-4c89-bafb-ff5af830be8a", true},
		{"/orders/c9bf9e57-1685-4c89-bafb-ff5af830be8a/items", true},
		{"123456789012345678901234", true},
		{"1234567890123456", false}, // a number of nanoseconds or bytes
		{"checkout-7d9f8b6c5d-x2x1z", false},
		{"eu-central-1", false},
		{"2.14.0-rc1", false},
		{"deadbeef", false},
		{"", false},
	}
	for _, test := range tests {
		if got := looksLikeID(test.value); got != test.want {
			t.Errorf("looksLikeID(%q) is %v", test.value, got)
		}
	}
}

func TestLooksLikeTime(t *testing.T) {
	for value, want := range map[string]bool{
		"2026-11-21T14:00:00Z": true, "2026-11-21 14:00:00": true, "2026-11-21": true,
		"2026-13-45T14:00:00Z": false, "eu-central-1a": false, "": false,
	} {
		if got := looksLikeTime(value); got != want {
			t.Errorf("looksLikeTime(%q) is %v", value, got)
		}
	}
}

func TestIsMoment(t *testing.T) {
	about := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	for _, at := range []float64{float64(about.Unix()), float64(about.UnixMilli()), float64(about.UnixMicro()), float64(about.UnixNano())} {
		if !isMoment(at+1000, about) {
			t.Errorf("%g is a moment", at)
		}
	}
	for _, size := range []float64{0, 512, 1 << 20, 1 << 30, 1 << 31, 1e10} {
		if isMoment(size, about) {
			t.Errorf("%g is a size", size)
		}
	}
}

func TestParseNumber(t *testing.T) {
	for text, want := range map[string]bool{
		"0": true, "-3": true, "2.5e3": true, ".5": true,
		"": false, "NaN": false, "+Inf": false, "1e999": false, "12ms": false, "1.2.3": false, "ten": false,
		strings.Repeat("1", 1000): false,
	} {
		if _, ok := parseNumber(text); ok != want {
			t.Errorf("parseNumber(%.40q) is %v", text, ok)
		}
	}
}

func TestKeysThatNameThings(t *testing.T) {
	for key, want := range map[string]bool{
		"customer_id": true, "enduser.id": true, "driverID": true, "server.port": true,
		"db.rows": false, "paid": false, "http.request.body.size": false, "id": true,
	} {
		if got := namesThing(key); got != want {
			t.Errorf("namesThing(%q) is %v", key, got)
		}
	}
}

func TestEffectsAreSymptoms(t *testing.T) {
	for key, want := range map[string]bool{
		"error": true, "error.type": true, "error_code": true, "exception.message": true, "http.status_code": true,
		"http.response.status_code": true, "http.response.body.size": true, "otel.status_code": true, "otel.status_description": true,
		"db.response.returned_rows": true, "http.request.resend_count": true, "retry_count": true, "app.duration_ms": true, "queueLatency": true,
		"tenant.id": false, "service.version": false, "k8s.pod.name": false, "http.request.method": false, "http.route": false,
		"error-budget": false, "retry.policy": false, "cloud.availability_zone": false,
	} {
		if got := symptom(key); got != want {
			t.Errorf("symptom(%q) is %v", key, got)
		}
	}
}

func TestCutValue(t *testing.T) {
	text, cut := cutValue(strings.Repeat("ä", 1000))
	if !cut || len(text) > maxValue || !utf8.ValidString(text) {
		t.Errorf("cut to %d bytes: %q", len(text), text)
	}
	if text, cut := cutValue(strings.Repeat("\x80", 300)); !cut || len(text) > maxValue {
		t.Errorf("bytes that are no text are cut to %d", len(text))
	}
	if text, cut := cutValue("short"); cut || text != "short" {
		t.Errorf("a short value became %q", text)
	}
}
