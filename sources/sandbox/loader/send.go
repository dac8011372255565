package loader

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"obs/sources"
	"obs/sources/transport"
)

// ErrNotTaken is the kind of a *sources.Error that tells of a server which refused what
// it was sent. Its hint names the server's setting, where that is known.
var ErrNotTaken = errors.New("did not take what it was sent")

// Report counts what the servers have taken. After a failure these are the batches before
// it, and other backends' batches.
type Report struct {
	Series, Samples, Exemplars int // in Prometheus; markers of staleness count as samples
	Streams, Records           int // in Loki
	// Repeated is how many of the records buffered are alike in stream, time and line to
	// another one. Loki keeps one of such.
	Repeated      int
	Traces, Spans int // in Jaeger
}

// String is the counts in three lines, one for each backend.
func (r Report) String() string {
	repeated := ""
	if r.Repeated > 0 {
		repeated = fmt.Sprintf(", of which Loki drops %s as repeated", thousands(r.Repeated))
	}
	return fmt.Sprintf("%s: %s samples in %s series, %s exemplars\n%s: %s records in %s streams%s\n%s: %s spans in %s traces",
		sources.Prometheus, thousands(r.Samples), thousands(r.Series), thousands(r.Exemplars),
		sources.Loki, thousands(r.Records), thousands(r.Streams), repeated,
		sources.Jaeger, thousands(r.Spans), thousands(r.Traces))
}

// Send sends everything. Before it does so for the first time it looks whether that
// would mix with an earlier run, and sends nothing then: the error is ErrMixed.
//
// A backend that fails costs its own part alone: the error joins those of all backends,
// each a *sources.Error, and the report tells what has been taken nevertheless. To send
// again after a failure is safe: what is there already changes nothing, but for spans,
// which Jaeger may keep twice.
func (l *Loader) Send(ctx context.Context) (Report, error) {
	var r Report
	if !l.begun {
		if err := l.mixes(ctx); err != nil {
			return r, err
		}
		l.begun = true
	}
	err := errors.Join(l.sendMetrics(ctx, &r), l.sendLogs(ctx, &r), l.sendTraces(ctx, &r))
	return r, err
}

// failedAttempts is how often a batch may fail on the server's side before it is given up,
// beside what the transport retries by itself.
const failedAttempts = 4

// post sends one batch. Servers that are busy (429, 503) and connections that broke are
// tried again by the transport, those that failed (other 5xx) by this.
func post(ctx context.Context, client *transport.Client, path string, body []byte, header http.Header) (answer []byte, err error) {
	for attempt := 1; ; attempt++ {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, client.URL(path, nil).String(), bytes.NewReader(body))
		if err != nil {
			return nil, client.Failure(ctx, sources.ErrNotThisAPI, err)
		}
		request.Header = header.Clone()
		_, answer, err := client.Do(request) //nolint:bodyclose // Do has read and closed it
		if !errors.Is(err, sources.ErrServer) || attempt == failedAttempts {
			return answer, err
		}
		if ended := sleep(ctx, time.Second/4<<attempt); ended != nil {
			return nil, client.Failure(ctx, sources.ErrTimeout, ended)
		}
	}
}

// advice is what to do about a refusal that says these words, whatever their case.
type advice struct{ words, hint string }

// refused makes of a failed question what a refused batch is: missing is the hint for a
// path that is not there.
func refused(err error, missing string, advices []advice) error {
	failure, ok := errors.AsType[*sources.Error](err)
	if !ok {
		return err
	}
	if errors.Is(failure.Kind, sources.ErrBadQuery) {
		failure.Kind, failure.Hint = ErrNotTaken, ""
	}
	if failure.Status == http.StatusNotFound || failure.Status == http.StatusMethodNotAllowed {
		failure.Kind, failure.Hint = sources.ErrNotThisAPI, missing
	}
	said := strings.ToLower(failure.Detail)
	for _, a := range advices {
		if strings.Contains(said, a.words) {
			failure.Hint = a.hint
			break
		}
	}
	return failure
}

// meter tells of progress at every tenth of the way.
type meter struct {
	loader *Loader
	what   string // such as "prometheus: %s of %s samples"
	total  int
	told   int // tenths
}

func (m *meter) at(n int) {
	if tenths := 10 * n / max(m.total, 1); tenths > m.told {
		m.told = tenths
		m.loader.progress(m.what, thousands(n), thousands(m.total))
	}
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
