package connect

import (
	"obs/sources"
	"obs/sources/connect/profile"
	"obs/sources/transport"
)

// Recorded is what another run needs of Settings to go over the same exchanges again. It holds
// no credentials, and nothing that leads to any.
type Recorded struct {
	Since    string            `json:"since,omitempty"`
	Baseline string            `json:"baseline,omitempty"`
	Names    RecordedNames     `json:"names,omitzero"`
	Backends []RecordedBackend `json:"backends"`
}

// RecordedNames are a team's own names, as profile.Names.
type RecordedNames struct {
	TraceIDFields   []string            `json:"trace_id_fields,omitempty"`
	RequestIDFields []string            `json:"request_id_fields,omitempty"`
	Services        map[string][]string `json:"services,omitempty"`
}

// RecordedBackend is where a backend was.
type RecordedBackend struct {
	Backend sources.Backend `json:"backend"`
	URL     string          `json:"url"`
	Origin  string          `json:"origin,omitempty"` // who said so
	Tenant  string          `json:"tenant,omitempty"`
	// Explore is the Grafana data source that links lead to; nil where they lead to the backend.
	Explore *RecordedExplore `json:"explore,omitempty"`
}

// RecordedExplore is a data source of a Grafana.
type RecordedExplore struct {
	Grafana string `json:"grafana"`
	UID     string `json:"uid"`
	Kind    string `json:"kind"`
}

// Recorded is what a recording keeps of the settings. After Open it has what was found in a
// Grafana too.
func (s *Settings) Recorded() Recorded {
	r := Recorded{Since: s.Since, Baseline: s.Baseline, Names: RecordedNames(s.Names), Backends: []RecordedBackend{}}
	for _, k := range kinds {
		if t, found := s.Targets[k.backend]; found {
			r.Backends = append(r.Backends, t.recorded(k.backend))
		}
	}
	if s.Notes != nil {
		r.Backends = append(r.Backends, s.Notes.recorded(notesBackend))
	}
	return r
}

func (t *Target) recorded(backend sources.Backend) RecordedBackend {
	b := RecordedBackend{Backend: backend, URL: transport.Redact(t.URL), Origin: t.Origin, Tenant: t.Access.Tenant}
	if e := t.explore; e != nil {
		b.Explore = &RecordedExplore{Grafana: e.grafana, UID: e.uid, Kind: e.kind}
	}
	return b
}

// Replay are the settings of a run that was recorded. What is configured here counts for
// nothing; o needs a Tape and a Ledger.
func Replay(r Recorded, o Options) *Settings {
	s := &Settings{
		Since: r.Since, Baseline: r.Baseline, Names: profile.Names(r.Names),
		Targets: map[sources.Backend]Target{}, options: o, replayed: true,
	}
	for _, b := range r.Backends {
		t := Target{URL: b.URL, Origin: b.Origin, Access: transport.Access{Tenant: b.Tenant}}
		if e := b.Explore; e != nil {
			t.explore = &explore{grafana: e.Grafana, uid: e.UID, kind: e.Kind}
		}
		if b.Backend == notesBackend {
			s.Notes = &t
			continue
		}
		s.Targets[b.Backend] = t
	}
	return s
}
