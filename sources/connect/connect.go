// Package connect turns what a person configured, by flags, by environment and by profile,
// into opened sources.
//
// It is the one place that knows all backends: a new one is a package beside the others, an
// entry in kinds and a case in open. Nothing is sent, unless a Grafana has to be asked which
// data sources it has; whether an address answers shows with the first query.
//
// The rule that everything here keeps: credentials go to the address that they were written
// down beside, and to no other.
package connect

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"obs/sources"
	"obs/sources/alertmanager"
	"obs/sources/connect/profile"
	"obs/sources/jaeger"
	"obs/sources/loki"
	"obs/sources/prometheus"
	"obs/sources/tempo"
	"obs/sources/transport"
)

// Options are what was configured. A flag wins over the environment, and that over the
// profile.
type Options struct {
	// From the flags; empty when not given.
	PrometheusURL, LokiURL, JaegerURL, TempoURL, AlertmanagerURL, NotesURL string
	// Profile is the one to use, from a flag; OBS_PROFILE's or the current one when empty.
	Profile string
	// Config is the path of the configuration file; empty to read none.
	Config string
	// Dir is the working directory, whose own file is read; empty to read none.
	Dir string
	// Amtool are paths of configurations of amtool, of which the first that there is may tell
	// where the Alertmanager is; none to read none.
	Amtool []string
	// Getenv reads the environment; os.Getenv when nil.
	Getenv func(string) string
	Ledger *sources.Ledger
	// Timeout of one attempt; transport's default when 0.
	Timeout time.Duration
	// Cache is a folder for what can be found out again; empty to keep nothing.
	Cache string
	// Tape keeps what is exchanged with the backends, or plays it; nil for neither.
	Tape transport.Tape
}

// kind is one kind of backend: how it is configured, and how it is opened.
type kind struct {
	backend sources.Backend
	flag    string
	prefix  string   // of its environment variables
	address []string // the variables with its address, in the order of their rank
	given   func(*Options) string
	own     func(*profile.Profile) **profile.Connection
	explain func(status int, body []byte) string
	final   func(status int, body []byte) bool
	open    func(*sources.Set, *transport.Client, sources.Abilities)
}

var kinds = []kind{
	{
		backend: sources.Prometheus, flag: "--prometheus-url", prefix: "PROMETHEUS", address: []string{"PROMETHEUS_URL"},
		given:   func(o *Options) string { return o.PrometheusURL },
		own:     func(p *profile.Profile) **profile.Connection { return &p.Prometheus },
		explain: prometheus.Explain, final: prometheus.Final,
		open: func(set *sources.Set, c *transport.Client, _ sources.Abilities) {
			set.Metrics = prometheus.New(c, set.Ledger)
		},
	},
	{
		backend: sources.Loki, flag: "--loki-url", prefix: "LOKI", address: []string{"LOKI_URL", "LOKI_ADDR"},
		given:   func(o *Options) string { return o.LokiURL },
		own:     func(p *profile.Profile) **profile.Connection { return &p.Loki },
		explain: loki.Explain,
		open: func(set *sources.Set, c *transport.Client, known sources.Abilities) {
			set.Logs = loki.New(c, set.Ledger).Remember(known)
		},
	},
	{
		backend: sources.Jaeger, flag: "--jaeger-url", prefix: "JAEGER", address: []string{"JAEGER_URL"},
		given:   func(o *Options) string { return o.JaegerURL },
		own:     func(p *profile.Profile) **profile.Connection { return &p.Jaeger },
		explain: jaeger.Explain,
		open: func(set *sources.Set, c *transport.Client, known sources.Abilities) {
			set.Traces = jaeger.New(c, set.Ledger).Remember(known)
		},
	},
	{
		backend: sources.Tempo, flag: "--tempo-url", prefix: "TEMPO", address: []string{"TEMPO_URL"},
		given:   func(o *Options) string { return o.TempoURL },
		own:     func(p *profile.Profile) **profile.Connection { return &p.Tempo },
		explain: tempo.Explain,
		open: func(set *sources.Set, c *transport.Client, known sources.Abilities) {
			set.Traces = tempo.New(c, set.Ledger).Remember(known)
		},
	},
	{
		backend: sources.Alertmanager, flag: "--alertmanager-url", prefix: "ALERTMANAGER", address: []string{"ALERTMANAGER_URL"},
		given:   func(o *Options) string { return o.AlertmanagerURL },
		own:     func(p *profile.Profile) **profile.Connection { return &p.Alertmanager },
		explain: alertmanager.Explain,
		open: func(set *sources.Set, c *transport.Client, _ sources.Abilities) {
			set.Notifications = alertmanager.New(c, set.Ledger)
		},
	},
}

