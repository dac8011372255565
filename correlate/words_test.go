package correlate

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"obs/correlate/anomaly"
	"obs/correlate/survey"
)

func TestDescribe(t *testing.T) {
	since := time.Date(2026, 11, 21, 14, 3, 5, 0, time.FixedZone("CET", 3600))
	tests := []struct {
		name    string
		anomaly Anomaly
		want    string
	}{
		{
			"latency",
			Anomaly{Service: "shop", Operation: "GET /cart", Signal: string(survey.Latency), Direction: string(anomaly.Up), BaselineValue: 0.2, WindowValue: 1.04, Unit: survey.Seconds, Onset: since},
			"shop GET /cart p95 rose from 200 ms to 1.04 s (5.2x) since 13:03:05",
		},
		{
			"guessed latency",
			Anomaly{Service: "shop", Metric: "took_ms", Signal: string(survey.Latency), Direction: string(anomaly.Up), BaselineValue: 0.2, WindowValue: 0.3, Unit: survey.Seconds, Guessed: true},
			"shop latency (took_ms) rose from 200 ms to 300 ms (1.5x)",
		},
		{
			"errors from none",
			Anomaly{Service: "shop", Metric: "x", Signal: string(survey.Errors), Direction: string(anomaly.Up), WindowValue: 0.123, Unit: survey.Ratio},
			"shop error ratio rose from 0 % to 12.3 %",
		},
		{
			"guessed errors",
			Anomaly{Service: "shop", Metric: "error records", Signal: string(survey.Errors), Direction: string(anomaly.Up), BaselineValue: 0.5, WindowValue: 6, Unit: "records/s", Guessed: true},
			"shop error records rose from 0.50 records/s to 6.00 records/s (12x)",
		},
		{
			"traffic",
			Anomaly{Service: "shop", Signal: string(survey.Traffic), Direction: string(anomaly.Down), BaselineValue: 100, WindowValue: 25, Unit: "requests/s"},
			"shop request rate fell from 100 requests/s to 25.0 requests/s (0.25x)",
		},
		{
			"guessed traffic",
			Anomaly{Service: "shop", Metric: "calls", Signal: string(survey.Traffic), Direction: string(anomaly.Up), BaselineValue: 1, WindowValue: 1.05, Guessed: true},
			"shop calls rose from 1.00 to 1.05",
		},
		{
			"another signal of no direction",
			Anomaly{Service: "shop", Metric: "queue", Signal: string(survey.Saturation), BaselineValue: 3, WindowValue: 3},
			"shop queue went from 3.00 to 3.00",
		},
	}
	for _, test := range tests {
		if got := describe(&test.anomaly); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestFactor(t *testing.T) {
	for _, test := range []struct {
		from, to float64
		want     string
	}{
		{1, 5.2, "5.2x"}, {1, 9.96, "10.0x"}, {1, 10, "10x"}, {2, 25, "12x"}, {1, 1.1, "1.1x"}, {1, 1.09, ""}, {1, 1, ""},
		{1, 0.91, ""}, {1, 0.9, "0.9x"}, {4, 1, "0.25x"}, {1, 0.0001, "0.0001x"},
		{0, 1, ""}, {1, 0, ""}, {-1, 1, ""}, {1, -1, ""},
		{1, 99999, "99999x"}, {1, 1e5, ">99999x"}, {1e-300, 1e300, ">99999x"}, {1, math.Inf(1), ">99999x"},
		{math.NaN(), 1, ""}, {1, math.NaN(), ""},
	} {
		if got := Factor(test.from, test.to); got != test.want {
			t.Errorf("from %g to %g: got %q, want %q", test.from, test.to, got, test.want)
		}
	}
}

func TestQuantity(t *testing.T) {
	for _, test := range []struct {
		value float64
		unit  string
		want  string
	}{
		{0, survey.Seconds, "0 s"}, {4.02, survey.Seconds, "4.02 s"}, {0.0125, survey.Seconds, "12.5 ms"}, {200, survey.Seconds, "3m20s"},
		{0, survey.Ratio, "0 %"}, {0.0495, survey.Ratio, "4.95 %"}, {1, survey.Ratio, "100 %"}, {0.00001, survey.Ratio, "0.001 %"},
		{19.8, "requests/s", "19.8 requests/s"}, {0, "requests/s", "0 requests/s"},
		{-3.5, "", "-3.50"}, {1234567, "bytes", "1234567 bytes"}, {1e15, "", "1e+15"},
		{math.NaN(), survey.Seconds, "nothing"}, {math.NaN(), "", "nothing"},
		{math.Inf(1), "bytes", "+Inf bytes"}, {math.Inf(-1), survey.Ratio, "-Inf %"},
	} {
		if got := Quantity(test.value, test.unit); got != test.want {
			t.Errorf("%g %s: got %q, want %q", test.value, test.unit, got, test.want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for _, test := range []struct {
		seconds float64
		want    string
	}{
		{0, "0 s"}, {1e-9, "0.001 µs"}, {0.0000328, "32.8 µs"}, {0.000115, "115 µs"}, {0.0062349, "6.23 ms"}, {0.45, "450 ms"},
		{1, "1.00 s"}, {12.34, "12.3 s"}, {99.94, "99.9 s"}, {100, "1m40s"}, {3600, "1h0m0s"}, {1e6, "277h46m40s"},
		// Rounding goes over to the next unit.
		{0.0009996, "1.00 ms"}, {0.9996, "1.00 s"}, {9.996, "10.0 s"}, {99.96, "1m40s"},
		{-0.45, "-450 ms"}, {-200, "-3m20s"},
		// More than a time.Duration can hold.
		{1e12, "1e+12 s"}, {-1e300, "-1e+300 s"}, {math.MaxFloat64, "1.8e+308 s"}, {math.Inf(1), "+Inf s"}, {math.Inf(-1), "-Inf s"}, {math.NaN(), "nothing"},
	} {
		if got := Seconds(test.seconds); got != test.want {
			t.Errorf("%g: got %q, want %q", test.seconds, got, test.want)
		}
	}
}

// A number is close to what is said of it, and short enough for its column.
func TestSecondsAreReadBack(t *testing.T) {
	units := map[string]float64{"µs": 1e-6, "ms": 1e-3, "s": 1}
	rapid.Check(t, func(r *rapid.T) {
		seconds := rapid.Float64Range(1e-6, 99).Draw(r, "seconds")
		text := Seconds(seconds)
		number, unit, _ := strings.Cut(text, " ")
		read := 0.0
		for _, digit := range strings.ReplaceAll(number, ".", "") {
			read = read*10 + float64(digit-'0')
		}
		if _, decimals, found := strings.Cut(number, "."); found {
			read /= math.Pow(10, float64(len(decimals)))
		}
		if difference := math.Abs(read*units[unit] - seconds); difference > 0.005*seconds+1e-12 || len(text) > 8 {
			r.Errorf("%g is said to be %q", seconds, text)
		}
	})
}

func TestCounted(t *testing.T) {
	for _, test := range []struct {
		n    int
		noun string
		want string
	}{
		{0, "record", "0 records"}, {1, "record", "1 record"}, {2, "record", "2 records"},
		{0, "anomaly", "0 anomalies"}, {1, "anomaly", "1 anomaly"}, {3, "anomaly", "3 anomalies"},
		{1, "day", "1 day"}, {4, "day", "4 days"}, {1, "series", "1 series"}, {4, "series", "4 series"}, {20, "slow trace", "20 slow traces"}, {5, "normal one", "5 normal ones"},
	} {
		if got := counted(test.n, test.noun); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestClock(t *testing.T) {
	if got := Clock(time.Date(2026, 1, 2, 1, 2, 3, 999, time.FixedZone("IST", 5*3600+1800))); got != "19:32:03" {
		t.Errorf("got %s", got)
	}
}
