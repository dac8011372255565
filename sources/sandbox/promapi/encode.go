package promapi

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// Results are encoded by hand, as answers of some 100,000 points are common. The form is
// that of https://prometheus.io/docs/prometheus/latest/querying/api/#expression-query-result-formats.

func appendValue(b []byte, value parser.Value) ([]byte, error) {
	switch v := value.(type) {
	case promql.Matrix:
		return appendList(b, v, func(b []byte, s promql.Series) []byte {
			b = appendLabels(append(b, `{"metric":`...), s.Metric)
			b = appendList(append(b, `,"values":`...), s.Floats, func(b []byte, p promql.FPoint) []byte {
				return appendPoint(b, p.T, p.F)
			})
			return append(b, '}')
		}), nil
	case promql.Vector:
		return appendList(b, v, func(b []byte, s promql.Sample) []byte {
			b = appendLabels(append(b, `{"metric":`...), s.Metric)
			b = appendPoint(append(b, `,"value":`...), s.T, s.F)
			return append(b, '}')
		}), nil
	case promql.Scalar:
		return appendPoint(b, v.T, v.V), nil
	case promql.String:
		b = appendMillis(append(b, '['), v.T)
		return append(appendText(append(b, ','), v.V), ']'), nil
	}
	return b, fmt.Errorf("a value of type %T", value)
}

func appendExemplars(b []byte, found []exemplar.QueryResult) []byte {
	return appendList(b, found, func(b []byte, q exemplar.QueryResult) []byte {
		b = appendLabels(append(b, `{"seriesLabels":`...), q.SeriesLabels)
		b = appendList(append(b, `,"exemplars":`...), q.Exemplars, func(b []byte, e exemplar.Exemplar) []byte {
			b = appendLabels(append(b, `{"labels":`...), e.Labels)
			b = appendNumber(append(b, `,"value":`...), e.Value)
			return append(appendMillis(append(b, `,"timestamp":`...), e.Ts), '}')
		})
		return append(b, '}')
	})
}

func appendList[T any](b []byte, all []T, one func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, v := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, v)
	}
	return append(b, ']')
}

func appendPoint(b []byte, t int64, v float64) []byte {
	b = appendMillis(append(b, '['), t)
	return append(appendNumber(append(b, ','), v), ']')
}

// appendMillis writes milliseconds as seconds with as many decimals as are needed.
func appendMillis(b []byte, t int64) []byte {
	size := uint64(t)
	if t < 0 {
		b, size = append(b, '-'), -size
	}
	b = strconv.AppendUint(b, size/1000, 10)
	if part := size % 1000; part != 0 {
		b = append(b, '.', byte('0'+part/100), byte('0'+part/10%10), byte('0'+part%10))
	}
	return b
}

// appendNumber writes a value as text, since JSON has neither NaN nor Inf; very large
// and very small ones with an exponent, as encoding/json has it.
func appendNumber(b []byte, v float64) []byte {
	b = append(b, '"')
	format := byte('f')
	if size := math.Abs(v); size != 0 && (size < 1e-6 || size >= 1e21) && !math.IsInf(v, 0) {
		format = 'e'
	}
	return append(strconv.AppendFloat(b, v, format, -1, 64), '"')
}

func appendLabels(b []byte, set labels.Labels) []byte {
	b = append(b, '{')
	first := true
	set.Range(func(l labels.Label) {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendText(append(appendText(b, l.Name), ':'), l.Value)
	})
	return append(b, '}')
}

// appendText writes a string; the common plain ones without asking encoding/json.
func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			quoted, err := json.Marshal(text)
			if err != nil { // of strings there is none
				return append(b, `""`...)
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), text...), '"')
}
