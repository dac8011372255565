package lokiapi

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"obs/sources/sandbox/lokiapi/logql"
)

// answer is what most endpoints send.
type answer struct {
	Status string `json:"status"`
	Data   any    `json:"data,omitempty"`
}

func success(data any) answer { return answer{Status: "success", Data: data} }

type resultData struct {
	ResultType    string      `json:"resultType"`
	EncodingFlags []string    `json:"encodingFlags,omitempty"`
	Result        any         `json:"result"`
	Stats         *statistics `json:"stats,omitempty"`
}

type statistics struct {
	Summary struct {
		ExecTime             float64 `json:"execTime"`
		TotalEntriesReturned int     `json:"totalEntriesReturned"`
	} `json:"summary"`
}

func (r *request) statistics(entries int) *statistics {
	s := &statistics{}
	s.Summary.ExecTime = time.Since(r.began).Seconds()
	s.Summary.TotalEntriesReturned = entries
	return s
}

func (s *server) query(r *request) (any, error) {
	at, err := moment(r.params.Get("time"), r.now)
	if err != nil {
		return nil, err
	}
	if _, err := r.number("limit", 100); err != nil {
		return nil, err
	}
	e, err := logql.Parse(r.params.Get("query"))
	if err != nil {
		return nil, err
	}
	if _, lines := e.(*logql.LogQuery); lines {
		return nil, badRequest("log queries are not supported as an instant query type, please change your query to a range query type")
	}
	m, err := logql.Evaluate(r.Context(), s.store, e, logql.MetricParams{From: at.UnixNano(), To: at.UnixNano(), MaxSeries: s.MaxSeries})
	if err != nil {
		return nil, err
	}
	if m.IsScalar {
		return success(resultData{ResultType: "scalar", Result: point{at.UnixNano(), m.Scalar}, Stats: r.statistics(1)}), nil
	}
	result := make([]vectorSample, len(m.Series))
	for i, series := range m.Series {
		result[i] = vectorSample{Metric: labelSet(series.Labels), Value: point(series.Points[0])}
	}
	return success(resultData{ResultType: "vector", Result: result, Stats: r.statistics(len(result))}), nil
}

