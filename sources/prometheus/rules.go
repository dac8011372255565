package prometheus

import (
	"context"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"obs/sources"
)

var _ sources.RuleReader = (*Client)(nil)

// AlertRules implements sources.RuleReader with /api/v1/rules, of which recording rules are
// left out.
func (c *Client) AlertRules(ctx context.Context) (rules []sources.AlertRule, err error) {
	q := question{text: listing("/api/v1/rules"), missing: noRules}
	err = c.ask(ctx, q, func(ctx context.Context) (int, error) {
		found, err := c.api.Rules(ctx, nil)
		if err != nil {
			return 0, err
		}
		for _, group := range found.Groups {
			for _, one := range group.Rules {
				rule, alerting := one.(v1.AlertingRule)
				if !alerting {
					continue
				}
				rules = append(rules, sources.AlertRule{
					Name: rule.Name, Group: group.Name, File: group.File, Query: rule.Query,
					For: duration(rule.Duration), Interval: duration(group.Interval),
					Labels: labels(rule.Labels), Annotations: labels(rule.Annotations),
					State: rule.State, Health: string(rule.Health), LastError: rule.LastError,
				})
			}
		}
		return len(rules), nil
	})
	return rules, err
}

// duration is a number of seconds as the API has it.
func duration(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second))
}
