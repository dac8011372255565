package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"

	"obs/correlate"
	"obs/sources"
)

// windowFlags are --since, --from, --to, --baseline and --tz.
type windowFlags struct {
	since, from, to, baseline, zone string

	usualSince, usualBaseline string // of the profile, where nothing else is said

	own bool // the baseline goes with this window, and nobody named it
}

const defaultSince = "30m"

const timeForms = "2026-11-21T15:04:05Z, Unix seconds, 15:04, '2026-11-21 15:04', or now-2h"

func (f *windowFlags) flags(cmd *cobra.Command, withBaseline bool) {
	flags := cmd.Flags()
	flags.StringVar(&f.since, "since", "", "the window ends now and is this long: 30m, 2h, 1d (default "+defaultSince+")")
	flags.StringVar(&f.from, "from", "", "start of the window: "+timeForms)
	flags.StringVar(&f.to, "to", "", "end of the window (default now)")
	flags.StringVar(&f.zone, "tz", "UTC", "time zone of times that name none: UTC, Local, Europe/Berlin")
	if withBaseline {
		flags.StringVar(&f.baseline, "baseline", "", "what to compare with: an offset (24h: the same window a day earlier) or an interval START/END (default: the window just before, equally long)")
	}
}

// given reports whether the person named a window.
func (f *windowFlags) given() bool { return f.since != "" || f.from != "" || f.to != "" }

// window resolves the flags at the moment now.
func (f *windowFlags) window(now time.Time) (sources.Window, error) {
	zone, err := time.LoadLocation(f.zone)
	if err != nil {
		return sources.Window{}, usage(fmt.Errorf("no time zone %q", f.zone), "give --tz as UTC, Local, or a name such as Europe/Berlin")
	}
	w := sources.Window{To: now.UTC()}
	if f.to != "" {
		if w.To, err = parseTime(f.to, now, zone); err != nil {
			return w, usage(fmt.Errorf("--to: %w", err), "times are given as "+timeForms)
		}
	}
	switch {
	case f.from != "" && f.since != "":
		return w, usage(errors.New("--from and --since both say where the window starts"), "give one of them")
	case f.from != "":
		if w.From, err = parseTime(f.from, now, zone); err != nil {
			return w, usage(fmt.Errorf("--from: %w", err), "times are given as "+timeForms)
		}
	default:
		length, err := parseDuration(cmp.Or(f.since, f.usualSince, defaultSince))
		if err != nil {
			return w, usage(fmt.Errorf("%s: %w", saidBy("since", f.since), err), "give it as 30m, 2h or 1d")
		}
		w.From = w.To.Add(-length)
	}
	switch {
	case !w.From.Before(w.To):
		return w, usage(fmt.Errorf("the window is empty: it would go from %s to %s", stamp(w.From), stamp(w.To)), "--from must be before --to")
	case w.From.After(now):
		return w, usage(fmt.Errorf("the window starts in the future, at %s", stamp(w.From)), "times are UTC unless they or --tz say otherwise")
	}
	return w, nil
}

// moment reads a time, as --around has it.
func (f *windowFlags) moment(text string, now time.Time) (time.Time, error) {
	zone, err := time.LoadLocation(f.zone)
	if err != nil {
		return time.Time{}, usage(fmt.Errorf("no time zone %q", f.zone), "")
	}
	at, err := parseTime(text, now, zone)
	if err != nil {
		return at, usage(fmt.Errorf("--around: %w", err), "times are given as "+timeForms)
	}
	return at, nil
}

// baselineOf resolves --baseline for a window.
func (f *windowFlags) baselineOf(w sources.Window, now time.Time) (sources.Window, error) {
	const hint = "give an offset such as 24h, or an interval such as 2026-11-21T14:00:00Z/2026-11-21T14:30:00Z"
	baseline := cmp.Or(f.baseline, f.usualBaseline)
	if baseline == "" {
		return sources.Window{From: w.From.Add(-w.Duration()), To: w.From}, nil
	}
	zone, err := time.LoadLocation(f.zone)
	if err != nil {
		return sources.Window{}, usage(fmt.Errorf("no time zone %q", f.zone), "")
	}
	var b sources.Window
	if start, end, isInterval := strings.Cut(baseline, "/"); isInterval {
		if b.From, err = parseTime(start, now, zone); err == nil {
			b.To, err = parseTime(end, now, zone)
		}
		if err != nil {
			return b, usage(fmt.Errorf("%s: %w", saidBy("baseline", f.baseline), err), hint)
		}
	} else {
		offset, err := parseDuration(baseline)
		if err != nil {
			return b, usage(fmt.Errorf("%s: %w", saidBy("baseline", f.baseline), err), hint)
		}
		b = sources.Window{From: w.From.Add(-offset), To: w.To.Add(-offset)}
	}
	switch {
	case !b.From.Before(b.To):
		return b, usage(fmt.Errorf("the baseline is empty: it would go from %s to %s", stamp(b.From), stamp(b.To)), hint)
	case b.From.After(now):
		return b, usage(fmt.Errorf("the baseline starts in the future, at %s", stamp(b.From)), "times are UTC unless they or --tz say otherwise")
	case !b.To.Before(w.To) && b.From.Before(w.To):
		return b, usage(fmt.Errorf("the baseline %s leaves nothing of the window %s to compare with it", b, w), "compare with a time before the window, or with an offset no shorter than it")
	}
	return b, nil
}

