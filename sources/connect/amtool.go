package connect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"obs/sources"
	"obs/sources/connect/profile"
)

// AmtoolPaths are where amtool, Alertmanager's own command, looks for its configuration
// (https://github.com/prometheus/alertmanager#configuration), in its order. There are none
// where the environment names no home.
func AmtoolPaths(getenv func(string) string) []string {
	home := getenv("HOME")
	if home == "" {
		return nil
	}
	return []string{filepath.Join(home, ".config", "amtool", "config.yml"), "/etc/amtool/config.yml"}
}

// askAmtool takes the Alertmanager from amtool's configuration, where nobody else names one
// and no profile is used: amtool's may be that of another environment than the profile's.
// It is for another program, so that what is wrong with it is a warning.
func (s *Settings) askAmtool() {
	_, known := s.Targets[sources.Alertmanager]
	if known || s.Profile != "" || s.Grafana != nil {
		return
	}
	for _, path := range s.options.Amtool {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var c profile.Connection
		if err == nil {
			c, err = readAmtool(text)
		}
		target := Target{URL: c.URL, Origin: path, rank: byLocalFile}
		if err == nil && c.URL != "" {
			if target.Access, err = accessOf(&c, s.options.Getenv); c.HTTPConfigFile != "" {
				target.Credentials = c.HTTPConfigFile
			}
		}
		switch {
		case err != nil:
			s.Warnings = append(s.Warnings, sources.Printable(fmt.Sprintf("no Alertmanager is asked: amtool's configuration %s: %v", path, err)))
		case c.URL != "":
			s.Targets[sources.Alertmanager] = target
		}
		return
	}
}

// readAmtool reads the two keys that tell how Alertmanager is reached. The others are about
// silences that amtool makes. No value stands in an error, as an address may hold a password.
func readAmtool(text []byte) (profile.Connection, error) {
	var c profile.Connection
	var keys map[string]yaml.Node
	if err := yaml.Unmarshal(text, &keys); err != nil {
		return c, errors.New("it is not YAML with keys and values")
	}
	for _, key := range []struct {
		name string
		into *string
	}{{"alertmanager.url", &c.URL}, {"http.config.file", &c.HTTPConfigFile}} {
		node, given := keys[key.name]
		if !given {
			continue
		}
		if node.Kind != yaml.ScalarNode || node.Tag != "!!str" {
			return c, fmt.Errorf("%s on line %d is no text", key.name, node.Line)
		}
		*key.into = node.Value
	}
	if c.URL != "" && !strings.HasPrefix(c.URL, "http://") && !strings.HasPrefix(c.URL, "https://") {
		return c, errors.New("alertmanager.url must begin with http:// or https://")
	}
	return c, nil
}
