package sources

import (
	"context"
	"errors"
	"time"
)

// Server is what a backend tells of itself. A field is empty where it does not say.
type Server struct {
	// Product is the server's own name, lower case: "prometheus", "thanos", "mimir",
	// "victoriametrics", "loki", "jaeger", "tempo" and so on. It may be another one than the
	// backend whose API it speaks.
	Product string
	Version string
	API     string // the generation of the API that obs uses with it, such as "v3"
	// Clock is the time that the server gave with its answer, to the second; the zero time
	// where it gave none. Asked and Answered are this machine's times around it.
	Clock, Asked, Answered time.Time
}

// Skew is how far the server's clock is ahead of this machine's, as far as that can be told:
// zero where its time, which is cut to the second, may have been the same. Known is false where
// the server gave no time.
func (s Server) Skew() (ahead time.Duration, known bool) {
	if s.Clock.IsZero() {
		return 0, false
	}
	switch {
	case s.Clock.Add(time.Second).Before(s.Asked):
		return s.Clock.Add(time.Second).Sub(s.Asked), true
	case s.Clock.After(s.Answered):
		return s.Clock.Sub(s.Answered), true
	}
	return 0, true
}

// Untold reports whether a failure is of a server that does not tell what it is, or not to
// whoever asks, and may answer other questions all the same.
func Untold(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrNotThisAPI) || errors.Is(err, ErrServer) || errors.Is(err, ErrBadQuery)
}

// Describer is a backend that can tell what it is. It asks the server each time.
type Describer interface {
	Describe(ctx context.Context) (Server, error)
}

// LabelCount is how many values a label has.
type LabelCount struct {
	Label  string
	Values int
}

// LabelsCounter is a backend that can tell which of its labels have the most values, those
// first. One that turns out unable to returns an error that is ErrNotFound.
type LabelsCounter interface {
	CountLabels(ctx context.Context) ([]LabelCount, error)
}
