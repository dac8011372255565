package loki

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"obs/sources"
)

// maxVolumes is how many label sets a volume is told for: volume_max_series where
// nobody has set it.
const maxVolumes = 1000

// Labels implements sources.Logs.
func (c *Client) Labels(ctx context.Context, w sources.Window) ([]string, error) {
	return c.names(ctx, "labels", w)
}

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// LabelValues implements sources.Logs. A label that no stream has has no values.
func (c *Client) LabelValues(ctx context.Context, label string, w sources.Window) ([]string, error) {
	if !labelName.MatchString(label) {
		return nil, c.client.Failure(ctx, sources.ErrBadQuery, fmt.Errorf("%.100q cannot be the name of a label", label))
	}
	return c.names(ctx, "label/"+label+"/values", w)
}

func (c *Client) names(ctx context.Context, endpoint string, w sources.Window) (names []string, err error) {
	err = c.ask(ctx, listing(endpoint, w), func(body []byte) (int, error) {
		names, _, err = decodeData[[]string](body)
		slices.Sort(names)
		return len(names), err
	})
	return names, err
}

// Streams implements sources.Logs, in order of the label sets' text.
func (c *Client) Streams(ctx context.Context, selector string, w sources.Window) (streams []sources.Labels, err error) {
	q := listing("series", w, "match[]", cmp.Or(selector, "{}"))
	err = c.ask(ctx, q, func(body []byte) (int, error) {
		streams, err = decodeStreams(body)
		return len(streams), err
	})
	return streams, err
}

func decodeStreams(body []byte) ([]sources.Labels, error) {
	all, _, err := decodeData[[]sources.Labels](body)
	byText := make(map[string]sources.Labels, len(all))
	for _, labels := range all {
		delete(labels, shardLabel)
		byText[labels.String()] = labels
	}
	var streams []sources.Labels
	for _, text := range slices.Sorted(maps.Keys(byText)) {
		streams = append(streams, byText[text])
	}
	return streams, err
}

// Fields implements sources.Logs, in order of name, from a look at 200 lines.
// Structured metadata counts as a field. A server that cannot tell is an error that is ErrNotFound.
func (c *Client) Fields(ctx context.Context, query string, w sources.Window) (fields []sources.Field, err error) {
	err = c.withLines(safeLines, func(lines int) error {
		q := listing("detected_fields", w, "query", query, "line_limit", strconv.Itoa(lines))
		q.missing = "Loki tells the fields of log lines from version 3.1 on: without it, name the field that holds the ID"
		return c.ask(ctx, q, func(body []byte) (int, error) {
			fields, err = decodeFields(body)
			return len(fields), err
		})
	})
	return fields, err
}

func decodeFields(body []byte) ([]sources.Field, error) {
	var answer struct {
		Fields []struct {
			Label       string   `json:"label"`
			Type        string   `json:"type"`
			Cardinality uint64   `json:"cardinality"`
			Parsers     []string `json:"parsers"`
		} `json:"fields"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	fields := make([]sources.Field, len(answer.Fields))
	for i, f := range answer.Fields {
		slices.Sort(f.Parsers)
		fields[i] = sources.Field{Name: f.Label, Type: f.Type, Cardinality: f.Cardinality, Parsers: f.Parsers}
	}
	slices.SortFunc(fields, func(a, b sources.Field) int { return cmp.Compare(a.Name, b.Name) })
	return fields, nil
}

// Volume implements sources.Logs, largest first, for at most 1,000 label sets. The
// bytes are the server's estimate, without any filter on lines. A server that cannot
// tell is an error that is ErrNotFound.
func (c *Client) Volume(ctx context.Context, selector string, by []string, w sources.Window) (volumes []sources.Volume, err error) {
	params := []string{"query", cmp.Or(selector, "{}"), "limit", strconv.Itoa(maxVolumes)}
	if len(by) > 0 {
		params = append(params, "targetLabels", strings.Join(by, ","))
	}
	q := listing("index/volume", w, params...)
	q.missing = "Loki tells volumes from version 2.9 on, where limits_config has volume_enabled: true"
	err = c.ask(ctx, q, func(body []byte) (int, error) {
		volumes, err = decodeVolumes(body)
		return len(volumes), err
	})
	return volumes, err
}

func decodeVolumes(body []byte) ([]sources.Volume, error) {
	answer, err := decodeSeries(body, time.Time{})
	if err != nil {
		return nil, err
	}
	var volumes []sources.Volume
	for _, series := range answer.Series {
		for _, s := range series.Samples {
			if !(s.Value >= 0 && s.Value < math.MaxInt64) {
				return nil, fmt.Errorf("%g is not a number of bytes", s.Value)
			}
			volumes = append(volumes, sources.Volume{Labels: series.Labels, Bytes: int64(s.Value)})
		}
	}
	slices.SortStableFunc(volumes, func(a, b sources.Volume) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return volumes, nil
}

// listing is the question for an endpoint with parameters as names and values. The
// ledger lists it as a person would write it, with the window beside it.
func listing(endpoint string, w sources.Window, params ...string) question {
	q := question{text: api + endpoint, window: w, endpoint: endpoint, params: windowParams(w)}
	separator := "?"
	for pair := range slices.Chunk(params, 2) {
		q.params.Set(pair[0], pair[1])
		q.text += separator + pair[0] + "=" + pair[1]
		separator = "&"
	}
	return q
}
