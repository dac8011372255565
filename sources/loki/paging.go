package loki

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"obs/sources"
)

const (
	// defaultLines is max_entries_limit_per_query where nobody has set it.
	defaultLines = 5000
	// pageBytes is how large an answer should become. Loki's parts pass answers on to
	// one another in messages of at most 4 MiB where nobody has set
	// grpc_server_max_recv_msg_size. An answer that is larger is lost, and its question
	// left without any (https://github.com/grafana/loki/issues/6568).
	pageBytes = 2 << 20
	// safeLines is how many lines are asked for while nothing is known of their length.
	safeLines = 200
)

// reading is a paged query under way.
//
// A page ends wherever its limit falls, which may be amid records of one nanosecond, in
// an order among them that the next page need not keep. So the last nanosecond of a
// full page is given up, and the next page begins with all of it.
type reading struct {
	client  *Client
	query   string
	forward bool
	left    sources.Window // what is still to be read
	records []sources.Record
	sets    labelSets
	lines   int // that a page should have, by the length of those that were read
	ceiling int // of lines

	crowded   int       // nanoseconds that hold a page of records or more
	crowdedAt time.Time // the first of them
	crowd     int       // how many records were had of it
	warned    []string  // by the server
}

func newReading(c *Client, query string, w sources.Window, forward bool) *reading {
	return &reading{client: c, query: query, forward: forward, left: w, sets: labelSets{}, lines: safeLines, ceiling: math.MaxInt}
}

// read goes on until it has that many records, or all that there are.
func (r *reading) read(ctx context.Context, want int) error {
	for len(r.records) < want {
		size := r.size(want)
		page, full, err := r.page(ctx, size)
		if err != nil {
			return err
		}
		if !full || len(r.records)+len(page) >= want {
			r.records = append(r.records, page...)
			return nil
		}
		border := page[len(page)-1].Time
		whole := slices.IndexFunc(page, func(record sources.Record) bool { return record.Time.Equal(border) })
		if whole == 0 {
			if r.size(want) > size {
				continue // a larger page may reach beyond this nanosecond
			}
			if r.crowded++; r.crowded == 1 {
				r.crowdedAt, r.crowd = border, len(page)
			}
			whole = len(page)
			border = border.Add(r.tick())
		}
		r.records = append(r.records, page[:whole]...)
		if !r.goOn(border) {
			return nil
		}
	}
	return nil
}

// size is how many records to ask for, where want are wanted in all.
func (r *reading) size(want int) int {
	return min(want-len(r.records), r.lines, int(r.client.lines.Load()))
}

// tick is a nanosecond in the direction of reading.
func (r *reading) tick() time.Duration {
	if r.forward {
		return 1
	}
	return -1
}

// goOn cuts off what was read, up to and without the nanosecond at. It tells whether
// anything is left.
func (r *reading) goOn(at time.Time) bool {
	if r.forward {
		r.left.From = at
	} else {
		r.left.To = at.Add(1)
	}
	return r.left.From.Before(r.left.To)
}

// page reads at most size records, in order, from where the reading stands. full tells
// that the server may have more. An answer that seems to have been too large is asked
// for in smaller ones, from then on.
func (r *reading) page(ctx context.Context, size int) (page []sources.Record, full bool, err error) {
	for {
		err = r.client.withLines(size, func(lines int) error {
			page, full, err = r.ask(ctx, lines)
			return err
		})
		if !tooLarge(err, size) {
			return page, full, err
		}
		size = max(1, min(size/8, safeLines))
		r.ceiling = size
	}
}

// tooLarge tells that err may come of the length of so many lines. No answer in time is
// how it shows mostly, but that has many reasons, and is not put down to a few lines.
func tooLarge(err error, lines int) bool {
	failure, ok := errors.AsType[*sources.Error](err)
	switch {
	case !ok || lines == 1:
		return false
	case errors.Is(err, sources.ErrTooLarge):
		return true
	case errors.Is(err, sources.ErrServer):
		return strings.Contains(failure.Detail, "message larger than max")
	}
	return errors.Is(err, sources.ErrTimeout) && lines > safeLines && !sources.IsCancelled(err)
}

var errElsewhen = errors.New("the records are not of the time that was asked for")

func (r *reading) ask(ctx context.Context, size int) (page []sources.Record, full bool, err error) {
	q := recordsQuestion(r.query, r.left, size, r.forward)
	q.header = categorized
	err = r.client.ask(ctx, q, func(body []byte) (int, error) {
		got, warnings, err := decodeRecords(body, r.sets)
		if err != nil {
			return 0, err
		}
		if len(got) > 0 {
			r.lines = max(1, min(pageBytes/(len(body)/len(got)+1), r.ceiling))
		}
		full = len(got) >= size
		page = slices.DeleteFunc(got, func(record sources.Record) bool { return !r.left.Contains(record.Time) })
		if full && len(page) == 0 {
			return 0, errElsewhen // the pages would never end
		}
		r.warned = append(r.warned, warnings...)
		return len(page), nil
	})
	slices.SortStableFunc(page, func(a, b sources.Record) int {
		return a.Time.Compare(b.Time) * int(r.tick())
	})
	return page, full, err
}

// warnings are the server's, each once, and what this reading had to leave out.
func (r *reading) warnings() []string {
	slices.Sort(r.warned)
	warnings := slices.Compact(r.warned)
	if r.crowded > 0 {
		text := fmt.Sprintf("%d or more records share the time %s, as many as can be had at once: some may be missing",
			r.crowd, r.crowdedAt.UTC().Format(time.RFC3339Nano))
		if r.crowded > 1 {
			text += fmt.Sprintf(" (other such times: %d)", r.crowded-1)
		}
		warnings = append(warnings, text)
	}
	return warnings
}
