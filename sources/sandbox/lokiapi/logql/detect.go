package logql

import "strings"

// Found is a label that can be made of a line, and where in its JSON it stands.
type Found struct {
	Label
	Path []string
}

// Detect tries which parser can make something of a line: json or logfmt, or none. Names
// that the stream has too are told apart as in a query.
func Detect(line string, stream Labels) (parser string, found []Found) {
	var e entry
	e.reset(0, line, stream, nil)
	s := scanner{text: line, paths: true}
	if s.blank(); s.at('{') {
		if s.members("", 0, nil, func(name, value string, path []string) {
			if name = e.parsedName(name); name != "" && e.parsed(name) == nil {
				e.labels[ofLine] = append(e.labels[ofLine], Label{name, value})
				found = append(found, Found{Label{name, value}, path})
			}
		}) {
			return "json", found
		}
		return "", nil
	}
	p := logfmtParser{}
	p.apply(&e)
	if e.err != "" || len(e.labels[ofLine]) == 0 {
		return "", nil
	}
	for _, l := range e.labels[ofLine] {
		found = append(found, Found{Label: Label{strings.Clone(l.Name), l.Value}})
	}
	return "logfmt", found
}

// ParseBytes reads an amount of bytes with a unit.
func ParseBytes(text string) (float64, error) { return labelBytes(text) }
