package loki

import (
	"fmt"
	"testing"
	"time"

	"obs/sources"
)

func TestRecentResumes(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(minutes float64) time.Time { return begin.Add(time.Duration(minutes * float64(time.Minute))) }
	for name, test := range map[string]struct {
		seen []float64 // minutes after the beginning, of records that come in the tenth
		most int
		want time.Time
	}{
		"nothing seen":                          {nil, 9, begin},
		"not before the beginning":              {[]float64{0.5}, 9, begin},
		"a minute before the newest":            {[]float64{5, 3}, 9, at(4)},
		"a record of old is no newest":          {[]float64{5, -60}, 9, at(4)},
		"nothing but records of old":            {[]float64{-60, -61}, 9, at(-60)},
		"a clock that is ahead":                 {[]float64{5, 90}, 9, at(9)},
		"behind what was forgotten":             {[]float64{4.5, 4.7, 5}, 2, at(4.5).Add(1)},
		"forgotten of a clock that is ahead":    {[]float64{90, 5, 6}, 2, at(10).Add(1)},
		"forgotten long before makes no change": {[]float64{1, 4.7, 5}, 2, at(4)},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecent(begin)
			r.most = test.most
			for _, minutes := range test.seen {
				if !r.add(sources.Record{Time: at(minutes)}, at(10)) {
					t.Errorf("%v is known", minutes)
				}
			}
			if got := r.resume(); !got.Equal(test.want) {
				t.Errorf("resumes at %s, want %s", got.Sub(begin), test.want.Sub(begin))
			}
		})
	}
}

func TestRecentTellsRecordsApart(t *testing.T) {
	r := newRecent(time.Time{})
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	different := []sources.Record{
		{Time: now},
		{Time: now.Add(1)},
		{Time: now, Line: "a"},
		{Time: now, Stream: sources.Labels{"a": ""}},
		{Time: now, Stream: sources.Labels{"a": "b"}},
		{Time: now, Stream: sources.Labels{"ab": ""}},
		{Time: now, Line: "a", Stream: sources.Labels{"a": "b", "c": "d"}},
		{Time: now, Line: "a", Stream: sources.Labels{"a": "d", "c": "b"}},
		{Time: now, Line: "a", Stream: sources.Labels{"a": "b", "c": "d"}, Metadata: sources.Labels{"e": "f"}},
	}
	for i, record := range different {
		if !r.add(record, now) {
			t.Errorf("record %d is known", i)
		}
	}
	for i, record := range different {
		if r.add(record, now) {
			t.Errorf("record %d is not known", i)
		}
	}
	// Servers differ in which labels are of the stream and which of the record.
	if r.add(sources.Record{Time: now, Line: "a", Stream: sources.Labels{"a": "b", "c": "d", "e": "f"}}, now) {
		t.Error("not known with its metadata in the stream")
	}
}

func TestRecentIsBounded(t *testing.T) {
	r := newRecent(time.Time{})
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 3 * maxRecent {
		r.add(sources.Record{Time: now, Line: fmt.Sprint(i)}, now)
	}
	if len(r.known) != maxRecent || len(r.order) != maxRecent || cap(r.order) > 3*maxRecent {
		t.Errorf("%d known, %d in order, room for %d", len(r.known), len(r.order), cap(r.order))
	}
	r.add(sources.Record{Time: now.Add(2 * overlap)}, now.Add(2*overlap))
	if len(r.known) != 1 || len(r.order) != 1 {
		t.Errorf("%d known after a quiet time", len(r.known))
	}
}

// Records that were caught up with are known as they come again, also those that are older than
// what is remembered otherwise.
func TestHeldRecords(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	r := newRecent(now.Add(-10 * time.Minute))
	r.hold(r.resume(), now.Add(overlap))
	old := sources.Record{Time: now.Add(-5 * time.Minute), Line: "old"}
	young := sources.Record{Time: now, Line: "young"}
	if !r.add(old, now) || !r.add(young, now) {
		t.Error("a record is called known")
	}
	if r.add(old, now) || r.add(young, now) {
		t.Error("a record that comes again is called new")
	}
	later := now.Add(2 * overlap)
	if !r.add(sources.Record{Time: later, Line: "later"}, later) || len(r.order) != 1 {
		t.Errorf("%d records are remembered after the hold, want 1", len(r.order))
	}
}
