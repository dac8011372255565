package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
)

type logsOptions struct {
	common
	windowFlags
	trace, span, request string
	service, around      string
	patterns, follow     bool
	limit                int
	before, after, both  int
	timed                bool // --timeout was given
}

// logOutputs are the forms that records can be written in, and patternOutputs those that
// patterns can.
var (
	logOutputs     = []string{"text", "json", "jsonl", "logfmt", "raw", "markdown"}
	patternOutputs = []string{"text", "json", "jsonl", "markdown"}
)

// mostContext is how many records -A, -B and -C take: several screens.
const mostContext = 1000

func newLogs(w world) *cobra.Command {
	o := &logsOptions{}
	cmd := &cobra.Command{
		Use:   "logs [QUERY]",
		Short: "Show log records: of a trace, a request, a service or a LogQL query; as they come, or as patterns",
		Long: `logs shows the log records of one trace or request, wherever they carry its ID, of one
service, or of a LogQL query: one record a line on standard output, and what else there is to say on standard
error. A trace shows its first records, the others their newest.

-o jsonl writes each record as a line of JSON, for jq; -o logfmt as name=value, which lnav
reads as it is; -o json all of the answer as one object; -o raw the lines as they are stored
and nothing else. What would act on a terminal is escaped in all of them; raw lines are
escaped only where standard output is a terminal, and go into a pipe or a file untouched.

With --patterns it shows what the lines say instead, without what varies in them, and how
often they said it before; in a pipe or a file with tabs between the columns. With --follow it goes on with the records as they come, until it
is interrupted.

With -A, -B and -C it shows what the same streams say around each record, marked as grep marks
it; with --around what a service or a query says nearest to a moment.

A trace that is stored tells its own time. Otherwise the last 30 minutes are searched, then
6 hours, a day and a week; with --since or --from only that window is.`,
		Example: `  obs logs --service checkout
  obs logs --trace 4bf92f3577b34da6a3ce929d0e0e4736
  obs logs --request req_a1b2c3d4 --since 2h
  obs logs '{service_name="checkout"} |= "timeout"' -C 5
  obs logs --service checkout --around 03:12 --limit 50
  obs logs --service checkout --patterns --since 15m --baseline 24h
  obs logs '{service_name="checkout"} |= "timeout"' --limit 20 -o json
  obs logs --service checkout -o jsonl | jq -r 'select(.severity == "error") | .line'
  obs logs --service checkout --follow -o logfmt | lnav
  obs logs --service checkout --follow`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.timed = cmd.Flags().Changed("timeout")
			query := ""
			if len(args) == 1 {
				query = args[0]
			}
			return runLogs(cmd.Context(), o, query, w)
		},
	}
	o.connectionFlags(cmd)
	o.windowFlags.flags(cmd, true)
	f := cmd.Flags()
	f.StringVar(&o.trace, "trace", "", "the records of this trace: its ID or a traceparent header")
	f.StringVar(&o.span, "span", "", "with --trace: only the records of this span")
	f.StringVar(&o.request, "request", "", "the records that carry this request ID, and those of its traces")
	f.StringVar(&o.service, "service", "", "the records of this service")
	f.StringVar(&o.around, "around", "", "the records of a service or query nearest to this time, half of them before it (default 40 in all): "+timeForms)
	f.BoolVar(&o.patterns, "patterns", false, "show the patterns of the lines, against the baseline")
	f.BoolVar(&o.follow, "follow", false, "show the records as they come, until interrupted")
	f.IntVar(&o.limit, "limit", 0, "show at most so many records (default 1000)")
	f.IntVarP(&o.before, "before", "B", 0, "show so many records of the same stream before each, as grep does")
	f.IntVarP(&o.after, "after", "A", 0, "show so many records of the same stream after each")
	f.IntVarP(&o.both, "context", "C", 0, "show so many before and after each, where -B or -A says no other number")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "time for the whole command (default with --follow: none)")
	f.StringVarP(&o.output, "output", "o", "", strings.Join(logOutputs, ", ")+" (default text); with --follow, json is jsonl")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "say each query on standard error as it is sent")
	takesForms(cmd, logOutputs)
	return cmd
}

