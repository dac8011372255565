package lokiapi

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"obs/sources/sandbox/lokiapi/logql"
)

// defaultFields is how many fields are named, or values of one.
const (
	defaultFields     = 1000
	defaultFieldLines = 100
)

// detected is what is known of one field.
type detected struct {
	Label       string   `json:"label"`
	Type        string   `json:"type"`
	Cardinality int      `json:"cardinality"`
	Parsers     []string `json:"parsers"` // null for metadata
	JSONPath    []string `json:"jsonPath,omitempty"`

	values map[string]bool
}

type detectedAnswer struct {
	Fields []*detected `json:"fields,omitempty"`
	Values []string    `json:"values,omitempty"`
	Limit  int         `json:"limit,omitempty"`
}

func (s *server) detectedFields(r *request) (any, error) {
	fields, limit, err := s.detect(r)
	if err != nil || len(fields) == 0 {
		return detectedAnswer{}, err
	}
	var list []*detected
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if len(list) == limit {
			break
		}
		f := fields[name]
		f.Cardinality = len(f.values)
		list = append(list, f)
	}
	return detectedAnswer{Fields: list, Limit: limit}, nil
}

func (s *server) detectedFieldValues(r *request) (any, error) {
	fields, limit, err := s.detect(r)
	if err != nil || fields[r.PathValue("name")] == nil {
		return detectedAnswer{}, err
	}
	values := slices.Sorted(maps.Keys(fields[r.PathValue("name")].values))
	return detectedAnswer{Values: values[:min(limit, len(values))], Limit: limit}, nil
}

// detect looks at the newest lines that the query selects for what can be had of them.
func (s *server) detect(r *request) (fields map[string]*detected, limit int, err error) {
	e, err := logql.Parse(r.params.Get("query"))
	if err != nil {
		return nil, 0, err
	}
	q, ok := e.(*logql.LogQuery)
	if !ok {
		return nil, 0, badRequest("only log selector is supported")
	}
	from, to, err := r.window(time.Hour)
	if err != nil {
		return nil, 0, err
	}
	count, err := r.lines("line_limit", defaultFieldLines)
	if err != nil {
		return nil, 0, err
	}
	if limit, err = r.number("limit", defaultFields); err != nil {
		return nil, 0, err
	}
	if limit <= 0 {
		limit = defaultFields
	}
	found, err := logql.Lines(r.Context(), s.store, q, logql.LineParams{From: from.UnixNano(), To: to.UnixNano(), Limit: count})
	if err != nil {
		return nil, 0, err
	}
	slices.Reverse(found)
	fields = map[string]*detected{}
	for _, line := range found {
		addLine(fields, line)
	}
	return fields, limit, nil
}

func addLine(fields map[string]*detected, line logql.Line) {
	add := func(l logql.Label, parser string, path []string) {
		if strings.HasPrefix(l.Name, "__") {
			return
		}
		f := fields[l.Name]
		if f == nil {
			// The first value says what type it is.
			f = &detected{Label: l.Name, Type: typeOf(l.Value), values: map[string]bool{}}
			fields[l.Name] = f
		}
		f.values[l.Value] = true
		if parser != "" && !slices.Contains(f.Parsers, parser) {
			f.Parsers = append(f.Parsers, parser)
			slices.Sort(f.Parsers)
		}
		if path != nil {
			f.JSONPath = path
		}
	}
	for _, l := range line.Metadata {
		add(l, "", nil)
	}
	parser, parsed := logql.Detect(line.Text, line.Stream)
	for _, p := range parsed {
		add(p.Label, parser, p.Path)
	}
	for _, l := range line.Parsed {
		add(l, parser, nil)
	}
}

// typeOf guesses what a value is meant to be.
func typeOf(value string) string {
	if _, err := strconv.ParseInt(value, 10, 64); err == nil {
		return "int"
	}
	if f, err := strconv.ParseFloat(value, 64); err == nil && json.Valid([]byte(strconv.FormatFloat(f, 'g', -1, 64))) && !strings.HasPrefix(value, "0x") {
		return "float"
	}
	if _, err := strconv.ParseBool(value); err == nil {
		return "boolean"
	}
	if _, err := time.ParseDuration(value); err == nil {
		return "duration"
	}
	if _, err := logql.ParseBytes(value); err == nil {
		return "bytes"
	}
	return "string"
}