// saidBy names a flag, or the key in its place where the flag was not given.
func saidBy(name, given string) string {
	if given != "" {
		return "--" + name
	}
	return name + " of the profile (obs config view)"
}

// outside is the part of the window after the baseline, and whether that is less than
// all: time that a person calls normal is not under suspicion.
func outside(w, baseline sources.Window) (sources.Window, bool) {
	if baseline.To.After(w.From) && baseline.To.Before(w.To) {
		return sources.Window{From: baseline.To, To: w.To}, true
	}
	return w, false
}

// question is what the flags ask at this moment. It says where the baseline cuts the
// window short.
func (f *windowFlags) question(w world, services []string) (correlate.Question, error) {
	now := w.now()
	window, err := f.window(now)
	if err != nil {
		return correlate.Question{}, err
	}
	baseline, err := f.baselineOf(window, now)
	if err != nil {
		return correlate.Question{}, err
	}
	window, cut := outside(window, baseline)
	if cut {
		_, _ = fmt.Fprintf(w.remarks(), "obs: the baseline reaches into the window, which therefore begins where the baseline ends, at %s\n", stamp(window.From))
	}
	return correlate.Question{Window: window, Baseline: baseline, Services: services}, nil
}

// in is the flags with another time, in a person's words: a length of time up to now, or
// where the window begins and where it ends. No words leave the flags as they are, which
// for a length of time means up to now.
func (f windowFlags) in(words string) *windowFlags {
	fields := strings.Fields(words)
	if f.own && len(fields) > 0 {
		f.baseline, f.own = "", false
	}
	switch len(fields) {
	case 0:
	case 1:
		f.since, f.from, f.to = fields[0], "", ""
		if _, err := parseDuration(fields[0]); err != nil {
			f.since, f.from = "", fields[0] // up to now
		}
	default:
		// A time may have a space within, as 2026-11-21 15:04 has: one half each then.
		middle := len(fields) / 2
		f.since, f.from, f.to = "", strings.Join(fields[:middle], " "), strings.Join(fields[middle:], " ")
	}
	return &f
}

// quiet is the world without a place for remarks, under a screen.
func quiet(w world) world {
	w.err = io.Discard
	return w
}

// quietIf is quiet where something else will say the remarks.
func quietIf(w world, otherwise bool) world {
	if otherwise {
		return quiet(w)
	}
	return w
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// parseDuration reads 1h30m as Go writes it and 1d, 2w as Prometheus does.
func parseDuration(s string) (time.Duration, error) {
	var length time.Duration
	if d, err := time.ParseDuration(s); err == nil {
		length = d
	} else if d, err := model.ParseDuration(s); err == nil {
		length = time.Duration(d)
	} else {
		return 0, fmt.Errorf("%q is no duration", s)
	}
	if length <= 0 {
		return 0, fmt.Errorf("%q is no length of time", s)
	}
	return length, nil
}

// parseTime reads the forms of timeForms; zone holds for those that name none.
func parseTime(s string, now time.Time, zone *time.Location) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "now" {
		return now.UTC(), nil
	}
	if back, ok := strings.CutPrefix(s, "now-"); ok {
		length, err := parseDuration(back)
		return now.Add(-length).UTC(), err
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC(), nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t.UTC(), nil
		}
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			today := now.In(zone)
			at := time.Date(today.Year(), today.Month(), today.Day(), t.Hour(), t.Minute(), t.Second(), 0, zone)
			if at.After(now) {
				at = at.AddDate(0, 0, -1) // the last time that the clock said so
			}
			return at.UTC(), nil
		}
	}
	// Fewer digits are a mistyped date rather than a time before 1973.
	if seconds, err := strconv.ParseFloat(s, 64); err == nil && seconds > 1e8 && seconds < 1e11 {
		return time.Unix(0, int64(seconds*1e9)).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time", s)
}
