// Package alertmanager reads the alerts that an Alertmanager has, and is the only place that
// knows its wire format: the API v2, described at
// https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml. Mimir's and
// Cortex's Alertmanagers speak it too, below the path /alertmanager.
//
// It reads only: it makes and ends no silence.
package alertmanager

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"obs/sources"
	"obs/sources/transport"
)

var (
	_ sources.Notifications = (*Client)(nil)
	_ sources.Describer     = (*Client)(nil)
)

// The endpoints. There was another generation of the API, /api/v1, until version 0.27.
const (
	alertsPath   = "/api/v2/alerts"
	silencesPath = "/api/v2/silences"
	statusPath   = "/api/v2/status"
)

// Client reads from one Alertmanager. It is safe for concurrent use.
type Client struct {
	http   *transport.Client
	ledger *sources.Ledger
}

// New returns a client that sends through http and lists each question in ledger, which may
// be nil. Give the transport this package's Explain.
func New(http *transport.Client, ledger *sources.Ledger) *Client {
	return &Client{http: http, ledger: ledger}
}

// alert is one of the list of alerts.
type alert struct {
	Labels       sources.Labels `json:"labels"`
	Annotations  sources.Labels `json:"annotations"`
	StartsAt     time.Time      `json:"startsAt"`
	GeneratorURL string         `json:"generatorURL"`
	Fingerprint  string         `json:"fingerprint"`
	Receivers    []struct {
		Name string `json:"name"`
	} `json:"receivers"`
	Status *struct {
		State       string   `json:"state"` // unprocessed, active or suppressed
		SilencedBy  []string `json:"silencedBy"`
		InhibitedBy []string `json:"inhibitedBy"`
		MutedBy     []string `json:"mutedBy"`
	} `json:"status"`
}

// silence is one of the list of silences, as far as it is of interest.
type silence struct {
	ID        string    `json:"id"`
	CreatedBy string    `json:"createdBy"`
	Comment   string    `json:"comment"`
	EndsAt    time.Time `json:"endsAt"`
}

// errOther tells of JSON that is no list of alerts.
var errOther = errors.New("the answer holds something else than alerts with their states")

// Notifications implements sources.Notifications with /api/v2/alerts. Where one of them is
// silenced, who silenced it is asked for as well; that this fails is noted in the ledger and
// costs no more than the answer to it.
func (c *Client) Notifications(ctx context.Context) ([]sources.Notification, error) {
	var found []alert
	err := c.ask(ctx, alertsPath, func(body []byte) (int, error) {
		if err := json.Unmarshal(body, &found); err != nil {
			return 0, err
		}
		if found == nil || slices.ContainsFunc(found, func(a alert) bool { return a.Status == nil || len(a.Labels) == 0 }) {
			return 0, errOther
		}
		return len(found), nil
	})
	if err != nil {
		return nil, err
	}
	var known map[string]sources.Silence
	if slices.ContainsFunc(found, func(a alert) bool { return len(a.Status.SilencedBy) > 0 }) {
		known = c.silences(ctx)
	}
	names := map[string]string{}
	for i := range found {
		names[found[i].Fingerprint] = found[i].Labels["alertname"]
	}
	all := make([]sources.Notification, len(found))
	for i := range found {
		all[i] = found[i].notification(known, names)
	}
	return all, nil
}

// notification converts an alert, given the silences by ID and the alerts' names by fingerprint.
func (a *alert) notification(known map[string]sources.Silence, names map[string]string) sources.Notification {
	n := sources.Notification{
		Alert: sources.Alert{
			Name: a.Labels["alertname"], State: "firing", Labels: a.Labels, Annotations: a.Annotations,
			ActiveAt: a.StartsAt.UTC(), Value: math.NaN(),
		},
		Muted: a.Status.MutedBy, Generator: sources.WebAddress(a.GeneratorURL), Rule: ruleIn(a.GeneratorURL),
	}
	for _, id := range a.Status.SilencedBy {
		s := known[id]
		s.ID = id
		n.Silences = append(n.Silences, s)
	}
	for _, fingerprint := range a.Status.InhibitedBy {
		n.Inhibitors = append(n.Inhibitors, cmp.Or(names[fingerprint], fingerprint))
	}
	for _, r := range a.Receivers {
		n.Receivers = append(n.Receivers, r.Name)
	}
	return n
}

