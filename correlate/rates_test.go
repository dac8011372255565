package correlate

import (
	"testing"
	"time"
)

func TestNiceStep(t *testing.T) {
	for _, test := range []struct{ least, want time.Duration }{
		{0, time.Second},
		{time.Millisecond, time.Second},
		{time.Second, time.Second},
		{time.Second + 1, 2 * time.Second},
		{6 * time.Second, 10 * time.Second},
		{30 * time.Second, 30 * time.Second},
		{31 * time.Second, time.Minute},
		{24 * time.Hour, 24 * time.Hour},
		{240 * time.Hour, 24 * time.Hour}, // the longest there is
	} {
		if got := niceStep(test.least); got != test.want {
			t.Errorf("%s: got %s, want %s", test.least, got, test.want)
		}
	}
	for i, step := range niceSteps {
		if i > 0 && step <= niceSteps[i-1] {
			t.Errorf("%s does not follow %s", step, niceSteps[i-1])
		}
	}
}

func TestRateWindow(t *testing.T) {
	for _, test := range []struct{ window, interval, want time.Duration }{
		{30 * time.Minute, 15 * time.Second, time.Minute},         // four collections
		{30 * time.Minute, 5 * time.Second, 30 * time.Second},     // but no less than a step
		{30 * time.Minute, time.Minute, 4 * time.Minute},          //
		{2 * time.Hour, 15 * time.Second, 2 * time.Minute},        // a longer window has longer steps
		{7 * 24 * time.Hour, 15 * time.Second, 6 * time.Hour},     //
		{2 * time.Minute, 15 * time.Second, time.Minute},          // half of the window at most
		{time.Minute, 15 * time.Second, 30 * time.Second},         //
		{30 * time.Second, 15 * time.Second, 30 * time.Second},    // but two collections at least
		{30 * time.Minute, 14900 * time.Millisecond, time.Minute}, // an interval is measured, and rounded
		{30 * time.Minute, 0, 30 * time.Second},                   // and may not be known
		{10 * time.Second, 0, 4 * time.Second},                    //
		{30 * time.Minute, 5 * time.Minute, 15 * time.Minute},     // collected rarely
		{30 * time.Minute, 30 * time.Minute, time.Hour},           //
	} {
		if got := rateWindow(test.window, test.interval); got != test.want {
			t.Errorf("window %s, collected every %s: got %s, want %s", test.window, test.interval, got, test.want)
		}
	}
}
