package report

import (
	"io"

	"obs/correlate"
)

// NotesJSON writes the list as JSON does a case.
func NotesJSON(w io.Writer, l *correlate.NoteList) error { return writeJSON(w, l) }

// NotesText writes them for people.
func NotesText(w io.Writer, l *correlate.NoteList) error {
	p := &page{}
	for i := range l.Notes {
		n := &l.Notes[i]
		p.line("%s  %s%s", n.Time.UTC().Format("2006-01-02 15:04:05"), n.Text, aboutNote(n))
	}
	tail(p, &correlate.Case{Missing: l.Missing, Queries: l.Queries})
	return p.writeTo(w)
}

// NotesMarkdown writes them for a ticket.
func NotesMarkdown(w io.Writer, l *correlate.NoteList) error {
	p := &page{}
	p.line("# Notes")
	p.blank()
	p.line("- window: %s", l.Window.String())
	p.blank()
	for i := range l.Notes {
		n := &l.Notes[i]
		p.line("- %s %s%s", n.Time.UTC().Format("2006-01-02 15:04:05"), escape(n.Text), escape(aboutNote(n)))
	}
	return p.writeTo(w)
}

// aboutNote is whose a note is, and of which incident.
func aboutNote(n *correlate.Note) string {
	text := ""
	if n.Author != "" {
		text += " – " + n.Author
	}
	if n.Incident != "" {
		text += " (" + n.Incident + ")"
	}
	return text
}
