package connect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"obs/sources"
	"obs/sources/connect/profile"
	"obs/sources/transport"
)

// grafanaBackend names Grafana in errors. It is no backend that anything is read from.
const grafanaBackend sources.Backend = "grafana"

// GrafanaTarget is a Grafana whose data sources are asked through its proxy.
type GrafanaTarget struct {
	Target
	// Chosen are the data sources by UID or name, where that was configured.
	Chosen profile.Sources
}

// DataSource is one of a Grafana's, as its API and its provisioning files have it:
// https://grafana.com/docs/grafana/latest/developers/http_api/data_source/
type DataSource struct {
	UID       string `json:"uid" yaml:"uid"`
	Name      string `json:"name" yaml:"name"`
	Type      string `json:"type" yaml:"type"`
	URL       string `json:"url" yaml:"url"`
	IsDefault bool   `json:"isDefault" yaml:"isDefault"`
	JSONData  Linked `json:"jsonData" yaml:"jsonData"`
}

// Linked is how a data source leads on to others.
type Linked struct {
	// Prometheus's: the label of exemplars that holds trace IDs, and where those traces are.
	Exemplars []struct {
		Name string `json:"name" yaml:"name"`
		UID  string `json:"datasourceUid" yaml:"datasourceUid"`
	} `json:"exemplarTraceIdDestinations" yaml:"exemplarTraceIdDestinations"`
	// Jaeger's and Tempo's: where the logs of a trace are.
	TracesToLogs struct {
		UID string `json:"datasourceUid" yaml:"datasourceUid"`
	} `json:"tracesToLogsV2" yaml:"tracesToLogsV2"`
	// Loki's: which part of a record is a trace ID.
	DerivedFields []struct {
		Name        string `json:"name" yaml:"name"`
		MatcherType string `json:"matcherType" yaml:"matcherType"`
		Matcher     string `json:"matcherRegex" yaml:"matcherRegex"`
		UID         string `json:"datasourceUid" yaml:"datasourceUid"`
	} `json:"derivedFields" yaml:"derivedFields"`
	// Alertmanager's: "prometheus" for one of its own, else it is Mimir's or Cortex's.
	Implementation string `json:"implementation" yaml:"implementation"`
}

// UnmarshalJSON takes over what is understood: other plugins keep other things there, of any
// shape.
func (l *Linked) UnmarshalJSON(text []byte) error {
	type plain Linked
	var p plain
	if json.Unmarshal(text, &p) == nil {
		*l = Linked(p)
	}
	return nil
}

// dataSourceTypes are the types of data sources that obs can read, as Grafana names their
// plugins.
var dataSourceTypes = map[string]sources.Backend{
	"prometheus":                          sources.Prometheus,
	"grafana-amazonprometheus-datasource": sources.Prometheus,
	"victoriametrics-metrics-datasource":  sources.Prometheus,
	"loki":                                sources.Loki,
	"jaeger":                              sources.Jaeger,
	"tempo":                               sources.Tempo,
	"alertmanager":                        sources.Alertmanager,
}

// otherTraces has each of the two that hold traces for the other: one is asked.
var otherTraces = map[sources.Backend]sources.Backend{sources.Jaeger: sources.Tempo, sources.Tempo: sources.Jaeger}

// grafana is the Grafana that is configured, nil where there is none. That of the
// environment is used where no profile has anything to say about connections: many have
// its variables set for other programs.
func (s *Settings) grafana(used *profile.Profile) (*GrafanaTarget, error) {
	o := &s.options
	if g := used.Grafana; g != nil {
		access, err := accessOf(&g.Connection, o.Getenv)
		if err != nil {
			return nil, fmt.Errorf("grafana in profile %s: %w", s.Profile, err)
		}
		if g.OrganizationID != 0 {
			access = access.WithHeader("X-Grafana-Org-Id", strconv.FormatInt(g.OrganizationID, 10))
		}
		at := "grafana in profile " + s.Profile
		return &GrafanaTarget{Target{URL: g.URL, Origin: "grafana.url in profile " + s.Profile, Credentials: at, Access: access, give: byKeys(grafanaBackend, s.Profile)}, g.Datasources}, nil
	}
	for b := range s.Targets {
		if b != sources.Alertmanager { // which says nothing of where signals are
			return nil, nil
		}
	}
	first := func(names ...string) (value, name string) {
		for _, name := range names {
			if value := o.Getenv(name); value != "" {
				return value, name
			}
		}
		return "", ""
	}
	address, origin := first("GRAFANA_URL", "GRAFANA_SERVER")
	if address == "" {
		return nil, nil
	}
	t := Target{URL: address, Origin: origin, give: transport.Give{Credentials: "set GRAFANA_TOKEN to the token of a service account with the role Viewer"}} //nolint:gosec // it names a variable
	if token, name := first("GRAFANA_TOKEN", "GRAFANA_SERVICE_ACCOUNT_TOKEN", "GRAFANA_API_KEY"); token != "" {
		t.Access, t.Credentials = transport.Bearer(token), name
	}
	return &GrafanaTarget{Target: t}, nil
}

