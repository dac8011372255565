package correlate

import (
	"context"
	"slices"
	"strings"
	"time"

	"obs/sources"
)

// NotesSchema is the version of a NoteList's JSON.
const NotesSchema = "obs.notes/v1"

// NoteList is what people have written down in a time, in its order.
type NoteList struct {
	Schema   string         `json:"schema"`
	Window   sources.Window `json:"window"`
	Incident string         `json:"incident,omitempty"` // of which alone they are
	Notes    []Note         `json:"notes"`
	Missing  []Missing      `json:"missing"`
	Queries  []Query        `json:"queries"`
}

// Where a note stands in Loki: a stream of its own for each incident. Its line is the text as
// it was typed.
const (
	noteJob      = "obs"
	noteKind     = "note"
	noteIncident = "incident" // a label
	noteAuthor   = "author"   // metadata, since a stream for each person would be many
)

const (
	// noteLimit is how many notes are read: more than people write in an incident.
	noteLimit = 500
	// incidentLength is how long an incident's name may be: a label's value is kept in an index.
	incidentLength = 64
)

// IncidentName is a name as it stands in a label: small letters, digits, dots, underscores and
// dashes, at most incidentLength of them. Names that a person would call the same are the same.
func IncidentName(text string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(strings.TrimSpace(text)) {
		plain := (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9') || r == '.' || r == '_'
		if !plain {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		gap = false
		b.WriteRune(r)
		if b.Len() >= incidentLength {
			break
		}
	}
	return b.String()
}

// Record is the note as it is kept.
func (n *Note) Record() sources.Record {
	r := sources.Record{Time: n.Time, Line: n.Text, Stream: sources.Labels{"job": noteJob, "kind": noteKind}}
	if n.Incident != "" {
		r.Stream[noteIncident] = n.Incident
	}
	if n.Author != "" {
		r.Metadata = sources.Labels{noteAuthor: n.Author}
	}
	return r
}

// NoteReader is what notes are read from: sources.Notebook is one, and sources.Logs.
type NoteReader interface {
	Records(ctx context.Context, query string, w sources.Window, limit int, forward bool) (sources.RecordAnswer, error)
}

// ReadNotes reads the notes of a time, of one incident where one is named. The ledger is that
// of the reader.
func ReadNotes(ctx context.Context, from NoteReader, ledger *sources.Ledger, window sources.Window, incident string) *NoteList {
	var c Case
	answer, err := readNotes(ctx, from, window, incident)
	c.noteNotes(answer, err)
	return c.noteList(ledger, window, incident)
}

// TakenNote is the list of a note that was written just now, with the ledger of the writer.
func TakenNote(n *Note, ledger *sources.Ledger) *NoteList {
	return (&Case{Notes: []Note{*n}}).noteList(ledger, sources.Window{From: n.Time, To: n.Time}, n.Incident)
}

func (c *Case) noteList(ledger *sources.Ledger, window sources.Window, incident string) *NoteList {
	c.keepQueries(ledger)
	return &NoteList{
		Schema: NotesSchema, Window: window, Incident: incident,
		Notes: append([]Note{}, c.Notes...), Missing: append([]Missing{}, c.Missing...), Queries: append([]Query{}, c.Queries...),
	}
}

func readNotes(ctx context.Context, from NoteReader, window sources.Window, incident string) (sources.RecordAnswer, error) {
	only := sources.Selector{{Name: "job", Op: sources.Equal, Value: noteJob}, {Name: "kind", Op: sources.Equal, Value: noteKind}}
	if incident != "" {
		only = append(only, sources.Matcher{Name: noteIncident, Op: sources.Equal, Value: incident})
	}
	window.To = window.To.Add(time.Nanosecond) // which Loki leaves out, and a note of the last moment is wanted
	// The newest, where there are too many.
	return from.Records(ctx, sources.LogQuery{Selector: only}.String(), window, noteLimit, false)
}

// noteNotes takes notes into the case, in order of time.
func (c *Case) noteNotes(answer sources.RecordAnswer, err error) {
	if err != nil {
		c.missingError(sources.Loki, "no notes were read", err)
		return
	}
	if answer.Truncated {
		c.missing(Missing{Backend: sources.Loki, Kind: MissingTruncated, Reason: "there are more notes than the newest that were read", Hint: "ask for a shorter time, or for one incident with obs notes --incident"})
	}
	for _, r := range answer.Records {
		author, _ := r.Metadata.First(noteAuthor)
		c.Notes = append(c.Notes, Note{Time: r.Time.UTC(), Text: r.Line, Incident: r.Stream[noteIncident], Author: author})
	}
	slices.SortStableFunc(c.Notes, func(a, b Note) int { return a.Time.Compare(b.Time) })
}

// afterwards is how long after the window notes are still of it: what was found out is written
// down when there is time to.
const afterwards = 15 * time.Minute

// readNotes reads the notes of the time that the walk is about, where it was said where they are.
func (w *walk) readNotes(ctx context.Context) {
	if w.set.Notes == nil || ctx.Err() != nil {
		return
	}
	window := w.question.Window
	window.To = window.To.Add(afterwards)
	w.found.noteNotes(readNotes(ctx, w.set.Notes, window, ""))
}
