// Package schema publishes what scripts may rely on: a JSON Schema of each form of JSON that
// obs writes, made of the Go types and their comments. The files stand beside this package;
// `make schema` writes them. README.md says what is promised.
//
// The program does not link it. Tests do: what obs writes must be valid by these schemas, and
// the schemas must not break what was published before.
package schema

import (
	"reflect"
	"strings"

	"obs/correlate"
	"obs/correlate/doctor"
	"obs/sources"
	"obs/sources/connect"
)

// Output is one form of JSON that obs writes.
type Output struct {
	// ID names the form and its version, as in obs.case/v1. An object says it in its key
	// "schema"; a line of a stream does not, to stay short.
	ID      string
	Type    reflect.Type
	Summary string // which commands write it
}

// Outputs are all forms. A new one is a line here, and `make schema`.
var Outputs = []Output{
	{correlate.Schema, reflect.TypeFor[correlate.Case](), "What obs triage, obs trace, obs demo and obs open write with -o json, and --save."},
	{correlate.ServicesSchema, reflect.TypeFor[correlate.ServiceTable](), "What obs services writes with -o json."},
	{correlate.AlertsSchema, reflect.TypeFor[correlate.AlertList](), "What obs alerts writes with -o json."},
	{correlate.LogsSchema, reflect.TypeFor[correlate.LogView](), "What obs logs writes with -o json, but for --follow."},
	{correlate.DiffSchema, reflect.TypeFor[correlate.Diff](), "What obs diff writes with -o json."},
	{doctor.Schema, reflect.TypeFor[doctor.Report](), "What obs doctor writes with -o json."},
	{correlate.LookSchema, reflect.TypeFor[correlate.Look](), "A line of obs watch -o jsonl."},
	{correlate.NotesSchema, reflect.TypeFor[correlate.NoteList](), "What obs notes and obs note write with -o json."},
	{correlate.RulesSchema, reflect.TypeFor[correlate.RuleReport](), "What obs alerts lint writes with -o json."},
	{sources.BuildSchema, reflect.TypeFor[sources.Build](), "What obs version writes with -o json."},
	{connect.ViewSchema, reflect.TypeFor[connect.View](), "What obs config view writes with -o json."},
	{"obs.record/v1", reflect.TypeFor[correlate.Record](), "A line of obs logs -o jsonl, and of obs logs --follow -o json."},
	{"obs.pattern/v1", reflect.TypeFor[correlate.Pattern](), "A line of obs logs --patterns -o jsonl."},
}

// closed are the types of texts that have the values of their constants and no others within
// a version: a script may handle each of them and be done. Of other types the known values
// are given as examples, and more may come.
var closed = []reflect.Type{
	reflect.TypeFor[correlate.Verdict](), reflect.TypeFor[correlate.Trend](), reflect.TypeFor[correlate.Grouping](), reflect.TypeFor[doctor.Grade](),
}

// File is the name of the file of a form's schema, as in obs.case.v1.json.
func File(id string) string { return strings.ReplaceAll(id, "/", ".") + ".json" }
