package loki

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"obs/sources"
)

// defaultLines is max_entries_limit_per_query where nobody has set it.
const defaultLines = 5000

// categorized asks Loki 3.0 and newer to keep structured metadata and parsed labels
// apart from the labels of the stream. Older servers ignore it and answer with all of
// them in one label set.
var categorized = http.Header{"X-Loki-Response-Encoding-Flags": {"categorize-labels"}}

// Records implements sources.Logs. Records of equal time keep the order in which the
// server gave them. With an error come the records that were read before it.
//
// A server that knows no structured metadata, or none apart, has it in Record.Stream.
// Labels that a parser in the query made are left out: they repeat the line. Label sets
// are shared among records and not to be changed.
//
// Where more records share one nanosecond than the server gives at once, there is no
// way to ask for the rest: the answer goes on behind them, is Truncated, and warns.
func (c *Client) Records(ctx context.Context, query string, w sources.Window, limit int, forward bool) (sources.RecordAnswer, error) {
	if !w.From.Before(w.To) {
		return sources.RecordAnswer{}, nil
	}
	limit = min(max(limit, 0), math.MaxInt-1)
	r := reading{client: c, query: query, forward: forward, left: w, sets: labelSets{}}
	err := r.read(ctx, limit+1) // the one too many tells that there are more
	if err == nil && len(r.records) == 0 {
		err = c.check(ctx, query, w.From)
	}
	answer := sources.RecordAnswer{Records: r.records, Truncated: err != nil || r.crowded > 0, Warnings: r.warnings()}
	if len(r.records) > limit {
		answer.Records, answer.Truncated = r.records[:limit], true
	}
	return answer, err
}

// reading is a paged query under way.
//
// A page ends wherever the server's limit falls, which may be amid records of one
// nanosecond, in an order among them that the next page need not keep. So the last
// nanosecond of a full page is given up, and the next page begins with all of it.
type reading struct {
	client  *Client
	query   string
	forward bool
	left    sources.Window // what is still to be read
	records []sources.Record
	sets    labelSets

	crowded   int       // nanoseconds that hold a page of records or more
	crowdedAt time.Time // the first of them
	crowd     int       // how many records were had of it
	warned    []string  // by the server
}

// read goes on until it has that many records, or all that there are.
func (r *reading) read(ctx context.Context, want int) error {
	for len(r.records) < want {
		page, full, err := r.page(ctx, want-len(r.records))
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

// page reads at most want records, in order, from where the reading stands. full tells
// that the server may have more.
func (r *reading) page(ctx context.Context, want int) (page []sources.Record, full bool, err error) {
	err = r.client.withLines(want, func(lines int) error {
		page, full, err = r.ask(ctx, lines)
		return err
	})
	return page, full, err
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

func recordsQuestion(query string, w sources.Window, lines int, forward bool) question {
	q := question{text: query, window: w, endpoint: "query_range", params: windowParams(w)}
	q.params.Set("query", query)
	q.params.Set("limit", strconv.Itoa(lines))
	q.params.Set("direction", "backward")
	if forward {
		q.params.Set("direction", "forward")
	}
	return q
}

// check is for queries that found nothing. Loki, 3.7 at least, has no error for those
// who want labels apart when a stage of the query cannot work, such as a filter with an
// invalid regular expression: it says that there are no records. Without the flag it
// tells, and of one nanosecond too.
func (c *Client) check(ctx context.Context, query string, at time.Time) error {
	q := recordsQuestion(query, sources.Window{From: at, To: at.Add(1)}, 1, true)
	return c.ask(ctx, q, func(body []byte) (int, error) {
		records, _, err := decodeRecords(body, labelSets{})
		return len(records), err
	})
}

// warnings are the server's, each once, and what this reading had to leave out.
func (r *reading) warnings() []string {
	slices.Sort(r.warned)
	warnings := slices.Compact(r.warned)
	if r.crowded > 0 {
		text := fmt.Sprintf("%d or more records share the time %s, which is as many as the server gives at once: some may be missing",
			r.crowd, r.crowdedAt.UTC().Format(time.RFC3339Nano))
		if r.crowded > 1 {
			text += fmt.Sprintf(", there and at %d other times", r.crowded-1)
		}
		warnings = append(warnings, text)
	}
	return warnings
}
