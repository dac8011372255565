package connect

import (
	"fmt"
	"strings"

	"obs/sources"
	"obs/sources/transport"
)

// ViewSchema is the version of a View's JSON.
const ViewSchema = "obs.settings/v1"

// View is what is configured, without any secret.
type View struct {
	Schema string `json:"schema"`
	Path   string `json:"path"` // of the configuration file
	Exists bool   `json:"exists"`
	// File is what it says, with <secret> in place of each secret.
	File map[string]any `json:"file,omitempty"`
	// InUse are the connections that a command would use now, of flags, environment and file.
	InUse    []InUse  `json:"in_use"`
	Warnings []string `json:"warnings"`
	Error    string   `json:"error,omitempty"` // why nothing is in use
}

// InUse is where one backend is asked, and who said so.
type InUse struct {
	Backend sources.Backend `json:"backend"`
	URL     string          `json:"url"`
	Origin  string          `json:"origin"` // of the address
	Tenant  string          `json:"tenant,omitempty"`
	// Credentials is where they are from, where that is not where the address is.
	Credentials string `json:"credentials,omitempty"`
}

// InUse has an entry for each backend that has an address, for where notes are kept, and for
// the Grafana that is asked for the others. It holds no secret.
func (s *Settings) InUse() []InUse {
	all := []InUse{}
	for _, k := range kinds {
		if t, found := s.Targets[k.backend]; found {
			all = append(all, t.inUse(k.backend))
		}
	}
	if s.Notes != nil {
		all = append(all, s.Notes.inUse(notesBackend))
	}
	if s.Grafana != nil {
		all = append(all, s.Grafana.inUse(grafanaBackend))
	}
	return all
}

func (t *Target) inUse(b sources.Backend) InUse {
	u := InUse{Backend: b, URL: transport.Redact(t.URL), Origin: t.Origin, Tenant: t.Access.Tenant}
	// From elsewhere than the address, that is.
	if t.Credentials != "" && t.Access.Authenticates() && t.Credentials != strings.Replace(t.Origin, ".url in profile ", " in profile ", 1) {
		u.Credentials = t.Credentials
	}
	return u
}

// Describe has a line for each entry of InUse, for people.
func (s *Settings) Describe() []string {
	var all []string
	for _, u := range s.InUse() {
		text := fmt.Sprintf("%-12s %s, from %s", u.Backend, u.URL, u.Origin)
		if u.Tenant != "" {
			text += fmt.Sprintf(", tenant %q", u.Tenant)
		}
		if u.Credentials != "" {
			text += ", credentials from " + u.Credentials
		}
		if u.Backend == grafanaBackend {
			text += ", for what has no address of its own"
		}
		all = append(all, sources.Printable(text))
	}
	if len(all) == 0 {
		all = append(all, "nothing: "+NotConfiguredError{}.Hint())
	}
	return all
}
