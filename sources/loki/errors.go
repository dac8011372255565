package loki

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strconv"

	"obs/sources"
	"obs/sources/transport"
)

// Explain takes the message out of a refusal: Loki writes plain text, the gateways in
// front of it JSON objects of several kinds. It returns nothing where the whole text is
// the message.
func Explain(status int, body []byte) string { return transport.ExplainText(status, body) }

// advice is what to do about refusals that say these words.
var advice = transport.Advice{
	{"query time range exceeds the limit", "ask for a shorter window: the server's max_query_length bounds it"},
	{"max_query_lookback", "ask for a later window: the server's max_query_lookback bounds it"},
	{"too many outstanding requests", "the server's queue for this tenant is full: try again in a while, or with a shorter window"},
	{tooManyTails, "the server's max_concurrent_tail_requests bounds how many may follow at once: end another tail, or try again in a while"},
	{"message larger than max", "ask for fewer records: Loki's parts may not send one another so much (grpc_server_max_recv_msg_size)"},
	{"maximum resolution", "ask for a longer step or a shorter window"},
	{"maximum number of series", "group by fewer labels, or select fewer streams"},
	{"at least one regexp or equality matcher", "name a label that the streams must have, such as service_name"},
}

// stopped is how Loki says where in a query it stopped.
var stopped = regexp.MustCompile(`^parse error at line ([0-9]{1,6}), col ([0-9]{1,6}): `)

// advise makes the error of a request tell what to do about it in the case of Loki.
func (c *Client) advise(ctx context.Context, q question, err error) error {
	failure, ok := errors.AsType[*sources.Error](err)
	if !ok {
		return err
	}
	if failure.Status == http.StatusNotFound {
		if q.missing != "" {
			failure.Hint = q.missing
			return failure
		}
		// Every Loki has the endpoint, so this is none, or it lives below another path.
		mistaken := c.client.Failure(ctx, sources.ErrNotThisAPI, nil)
		mistaken.Status, mistaken.Detail = failure.Status, failure.Detail
		return mistaken
	}
	transport.StoppedAt(stopped, failure)
	advice.To(failure)
	return failure
}

// withLines asks for up to want lines, as many as the server gives at once. Where it
// says that it gives fewer, they are asked for anew, and so from then on.
func (c *Client) withLines(want int, ask func(lines int) error) error {
	lines := min(want, int(c.lines.Load()))
	err := ask(lines)
	if allowed, ok := allowedLines(err, lines); ok {
		c.lines.Store(int64(allowed))
		if c.known != nil {
			c.known.Learn(abilityLines, strconv.Itoa(allowed))
		}
		err = ask(allowed)
	}
	return err
}

var limitExceeded = regexp.MustCompile(`^max entries limit per query exceeded, .*\([0-9]+ > ([0-9]+)\)`)

// allowedLines is how many lines the server gives at once, if err says that it was
// asked for more than that.
func allowedLines(err error, asked int) (lines int, ok bool) {
	failure, ok := errors.AsType[*sources.Error](err)
	if !ok {
		return 0, false
	}
	said := limitExceeded.FindStringSubmatch(failure.Detail)
	if said == nil {
		return 0, false
	}
	lines, err = strconv.Atoi(said[1])
	return lines, err == nil && lines > 0 && lines < asked
}
