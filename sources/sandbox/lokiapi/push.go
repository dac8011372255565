package lokiapi

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/prometheus/promql/parser"

	"obs/sources"
	"obs/sources/sandbox/lokiapi/logql"
)

// maxPush bounds what is taken at once, as Loki's grpc_server_max_recv_msg_size does
// where nobody has set it.
const maxPush = 4 << 20

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// push takes records as JSON: {"streams":[{"stream":{…},"values":[["ns","line",{…}]]}]}, or as
// Loki's own clients send them, in snappy over protocol buffers.
// Nothing of it is kept when a part of it cannot be.
func (s *server) push(w http.ResponseWriter, r *http.Request) {
	err := s.take(w, r)
	refusal := (*logql.Error)(nil)
	switch {
	case errors.As(err, &refusal):
		// Unlike those of a query, these refusals end in a line feed.
		http.Error(w, refusal.Text, refusal.Status)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

type pushed struct {
	at       time.Time
	line     string
	metadata sources.Labels
}

func (s *server) take(w http.ResponseWriter, r *http.Request) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || (kind != "application/json" && kind != "application/x-protobuf") {
		return badRequest("not supported by this server: records in another form than application/json or application/x-protobuf")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPush))
	if err != nil {
		return &logql.Error{Status: http.StatusRequestEntityTooLarge, Text: err.Error()}
	}
	if len(body) == 0 {
		return badRequest("EOF")
	}
	read := readJSON
	if kind != "application/json" {
		read = readProtobuf
	}
	streams, err := read(body)
	if err != nil {
		return err
	}
	if len(streams) == 0 {
		return &logql.Error{Status: http.StatusUnprocessableEntity, Text: "error at least one valid stream is required for ingestion"}
	}
	for _, stream := range streams {
		if len(stream.labels) == 0 {
			return badRequest("error at least one label pair is required per stream")
		}
		for name := range stream.labels {
			if !labelName.MatchString(name) {
				return badRequest("couldn't parse labels: parse error: %q cannot be the name of a label", name)
			}
		}
	}
	for _, stream := range streams {
		add := s.store.Appender(stream.labels)
		for _, record := range stream.records {
			add(record.at, record.line, record.metadata)
		}
	}
	return nil
}

// pushedStream is one stream of a push.
type pushedStream struct {
	labels  sources.Labels
	records []pushed
}

func readJSON(body []byte) ([]pushedStream, error) {
	var request struct {
		Streams []struct {
			Stream sources.Labels      `json:"stream"`
			Values [][]json.RawMessage `json:"values"`
		} `json:"streams"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, badRequest("%v", err)
	}
	streams := make([]pushedStream, len(request.Streams))
	for i, stream := range request.Streams {
		streams[i].labels = stream.Stream
		for _, value := range stream.Values {
			record, err := readPushed(value)
			if err != nil {
				return nil, err
			}
			streams[i].records = append(streams[i].records, record)
		}
	}
	return streams, nil
}

func readProtobuf(body []byte) ([]pushedStream, error) {
	if size, err := snappy.DecodedLen(body); err != nil || size > maxPush {
		return nil, badRequest("the push is no snappy of at most %d bytes", maxPush)
	}
	plain, err := snappy.Decode(nil, body)
	if err != nil {
		return nil, badRequest("%v", err)
	}
	var request push.PushRequest
	if err := request.Unmarshal(plain); err != nil {
		return nil, badRequest("%v", err)
	}
	streams := make([]pushedStream, len(request.Streams))
	for i := range request.Streams {
		stream := &request.Streams[i]
		labels, err := parser.ParseMetric(stream.Labels)
		if err != nil {
			return nil, badRequest("couldn't parse labels: %v", err)
		}
		streams[i].labels = labels.Map()
		for _, entry := range stream.Entries {
			metadata := sources.Labels{}
			for _, pair := range entry.StructuredMetadata {
				metadata[pair.Name] = pair.Value
			}
			streams[i].records = append(streams[i].records, pushed{entry.Timestamp, entry.Line, metadata})
		}
	}
	return streams, nil
}

func readPushed(value []json.RawMessage) (record pushed, err error) {
	if len(value) < 2 {
		return record, badRequest("a value is a time, a line and, if there is any, metadata")
	}
	var text string
	if err := json.Unmarshal(value[0], &text); err != nil {
		return record, badRequest("%v", err)
	}
	nanoseconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return record, badRequest("%v", err)
	}
	record.at = time.Unix(0, nanoseconds)
	if err := json.Unmarshal(value[1], &record.line); err != nil {
		return record, badRequest("%v", err)
	}
	if len(value) > 2 {
		if err := json.Unmarshal(value[2], &record.metadata); err != nil {
			return record, badRequest("%v", err)
		}
	}
	return record, nil
}
