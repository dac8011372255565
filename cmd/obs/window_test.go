package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"obs/correlate"
)

// asked is what a triage took its window and baseline to be, as they stand in its case.
func asked(t *testing.T, now time.Time, args ...string) (window, baseline, stderr string) {
	t.Helper()
	got := runAt(t.Context(), now, append([]string{"triage", "-o", "json", "--prometheus-url", refusing(t)}, args...)...)
	var c correlate.Case
	if err := json.Unmarshal([]byte(got.stdout), &c); err != nil {
		t.Fatalf("status %d, %v:\n%s%s", got.status, err, got.stdout, got.stderr)
	}
	text := func(from, to time.Time) string {
		return from.Format(time.RFC3339Nano) + "/" + to.Format(time.RFC3339Nano)
	}
	return text(c.Window.From, c.Window.To), text(c.Baseline.From, c.Baseline.To), got.stderr
}

func TestWindow(t *testing.T) {
	const noonUTC = "2026-11-21T12:00:00Z"
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"the last half hour unless it is said", nil, "2026-11-21T11:30:00Z/" + noonUTC},
		{"since", []string{"--since", "2h"}, "2026-11-21T10:00:00Z/" + noonUTC},
		{"since, of several units", []string{"--since", "1h30m"}, "2026-11-21T10:30:00Z/" + noonUTC},
		{"since, in days", []string{"--since", "1d"}, "2026-11-20T12:00:00Z/" + noonUTC},
		{"since, in weeks", []string{"--since", "2w"}, "2026-11-07T12:00:00Z/" + noonUTC},
		{"since, in days and hours", []string{"--since", "1d12h"}, "2026-11-20T00:00:00Z/" + noonUTC},
		{"since, before another end", []string{"--since", "1h", "--to", "09:00"}, "2026-11-21T08:00:00Z/2026-11-21T09:00:00Z"},
		{"to alone", []string{"--to", "09:00"}, "2026-11-21T08:30:00Z/2026-11-21T09:00:00Z"},
		{"from alone", []string{"--from", "09:00"}, "2026-11-21T09:00:00Z/" + noonUTC},

		{"RFC 3339", []string{"--from", "2026-11-21T09:00:00Z", "--to", "2026-11-21T10:00:00Z"}, "2026-11-21T09:00:00Z/2026-11-21T10:00:00Z"},
		{"RFC 3339 with zones", []string{"--from", "2026-11-21T09:00:00+01:00", "--to", "2026-11-21T05:00:00-05:00"}, "2026-11-21T08:00:00Z/2026-11-21T10:00:00Z"},
		{"RFC 3339 with fractions", []string{"--from", "2026-11-21T09:00:00.123456789Z", "--to", "now"}, "2026-11-21T09:00:00.123456789Z/" + noonUTC},
		{"a zone in the text wins over --tz", []string{"--from", "2026-11-21T09:00:00Z", "--tz", "Asia/Tokyo"}, "2026-11-21T09:00:00Z/" + noonUTC},
		{"Unix seconds", []string{"--from", "1795251600", "--to", "1795255200"}, "2026-11-21T09:00:00Z/2026-11-21T10:00:00Z"},
		{"Unix seconds with a fraction", []string{"--from", "1795251600.5"}, "2026-11-21T09:00:00.5Z/" + noonUTC},
		{"a clock earlier today", []string{"--from", "11:59"}, "2026-11-21T11:59:00Z/" + noonUTC},
		{"a clock now", []string{"--from", "11:00", "--to", "12:00"}, "2026-11-21T11:00:00Z/" + noonUTC},
		{"a clock later than now was yesterday's", []string{"--from", "12:01"}, "2026-11-20T12:01:00Z/" + noonUTC},
		{"clocks over midnight", []string{"--from", "23:50", "--to", "00:10"}, "2026-11-20T23:50:00Z/2026-11-21T00:10:00Z"},
		{"a clock with seconds", []string{"--from", "11:59:30"}, "2026-11-21T11:59:30Z/" + noonUTC},
		{"a date and a clock", []string{"--from", "2026-11-20 15:04", "--to", "2026-11-20 15:05:06"}, "2026-11-20T15:04:00Z/2026-11-20T15:05:06Z"},
		{"a date and a clock, with a T", []string{"--from", "2026-11-20T15:04", "--to", "2026-11-20T15:05:06"}, "2026-11-20T15:04:00Z/2026-11-20T15:05:06Z"},
		{"a date", []string{"--from", "2026-11-20", "--to", "2026-11-21"}, "2026-11-20T00:00:00Z/2026-11-21T00:00:00Z"},
		{"before now", []string{"--from", "now-2h", "--to", "now-30m"}, "2026-11-21T10:00:00Z/2026-11-21T11:30:00Z"},
		{"days before now", []string{"--from", "now-1d"}, "2026-11-20T12:00:00Z/" + noonUTC},
		{"blanks around it", []string{"--from", " 11:00 "}, "2026-11-21T11:00:00Z/" + noonUTC},

		{"another zone", []string{"--from", "09:00", "--tz", "Asia/Tokyo"}, "2026-11-21T00:00:00Z/" + noonUTC},
		{"another zone, where it is yesterday's", []string{"--from", "22:00", "--tz", "Asia/Tokyo"}, "2026-11-20T13:00:00Z/" + noonUTC},
		{"another zone's date", []string{"--from", "2026-11-21", "--tz", "America/New_York"}, "2026-11-21T05:00:00Z/" + noonUTC},
		{"a zone in its winter", []string{"--from", "12:00", "--tz", "Europe/Berlin"}, "2026-11-21T11:00:00Z/" + noonUTC},
		{"a zone in its summer", []string{"--from", "2026-07-01 12:00", "--to", "2026-07-01 13:00", "--tz", "Europe/Berlin"}, "2026-07-01T10:00:00Z/2026-07-01T11:00:00Z"},
		{"across the beginning of summer", []string{"--from", "2026-03-29 01:30", "--to", "2026-03-29 03:30", "--tz", "Europe/Berlin"}, "2026-03-29T00:30:00Z/2026-03-29T01:30:00Z"},
		{"across the end of summer", []string{"--from", "2026-10-25 01:30", "--to", "2026-10-25 03:30", "--tz", "Europe/Berlin"}, "2026-10-24T23:30:00Z/2026-10-25T02:30:00Z"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, _, _ := asked(t, noon, test.args...); got != test.want {
				t.Errorf("\n got %s\nwant %s", got, test.want)
			}
		})
	}
}

