package correlate_test

import (
	"testing"
	"encoding/json"
)

func TestProbe(t *testing.T) {
	s := slowBank(t)
	c := s.triage(question)
	b, _ := json.MarshalIndent(c, "", " ")
	t.Logf("%s", b)
	for _, q := range s.ledger.Queries() { t.Log(q.Backend, q.Text, q.Status, q.Records) }
}