func (s *server) queryRange(r *request) (any, error) {
	limit, err := r.lines("limit", 100)
	if err != nil {
		return nil, err
	}
	forward := false
	switch direction := r.params.Get("direction"); strings.ToLower(direction) {
	case "", "backward":
	case "forward":
		forward = true
	default:
		return nil, badRequest("invalid direction '%s'", direction)
	}
	from, to, err := r.window(time.Hour)
	if err != nil {
		return nil, err
	}
	if to.Before(from) {
		return nil, badRequest("end timestamp must not be before or equal to start time")
	}
	step, err := r.step(from, to)
	if err != nil {
		return nil, err
	}
	interval, err := r.span("interval", 0)
	if err != nil {
		return nil, err
	}
	e, err := logql.Parse(r.params.Get("query"))
	if err != nil {
		return nil, err
	}
	q, ok := e.(*logql.LogQuery)
	if !ok {
		return s.matrix(r, e, from, to, step)
	}
	lines, err := logql.Lines(r.Context(), s.store, q, logql.LineParams{
		From: from.UnixNano(), To: to.UnixNano(), Limit: limit, Forward: forward, Interval: int64(interval),
	})
	apart := categorized(r.Header)
	if refusal := (*logql.Error)(nil); errors.As(err, &refusal) && apart {
		// What is wrong with a stage is not told to those who want labels apart.
		lines, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	data := resultData{ResultType: "streams", Result: groupLines(lines, apart), Stats: r.statistics(len(lines))}
	if apart {
		data.EncodingFlags = []string{"categorize-labels"}
	}
	return success(data), nil
}

// matrix evaluates at the multiples of step that the window touches, as Loki does
// wherever it splits queries.
func (s *server) matrix(r *request, e logql.Expr, from, to time.Time, step time.Duration) (any, error) {
	p := logql.MetricParams{From: align(from.UnixNano(), int64(step)), To: to.UnixNano(), Step: int64(step), MaxSeries: s.MaxSeries}
	if last := align(p.To, p.Step); last < p.To {
		p.To = last + p.Step
	}
	m, err := logql.Evaluate(r.Context(), s.store, e, p)
	if err != nil {
		return nil, err
	}
	result := make([]matrixSeries, len(m.Series))
	for i, series := range m.Series {
		result[i] = matrixSeries{Metric: labelSet(series.Labels), Values: points(series.Points)}
	}
	return success(resultData{ResultType: "matrix", Result: result, Stats: r.statistics(len(result))}), nil
}

// align is the last multiple of step that is not after t.
func align(t, step int64) int64 {
	over := t % step
	if over < 0 {
		over += step
	}
	return t - over
}

type vectorSample struct {
	Metric labelSet `json:"metric"`
	Value  point    `json:"value"`
}

type matrixSeries struct {
	Metric labelSet `json:"metric"`
	Values points   `json:"values"`
}

type points []logql.Point

func (p points) MarshalJSON() ([]byte, error) {
	out := []byte{'['}
	for i, one := range p {
		if i > 0 {
			out = append(out, ',')
		}
		out = point(one).append(out)
	}
	return append(out, ']'), nil
}

// point is written as [seconds, "value"], to the millisecond.
type point logql.Point

func (p point) MarshalJSON() ([]byte, error) { return p.append(nil), nil }

func (p point) append(out []byte) []byte {
	milliseconds := p.Time / int64(time.Millisecond)
	out = append(out, '[')
	out = strconv.AppendFloat(out, float64(milliseconds)/1000, 'f', -1, 64)
	out = append(out, `,"`...)
	out = strconv.AppendFloat(out, p.Value, 'f', -1, 64)
	return append(out, `"]`...)
}

// labelSet is written as an object.
type labelSet logql.Labels

func (l labelSet) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, label := range l {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendText(out, label.Name), ':')
		out = appendText(out, label.Value)
	}
	return append(out, '}'), nil
}

// appendText writes a string of JSON. Bytes that are not UTF-8 become U+FFFD.
func appendText(out []byte, text string) []byte {
	encoded, err := json.Marshal(text)
	if err != nil {
		return append(out, `""`...)
	}
	return append(out, encoded...)
}

// lineStream is some lines with equal labels.
type lineStream struct {
	Stream labelSet `json:"stream"`
	Values lines    `json:"values"`

	key string
}

type lines struct {
	list  []logql.Line
	apart bool
}

func (l lines) MarshalJSON() ([]byte, error) {
	out := []byte{'['}
	for i, line := range l.list {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, `["`...)
		out = strconv.AppendInt(out, line.Time, 10)
		out = append(out, `",`...)
		out = appendText(out, line.Text)
		if l.apart {
			out = append(out, `,{`...)
			for _, part := range []struct {
				name   string
				labels logql.Labels
			}{{`"structuredMetadata":`, line.Metadata}, {`"parsed":`, line.Parsed}} {
				if len(part.labels) == 0 {
					continue
				}
				if out[len(out)-1] != '{' {
					out = append(out, ',')
				}
				text, _ := labelSet(part.labels).MarshalJSON() // never fails
				out = append(append(out, part.name...), text...)
			}
			out = append(out, '}')
		}
		out = append(out, ']')
	}
	return append(out, ']'), nil
}

// groupLines puts lines with equal labels together, in order of the labels.
func groupLines(found []logql.Line, apart bool) []lineStream {
	groups := []lineStream{}
	place := map[string]int{}
	for _, line := range found {
		labels := line.Stream
		if !apart {
			labels = line.All()
		}
		key := labels.Key()
		i, known := place[key]
		if !known {
			i = len(groups)
			place[key] = i
			groups = append(groups, lineStream{Stream: labelSet(labels), Values: lines{apart: apart}, key: key})
		}
		groups[i].Values.list = append(groups[i].Values.list, line)
	}
	sortStreams(groups)
	return groups
}
