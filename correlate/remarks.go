package correlate

import (
	"fmt"
	"time"
)

// stillArriving is how long after its end spans of a trace may be on their way:
// OpenTelemetry's SDKs send every 5 s, its collector's batches and tail sampling hold spans
// back for 30 s where nobody has set another time.
const stillArriving = 40 * time.Second

// remark says what to keep in mind when reading the traces, of those that were found since.
func (f *finder) remark() {
	for _, t := range f.found.Traces() {
		if f.remarked[t.ID] {
			continue
		}
		f.remarked[t.ID] = true
		if t.OrphanCount > 0 {
			t.Remarks = append(t.Remarks, fmt.Sprintf("%s of spans that it does not hold: those were not sampled, got lost, or have not arrived", childrenOf(t.OrphanCount)))
		}
		if age := f.lookup.Now.Sub(t.Window().To); !f.lookup.Now.IsZero() && age >= 0 && age < stillArriving {
			t.Remarks = append(t.Remarks, fmt.Sprintf("it ended %s ago: spans and records of it may still be on their way", Seconds(age.Seconds())))
		}
	}
}

func childrenOf(n int) string {
	if n == 1 {
		return "1 span is a child"
	}
	return fmt.Sprintf("%d spans are children", n)
}

// end is when the span ended.
func (s *Span) end() time.Time { return s.Start.Add(seconds(s.DurationSeconds)) }
