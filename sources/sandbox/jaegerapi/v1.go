package jaegerapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"obs/sources"
)

var (
	errServiceRequired = errors.New("parameter 'service' is required")
	errDurations       = errors.New("'maxDuration' should be greater than 'minDuration'")
	errNoService       = errors.New("please provide at least one service name")
	errNoMetrics       = errors.New("metrics querying is currently disabled")
)

// envelope is what all answers of v1 come in.
type envelope struct {
	Data   any         `json:"data"`
	Total  int         `json:"total"`
	Limit  int         `json:"limit"`
	Offset int         `json:"offset"`
	Errors []problemV1 `json:"errors"`
}

type problemV1 struct {
	Code    int    `json:"code,omitempty"`
	Message string `json:"msg"`
	TraceID string `json:"traceID,omitempty"`
}

func (a *api) servicesV1(w http.ResponseWriter, p url.Values, _ string) {
	names := a.store.services()
	respondV1(w, p, envelope{Data: names, Total: len(names)})
}

func (a *api) operationsV1(w http.ResponseWriter, p url.Values, _ string) {
	type named struct {
		Name string       `json:"name"`
		Kind sources.Kind `json:"spanKind"`
	}
	service := p.Get("service")
	if service == "" {
		refuseV1(w, http.StatusBadRequest, errServiceRequired)
		return
	}
	list := []named{}
	for _, o := range a.store.operations(service, p.Get("spanKind")) {
		list = append(list, named{o.name, o.kind})
	}
	respondV1(w, p, envelope{Data: list, Total: len(list)})
}

// operationNames lists the names alone, each once.
func (a *api) operationNames(w http.ResponseWriter, p url.Values, segment string) {
	service, err := url.QueryUnescape(segment)
	if err != nil {
		service = ""
	}
	var names []string
	for _, o := range a.store.operations(service, "") {
		names = append(names, o.name)
	}
	names = slices.Compact(names)
	respondV1(w, p, envelope{Data: names, Total: len(names)})
}

func (a *api) searchV1(w http.ResponseWriter, p url.Values, _ string) {
	q, ids, err := a.searchParamsV1(p)
	if err != nil {
		refuseV1(w, http.StatusBadRequest, err)
		return
	}
	var traces []found
	var missing []problemV1
	if len(ids) == 0 {
		if traces, err = a.store.find(q); err != nil {
			refuseV1(w, http.StatusInternalServerError, err)
			return
		}
	}
	for _, id := range ids {
		if t, ok := a.store.trace(id); ok {
			traces = append(traces, t)
		} else {
			missing = append(missing, problemV1{Message: errTraceNotFound.Error(), TraceID: id.String()})
		}
	}
	respondV1(w, p, envelope{Data: tracesV1(traces, q.raw), Errors: missing})
}

// traceV1 checks the times that it is given, and takes no notice of them.
func (a *api) traceV1(w http.ResponseWriter, p url.Values, text string) {
	id, err := readID(text)
	if err == nil {
		_, err = moment(p, "start", time.Microsecond, a.now())
	}
	if err == nil {
		_, err = moment(p, "end", time.Microsecond, a.now())
	}
	var raw bool
	if err == nil {
		raw, err = truth(p, "raw")
	}
	if err != nil {
		refuseV1(w, http.StatusBadRequest, err)
		return
	}
	t, ok := a.store.trace(id)
	if !ok {
		refuseV1(w, http.StatusNotFound, errTraceNotFound)
		return
	}
	respondV1(w, p, envelope{Data: tracesV1([]found{t}, raw)})
}

// dependencies counts calls between services; a pair is in order of names.
func (a *api) dependencies(w http.ResponseWriter, p url.Values, _ string) {
	end, err := moment(p, "endTs", time.Millisecond, a.now())
	if err != nil {
		refuseV1(w, http.StatusBadRequest, err)
		return
	}
	back, err := duration(p, "lookback", milliseconds, defaultDependenciesBack)
	if err != nil {
		refuseV1(w, http.StatusBadRequest, err)
		return
	}
	counts, err := a.store.calls(end.Add(-back), end)
	if err != nil {
		refuseV1(w, http.StatusInternalServerError, err)
		return
	}
	type pair struct {
		Parent string `json:"parent"`
		Child  string `json:"child"`
		Calls  uint64 `json:"callCount"`
	}
	list := []pair{}
	for c, n := range counts {
		if service := p.Get("service"); service == "" || service == c.parent || service == c.child {
			list = append(list, pair{c.parent, c.child, n})
		}
	}
	slices.SortFunc(list, func(a, b pair) int {
		return slices.Compare([]string{a.Parent, a.Child}, []string{b.Parent, b.Child})
	})
	respondV1(w, p, envelope{Data: list})
}

// metrics are refused, as by a server that has no metrics storage.
func (a *api) metrics(w http.ResponseWriter, p url.Values, name string) {
	if name == "latencies" {
		if _, err := strconv.ParseFloat(p.Get("quantile"), 64); err != nil {
			refuseV1(w, http.StatusBadRequest, unable("quantile", err))
			return
		}
	}
	if name != "minstep" && !p.Has("service") {
		refuseV1(w, http.StatusBadRequest, unable("service", errNoService))
		return
	}
	refuseV1(w, http.StatusNotImplemented, errNoMetrics)
}

func respondV1(w http.ResponseWriter, p url.Values, answer envelope) {
	body, err := json.Marshal(answer)
	if pretty := p.Get("prettyPrint"); err == nil && pretty != "" && pretty != "false" {
		body, err = json.MarshalIndent(answer, "", "    ")
	}
	if err != nil {
		refuseV1(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // a client that went away wants no answer
}

func refuseV1(w http.ResponseWriter, status int, err error) {
	body, _ := json.Marshal(envelope{Errors: []problemV1{{Code: status, Message: err.Error()}}}) // cannot fail
	http.Error(w, string(body), status)
}