// notesBackend names in errors the Loki that notes are kept in.
const notesBackend sources.Backend = "notes"

// notes is where notes are kept. Its address comes from a flag or from a profile alone: that
// some Loki is read is no leave to write to it, nor that a directory's file names one.
var notes = kind{
	backend: notesBackend, flag: "--notes-url", prefix: "NOTES",
	given:   func(o *Options) string { return o.NotesURL },
	own:     func(p *profile.Profile) **profile.Connection { return &p.Notes },
	explain: loki.Explain,
	open: func(set *sources.Set, c *transport.Client, known sources.Abilities) {
		set.Notes = loki.New(c, set.Ledger).Remember(known)
	},
}

// NotConfiguredError tells that there is no address of any backend.
type NotConfiguredError struct{}

func (NotConfiguredError) Error() string { return "no backend is configured" }

// Hint says what to do about it.
func (NotConfiguredError) Hint() string {
	return "set PROMETHEUS_URL, LOKI_URL (or LOKI_ADDR) and JAEGER_URL (or TEMPO_URL), or give --prometheus-url, --loki-url and --jaeger-url (or --tempo-url); any one of them will do. obs config import finds what runs here, and obs demo needs nothing"
}

// Target is where one backend is, and what it wants to see.
type Target struct {
	URL string
	// Origin and Credentials tell where address and credentials were found, for hints.
	Origin, Credentials string
	Access              transport.Access

	give    transport.Give
	rank    rank
	explore *explore // where its links go, if they go to a Grafana
}

// rank is how much it counts that somebody named an address there: the lower the more.
type rank int

const (
	byFlag rank = iota
	byEnvironment
	byProfile
	byLocalFile
)

// ErrTwoTraceBackends tells that two flags name where traces are.
var ErrTwoTraceBackends = errors.New("--jaeger-url and --tempo-url both name where traces are: give one of them")

// Settings are everything that was configured.
type Settings struct {
	Profile  string // its name; empty where none is used
	Names    profile.Names
	Since    string
	Baseline string
	// Warnings are to be shown.
	Warnings []string
	// Targets are the backends that have an address. The others may be behind Grafana.
	Targets map[sources.Backend]Target
	Grafana *GrafanaTarget
	// Notes is where notes are kept; nil where nobody said where.
	Notes *Target

	options  Options
	hash     string // see Key
	replayed bool   // see Replay
}

// Load reads flags, environment and files. What is written there wrongly is an error that is
// a *profile.Mistake or names the variable.
func Load(o Options) (*Settings, error) {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Ledger == nil {
		o.Ledger = &sources.Ledger{}
	}
	s := &Settings{Targets: map[sources.Backend]Target{}, options: o}
	used, err := s.profile()
	if err != nil {
		return nil, err
	}
	local := profile.Profile{}
	if o.Dir != "" {
		path := filepath.Join(o.Dir, profile.LocalName)
		if local, _, err = profile.ReadLocal(path); err != nil {
			return nil, err
		}
		s.add(&local)
	}
	for _, k := range kinds {
		target, found, err := s.target(k, used, &local)
		if err != nil {
			return nil, err
		}
		if found {
			s.Targets[k.backend] = target
		}
	}
	if err := s.oneForTraces(); err != nil {
		return nil, err
	}
	switch target, found, err := s.target(notes, used, &profile.Profile{}); {
	case err != nil:
		return nil, err
	case found:
		s.Notes = &target
	}
	if s.Grafana, err = s.grafana(used); err != nil {
		return nil, err
	}
	s.askAmtool()
	s.hash = s.hashed()
	return s, nil
}

// Key tells what these connections show from what others show: which servers are asked, for
// which tenants, in whose name. It is a hash, holds no secret, and is known before anything
// is asked. It is empty where nothing has an address.
func (s *Settings) Key() string { return s.hash }

