package scale_test

import (
	"strings"
	"testing"
	"time"

	"obs/correlate/scale"
	"obs/correlate/survey"
)

var start = time.Date(2025, 3, 4, 13, 32, 0, 0, time.UTC)

func TestScales(t *testing.T) {
	for _, test := range []struct {
		low, high float64
		unit      string
		log       bool
		want      string
	}{
		{0.1, 4.1, survey.Seconds, false, "0 s|2 s|4 s|6 s"},
		{0.01, 0.04, survey.Seconds, false, "0 ms|10 ms|20 ms|30 ms|40 ms"},
		{0.3, 1.2, survey.Seconds, false, "0.0 s|0.5 s|1.0 s|1.5 s"},
		{0, 2e-5, survey.Seconds, false, "0 µs|5 µs|10 µs|15 µs|20 µs"},
		{10, 500, survey.Seconds, false, "0 s|5m|10m"},
		{10, 20000, survey.Seconds, false, "0 s|2h|4h|6h"},
		{0, 0.021, survey.Ratio, false, "0 %|1 %|2 %|3 %"},
		{0, 1, survey.Ratio, false, "0 %|50 %|100 %"},
		{0, 3 << 20, scale.Bytes, false, "0 MiB|1 MiB|2 MiB|3 MiB"},
		{0, 900, "bytes/s", false, "0.00 KiB/s|0.25 KiB/s|0.50 KiB/s|0.75 KiB/s|1.00 KiB/s"},
		{0, 38, "requests/s", false, "0 /s|10 /s|20 /s|30 /s|40 /s"},
		{0, 45000, "", false, "0k|20k|40k|60k"},
		{-3, 4, "", false, "-4|-2|0|2|4"},
		{0, 0, "", false, "0.0|0.5|1.0"},
		{0.002, 9, survey.Seconds, true, "1 ms|10 ms|100 ms|1 s|10 s"},
		{0.5, 0.5, "", true, "0.1|1"},
	} {
		var got []string
		s := scale.New(test.low, test.high, test.unit, 4, test.log)
		if s.Low > test.low || s.High < test.high {
			t.Errorf("%v to %v: the scale is from %v to %v", test.low, test.high, s.Low, s.High)
		}
		for _, tick := range s.Ticks {
			got = append(got, tick.Label)
		}
		if joined := strings.Join(got, "|"); joined != test.want {
			t.Errorf("%v to %v %s: %s, want %s", test.low, test.high, test.unit, joined, test.want)
		}
	}
}

func TestTimeTicks(t *testing.T) {
	for _, test := range []struct {
		span  time.Duration
		width int
		want  string
	}{
		{time.Hour, 60, "13:40 13:50 14:00 14:10 14:20 14:30"},
		{time.Minute, 60, "13:32:00 13:32:15 13:32:30 13:32:45 13:33:00"},
		{36 * time.Hour, 50, "18:00 03-05 06:00 12:00 18:00 03-06"},
		{6 * 24 * time.Hour, 30, "03-05 03-07 03-09"},
		{time.Hour, 3, ""},
	} {
		var got []string
		for _, tick := range scale.Times(start, start.Add(test.span), test.width) {
			got = append(got, tick.Label)
		}
		if joined := strings.Join(got, " "); joined != test.want {
			t.Errorf("%s in %d: %q, want %q", test.span, test.width, joined, test.want)
		}
	}
}
