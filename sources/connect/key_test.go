package connect_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"obs/sources/connect"
)

// Two connections have one key only where they show the same, and it tells nothing.
func TestKey(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.yaml")
	text := `profiles:
  a: {loki: {url: http://l}}
  tenant: {loki: {url: http://l, tenant: t}}
  user: {loki: {url: http://l, username: ann, password: hunter2}}
  other: {loki: {url: http://l, username: bob, password: hunter2}}
  grafana: {grafana: {url: http://g, token: hunter2}}
  chosen: {grafana: {url: http://g, token: hunter2, datasources: {loki: x}}}
  empty: {}
`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	key := func(o connect.Options, variables ...string) string {
		t.Helper()
		o.Getenv = environment(map[string]string{})
		if len(variables) > 0 {
			o.Getenv = environment(map[string]string{variables[0]: variables[1]})
		}
		settings, err := connect.Load(o)
		if err != nil {
			t.Fatal(err)
		}
		return settings.Key()
	}
	seen := map[string]string{}
	for _, name := range []string{"a", "tenant", "user", "other", "grafana", "chosen"} {
		k := key(connect.Options{Config: config, Profile: name})
		if len(k) != 16 || strings.Trim(k, "0123456789abcdef") != "" {
			t.Errorf("%s has the key %q", name, k)
		}
		if twin, taken := seen[k]; taken {
			t.Errorf("%s has the key of %s", name, twin)
		}
		seen[k] = name
		if again := key(connect.Options{Config: config, Profile: name}); again != k {
			t.Errorf("%s has another key each time", name)
		}
	}
	if k := key(connect.Options{Config: config, Profile: "empty"}); k != "" {
		t.Errorf("nothing has the key %q", k)
	}
	flag, variable := key(connect.Options{LokiURL: "http://l"}), key(connect.Options{}, "LOKI_URL", "http://l")
	if flag != variable || flag == "" {
		t.Errorf("the same server has %q by a flag and %q by a variable", flag, variable)
	}
	if user := key(connect.Options{LokiURL: "http://ann:hunter2@l"}); user == flag || user != key(connect.Options{LokiURL: "http://ann:renewed@l"}) {
		t.Error("it goes by the password and not by the user")
	}
	if other := key(connect.Options{LokiURL: "http://l", PrometheusURL: "http://p"}); other == flag {
		t.Error("a further server makes no difference")
	}
}