func (s *Settings) hashed() string {
	var parts []string
	add := func(b sources.Backend, t *Target) {
		user := ""
		if u, err := url.Parse(t.URL); err == nil {
			user = u.User.Username()
		}
		if basic := t.Access.HTTP.BasicAuth; basic != nil {
			user = cmp.Or(basic.Username, user)
		}
		parts = append(parts, string(b), keyOf(t.URL, t.Access.Tenant), user)
	}
	for _, k := range kinds {
		if t, found := s.Targets[k.backend]; found {
			add(k.backend, &t)
		}
	}
	if g := s.Grafana; g != nil {
		add(grafanaBackend, &g.Target)
		parts = append(parts, fmt.Sprintf("%q", g.Chosen))
	}
	if len(parts) == 0 {
		return ""
	}
	// A profile may tell organizations of one server apart by headers.
	return keyOf(strings.Join(append(parts, s.Profile), "\x00"), "")
}

// oneForTraces leaves one of Jaeger and Tempo: the one that was named where it counts more.
// In the environment both may stand, as one machine sets them for several tools, and in a
// profile: there Jaeger is asked.
func (s *Settings) oneForTraces() error {
	jaeger, one := s.Targets[sources.Jaeger]
	tempo, other := s.Targets[sources.Tempo]
	switch {
	case !one || !other:
	case jaeger.rank == byFlag && tempo.rank == byFlag:
		return ErrTwoTraceBackends
	case tempo.rank < jaeger.rank:
		delete(s.Targets, sources.Jaeger)
	default:
		delete(s.Targets, sources.Tempo)
		s.Warnings = append(s.Warnings, fmt.Sprintf("traces are those of Jaeger (%s) and not of Tempo (%s): --tempo-url asks that one", jaeger.Origin, tempo.Origin))
	}
	return nil
}

// profile is the profile that is used, an empty one where there is none.
func (s *Settings) profile() (*profile.Profile, error) {
	o := &s.options
	name := cmp.Or(o.Profile, o.Getenv("OBS_PROFILE"))
	var file profile.File
	if o.Config != "" {
		var err error
		if file, s.Warnings, err = profile.Read(o.Config); err != nil {
			return nil, err
		}
	}
	if name = cmp.Or(name, file.Current); name == "" {
		return &profile.Profile{}, nil
	}
	p, err := file.Find(name)
	if err != nil && o.Profile == "" {
		err = fmt.Errorf("OBS_PROFILE: %w", err)
	}
	if err != nil {
		return nil, err
	}
	s.Profile = name
	s.add(p)
	return p, nil
}

// add takes over what is not about connections, where it was not said before.
func (s *Settings) add(p *profile.Profile) {
	s.Since, s.Baseline = cmp.Or(s.Since, p.Since), cmp.Or(s.Baseline, p.Baseline)
	s.Names.TraceIDFields = append(s.Names.TraceIDFields, p.Names.TraceIDFields...)
	s.Names.RequestIDFields = append(s.Names.RequestIDFields, p.Names.RequestIDFields...)
	for name, others := range p.Names.Services {
		if s.Names.Services == nil {
			s.Names.Services = map[string][]string{}
		}
		if _, said := s.Names.Services[name]; !said {
			s.Names.Services[name] = others
		}
	}
}

// target is where a backend is. An address and its credentials come from the same place,
// but that the environment's credentials also serve an address from a flag, unless the
// environment has an address of another server beside them.
func (s *Settings) target(k kind, used, local *profile.Profile) (target Target, found bool, err error) {
	o := &s.options
	own := *k.own(used)
	if address, origin := o.address(k); address != "" {
		access, credentials, err := o.environment(k)
		if err != nil {
			return Target{}, false, err
		}
		if beside, name := o.variable(k); credentials != "" && beside != "" && !sameServer(address, beside) {
			s.Warnings = append(s.Warnings, fmt.Sprintf("%s and its like are for the server of %s, and are not sent to that of %s", credentials, name, origin))
			access, credentials = transport.Access{}, ""
		}
		target = Target{URL: address, Origin: origin, Credentials: credentials, Access: access, give: byVariables(k.prefix), rank: byEnvironment}
		if origin == k.flag {
			target.rank = byFlag
		}
		// The same server as in the profile is let in as there.
		if credentials == "" && own != nil && sameHost(address, own.URL) {
			if target.Access, err = s.access(own, k.backend); err != nil {
				return Target{}, false, err
			}
			target.Credentials, target.give = s.key(k.backend), byKeys(k.backend, s.Profile)
		}
		return target, true, nil
	}
	if own != nil && own.URL != "" {
		access, err := s.access(own, k.backend)
		if err != nil {
			return Target{}, false, err
		}
		return Target{URL: own.URL, Origin: s.key(k.backend + ".url"), Credentials: s.key(k.backend), Access: access, give: byKeys(k.backend, s.Profile), rank: byProfile}, true, nil
	}
	if c := *k.own(local); c != nil && c.URL != "" {
		return Target{URL: c.URL, Origin: profile.LocalName, give: besides(k.backend), rank: byLocalFile}, true, nil
	}
	return Target{}, false, nil
}

