package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"obs/correlate"
	"obs/sources"
)

// State is how a backend answers.
type State string

// The states of a backend.
const (
	Answers       State = "ok"
	NotConfigured State = "not_configured"
	Unreachable   State = "unreachable"
	Refused       State = "refused"
	AnotherAPI    State = "another_api" // something answers there, but not what was expected
	Fails         State = "failed"      // it answers with failures, or not in time
)

// Server is one backend: who answers, and what arrives there.
type Server struct {
	Backend sources.Backend `json:"backend"`
	State   State           `json:"state"`
	Product string          `json:"product,omitempty"`
	Version string          `json:"version,omitempty"`
	API     string          `json:"api,omitempty"`
	// SkewSeconds is how far its clock is ahead of this machine's; absent where it gave no time.
	SkewSeconds *float64 `json:"skew_seconds,omitempty"`
	// Newest is the newest sample, record or span of those looked at, the zero time of none.
	Newest time.Time `json:"newest,omitzero"`
	// ReachSeconds is the age of the oldest probe that found something; 0 where none did.
	ReachSeconds float64 `json:"reach_seconds,omitempty"`
	Error        string  `json:"error,omitempty"`
	Hint         string  `json:"hint,omitempty"`
}

// stateWords say a state of a backend that cannot be asked.
var stateWords = map[State]string{
	NotConfigured: "is not configured", Unreachable: "cannot be reached", Refused: "refuses access",
	AnotherAPI: "is not what answers at its address", Fails: "fails",
}

// tolerableSkew is half the minute by which the walk widens a trace's time to look for its
// records: with more, what is written at the same moment begins to fall out of it.
const tolerableSkew = 30 * time.Second

// Kinds of findings about servers.
const (
	KindBackend = "backend" // it is not configured, or does not answer
	KindSkew    = "clock.skew"
	KindStale   = "data.stale" // nothing arrives
	KindFuture  = "data.future"
)

// backends are those of the walk, in its order.
func (e *exam) backends() []sources.Backend {
	return []sources.Backend{sources.Prometheus, e.tracer, sources.Loki}
}

// describe asks each backend what it is.
func (e *exam) describe(ctx context.Context) {
	var parts []func()
	for _, backend := range e.backends() {
		server := &Server{Backend: backend, State: NotConfigured}
		e.servers[backend] = server
		source := e.source(backend)
		if source == nil {
			continue
		}
		server.State = Answers
		if d, ok := source.(sources.Describer); ok {
			parts = append(parts, func() { e.describeOne(ctx, server, d) })
		}
	}
	together(parts...)
	for _, backend := range e.backends() {
		if e.servers[backend].State == NotConfigured {
			m := correlate.NotConfigured(backend, lost[backend])
			e.miss(m)
			e.servers[backend].Error, e.servers[backend].Hint = m.Reason, m.Hint
		}
	}
}

// lost is what cannot be said without a backend.
var lost = map[sources.Backend]string{
	sources.Prometheus: "whether metrics lead to traces was not looked at",
	sources.Jaeger:     "whether traces are there was not looked at",
	sources.Tempo:      "whether traces are there was not looked at",
	sources.Loki:       "whether records lead to traces was not looked at",
}

// source is what reads a backend, or nil.
func (e *exam) source(backend sources.Backend) any {
	switch {
	case backend == sources.Prometheus && e.set.Metrics != nil:
		return e.set.Metrics
	case backend == e.tracer && e.set.Traces != nil:
		return e.set.Traces
	case backend == sources.Loki && e.set.Logs != nil:
		return e.set.Logs
	}
	return nil
}

func (e *exam) describeOne(ctx context.Context, server *Server, d sources.Describer) {
	described, err := d.Describe(ctx)
	if err != nil {
		e.failed(server.Backend, lost[server.Backend], err)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	server.Product, server.Version, server.API = described.Product, described.Version, described.API
	if ahead, known := described.Skew(); known {
		seconds := ahead.Seconds()
		server.SkewSeconds = &seconds
	}
}

// stateOf is the state that a failure shows its backend to be in.
func stateOf(err error) State {
	switch {
	case errors.Is(err, sources.ErrRefused):
		return Refused
	case errors.Is(err, sources.ErrUnreachable):
		return Unreachable
	case errors.Is(err, sources.ErrNotThisAPI):
		return AnotherAPI
	case errors.Is(err, sources.ErrServer), errors.Is(err, sources.ErrBusy), errors.Is(err, sources.ErrTimeout):
		return Fails
	}
	return Answers // it did not like the question, which says nothing of others
}

func hintOf(err error) string {
	if failure := (*sources.Error)(nil); errors.As(err, &failure) {
		return failure.Hint
	}
	return ""
}

// sees notes the time of a signal of a backend.
func (e *exam) sees(backend sources.Backend, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.servers[backend]; at.After(s.Newest) {
		s.Newest = at.UTC()
	}
}

// arrives reports whether a backend has anything of the window. Where some services alone are
// looked at, that nothing of theirs is there says nothing of the others.
func (e *exam) arrives(backend sources.Backend) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.servers[backend]
	others := len(e.options.Services) > 0 &&
		((backend == sources.Loki && len(e.streams) > 0) || (backend == e.tracer && len(e.traced) > 0))
	return s.State == Answers && (others || !s.Newest.Before(e.options.Window.From))
}

