package connect

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"obs/sources"
	"obs/sources/connect/profile"
	"obs/sources/transport"
)

// Imported is a profile that was made of what is there already.
type Imported struct {
	Profile profile.Profile
	// Remarks say what was taken over, and what was not and why.
	Remarks []string
}

func (i *Imported) remark(format string, args ...any) {
	i.Remarks = append(i.Remarks, fmt.Sprintf(format, args...))
}

// ImportGrafana makes a profile of a Grafana's data sources, which are asked through it. The
// token is not written down, but where it is found.
func ImportGrafana(ctx context.Context, address string, by profile.Connection, getenv func(string) string) (Imported, error) {
	var i Imported
	by.URL = address
	access, err := accessOf(&by, getenv)
	if err != nil {
		return i, err
	}
	all, err := ListDataSources(ctx, Target{
		URL: address, Origin: "the address of Grafana", Credentials: "the token", Access: access,
		give: transport.Give{Credentials: "set GRAFANA_TOKEN, or give --token-file"}, //nolint:gosec // it names a variable
	})
	if err != nil {
		return i, err
	}
	chosen, ambiguous, err := choose(all, profile.Sources{})
	if err != nil {
		return i, err
	}
	i.Remarks = append(i.Remarks, ambiguous...)
	g := &profile.Grafana{Connection: by}
	i.Profile.Grafana = g
	for _, into := range []struct {
		backend sources.Backend
		uid     *string
	}{
		{sources.Prometheus, &g.Datasources.Prometheus}, {sources.Loki, &g.Datasources.Loki}, {sources.Jaeger, &g.Datasources.Jaeger},
		{sources.Tempo, &g.Datasources.Tempo}, {sources.Alertmanager, &g.Datasources.Alertmanager},
	} {
		d, found := chosen[into.backend]
		if !found {
			continue
		}
		*into.uid = d.UID
		i.remark("%s: data source %q", into.backend, d.Name)
		i.names(&d.JSONData, d.Name)
	}
	return i, nil
}

// names takes over what a data source says of trace IDs.
func (i *Imported) names(l *Linked, of string) {
	for _, field := range l.traceIDFields() {
		if !slices.Contains(i.Profile.Names.TraceIDFields, field) {
			i.Profile.Names.TraceIDFields = append(i.Profile.Names.TraceIDFields, field)
			i.remark("trace IDs stand in %q, as data source %q has it", field, of)
		}
	}
}

// provisioned is a data source in a file, with what only files have.
type provisioned struct {
	DataSource    `yaml:",inline"`
	BasicAuth     bool              `yaml:"basicAuth"`
	BasicAuthUser string            `yaml:"basicAuthUser"`
	Secure        map[string]string `yaml:"secureJsonData"`

	headers map[string]string // the names of headers by their number, whose values are in Secure
}

// variable is how a file names an environment variable in place of a secret.
var variable = regexp.MustCompile(`^\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|__env\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))$`)

func variableIn(text string) string {
	m := variable.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return ""
	}
	return m[1] + m[2] + m[3]
}

// ImportProvisioning makes a profile of a file with data sources, as Grafana is provisioned
// with: https://grafana.com/docs/grafana/latest/administration/provisioning/#data-sources.
// They are asked at their own addresses. Secrets that stand in the file are not taken over.
func ImportProvisioning(path string) (Imported, error) {
	var i Imported
	text, err := os.ReadFile(path)
	if err != nil {
		return i, err
	}
	var file struct {
		Datasources []provisioned `yaml:"datasources"`
	}
	var headers struct {
		Datasources []struct {
			JSONData map[string]any `yaml:"jsonData"`
		} `yaml:"datasources"`
	}
	for _, into := range []any{&file, &headers} {
		if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(into); err != nil {
			return i, fmt.Errorf("%s is no file of Grafana's data sources: %s", sources.Printable(path), firstLine(err))
		}
	}
	byUID := map[string]*provisioned{}
	var all []DataSource
	for n := range file.Datasources {
		d := &file.Datasources[n]
		if _, readable := dataSourceTypes[d.Type]; !readable || d.URL == "" {
			continue
		}
		if d.UID == "" { // Grafana makes one up
			d.UID = fmt.Sprintf("number-%d", n+1)
		}
		byUID[d.UID] = d
		all = append(all, d.DataSource)
		for key, value := range headers.Datasources[n].JSONData {
			number, isName := strings.CutPrefix(key, "httpHeaderName")
			if name, ok := value.(string); ok && isName {
				if d.headers == nil {
					d.headers = map[string]string{}
				}
				d.headers[number] = name
			}
		}
	}
	if len(all) == 0 {
		return i, fmt.Errorf("%s names no data source that obs can read", sources.Printable(path))
	}
	chosen, ambiguous, err := choose(all, profile.Sources{})
	if err != nil {
		return i, err
	}
	i.Remarks = append(i.Remarks, ambiguous...)
	for _, k := range kinds {
		found, ok := chosen[k.backend]
		if !ok {
			continue
		}
		d := byUID[found.UID]
		i.remark("%s: data source %q", k.backend, d.Name)
		*k.own(&i.Profile) = i.connection(d)
		i.names(&d.JSONData, d.Name)
	}
	return i, nil
}

// connection is the way to a data source that a file describes.
func (i *Imported) connection(d *provisioned) *profile.Connection {
	c := &profile.Connection{URL: d.URL}
	if d.BasicAuth {
		c.Username = d.BasicAuthUser
		if c.PasswordEnv = variableIn(d.Secure["basicAuthPassword"]); c.PasswordEnv == "" {
			i.remark("%q: its password is not taken over: give password_file or password_env", d.Name)
		}
	}
	for n := 1; d.headers[strconv.Itoa(n)] != ""; n++ {
		name, value := d.headers[strconv.Itoa(n)], d.Secure[fmt.Sprintf("httpHeaderValue%d", n)]
		switch {
		case strings.EqualFold(name, "X-Scope-OrgID") && variableIn(value) == "":
			c.Tenant = value
		case strings.EqualFold(name, "Authorization") && strings.HasPrefix(value, "Bearer ") && variableIn(strings.TrimPrefix(value, "Bearer ")) != "":
			c.TokenEnv = variableIn(strings.TrimPrefix(value, "Bearer "))
		default:
			i.remark("%q: the value of its header %s is not taken over: give it in http_config.http_headers", d.Name, name)
		}
	}
	for _, key := range []string{"tlsCACert", "tlsClientCert", "tlsClientKey", "sigV4SecretKey"} {
		if d.Secure[key] != "" {
			i.remark("%q: its %s is not taken over: give it in http_config.tls_config, or sigv4", d.Name, key)
		}
	}
	return c
}

// ImportFound makes a profile of servers that were found on this machine.
func ImportFound(all []Found) Imported {
	var i Imported
	for _, f := range all {
		if f.Backend == grafanaBackend {
			i.remark("a Grafana is at %s: obs config import grafana takes its data sources over", f.URL)
			continue
		}
		at := slices.IndexFunc(kinds, func(k kind) bool { return k.backend == f.Backend })
		into := kinds[at].own(&i.Profile) // nothing else is looked for
		if *into != nil {
			i.remark("%s: another one is at %s (%s)", f.Backend, f.URL, f.How)
			continue
		}
		*into = &profile.Connection{URL: f.URL}
		version := ""
		if f.Version != "" {
			version = ", version " + f.Version
		}
		i.remark("%s: %s%s (%s)", f.Backend, f.URL, version, f.How)
	}
	return i
}