// On the day on which clocks go forward, yesterday's nine o'clock is 23 hours before
// today's.
func TestWindowOfYesterdayWhenClocksChange(t *testing.T) {
	morning := time.Date(2026, 3, 29, 6, 0, 0, 0, time.UTC) // 08:00 in Berlin, summer since 02:00
	got, _, _ := asked(t, morning, "--tz", "Europe/Berlin", "--from", "09:00", "--to", "07:00")
	if want := "2026-03-28T08:00:00Z/2026-03-29T05:00:00Z"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestBaseline(t *testing.T) {
	const window = "2026-11-21T11:30:00Z/2026-11-21T12:00:00Z"
	for _, test := range []struct {
		name             string
		args             []string
		window, baseline string
		cut              string // what is said of a window that was cut
	}{
		{"just before unless it is said", nil, window, "2026-11-21T11:00:00Z/2026-11-21T11:30:00Z", ""},
		{"as long as the window", []string{"--since", "2h"}, "2026-11-21T10:00:00Z/2026-11-21T12:00:00Z", "2026-11-21T08:00:00Z/2026-11-21T10:00:00Z", ""},
		{"an offset in hours", []string{"--baseline", "24h"}, window, "2026-11-20T11:30:00Z/2026-11-20T12:00:00Z", ""},
		{"an offset in weeks", []string{"--baseline", "1w"}, window, "2026-11-14T11:30:00Z/2026-11-14T12:00:00Z", ""},
		{"an offset as long as the window", []string{"--baseline", "30m"}, window, "2026-11-21T11:00:00Z/2026-11-21T11:30:00Z", ""},
		{"an interval", []string{"--baseline", "2026-11-21T03:00:00Z/2026-11-21T04:00:00+00:00"}, window, "2026-11-21T03:00:00Z/2026-11-21T04:00:00Z", ""},
		{"an interval of other forms", []string{"--baseline", "08:00/now-2h", "--tz", "Europe/Berlin"}, window, "2026-11-21T07:00:00Z/2026-11-21T10:00:00Z", ""},
		{"an interval up to the window", []string{"--baseline", "10:00/11:30"}, window, "2026-11-21T10:00:00Z/2026-11-21T11:30:00Z", ""},
		{"an interval after the window", []string{"--from", "09:00", "--to", "09:30", "--baseline", "10:00/10:30"}, "2026-11-21T09:00:00Z/2026-11-21T09:30:00Z", "2026-11-21T10:00:00Z/2026-11-21T10:30:00Z", ""},
		{"an interval into the window cuts it", []string{"--baseline", "11:00/11:45"}, "2026-11-21T11:45:00Z/2026-11-21T12:00:00Z", "2026-11-21T11:00:00Z/2026-11-21T11:45:00Z", "2026-11-21 11:45:00 UTC"},
		{"an interval inside the window cuts it", []string{"--baseline", "11:40/11:45"}, "2026-11-21T11:45:00Z/2026-11-21T12:00:00Z", "2026-11-21T11:40:00Z/2026-11-21T11:45:00Z", "2026-11-21 11:45:00 UTC"},
		{"an offset shorter than the window cuts it", []string{"--baseline", "10m"}, "2026-11-21T11:50:00Z/2026-11-21T12:00:00Z", "2026-11-21T11:20:00Z/2026-11-21T11:50:00Z", "2026-11-21 11:50:00 UTC"},
	} {
		t.Run(test.name, func(t *testing.T) {
			window, baseline, stderr := asked(t, noon, test.args...)
			if window != test.window || baseline != test.baseline {
				t.Errorf("\n got %s after %s\nwant %s after %s", window, baseline, test.window, test.baseline)
			}
			said := strings.Contains(stderr, "the baseline reaches into the window")
			if said != (test.cut != "") || !strings.Contains(stderr, test.cut) {
				t.Errorf("want the cut %q said in\n%s", test.cut, stderr)
			}
		})
	}
}

func TestTimesThatCannotBe(t *testing.T) {
	for _, test := range []struct {
		args []string
		want []string // all of it on standard error
	}{
		{[]string{"--from", "11:00", "--since", "1h"}, []string{"--from and --since", "give one of them"}},
		{[]string{"--from", "11:00", "--to", "11:30", "--since", "1h"}, []string{"--from and --since"}},
		{[]string{"--from", "11:00", "--to", "11:00"}, []string{"the window is empty", "2026-11-21 11:00:00 UTC", "--from must be before --to"}},
		{[]string{"--from", "11:00", "--to", "10:00"}, []string{"the window is empty"}},
		{[]string{"--from", "2026-11-21T12:30:00Z", "--to", "2026-11-21T13:00:00Z"}, []string{"in the future", "2026-11-21 12:30:00 UTC", "--tz"}},
		{[]string{"--from", "2026-11-21T12:30:00Z"}, []string{"the window is empty"}},
		{[]string{"--since", "0s"}, []string{`--since: "0s"`, "30m, 2h or 1d"}},
		{[]string{"--since", "-5m"}, []string{`--since: "-5m"`}},
		{[]string{"--since", "soon"}, []string{`--since: "soon" is no duration`}},
		{[]string{"--since", "30"}, []string{`--since: "30" is no duration`}},
		{[]string{"--from", "yesterday"}, []string{`--from: "yesterday" is no time`, "2026-11-21T15:04:05Z, Unix seconds, 15:04"}},
		{[]string{"--from", "25:00"}, []string{`--from: "25:00" is no time`}},
		{[]string{"--from", "2026-02-30"}, []string{`--from: "2026-02-30" is no time`}},
		{[]string{"--from", "now-later"}, []string{`--from: "later" is no duration`}},
		{[]string{"--from", "NaN"}, []string{`--from: "NaN" is no time`}},
		{[]string{"--from", "Inf"}, []string{`--from: "Inf" is no time`}},
		{[]string{"--from", "-3"}, []string{`--from: "-3" is no time`}},
		{[]string{"--from", "1795251600000"}, []string{`--from: "1795251600000" is no time`}}, // milliseconds
		{[]string{"--to", "never"}, []string{`--to: "never" is no time`}},
		{[]string{"--tz", "Middle/Earth"}, []string{`no time zone "Middle/Earth"`, "Europe/Berlin"}},
		{[]string{"--tz", "../../etc/passwd"}, []string{"no time zone"}},
		{[]string{"--baseline", "soon"}, []string{`--baseline: "soon" is no duration`, "24h"}},
		{[]string{"--baseline", "-24h"}, []string{`--baseline: "-24h"`}},
		{[]string{"--baseline", "10:00/"}, []string{`--baseline: "" is no time`, "2026-11-21T14:00:00Z/2026-11-21T14:30:00Z", "24h"}},
		{[]string{"--baseline", "10:00/never"}, []string{`--baseline: "never" is no time`}},
		{[]string{"--baseline", "11:00/10:00"}, []string{"the baseline is empty", "2026-11-21 11:00:00 UTC"}},
		{[]string{"--baseline", "2026-11-21T13:00:00Z/2026-11-21T14:00:00Z"}, []string{"the baseline starts in the future", "2026-11-21 13:00:00 UTC"}},
		{[]string{"--baseline", "11:00/12:00"}, []string{"leaves nothing of the window", "compare with a time before the window"}},
		{[]string{"--baseline", "11:30/12:00"}, []string{"leaves nothing of the window"}},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			got := runAt(t.Context(), noon, append([]string{"triage", "--prometheus-url", "http://127.0.0.1:1"}, test.args...)...)
			if got.status != exitUsage || got.stdout != "" {
				t.Errorf("status %d, want %d; on standard output: %q", got.status, exitUsage, got.stdout)
			}
			for _, want := range test.want {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("want %q in\n%s", want, got.stderr)
				}
			}
		})
	}
}