// silences are all silences by ID, those that have ended lately among them; nil where they
// cannot be read.
func (c *Client) silences(ctx context.Context) map[string]sources.Silence {
	var found []silence
	if c.ask(ctx, silencesPath, func(body []byte) (int, error) {
		err := json.Unmarshal(body, &found)
		return len(found), err
	}) != nil {
		return nil
	}
	all := make(map[string]sources.Silence, len(found))
	for _, s := range found {
		all[s.ID] = sources.Silence{ID: s.ID, By: s.CreatedBy, Comment: s.Comment, Until: s.EndsAt.UTC()}
	}
	return all
}

// Describe implements sources.Describer with /api/v2/status. The configuration that stands
// there too is not looked at.
func (c *Client) Describe(ctx context.Context) (sources.Server, error) {
	described := sources.Server{Product: "alertmanager", API: "v2"}
	ctx = transport.Timed(ctx)
	header, err := c.answer(ctx, statusPath, func(body []byte) (int, error) {
		var status struct {
			VersionInfo *struct {
				Version string `json:"version"`
			} `json:"versionInfo"`
		}
		if err := json.Unmarshal(body, &status); err != nil {
			return 0, err
		}
		if status.VersionInfo == nil {
			return 0, errors.New("the answer names no version")
		}
		described.Version = sources.Printable(status.VersionInfo.Version)
		return 1, nil
	})
	if err != nil {
		return sources.Server{}, err
	}
	transport.Told(ctx, header, &described)
	return described, nil
}

// Link is the address of the page that shows the alerts with these labels. The page reads
// the filter behind the #, so that it reaches no server.
func (c *Client) Link(labels sources.Labels) string {
	var only sources.Selector
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		only = append(only, sources.Matcher{Name: name, Op: sources.Equal, Value: labels[name]})
	}
	params := url.Values{"filter": {only.String()}}
	for _, state := range []string{"active", "silenced", "inhibited", "muted"} { // it shows only the first by itself
		params.Set(state, "true")
	}
	// The page reads a + as one, and %20 as a space.
	return strings.TrimSuffix(c.http.URL("/", nil).String(), "/") + "/#/alerts?" + strings.ReplaceAll(params.Encode(), "+", "%20")
}

// ask puts one question; read tells how many things its answer holds.
func (c *Client) ask(ctx context.Context, path string, read func([]byte) (int, error)) error {
	_, err := c.answer(ctx, path, read)
	return err
}

func (c *Client) answer(ctx context.Context, path string, read func([]byte) (int, error)) (header http.Header, err error) {
	ctx, call := c.ledger.Start(ctx, sources.Alertmanager, "GET "+path, sources.Window{})
	n := 0
	defer func() { call.End(n, err) }()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.http.URL(path, nil).String(), nil)
	if err != nil {
		return nil, c.http.Failure(ctx, sources.ErrBadQuery, err)
	}
	response, body, err := c.http.Do(request) //nolint:bodyclose // Do has read and closed it
	switch {
	case errors.Is(err, sources.ErrNotFound):
		// Every Alertmanager since 0.16 has these paths, so this is none, or it lives below another one.
		failure := c.http.Failure(ctx, sources.ErrNotThisAPI, errors.New("it has no "+path))
		failure.Status = http.StatusNotFound
		return nil, failure
	case err != nil:
		return nil, err
	}
	if n, err = read(body); err != nil {
		n = 0
		return nil, c.http.Failure(ctx, sources.ErrNotThisAPI, err)
	}
	return response.Header, nil
}

// Explain takes the message out of a refusal, for transport.Options: the API says it as a
// JSON text, its router and gateways as an object. It returns nothing for any other body.
func Explain(_ int, body []byte) string {
	var text string
	if json.Unmarshal(body, &text) == nil {
		return text
	}
	var object struct {
		Message string `json:"message"`
		Error   string `json:"error"`
	}
	if json.Unmarshal(body, &object) != nil {
		return ""
	}
	return cmp.Or(object.Message, object.Error)
}

// ruleIn is the query in the address of a rule in Prometheus's own page; empty for an
// address of another form.
func ruleIn(address string) string {
	u, err := url.Parse(sources.WebAddress(address))
	if err != nil {
		return ""
	}
	return u.Query().Get("g0.expr")
}
