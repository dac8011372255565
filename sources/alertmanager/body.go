package alertmanager

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"obs/sources"
)

// MaxBody bounds what is read of a body, in bytes. Alertmanager sends all alerts of a group
// at once: this is room for some thousands of them.
const MaxBody = 16 << 20

// What a body is not. Each error of ReadBody is one of these, or of JSON.
var (
	errNoBody   = errors.New("it is empty")
	errNoAlerts = errors.New("it holds no alert: a webhook's body has a list of them, \"alerts\"")
)

// posted is an alert as it is sent on: by Prometheus, by Alertmanager and by Grafana's
// webhook, which has more fields.
type posted struct {
	Status       string         `json:"status"` // firing or resolved; Prometheus leaves it out
	Labels       sources.Labels `json:"labels"`
	Annotations  sources.Labels `json:"annotations"`
	StartsAt     time.Time      `json:"startsAt"`
	EndsAt       time.Time      `json:"endsAt"`
	GeneratorURL string         `json:"generatorURL"`
}

// Message is what was posted: alerts in the order of the body, and how many more there were
// that Alertmanager left out, as its max_alerts says.
type Message struct {
	Alerts  []sources.Notification
	LeftOut int
}

// ReadBody reads the alerts in a body that was posted: Alertmanager's webhook
// (https://prometheus.io/docs/alerting/latest/configuration/#webhook_config), Grafana's,
// which has the same form, what Prometheus posts to an Alertmanager, or one alert of these
// alone. What Prometheus posts tells by its end alone whether an alert is over, so that now is
// needed.
func ReadBody(body []byte, now time.Time) (Message, error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return Message{}, errNoBody
	}
	var all []posted
	leftOut := 0
	if body[0] == '[' {
		if err := json.Unmarshal(body, &all); err != nil {
			return Message{}, err
		}
	} else {
		var envelope struct {
			Alerts    []posted `json:"alerts"`
			Truncated int      `json:"truncatedAlerts"`
			posted
		}
		if err := json.Unmarshal(body, &envelope); err != nil {
			return Message{}, err
		}
		all, leftOut = envelope.Alerts, max(0, envelope.Truncated)
		if all == nil && len(envelope.Labels) > 0 {
			all = []posted{envelope.posted}
		}
	}
	if len(all) == 0 {
		return Message{}, errNoAlerts
	}
	found := make([]sources.Notification, len(all))
	for i := range all {
		var err error
		if found[i], err = all[i].notification(now); err != nil {
			return Message{}, fmt.Errorf("its alert %d: %w", i+1, err)
		}
	}
	return Message{Alerts: found, LeftOut: leftOut}, nil
}

// notification converts a posted alert. Prometheus gives a firing one an end in the future,
// after which it is over unless it is posted again; Alertmanager gives it the year 1.
func (p *posted) notification(now time.Time) (sources.Notification, error) {
	state := strings.ToLower(p.Status)
	over := !p.EndsAt.IsZero() && !p.EndsAt.After(now)
	if state == "" {
		state = sources.AlertFiring
		if over {
			state = sources.AlertResolved
		}
	}
	switch {
	case len(p.Labels) == 0:
		return sources.Notification{}, errors.New("it has no labels")
	case p.Labels["alertname"] == "":
		return sources.Notification{}, errors.New("it has no label alertname")
	case state != sources.AlertFiring && state != sources.AlertResolved:
		return sources.Notification{}, fmt.Errorf("its status is %q, and not firing or resolved", sources.Shorten(sources.Printable(p.Status), 40))
	}
	n := sources.Notification{
		Alert: sources.Alert{
			Name: p.Labels["alertname"], State: state, Labels: p.Labels, Annotations: p.Annotations,
			ActiveAt: known(p.StartsAt), Value: math.NaN(),
		},
		Generator: sources.WebAddress(p.GeneratorURL), Rule: ruleIn(p.GeneratorURL),
	}
	if state == sources.AlertResolved {
		n.Ended = known(p.EndsAt)
		if n.Ended.Before(n.ActiveAt) {
			n.Ended = time.Time{}
		}
	}
	return n, nil
}

// known is a moment in UTC, zero where none was given: Go's zero time, and Unix's.
func known(t time.Time) time.Time {
	if t.Year() <= 1970 {
		return time.Time{}
	}
	return t.UTC()
}
