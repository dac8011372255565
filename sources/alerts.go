package sources

import (
	"context"
	"time"
)

// Notifications reads the alerts that somebody is told of, or would be: those that rules have
// raised and sent on. Implementations are safe for concurrent use. Errors are *Error.
type Notifications interface {
	// Notifications lists the alerts that are there now, whether anybody is told of them
	// or not, in no order.
	Notifications(ctx context.Context) ([]Notification, error)
	// Link is the address of the alerts with these labels in the backend's own page.
	Link(labels Labels) string
}

// Notification is an alert on its way to people. Its State is firing, for one that only
// pends is not sent on, or resolved, and its Value is not known: it is NaN. ActiveAt is when
// it began to fire, which is later than when its condition began to hold.
type Notification struct {
	Alert
	// Ended is when it was resolved; zero of one that fires.
	Ended time.Time
	// Silences keep it from people because somebody said so, Inhibitors because other
	// alerts say more: they are the names of those, or what they are known by. Muted names
	// the times at which nobody is told. All are empty for one that people are told of.
	Silences   []Silence
	Inhibitors []string
	Muted      []string
	Receivers  []string
	// Generator is the address at which its rule's query can be asked again, as whoever sent
	// it says; it begins with http:// or https://, or is empty.
	Generator string
	// Rule is the rule's query, where Generator is a page of Prometheus that names it.
	Rule string
}

// Silence is somebody's decision not to be told. But for ID its fields are empty where it
// could not be read.
type Silence struct {
	ID, By, Comment string
	Until           time.Time
}

// States of alerts.
const (
	AlertPending  = "pending" // its condition holds, but not for long enough yet
	AlertFiring   = "firing"
	AlertResolved = "resolved"
)

// RuleReader is a Metrics that knows the alerting rules which raise its alerts.
type RuleReader interface {
	// AlertRules lists the alerting rules in the order of their files, groups and places.
	// A server that evaluates none is an error that is ErrNotFound, or an empty list.
	AlertRules(ctx context.Context) ([]AlertRule, error)
}

// AlertRule is a rule that raises alerts.
type AlertRule struct {
	Name        string
	Group, File string // where it stands
	Query       string // PromQL, whose every series is an alert
	For         time.Duration
	Interval    time.Duration // between evaluations
	Labels      Labels        // that it adds, templates as they were written
	Annotations Labels
	State       string // inactive, pending or firing
	Health      string // ok, err or unknown
	LastError   string // of its newest evaluation
}
