package connect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"obs/sources"
	"obs/sources/transport"
)

// Found is a server that was found on this machine.
type Found struct {
	Backend sources.Backend // "grafana" for a Grafana
	URL     string
	Version string // as far as it told
	How     string // why that port was looked at
}

// usualPorts are the ports that servers listen on unless they are told otherwise, as their
// documentation has it.
var usualPorts = map[int]string{
	9090: "Prometheus's usual port", 10902: "Thanos's usual port", 8428: "VictoriaMetrics's usual port", 9009: "Mimir's and Cortex's usual port",
	3100: "Loki's usual port", 16686: "Jaeger's usual port", 3200: "Tempo's usual port", 9093: "Alertmanager's usual port", 3000: "Grafana's usual port",
}

// lookTime is how long one server on this machine may take to tell what it is.
const lookTime = 2 * time.Second

// Look finds out what runs on this machine: on the usual ports, and on the ports that
// kubectl forwards already. Nothing is started, and nothing is asked elsewhere.
func Look(ctx context.Context) []Found {
	ports := map[int]string{}
	for port, how := range usualPorts {
		ports[port] = how
	}
	for port, how := range forwarded(ctx) {
		ports[port] = how
	}
	return lookAt(ctx, ports)
}

func lookAt(ctx context.Context, ports map[int]string) []Found {
	var mu sync.Mutex
	var all []Found
	group, ctx := errgroup.WithContext(ctx)
	for port, how := range ports {
		group.Go(func() error {
			if found, ok := identify(ctx, fmt.Sprintf("http://127.0.0.1:%d", port)); ok {
				found.How = how
				mu.Lock()
				all = append(all, found)
				mu.Unlock()
			}
			return nil
		})
	}
	_ = group.Wait() // no server is no error
	slices.SortFunc(all, func(a, b Found) int { return cmp.Or(cmp.Compare(a.Backend, b.Backend), cmp.Compare(a.URL, b.URL)) })
	return all
}

// signs are what each server alone answers, the rarer first.
var signs = []struct {
	backend sources.Backend
	path    string
	version func(json.RawMessage) (version string, ok bool)
}{
	{sources.Loki, "/loki/api/v1/status/buildinfo", member("version")},
	{sources.Tempo, "/api/status/buildinfo", member("version")},
	{sources.Alertmanager, "/api/v2/status", member("versionInfo", "version")},
	{grafanaBackend, "/api/health", func(body json.RawMessage) (string, bool) {
		_, ok := member("database")(body)
		version, _ := member("version")(body)
		return version, ok
	}},
	{sources.Prometheus, "/api/v1/status/buildinfo", member("data", "version")},
	{sources.Jaeger, "/api/v3/services", list("services")},
	{sources.Jaeger, "/api/services", list("data")},
}

// member is a text below names in an answer.
func member(path ...string) func(json.RawMessage) (string, bool) {
	return func(body json.RawMessage) (string, bool) {
		for _, name := range path {
			var object map[string]json.RawMessage
			if json.Unmarshal(body, &object) != nil || object[name] == nil {
				return "", false
			}
			body = object[name]
		}
		var text string
		return text, json.Unmarshal(body, &text) == nil
	}
}

// list tells whether a list is there, or a null in its place.
func list(name string) func(json.RawMessage) (string, bool) {
	return func(body json.RawMessage) (string, bool) {
		var object map[string]json.RawMessage
		var items []string
		return "", json.Unmarshal(body, &object) == nil && object[name] != nil && json.Unmarshal(object[name], &items) == nil
	}
}

// identify finds out what answers at an address.
func identify(ctx context.Context, address string) (Found, bool) {
	for _, sign := range signs {
		client, err := transport.New(transport.Options{Backend: sign.backend, URL: address, Timeout: lookTime, Retries: -1})
		if err != nil {
			return Found{}, false
		}
		body, err := client.Get(ctx, sign.path, url.Values{}, nil)
		client.Close()
		if err != nil {
			if isAway(err) {
				return Found{}, false // whatever it is asked
			}
			continue
		}
		if version, ok := sign.version(body); ok {
			return Found{Backend: sign.backend, URL: address, Version: sources.Printable(version)}, true
		}
	}
	return Found{}, false
}

// forwarded are the local ports of kubectl port-forward that runs now.
func forwarded(ctx context.Context) map[int]string {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ps", "-eo", "args").Output()
	if err != nil {
		return nil // where there is no ps, nothing is known
	}
	return forwardedIn(string(out))
}

var portPair = regexp.MustCompile(`^(\d{1,5})(?::\d{1,5})?$`)

func forwardedIn(processes string) map[int]string {
	ports := map[int]string{}
	for line := range strings.Lines(processes) {
		words := strings.Fields(line)
		at := slices.Index(words, "port-forward")
		if at < 1 || !slices.ContainsFunc(words[:at], func(w string) bool {
			return w == "kubectl" || strings.HasSuffix(w, "/kubectl") || strings.HasSuffix(w, "/oc") || w == "oc"
		}) {
			continue
		}
		what := "kubectl port-forward"
		for _, word := range words[at+1:] {
			if m := portPair.FindStringSubmatch(word); m != nil {
				if port, err := strconv.Atoi(m[1]); err == nil && port > 0 && port < 1<<16 {
					ports[port] = what
				}
			} else if strings.Contains(word, "/") {
				what = "kubectl port-forward " + sources.Printable(word)
			}
		}
	}
	return ports
}

func isAway(err error) bool {
	return errors.Is(err, sources.ErrUnreachable) || errors.Is(err, sources.ErrTimeout)
}
