package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"obs/correlate"
	"obs/sources"
	"obs/sources/alertmanager"
	"obs/sources/connect/profile"
)

// alertFlags are --alert and --from-alert: where a triage starts.
type alertFlags struct {
	name, message string

	sent alertmanager.Message
}

func (f *alertFlags) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.name, "alert", "", "start from the alert of this name that is firing or pending now (obs alerts lists them)")
	flags.StringVar(&f.message, "from-alert", "", "start from the alert in this file, which Alertmanager, Grafana or Prometheus posted to a webhook; - for standard input")
}

// given reports whether a triage starts from an alert.
func (f *alertFlags) given() bool { return f.name != "" || f.message != "" }

const alertMessageHint = "give what Alertmanager or Grafana posts to a webhook, or Prometheus to an Alertmanager: JSON with a list of alerts"

// read settles the flags, and reads the message.
func (f *alertFlags) read(w world) error {
	switch {
	case f.name != "" && f.message != "":
		return usage(errors.New("--alert and --from-alert both say where to start"), "give one of them")
	case f.message == "":
		return nil
	}
	in, named := w.in, "standard input"
	if f.message != "-" {
		file, err := os.Open(f.message)
		if err != nil {
			return usage(fmt.Errorf("--from-alert: %w", err), "give a file, or - for standard input")
		}
		defer func() { _ = file.Close() }()
		in, named = w.tape.takes("from-alert", file), f.message
	}
	if in == nil {
		in = bytes.NewReader(nil)
	}
	body, err := io.ReadAll(io.LimitReader(in, alertmanager.MaxBody+1))
	if err == nil && len(body) > alertmanager.MaxBody {
		err = errors.New("it is larger than such a message can be")
	}
	if err == nil {
		f.sent, err = alertmanager.ReadBody(body, w.now())
	}
	if err != nil {
		return usage(fmt.Errorf("--from-alert: %s is no message of an alert: %w", sources.Printable(named), err), alertMessageHint)
	}
	return nil
}

// start is the question that the alert asks, within the window that it sets where the flags
// set none.
func (f *alertFlags) start(ctx context.Context, w world, window *windowFlags, names correlate.Names, services []string, set sources.Set, observe correlate.Observer) (correlate.Question, error) {
	if f.name != "" && set.Metrics == nil && set.Notifications == nil {
		return correlate.Question{}, usage(errNoAlerts, "set PROMETHEUS_URL or ALERTMANAGER_URL, or give what was posted with --from-alert")
	}
	observe(correlate.Step{Name: "alert", Text: "looking at the alert and its rule"})
	x := correlate.NewExplorer(set, correlate.Question{Services: services, Names: names})
	var alert *correlate.StartingAlert
	var err error
	if f.name != "" {
		alert, err = x.NamedAlert(ctx, f.name)
	} else {
		alert, err = x.SentAlert(ctx, f.sent.Alerts, f.sent.LeftOut)
	}
	if err != nil {
		observe(correlate.Step{Name: "alert", Done: true, Failed: true, Text: err.Error()})
		return correlate.Question{}, f.exit(err)
	}
	f.within(window, alert, w.now())
	observe(correlate.Step{Name: "alert", Done: true, Text: strings.Join(nonEmpty(alert.Name, alert.State, alert.Service), ", ")})
	// The alert's service is where the walk looks first, and not where it looks alone.
	question, err := window.question(w, nil)
	question.Names, question.Alert = names, alert
	return question, err
}

// within takes the alert's window where the flags set none.
func (f *alertFlags) within(window *windowFlags, alert *correlate.StartingAlert, now time.Time) {
	if window.given() {
		return
	}
	at, cut, ok := alert.Window(now)
	if !ok {
		return
	}
	window.from = at.From.Format(time.RFC3339Nano)
	if cut {
		window.to = at.To.Format(time.RFC3339Nano)
	}
	if window.baseline == "" && window.usualBaseline == "" && at.Duration() < correlate.LeastAlertBaseline {
		window.baseline = at.From.Add(-correlate.LeastAlertBaseline).Format(time.RFC3339Nano) + "/" + window.from
		window.own = true
	}
}

// exit is the exit status of a triage whose alert was not found.
func (f *alertFlags) exit(err error) error {
	var none *correlate.NoAlertError
	var unread *correlate.UnreadAlertsError
	switch {
	case errors.As(err, &unread):
		exit := &exitError{code: exitFailed, err: err, hint: unread.Missing[0].Hint}
		if broken := (*exitError)(nil); errors.As(brokenExit(&correlate.Case{Missing: unread.Missing}), &broken) {
			exit.code = broken.code
		}
		return exit
	case errors.As(err, &none) && none.Rule:
		return &exitError{code: exitNotFound, err: err, hint: "obs alerts lists those that do; obs triage --since 30m looks without one"}
	case errors.As(err, &none):
		hint := "obs alerts lists the alerts that are firing or pending"
		if near := profile.Nearest(f.name, none.Known); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
		return usage(err, hint)
	}
	return err
}

// nonEmpty are those of some texts that are not empty.
func nonEmpty(texts ...string) []string {
	var kept []string
	for _, text := range texts {
		if text != "" {
			kept = append(kept, text)
		}
	}
	return kept
}