// silent says why a backend tells nothing.
func (e *exam) silent(backend sources.Backend) string {
	if e.servers[backend].State == NotConfigured {
		return backend.Name() + " is not configured"
	}
	return backend.Name() + " did not answer"
}

// judgeServers finds what is wrong with the backends themselves. One that was never given an
// address is no failure: whoever has no Loki would be told so every night, and would soon not
// look. It is said each time, though, since an address may have been forgotten.
func (e *exam) judgeServers() {
	for _, backend := range e.backends() {
		s := e.servers[backend]
		if s.State == Fails && e.report.Interrupted {
			continue // it was not given the time
		}
		if s.State != Answers {
			grade := Broken
			if s.State == NotConfigured {
				grade = Weak
			}
			e.find(Finding{
				Kind: KindBackend, Grade: grade, Statement: fmt.Sprintf("%s %s: %s", backend.Name(), stateWords[s.State], lost[backend]),
				Mends: mendIf(s.Hint != "", Mend{Where: "obs", Text: s.Hint}),
			})
			continue
		}
		if s.SkewSeconds != nil && seconds(*s.SkewSeconds).Abs() > tolerableSkew {
			side := "ahead of"
			if *s.SkewSeconds < 0 {
				side = "behind"
			}
			e.find(Finding{
				Kind: KindSkew, Grade: Weak,
				Statement: fmt.Sprintf("the clock of %s is %s %s this machine's: windows that end now miss what happens, or end in nothing", backend.Name(), correlate.Seconds(seconds(*s.SkewSeconds).Abs().Seconds()), side),
				Evidence:  []correlate.Evidence{{Backend: backend, Query: "the Date header of its answer", Values: []correlate.Value{{Name: "ahead", Value: *s.SkewSeconds, Unit: "seconds"}}}},
				Mends:     []Mend{mendClock},
			})
		}
		e.judgeArrival(s)
	}
}

// judgeArrival finds backends that nothing arrives at, or things from the future.
func (e *exam) judgeArrival(s *Server) {
	window := e.options.Window
	switch {
	case !e.arrives(s.Backend):
		statement := fmt.Sprintf("no %s arrive at %s: it has none in %s", things[s.Backend], s.Backend.Name(), window)
		if s.ReachSeconds > 0 {
			statement += fmt.Sprintf(", but some of %s ago", Age(seconds(s.ReachSeconds)))
		}
		e.find(Finding{
			Kind: KindStale, Grade: Broken, Statement: statement,
			Evidence: []correlate.Evidence{{Backend: s.Backend, Query: e.probeQuery(s.Backend), Window: window}},
			Mends:    []Mend{mendStale[s.Backend]},
		})
	case s.Newest.After(e.options.Now.Add(tolerableSkew)):
		ahead := s.Newest.Sub(e.options.Now)
		e.find(Finding{
			Kind: KindFuture, Grade: Weak,
			Statement: fmt.Sprintf("the newest of the %s in %s is %s ahead of this machine's clock: what writes them has another time", things[s.Backend], s.Backend.Name(), correlate.Seconds(ahead.Seconds())),
			Evidence:  []correlate.Evidence{{Backend: s.Backend, Query: e.probeQuery(s.Backend), Window: window, Values: []correlate.Value{{Name: "ahead", Value: ahead.Seconds(), Unit: "seconds"}}}},
			Mends:     []Mend{mendClock},
		})
	}
}

// things are what a backend holds.
var things = map[sources.Backend]string{sources.Prometheus: "samples", sources.Jaeger: "traces", sources.Tempo: "traces", sources.Loki: "records"}

// probeQuery is a question that shows whether anything arrives.
func (e *exam) probeQuery(backend sources.Backend) string {
	switch backend {
	case sources.Prometheus:
		return "count(" + e.known() + ")"
	case sources.Loki:
		return e.anyRecord()
	}
	return e.anyTrace().String()
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// Age is how long ago something was, in its largest unit.
func Age(d time.Duration) string {
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%d d", int(d.Round(time.Hour).Hours()/24))
	case d >= time.Hour:
		return fmt.Sprintf("%d h", int(d.Round(time.Minute).Hours()))
	case d >= time.Minute:
		return fmt.Sprintf("%d min", int(d.Round(time.Second).Minutes()))
	}
	return fmt.Sprintf("%d s", max(0, int(d.Seconds())))
}
