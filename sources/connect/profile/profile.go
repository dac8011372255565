// Package profile is the configuration file: named sets of connections, and what else a
// team tells obs once and for all.
//
// It reads strictly, since a key that is spelt wrongly and passed over shows as a login that
// fails at three in the morning: every mistake is told with its line and the nearest right
// key. It knows what a profile says and not how a server is reached; that is connect.
package profile

import (
	"cmp"
	"path/filepath"

	"github.com/prometheus/common/config"
	"github.com/prometheus/sigv4"
)

// File is the configuration file, config.yaml.
type File struct {
	Current  string              `yaml:"current,omitempty" doc:"the profile that is used where neither --profile nor OBS_PROFILE names one"`
	Profiles map[string]*Profile `yaml:"profiles,omitempty" doc:"the profiles, by name"`
}

// Profile is one set of connections. A backend that is left out is done without.
type Profile struct {
	Prometheus   *Connection `yaml:"prometheus,omitempty" doc:"Prometheus, or what speaks its API: Thanos, Mimir, Cortex, VictoriaMetrics"`
	Loki         *Connection `yaml:"loki,omitempty" doc:"Loki"`
	Jaeger       *Connection `yaml:"jaeger,omitempty" doc:"Jaeger's query service"`
	Tempo        *Connection `yaml:"tempo,omitempty" doc:"Grafana Tempo, in place of Jaeger"`
	Alertmanager *Connection `yaml:"alertmanager,omitempty" doc:"Alertmanager; without it alerts are those of Prometheus"`
	Notes        *Connection `yaml:"notes,omitempty" doc:"the Loki that obs note writes to, and that triages read notes from; without it neither does"`
	Grafana      *Grafana    `yaml:"grafana,omitempty" doc:"Grafana, through which the backends are asked that have no address of their own here"`
	Names        Names       `yaml:"names,omitempty" doc:"the team's own names, beside those that obs knows"`
	Since        string      `yaml:"since,omitempty" doc:"default of --since, such as 30m"`
	Baseline     string      `yaml:"baseline,omitempty" doc:"default of --baseline, such as 24h"`
}

// Empty tells that the profile names no server.
func (p *Profile) Empty() bool { return p.Grafana == nil && len(p.connections()) == 0 }

// Connection is where a server is and what it wants to see.
type Connection struct {
	URL    string `yaml:"url,omitempty" doc:"http://, https:// or unix:///path/of/a/socket, with a path prefix if there is one"`
	Tenant string `yaml:"tenant,omitempty" doc:"sent as X-Scope-OrgID; several as a|b"`

	Username        string        `yaml:"username,omitempty" doc:"user of basic authentication"`
	Password        config.Secret `yaml:"password,omitempty" doc:"its password; better one of the four below"`
	PasswordFile    string        `yaml:"password_file,omitempty" doc:"a file with the password, read again when it changes; relative to this one, or ~/ for the home directory"`
	PasswordEnv     string        `yaml:"password_env,omitempty" doc:"an environment variable with the password"`
	PasswordCommand Command       `yaml:"password_command,omitempty" doc:"a command that prints the password: a list of arguments, or a line for sh"`
	PasswordKeyring string        `yaml:"password_keyring,omitempty" doc:"the password in the system's keyring, as service/user"`

	Token        config.Secret `yaml:"token,omitempty" doc:"a bearer token; better one of the four below"`
	TokenFile    string        `yaml:"token_file,omitempty" doc:"a file with the token, read again when it changes; relative to this one, or ~/ for the home directory"`
	TokenEnv     string        `yaml:"token_env,omitempty" doc:"an environment variable with the token"`
	TokenCommand Command       `yaml:"token_command,omitempty" doc:"a command that prints the token: a list of arguments, or a line for sh"`
	TokenKeyring string        `yaml:"token_keyring,omitempty" doc:"the token in the system's keyring, as service/user"`

	HTTPConfig     *config.HTTPClientConfig `yaml:"http_config,omitempty" doc:"credentials, TLS, proxy and headers as in Prometheus's configuration: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#http_config"`
	HTTPConfigFile string                   `yaml:"http_config_file,omitempty" doc:"a file with the same, as promtool's --http.config.file; relative to this one, or ~/ for the home directory"`
	SigV4          *sigv4.SigV4Config       `yaml:"sigv4,omitempty" doc:"signs requests for Amazon's services"`
}

// Grafana is a Grafana whose data sources are asked through its proxy.
type Grafana struct {
	Connection     `yaml:",inline"`
	Datasources    Sources `yaml:"datasources,omitempty" doc:"which data sources, by UID or name, where it has several of a kind"`
	OrganizationID int64   `yaml:"org_id,omitempty" doc:"the organization, where the token is good for several"`
}

// Sources name the data sources of a Grafana, each by UID or name.
type Sources struct {
	Prometheus   string `yaml:"prometheus,omitempty" doc:"the data source that is asked for Prometheus"`
	Loki         string `yaml:"loki,omitempty" doc:"the data source that is asked for Loki"`
	Jaeger       string `yaml:"jaeger,omitempty" doc:"the data source that is asked for Jaeger"`
	Tempo        string `yaml:"tempo,omitempty" doc:"the data source that is asked for Tempo"`
	Alertmanager string `yaml:"alertmanager,omitempty" doc:"the data source that is asked for Alertmanager"`
}

// Names are a team's own.
type Names struct {
	TraceIDFields   []string            `yaml:"trace_id_fields,omitempty" doc:"fields, labels or metadata of log records that hold trace IDs"`
	RequestIDFields []string            `yaml:"request_id_fields,omitempty" doc:"the same for request IDs, in records and in the attributes of spans"`
	Services        map[string][]string `yaml:"services,omitempty" doc:"services that have other names in some signals: the one to show, and the others"`
}

// IsZero tells that no name is given.
func (n Names) IsZero() bool {
	return len(n.TraceIDFields) == 0 && len(n.RequestIDFields) == 0 && len(n.Services) == 0
}

// Command is a command and its arguments. A text in place of a list is a line for sh.
type Command []string

// LocalName is the file in a working directory that sets names and defaults for what is
// developed there.
const LocalName = ".obs.yaml"

// Path is where the configuration file is: in OBS_CONFIG, else in obs/config.yaml below
// XDG_CONFIG_HOME, which is ~/.config unless it is set (on Windows %AppData%). It is empty
// where the environment tells of no such place.
func Path(getenv func(string) string) string {
	if path := getenv("OBS_CONFIG"); path != "" {
		return path
	}
	dir := cmp.Or(getenv("XDG_CONFIG_HOME"), getenv("AppData"))
	if home := getenv("HOME"); dir == "" && home != "" {
		dir = filepath.Join(home, ".config")
	}
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "obs", "config.yaml")
}
