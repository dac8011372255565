package correlate_test

import (
	"context"
	"strings"
	"testing"

	"obs/correlate"
	"obs/sources"
)

// halved is a Prometheus whose answers lack what some store has, as Thanos says of its own.
type halved struct{ *alerting }

func (h *halved) Alerts(ctx context.Context) (found []sources.Alert, err error) {
	for _, store := range []string{"store b is away", "store a is away"} {
		_, call := h.ledger.Start(ctx, sources.Prometheus, "GET /api/v1/alerts", sources.Window{})
		call.Partial(store)
		call.Partial("and more")
		call.End(len(h.raised), nil)
	}
	return h.raised, nil
}

// What a server says is missing of its answer is missing of the case.
func TestPartialAnswers(t *testing.T) {
	s := slowBank(t)
	x := correlate.NewExplorer(sources.Set{Metrics: &halved{&alerting{fakeMetrics: s.metrics, raised: raised}}, Ledger: s.ledger}, question)
	list := x.Alerts(t.Context())
	if len(list.Alerts) != len(raised) || len(list.Missing) != 1 || list.Missing[0].Kind != correlate.MissingTruncated || !strings.Contains(list.Missing[0].Reason, ": 2, such as: store a is away") {
		t.Errorf("%d alerts, %+v", len(list.Alerts), list.Missing)
	}
	if list.Queries[0].Partial != "store b is away" {
		t.Errorf("%+v", list.Queries[0])
	}
	if table := x.Services(t.Context(), correlate.PerService); len(table.Missing) != 1 || table.Missing[0].Kind != correlate.MissingTruncated {
		t.Errorf("beside services: %+v", table.Missing)
	}
	if found := x.Triage(t.Context(), nil); !found.Partial() {
		t.Errorf("the case: %+v", found.Missing)
	}
}
