package correlate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"obs/correlate/ident"
	"obs/sources"
)

// Names are the names that a team has of its own: under which its log records and spans
// carry IDs, beside those that are known everywhere, and what one service is called in each
// of the three signals. The zero value adds nothing. What is not valid in it, as Validate
// tells, is left out where it cannot be used.
type Names struct {
	// TraceFields are the fields, labels and structured metadata of log records that hold
	// trace IDs. They come before the known ones.
	TraceFields []string `json:"trace_id_fields,omitempty"`
	// RequestFields are the same for request IDs, in log records and in span attributes.
	RequestFields []string `json:"request_id_fields,omitempty"`
	// Services are the other names of services, by the name under which all of obs shows
	// them. What is listed is believed; names that are not listed are guessed to be of one
	// service as everywhere, where they differ before the last slash alone.
	Services map[string][]string `json:"services,omitempty"`
}

// Read finds the IDs in what a person pasted, as ident.Read does, by the team's names too.
func (n Names) Read(text string) (ident.ID, error) {
	return ident.ReadNamed(text, n.TraceFields, n.RequestFields)
}

const (
	// mostFields bounds each list of fields. Each field makes six conditions of every search
	// for a trace's records, and a query is refused that is too long.
	mostFields = 32
	// longestName bounds one name, in bytes: Prometheus and Loki take labels of some 1,000
	// and 2,000 bytes, and nobody has names of a tenth of that.
	longestName = 200
)

// Validate returns an error that names what cannot be meant and says what to do, nil where
// all is well.
func (n Names) Validate() error {
	held := map[string]string{}
	for _, list := range []struct {
		name, of string
		fields   []string
	}{{"trace_id_fields", "trace IDs", n.TraceFields}, {"request_id_fields", "request IDs", n.RequestFields}} {
		if len(list.fields) > mostFields {
			return fmt.Errorf("%s has %d names: name %d at most, as each makes every search for records longer", list.name, len(list.fields), mostFields)
		}
		for _, field := range list.fields {
			if err := validName(list.name, field); err != nil {
				return err
			}
			if strings.ContainsAny(field, "\"'`\\=,{} ") {
				return fmt.Errorf("%s: %s is no field's name: write it as the log records do, without quotes, backslashes, braces, commas, spaces and equals signs", list.name, sources.Quote(field))
			}
			switch other, twice := held[field]; {
			case twice && other == list.of:
				return fmt.Errorf("%s: %s stands there twice: name it once", list.name, sources.Quote(field))
			case twice:
				return fmt.Errorf("%s: %s stands in trace_id_fields too: name it in the list of what it holds", list.name, sources.Quote(field))
			}
			held[field] = list.of
		}
	}
	return n.validServices()
}

func (n Names) validServices() error {
	owners, bare := map[string]string{}, map[string]string{}
	for _, canonical := range slices.Sorted(maps.Keys(n.Services)) {
		names := append([]string{canonical}, n.Services[canonical]...)
		for i, name := range names {
			if err := validName("services", name); err != nil {
				return err
			}
			owner, twice := owners[strings.ToLower(name)]
			switch {
			case twice && owner == canonical && i == 1 && name == canonical:
				// A list may repeat the name that it stands under.
			case twice && owner == canonical:
				return fmt.Errorf("services: %s has the name %s twice: name it once", sources.Quote(canonical), sources.Quote(name))
			case twice:
				return fmt.Errorf("services: %s is a name of %s and of %s: leave it to one of them", sources.Quote(name), sources.Quote(owner), sources.Quote(canonical))
			}
			owners[strings.ToLower(name)] = canonical
		}
		// sameService cannot tell these apart.
		tail := strings.ToLower(bareService(canonical))
		if other, taken := bare[tail]; taken {
			return fmt.Errorf("services: %s and %s differ before the slash alone, which is taken for one service: choose names for them that differ behind it",
				sources.Quote(other), sources.Quote(canonical))
		}
		bare[tail] = canonical
	}
	return nil
}

func validName(list, name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return fmt.Errorf("%s has an empty name: remove it, or write the name that is meant", list)
	case len(name) > longestName:
		return fmt.Errorf("%s: %s has more than %d bytes: write a name", list, sources.Quote(sources.Shorten(sources.Printable(name), 40)), longestName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%s: %s has characters that cannot be printed: write it without them", list, sources.Quote(name))
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("%s: %s begins or ends in a space: write it without", list, sources.Quote(name))
	}
	return nil
}