// findInGrafana adds targets for the backends that have no address of their own.
func (s *Settings) findInGrafana(ctx context.Context) error {
	if s.Grafana == nil {
		return nil
	}
	all, err := ListDataSources(ctx, s.Grafana.Target)
	if err != nil {
		return err
	}
	chosen, ambiguous, err := choose(all, s.Grafana.Chosen)
	if err != nil {
		return err
	}
	s.Warnings = append(s.Warnings, ambiguous...)
	for _, k := range kinds {
		b := k.backend
		found, ok := chosen[b]
		if _, own := s.Targets[b]; own || !ok {
			continue
		}
		if _, own := s.Targets[otherTraces[b]]; own {
			continue
		}
		s.Targets[b] = s.Grafana.through(found)
		s.Names.TraceIDFields = append(s.Names.TraceIDFields, found.JSONData.traceIDFields()...)
	}
	return nil
}

// through is the way to a data source by Grafana's proxy.
func (g *GrafanaTarget) through(d DataSource) Target {
	t := g.Target
	t.explore = &explore{transport.Redact(g.URL), d.UID, d.Type}
	t.URL = strings.TrimRight(g.URL, "/") + "/api/datasources/proxy/uid/" + d.UID
	if dataSourceTypes[d.Type] == sources.Alertmanager && d.JSONData.Implementation != "prometheus" {
		t.URL += "/alertmanager"
	}
	t.Origin = fmt.Sprintf("%s (data source %s)", g.Origin, d.Name)
	return t
}

// ListDataSources asks a Grafana for its data sources. Who may not list them, as viewers
// may not, is told the ones that a browser is told of.
func ListDataSources(ctx context.Context, t Target) ([]DataSource, error) {
	client, err := transport.New(transport.Options{Backend: grafanaBackend, URL: t.URL, Origin: t.Origin, Credentials: t.Credentials, Give: t.give, Access: t.Access, Explain: explainGrafana})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var all []DataSource
	body, err := client.Get(ctx, "/api/datasources", nil, nil)
	var refused *sources.Error
	if errors.As(err, &refused) && refused.Status == http.StatusForbidden {
		body, err = client.Get(ctx, "/api/frontend/settings", nil, nil)
		if err != nil {
			return nil, err
		}
		var settings struct {
			Datasources map[string]DataSource `json:"datasources"`
		}
		if err := json.Unmarshal(body, &settings); err != nil {
			return nil, notGrafana(ctx, client, err)
		}
		for _, d := range settings.Datasources {
			all = append(all, d)
		}
	} else {
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(body, &all); err != nil {
			return nil, notGrafana(ctx, client, err)
		}
	}
	slices.SortFunc(all, func(a, b DataSource) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID)) })
	all = slices.DeleteFunc(all, func(d DataSource) bool { _, readable := dataSourceTypes[d.Type]; return !readable || !plainUID(d.UID) })
	if len(all) == 0 {
		failure := client.Failure(ctx, sources.ErrNotFound, nil)
		failure.Status = http.StatusOK
		failure.Detail = "it has no data source of Prometheus, Loki, Jaeger or Tempo, or shows none to who asks"
		failure.Hint = "give the token's account the role Viewer and leave to query the data sources, or name another organization's token"
		return nil, failure
	}
	return all, nil
}

// notGrafana is the failure of an answer that is not one of Grafana's.
func notGrafana(ctx context.Context, client *transport.Client, err error) error {
	failure := client.Failure(ctx, sources.ErrNotThisAPI, err)
	failure.Status = http.StatusOK
	return failure
}

// explainGrafana takes the message out of a refusal:
// https://grafana.com/docs/grafana/latest/developers/http_api/data_source/
func explainGrafana(_ int, body []byte) string {
	var refusal struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(body, &refusal) // the body itself is shown then
	return refusal.Message
}

