package loki

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"obs/sources"
)

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
// Where more records share one nanosecond than can be had at once, there is no way to
// ask for the rest: the answer goes on behind them, is Truncated, and warns.
func (c *Client) Records(ctx context.Context, query string, w sources.Window, limit int, forward bool) (sources.RecordAnswer, error) {
	if !w.From.Before(w.To) {
		return sources.RecordAnswer{}, nil
	}
	limit = min(max(limit, 0), math.MaxInt-1)
	r := newReading(c, query, w, forward)
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