func runLogs(ctx context.Context, o *logsOptions, query string, w world) error {
	o.before, o.after = cmp.Or(o.before, o.both), cmp.Or(o.after, o.both)
	if err := o.settle(w, &o.windowFlags); err != nil {
		return err
	}
	question, err := o.question(query)
	if err != nil {
		return err
	}
	if err := o.checkLogs(w, query != ""); err != nil {
		return err
	}
	explored, err := o.windowFlags.question(quiet(w), nil)
	if err != nil {
		return err
	}
	if o.given() || (o.follow && question.Trace != "") {
		question.Window = explored.Window
	}
	if o.around != "" {
		if question.Around, err = o.moment(o.around, w.now()); err != nil {
			return err
		}
	}
	set, err := o.open(ctx, w)
	if err != nil {
		return err
	}
	defer set.Close()
	if set.Logs == nil {
		return usage(errors.New("loki is not configured, and it alone has log records"), "set LOKI_URL, or give --loki-url")
	}
	explored.Names = o.names
	explorer := correlate.NewExplorer(set, explored)
	if o.follow {
		return o.followLogs(ctx, explorer, question, w)
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	if o.patterns && (o.output == "text" || o.output == "jsonl") {
		question.Limit = -1 // they show no record
	}
	view := explorer.Logs(ctx, question)
	if failure := view.Rejected(); failure != nil {
		return rejected(w, query, failure)
	}
	o.remember(w, func(s *seen, now time.Time) {
		for i := range view.Records {
			s.addServices(now, view.Records[i].Service)
		}
	})
	if err := o.writeLogs(w, view); err != nil {
		return &exitError{code: exitFailed, err: fmt.Errorf("writing the records: %w", err)}
	}
	return o.logsExit(ctx, view)
}

// question is what the arguments and flags ask for.
func (o *logsOptions) question(query string) (correlate.LogQuestion, error) {
	q := correlate.LogQuestion{Service: o.service, Query: query, Limit: o.limit, Patterns: o.patterns, Before: o.before, After: o.after}
	named := 0
	for _, s := range []string{query, o.trace, o.request, o.service} {
		if s != "" {
			named++
		}
	}
	if named != 1 {
		return q, usage(fmt.Errorf("%d of a query, --trace, --request and --service are given", named), "give exactly one of them, as in obs logs --service checkout")
	}
	if o.trace != "" {
		id, err := o.names.Read(o.trace)
		if err == nil && id.Trace == "" {
			err = fmt.Errorf("no trace ID, but %s", id.Reading)
		}
		if err != nil {
			return q, usage(fmt.Errorf("--trace: %w", err), "give up to 32 hexadecimal digits, or a tracing header; obs trace takes request IDs too")
		}
		q.Trace = id.Trace
	}
	if o.request != "" {
		id, err := o.names.Read(o.request)
		if err == nil && id.Request == "" {
			err = fmt.Errorf("no request ID, but %s", id.Reading)
		}
		if err != nil {
			return q, usage(fmt.Errorf("--request: %w", err), "give the ID as the records have it; --trace takes trace IDs")
		}
		q.Request = id.Request
	}
	if o.span != "" {
		span, ok := sources.ParseSpanID(o.span)
		if !ok || o.trace == "" {
			return q, usage(fmt.Errorf("--span %q is no span ID of a trace", o.span), "give up to 16 hexadecimal digits, and the trace with --trace")
		}
		q.Span = span
	}
	return q, nil
}

// checkLogs settles and refuses what the flags leave open.
func (o *logsOptions) checkLogs(w world, queried bool) error {
	if err := o.checkSelection(w); err != nil {
		return err
	}
	o.output = cmp.Or(o.output, "text")
	switch {
	case !slices.Contains(logOutputs, o.output):
		return usage(fmt.Errorf("no output %q of logs", o.output), "-o takes "+strings.Join(logOutputs, ", "))
	case o.patterns && !slices.Contains(patternOutputs, o.output):
		return usage(fmt.Errorf("-o %s is for records, and --patterns shows none", o.output), "with --patterns, -o takes "+strings.Join(patternOutputs, ", "))
	case o.around != "" && o.service == "" && !queried:
		return usage(errors.New("--around is for the records of a service or a query"), "give --service, or a query; the records of a request are all shown")
	case o.around != "" && (o.given() || o.baseline != "" || o.patterns || o.follow):
		return usage(errors.New("--around says which time is shown: --since, --from, --to, --baseline, --patterns and --follow do not go with it"), "leave them away; --limit says how many records")
	case o.follow && o.request != "":
		return usage(errors.New("--follow goes by a trace, a service or a query"), `follow the ID with a query, as in '{service_name=~".+"} |= "ID"'`)
	case min(o.before, o.after) < 0 || max(o.before, o.after) > mostContext:
		return usage(errors.New("-A, -B and -C take a number of records, at most "+strconv.Itoa(mostContext)), "give it as -C 5")
	case o.patterns && o.before+o.after > 0:
		return usage(errors.New("-A, -B and -C are about records, and --patterns shows none"), "give one of them")
	case o.limit < 0:
		return usage(fmt.Errorf("--limit %d is no number of records", o.limit), "give it as 100")
	case o.follow && w.tape.on():
		return usage(errors.New("--follow goes on for a time, and a recording is of one moment"), "leave --follow, or --record, away")
	case o.follow && o.patterns:
		return usage(errors.New("--follow shows records, and --patterns shows none"), "give one of them")
	case o.follow && (o.limit > 0 || o.to != "" || o.baseline != ""):
		return usage(errors.New("--follow goes on until it is interrupted: --limit, --to and --baseline do not go with it"), "leave them away; --timeout bounds its time")
	case o.follow && o.before+o.after > 0:
		return usage(errors.New("--follow shows the records as they come, and nothing around them"), "leave -A, -B and -C away; a LogQL query that selects more lines shows what is around them")
	case o.follow && w.selected != nil && w.selected.silent:
		return usage(errors.New("--follow shows records until it is interrupted, and --quiet none"), "leave one of them away, or give -o")
	case o.follow && o.output == "markdown":
		return usage(errors.New("--follow writes no markdown"), "give -o text, json, logfmt or raw")
	}
	return o.checkRest(w)
}

// writeLogs writes the records or their patterns, and beside them what is to be said.
func (o *logsOptions) writeLogs(w world, view *correlate.LogView) error {
	form := func(out io.Writer, v *correlate.LogView) error { return writeRecords(out, v.Records, o.recordForm(w)) }
	switch {
	case o.output == "json":
		form = report.LogsJSON
	case o.output == "markdown":
		form = report.LogsMarkdown
	case o.patterns && o.output == "jsonl":
		form = report.PatternsJSONL
	case o.patterns && !w.shown:
		form = report.PatternsPiped
	case o.patterns:
		form = report.PatternsText
	case o.output == "text":
		form = report.LogsText
	}
	return errors.Join(form(w.out, view), o.notes(w, view))
}

// notes says what is to be said beside the records. With --quiet that is what failed.
func (o *logsOptions) notes(w world, view *correlate.LogView) error {
	if w.quiet() {
		return sayMissing(w, &correlate.Case{Missing: view.Missing, Queries: view.Queries}, o.output)
	}
	return report.LogsNotes(w.err, view)
}

// recordForm is how a single record is written.
func (o *logsOptions) recordForm(w world) func(io.Writer, *correlate.Record) error {
	switch o.output {
	case "json", "jsonl":
		return report.RecordJSON
	case "logfmt":
		return report.RecordLogfmt
	case "raw":
		if w.shown {
			return report.RecordPrintable
		}
		return report.RecordRaw
	}
	return report.RecordText
}

// followLogs writes records as they come. That it is interrupted, or its time is up, is
// its proper end.
func (o *logsOptions) followLogs(ctx context.Context, explorer *correlate.Explorer, question correlate.LogQuestion, w world) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.timed {
		ctx, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	var writing error
	err := explorer.Follow(ctx, question, func(records []correlate.Record, dropped int) {
		if dropped > 0 {
			_, _ = fmt.Fprintf(w.err, "obs: the server dropped %d records, which were not read fast enough\n", dropped)
		}
		if writing == nil {
			if writing = writeRecords(w.out, records, o.recordForm(w)); writing != nil {
				cancel()
			}
		}
	})
	switch {
	case writing != nil:
		return &exitError{code: exitFailed, err: fmt.Errorf("writing the records: %w", writing)}
	case err != nil:
		if failure := (*sources.Error)(nil); question.Query != "" && errors.Is(err, sources.ErrBadQuery) && errors.As(err, &failure) {
			return rejected(w, question.Query, failure)
		}
		return followExit(err)
	}
	return nil
}

// rejected says what is wrong with the person's query. That is wrong use, and no other
// attempt would fare better.
func rejected(w world, query string, failure *sources.Error) error {
	if err := report.Rejected(w.err, query, failure); err != nil {
		return &exitError{code: exitFailed, err: err}
	}
	return &exitError{code: exitUsage}
}

// writeRecords writes records that came together at once, so that a reader sees them all.
func writeRecords(out io.Writer, records []correlate.Record, form func(io.Writer, *correlate.Record) error) error {
	var b bytes.Buffer
	for i := range records {
		if err := form(&b, &records[i]); err != nil {
			return err
		}
	}
	_, err := out.Write(b.Bytes())
	return err
}

// followExit is the exit of following that ended by itself.
func followExit(err error) error {
	exit := &exitError{code: exitFailed, err: err, hint: hintOf(err)}
	unknown := (*correlate.NoSuchServiceError)(nil)
	switch {
	case errors.As(err, &unknown):
		exit.code, exit.hint = exitNotFound, unknown.Hint
	case errors.Is(err, sources.ErrRefused):
		exit.code = exitRefused
	case errors.Is(err, sources.ErrTimeout):
		exit.code = exitTimeout
	}
	return exit
}

// cuts is how many things are said to be cut.
func cuts(view *correlate.LogView) (n int) {
	for _, m := range view.Missing {
		if m.Kind == correlate.MissingTruncated {
			n++
		}
	}
	return n
}

// logsExit is the exit status of a log view. That there are more records than --limit
// says is what was asked for.
func (o *logsOptions) logsExit(ctx context.Context, view *correlate.LogView) error {
	c := &correlate.Case{Missing: view.Missing, Queries: view.Queries, Interrupted: ctx.Err() != nil}
	if err := brokenExit(c); err != nil {
		return err
	}
	nothing := len(view.Records) == 0 && len(view.Patterns) == 0
	limited := o.limit > 0 && view.Asked() == o.limit && (!o.patterns || view.Sampled == 1) && cuts(view) == 1
	switch {
	case nothing && !c.Failed():
		return &exitError{code: exitNotFound}
	case c.Failed(), c.Partial() && !limited:
		return &exitError{code: exitPartial}
	}
	return nil
}