// plainUID tells that a UID is one, and nothing that leads elsewhere in an address.
func plainUID(uid string) bool {
	return uid != "" && !strings.ContainsFunc(uid, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// choose picks a data source of each kind: the one that is named, else the one that another
// chosen one leads to, else Grafana's default, else the first by name. That there was a
// choice is said.
func choose(all []DataSource, by profile.Sources) (map[sources.Backend]DataSource, []string, error) {
	chosen := map[sources.Backend]DataSource{}
	var ambiguous []string
	var linked []string // UIDs
	for _, kind := range []struct {
		backend sources.Backend
		name    string
	}{
		{sources.Prometheus, by.Prometheus}, {sources.Tempo, by.Tempo}, {sources.Jaeger, by.Jaeger}, {sources.Loki, by.Loki}, {sources.Alertmanager, by.Alertmanager},
	} {
		var some []DataSource
		for _, d := range all {
			if dataSourceTypes[d.Type] == kind.backend {
				some = append(some, d)
			}
		}
		pick := slices.IndexFunc(some, func(d DataSource) bool { return kind.name != "" && (d.UID == kind.name || d.Name == kind.name) })
		switch {
		case kind.name != "" && pick < 0:
			return nil, nil, fmt.Errorf("the Grafana has no data source of %s called %q: it has %s", kind.backend, kind.name, namesOf(some))
		case len(some) == 0:
			continue
		}
		sure := pick >= 0 || len(some) == 1
		for _, fits := range []func(DataSource) bool{
			func(d DataSource) bool { return slices.Contains(linked, d.UID) },
			func(d DataSource) bool { return d.IsDefault },
			func(DataSource) bool { return true },
		} {
			if pick < 0 {
				pick = slices.IndexFunc(some, fits)
			}
		}
		d := some[pick]
		chosen[kind.backend] = d
		linked = append(linked, d.JSONData.leadsTo()...)
		if !sure && !slices.Contains(linked, d.UID) && !d.IsDefault {
			ambiguous = append(ambiguous, fmt.Sprintf("of Grafana's data sources of %s, %s, the first is used: name one in grafana.datasources.%s", kind.backend, namesOf(some), kind.backend))
		}
	}
	// One of the two is enough, and the one that others lead to is in use.
	if t, both := chosen[sources.Tempo]; both {
		if j, two := chosen[sources.Jaeger]; two && by.Tempo == "" && (by.Jaeger != "" || slices.Contains(linked, j.UID) || !slices.Contains(linked, t.UID)) {
			delete(chosen, sources.Tempo)
		} else {
			delete(chosen, sources.Jaeger)
		}
	}
	return chosen, ambiguous, nil
}

func namesOf(some []DataSource) string {
	names := make([]string, len(some))
	for i, d := range some {
		names[i] = strconv.Quote(d.Name)
	}
	return cmp.Or(strings.Join(names, ", "), "none")
}

func (l *Linked) leadsTo() []string {
	uids := []string{l.TracesToLogs.UID}
	for _, e := range l.Exemplars {
		uids = append(uids, e.UID)
	}
	return slices.DeleteFunc(uids, func(uid string) bool { return uid == "" })
}

// traceIDFields are the fields that the data source takes for trace IDs.
func (l *Linked) traceIDFields() []string {
	var all []string
	for _, e := range l.Exemplars {
		all = append(all, e.Name)
	}
	for _, d := range l.DerivedFields {
		switch {
		case d.UID == "": // a link elsewhere
		case d.MatcherType == "label":
			all = append(all, d.Matcher)
		default:
			if name := fieldIn(d.Matcher); name != "" {
				all = append(all, name)
			}
		}
	}
	// A label may be given by an expression, and what is no name could not be searched by.
	return slices.DeleteFunc(all, func(name string) bool { return !plainName.MatchString(name) })
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// named finds the name before a value, as in "tid":"(\w+)" or tid=(\w+).
var named = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_.-]*)["'\\?)]*(?:\\s[*+?]?|\s)*[:=]`)

// fieldIn is the name of the field whose value the expression captures, empty where it
// names none.
func fieldIn(expression string) string {
	captured := strings.Index(strings.ReplaceAll(expression, "(?", "\x00\x00"), "(")
	if captured < 0 {
		return ""
	}
	all := named.FindAllStringSubmatch(expression[:captured], -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1][1]
}