// key names the place of a backend's configuration in the profile.
func (s *Settings) key(b sources.Backend) string {
	return fmt.Sprintf("%s in profile %s", b, s.Profile)
}

func sameHost(a, b string) bool {
	one, err := url.Parse(a)
	two, err2 := url.Parse(b)
	return err == nil && err2 == nil && one.Scheme == two.Scheme && one.Host == two.Host && one.Path == two.Path
}

// sameServer is sameHost for servers below any path.
func sameServer(a, b string) bool {
	one, err := url.Parse(strings.TrimSpace(a))
	two, err2 := url.Parse(strings.TrimSpace(b))
	return err == nil && err2 == nil && one.Scheme == two.Scheme && one.Host == two.Host
}

// Open is Load and Settings.Open in one.
func Open(ctx context.Context, o Options) (sources.Set, error) {
	s, err := Load(o)
	if err != nil {
		return sources.Set{}, err
	}
	return s.Open(ctx)
}

// Open checks the addresses and returns what can be read from. A backend without an
// address is left nil; that all are is a NotConfiguredError. Where there is a Grafana,
// it is asked for the data sources that are still missing.
func (s *Settings) Open(ctx context.Context) (sources.Set, error) {
	set := sources.Set{Ledger: s.options.Ledger}
	if err := s.findInGrafana(ctx); err != nil {
		set.Close()
		return sources.Set{}, err
	}
	for _, k := range kinds {
		if target, found := s.Targets[k.backend]; found {
			if err := s.open(&set, k, target); err != nil {
				set.Close()
				return sources.Set{}, err
			}
		}
	}
	if s.Notes != nil {
		if err := s.open(&set, notes, *s.Notes); err != nil {
			set.Close()
			return sources.Set{}, err
		}
	}
	if set.Metrics == nil && set.Logs == nil && set.Traces == nil && set.Notifications == nil && set.Notes == nil {
		return sources.Set{}, NotConfiguredError{}
	}
	return set, nil
}

// OpenNotes opens no more than where notes are kept. Where that was not said, Notes is nil.
func (s *Settings) OpenNotes() (sources.Set, error) {
	set := sources.Set{Ledger: s.options.Ledger}
	if s.Notes == nil {
		return set, nil
	}
	if err := s.open(&set, notes, *s.Notes); err != nil {
		set.Close()
		return sources.Set{}, err
	}
	return set, nil
}

func (s *Settings) open(set *sources.Set, k kind, t Target) error {
	o := transport.Options{
		Backend: k.backend, URL: t.URL, Origin: t.Origin, Credentials: t.Credentials, Give: t.give, Access: t.Access, Timeout: s.options.Timeout,
		Explain: k.explain, Final: k.final, Tape: s.options.Tape,
	}
	if s.replayed {
		// What was refused was waited after in the run that was recorded.
		o.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	}
	client, err := transport.New(o)
	if err != nil {
		return err
	}
	set.OnClose = append(set.OnClose, client.Close)
	k.open(set, client, s.abilities(t))
	if t.explore != nil {
		t.explore.wrap(set, k.backend)
	}
	if k.backend == sources.Loki {
		set.LogsKey = keyOf(t.URL, t.Access.Tenant)
	}
	return nil
}

// keyOf is one for each address and tenant, whatever credentials stand in the address.
func keyOf(address, tenant string) string {
	if u, err := url.Parse(address); err == nil {
		u.User = nil
		address = u.String()
	}
	sum := sha256.Sum256([]byte(address + "\x00" + tenant))
	return hex.EncodeToString(sum[:8])
}

// ErrTwoWays tells that two ways of showing who asks are configured at once.
var ErrTwoWays = errors.New("more than one of username, token and http_config's credentials is given")
