package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
)

var errNoNotes = errors.New("it was not said where notes are kept")

const noNotesHint = "obs config set notes.url ADDRESS names the Loki, for the profile; or give --notes-url. That a Loki is read is no leave to write to it"

// notesFlag names where notes are kept.
func (c *common) notesFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.connection.NotesURL, "notes-url", "", "address of the Loki in which notes are kept (default that of the profile's notes)")
}

type noteOptions struct {
	common
	incident, author, at, zone string
}

func newNote(w world) *cobra.Command {
	o := &noteOptions{}
	cmd := &cobra.Command{
		Use:   "note TEXT",
		Short: "Write a line into the incident's timeline",
		Long: `note writes a line, as it is typed, into the Loki that the profile's notes name, or --notes-url:
a stream with the labels job="obs", kind="note" and incident, where one is named. Who wrote it
stands in its metadata: --author, or $USER. It ends with 0 when Loki has taken the note, and
says why where it has not. obs notes lists them, and a triage of their time has them.`,
		Example: `  obs note "rolled back payment to 1.4.2"
  obs note --incident checkout-slow --at 14:32 "provider says that eu-west is down"`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runNote(cmd.Context(), o, strings.Join(args, " "), w)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.connection.Profile, "profile", "", "connections to use (default $OBS_PROFILE, or the current one of obs config)")
	o.notesFlag(cmd)
	f.StringVar(&o.incident, "incident", "", "name by which its notes belong together; written in small letters, digits and dashes")
	f.StringVar(&o.author, "author", "", "who writes it (default $USER)")
	f.StringVar(&o.at, "at", "", "when it was (default now): "+timeForms)
	f.StringVar(&o.zone, "tz", "UTC", "time zone of times that name none: UTC, Local, Europe/Berlin")
	f.DurationVar(&o.timeout, "timeout", defaultTimeout, "time for the whole command")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "say each query on standard error as it is sent")
	f.StringVarP(&o.output, "output", "o", "", "json writes the note as it was taken, in the form of obs notes (default text, which is nothing)")
	takesForms(cmd, twoForms)
	return cmd
}

func runNote(ctx context.Context, o *noteOptions, text string, w world) error {
	if err := o.checkForms(w, twoForms); err != nil {
		return err
	}
	note, err := o.note(text, w)
	if err != nil {
		return err
	}
	set, err := o.openNotes(w)
	if err != nil {
		return err
	}
	defer set.Close()
	if set.Notes == nil {
		return usage(errNoNotes, noNotesHint)
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	if err := set.Notes.Push(ctx, note.Record()); err != nil {
		return writeExit(ctx, fmt.Errorf("the note was not taken: %w", err))
	}
	return o.write(w, func(io.Writer) error { return nil }, correlate.TakenNote(note, set.Ledger))
}

// note is what is to be written.
func (o *noteOptions) note(text string, w world) (*correlate.Note, error) {
	n := &correlate.Note{Time: w.now().UTC(), Text: text, Incident: correlate.IncidentName(o.incident), Author: cmp.Or(o.author, w.getenv("USER"))}
	switch {
	case strings.TrimSpace(text) == "":
		return nil, usage(errors.New("the note is empty"), `give it as obs note "rolled back payment to 1.4.2"`)
	case o.incident != "" && n.Incident == "":
		return nil, usage(fmt.Errorf("--incident %q has no letter and no digit", o.incident), "give it as checkout-slow")
	}
	if o.at == "" {
		return n, nil
	}
	zone, err := time.LoadLocation(o.zone)
	if err != nil {
		return nil, usage(fmt.Errorf("no time zone %q", o.zone), "give --tz as UTC, Local, or a name such as Europe/Berlin")
	}
	if n.Time, err = parseTime(o.at, w.now(), zone); err != nil {
		return nil, usage(fmt.Errorf("--at: %w", err), "times are given as "+timeForms)
	}
	return n, nil
}

// openNotes opens no more than where notes are kept; its Notes is nil where that was not said.
func (c *common) openNotes(w world) (sources.Set, error) {
	if err := c.load(w); err != nil {
		return sources.Set{}, err
	}
	set, err := c.settings.OpenNotes()
	if failure := (*sources.Error)(nil); errors.As(err, &failure) {
		return set, connectionExit(err, failure)
	}
	return set, err
}

type notesOptions struct {
	common
	windowFlags
	incident string
}

// notesSince is the time of which notes are listed: those of this shift and the one before.
const notesSince = "24h"

func newNotes(w world) *cobra.Command {
	o := &notesOptions{}
	cmd := &cobra.Command{
		Use:   "notes",
		Short: "List the notes that people have written down",
		Long: `notes lists what obs note has written, in order of time: from the Loki that the profile's notes
name, or --notes-url, or else from the Loki that is read. To a program each is a line of time,
incident, author and text, with tabs between. That there are none is status 5.`,
		Example: "  obs notes\n  obs notes --since 3h --incident checkout-slow -o markdown",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runNotes(cmd.Context(), o, w) },
	}
	o.tableFlags(cmd)
	o.windowFlags.flags(cmd, false)
	cmd.Flags().Lookup("since").Usage = "the window ends now and is this long (default " + notesSince + ")"
	o.notesFlag(cmd)
	cmd.Flags().StringVar(&o.incident, "incident", "", "only those of this incident")
	return cmd
}

func runNotes(ctx context.Context, o *notesOptions, w world) error {
	if err := o.checkTable(w); err != nil {
		return err
	}
	o.usualSince = notesSince
	window, err := o.window(w.now())
	if err != nil {
		return err
	}
	set, err := o.openNotes(w)
	from := correlate.NoteReader(set.Notes)
	if err == nil && set.Notes == nil {
		set, err = o.openAny(ctx, w)
		from = set.Logs
	}
	if err != nil {
		return err
	}
	defer set.Close()
	if from == nil {
		return usage(errNoNotes, noNotesHint)
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	found := correlate.ReadNotes(ctx, from, o.connection.Ledger, window, correlate.IncidentName(o.incident))
	if err := noteForms.write(w.out, found, o.form(w)); err != nil {
		return &exitError{code: exitFailed, err: fmt.Errorf("writing the notes: %w", err)}
	}
	outcome := &correlate.Case{Missing: found.Missing, Queries: found.Queries, Interrupted: ctx.Err() != nil}
	return o.tableExit(w, o.form(w), outcome, len(found.Notes) == 0)
}

var noteForms = formsOf[*correlate.NoteList]{"text": report.NotesText, "json": report.NotesJSON, "markdown": report.NotesMarkdown, piped: report.NotesPiped}
