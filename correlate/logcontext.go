package correlate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"obs/sources"
)

const (
	// contextClusters is how many places in streams are read around, two queries each: more
	// than a person reads through, and what a server answers in a few seconds.
	contextClusters = 20
	// contextReach is how far from a record its context lies at most. A judgement: what a
	// stream said in another shift tells nothing about this record.
	contextReach = 6 * time.Hour
	// contextRead is how many records are read at a place at most, unless a single record
	// wants more, so that a loud stream costs no more than a view; and contextLeast how many
	// at least, since others of the same time may stand behind the one in question.
	contextRead, contextLeast = viewedRecords, 100
)

// contexts is the finding of context under way.
type contexts struct {
	a             *logAnswer
	before, after int
	asked         []Record // oldest first
	streams       []string // the query of the stream of each; empty where it is not known
	done          []bool   // it is among the rows

	rows  map[string]int // what is shown, by stream and record, as a place in kept
	kept  []Record
	spans []sources.Window // the times of those that stand together, with both ends
}

// addContext puts the records before and after each record of the view beside it, as far
// as they are of its stream. They do not count towards the limit, and may lie outside of
// the window. The newest places come first, and the others' records stay without.
func (a *logAnswer) addContext(ctx context.Context) error {
	c := &contexts{
		a: a, before: min(max(a.question.Before, 0), aroundLimit), after: min(max(a.question.After, 0), aroundLimit),
		asked: a.view.Records, done: make([]bool, len(a.view.Records)), rows: map[string]int{},
	}
	if len(c.asked) == 0 || c.before+c.after == 0 {
		return nil
	}
	near := sources.Window{From: c.asked[0].Time, To: c.asked[len(c.asked)-1].Time.Add(1)}.Pad(recordSlack)
	streams, err := a.x.set.Logs.Streams(ctx, "", near)
	if err != nil {
		return err
	}
	for _, r := range c.asked {
		query := ""
		if selector, err := selectorOf(streams, r); err == nil {
			query = selector.String()
		}
		c.streams = append(c.streams, query)
	}
	places := 0
	for i := len(c.asked) - 1; i >= 0 && places < contextClusters; i-- {
		if c.done[i] || c.streams[i] == "" {
			continue
		}
		places++
		var records []sources.Record
		var more bool
		if records, more, err = c.around(ctx, i); err != nil {
			break
		}
		c.mark(i, records, more)
	}
	alone := 0
	for i, r := range c.asked {
		if !c.done[i] {
			alone++
			c.keep(c.streams[i], r, sources.Record{Time: r.Time, Stream: r.Labels, Metadata: r.Metadata, Line: r.Line})
			c.spans = append(c.spans, sources.Window{From: r.Time, To: r.Time})
		}
	}
	a.view.Records = c.grouped()
	if err == nil && alone > 0 {
		a.truncated(fmt.Sprintf("%s of %d are shown without those around them, which were looked for in %s only",
			counted(alone, "record"), len(c.asked), counted(places, "place")), "ask for fewer with --limit, or for a shorter window")
	}
	return err
}

// around reads the stream around a record, oldest first: backward what all that are asked
// for up to there may want, and forward what this one wants. more tells that there are
// records before those.
func (c *contexts) around(ctx context.Context, i int) (records []sources.Record, more bool, err error) {
	at, wanted := c.asked[i].Time, 0
	for j := range i + 1 {
		if !c.done[j] && c.streams[j] == c.streams[i] {
			wanted += c.before + c.after + 1
		}
	}
	var back, forth sources.RecordAnswer
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		w := sources.Window{From: at.Add(-contextReach), To: at.Add(1)}
		most := max(min(wanted, contextRead), c.before+contextLeast)
		back, err = c.a.x.set.Logs.Records(groupCtx, c.streams[i], w, most, false)
		return err
	})
	group.Go(func() (err error) {
		w := sources.Window{From: at.Add(1), To: at.Add(contextReach)}
		if c.after > 0 {
			forth, err = c.a.x.set.Logs.Records(groupCtx, c.streams[i], w, c.after, true)
		}
		return err
	})
	err = group.Wait()
	slices.Reverse(back.Records)
	return append(back.Records, forth.Records...), back.Truncated, err
}

// mark shows those that are asked for among the records of a place, which are around the
// i-th, and what is beside them. It ends at one that has not all of its own before it there,
// where there is more: that has a place of its own.
func (c *contexts) mark(i int, records []sources.Record, more bool) {
	taken := map[int]int{} // asked, by place
	beside := make([]bool, len(records))
	for j := i; j >= 0; j-- {
		if c.done[j] || c.streams[j] != c.streams[i] {
			continue
		}
		at := placeOf(c.asked[j], records, taken)
		if j < i && at < c.before && more {
			break
		}
		if at < 0 {
			continue // it is not there any more
		}
		c.done[j], taken[at] = true, j
		for n := max(0, at-c.before); n <= min(at+c.after, len(records)-1); n++ {
			beside[n] = true
		}
	}
	for n, r := range records {
		if !beside[n] {
			continue
		}
		if n == 0 || !beside[n-1] {
			c.spans = append(c.spans, sources.Window{From: r.Time})
		}
		c.spans[len(c.spans)-1].To = r.Time
		kept := c.a.x.names.describeRecord(r)
		kept.Context = true
		if j, isAsked := taken[n]; isAsked {
			kept = c.asked[j]
		}
		c.keep(c.streams[i], kept, r)
	}
}

// placeOf is where a record stands among others, of those not taken yet; -1 where it does
// not. The query may have changed its line: then its time counts.
func placeOf(r Record, among []sources.Record, taken map[int]int) int {
	at := -1
	for i, s := range among {
		if _, isTaken := taken[i]; isTaken || !s.Time.Equal(r.Time) {
			continue
		}
		if s.Line == r.Line {
			return i
		}
		at = i
	}
	return at
}

// keep shows a record, once: as one that was asked for where it is context of another too.
// The stored one tells it from others.
func (c *contexts) keep(stream string, r Record, stored sources.Record) {
	key := stream + recordKey(stored) + stored.Metadata.String()
	at, twice := c.rows[key]
	switch {
	case !twice:
		c.rows[key] = len(c.kept)
		c.kept = append(c.kept, r)
	case c.kept[at].Context:
		c.kept[at] = r
	}
}

// grouped is what is shown, oldest first, with numbers of groups: what stands together in
// one stream, and what other streams say within its time.
func (c *contexts) grouped() []Record {
	slices.SortStableFunc(c.kept, func(a, b Record) int { return a.Time.Compare(b.Time) })
	slices.SortFunc(c.spans, func(a, b sources.Window) int { return a.From.Compare(b.From) })
	group, next := 0, 0
	var until time.Time
	for i := range c.kept {
		at := c.kept[i].Time
		for ; next < len(c.spans) && !c.spans[next].From.After(at); next++ {
			if group == 0 || c.spans[next].From.After(until) {
				group++
			}
			if c.spans[next].To.After(until) {
				until = c.spans[next].To
			}
		}
		c.kept[i].Group = group
	}
	return c.kept
}
