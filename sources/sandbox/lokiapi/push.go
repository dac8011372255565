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

	"obs/sources"
	"obs/sources/sandbox/lokiapi/logql"
)

// maxPush bounds what is taken at once, as Loki's grpc_server_max_recv_msg_size does
// where nobody has set it.
const maxPush = 4 << 20

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// push takes records as JSON: {"streams":[{"stream":{…},"values":[["ns","line",{…}]]}]}.
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
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return badRequest("not supported by this server: records in another form than application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPush))
	if err != nil {
		return &logql.Error{Status: http.StatusRequestEntityTooLarge, Text: err.Error()}
	}
	if len(body) == 0 {
		return badRequest("EOF")
	}
	var request struct {
		Streams []struct {
			Stream sources.Labels      `json:"stream"`
			Values [][]json.RawMessage `json:"values"`
		} `json:"streams"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return badRequest("%v", err)
	}
	if len(request.Streams) == 0 {
		return &logql.Error{Status: http.StatusUnprocessableEntity, Text: "error at least one valid stream is required for ingestion"}
	}
	records := make([][]pushed, len(request.Streams))
	for i, stream := range request.Streams {
		if len(stream.Stream) == 0 {
			return badRequest("error at least one label pair is required per stream")
		}
		for name := range stream.Stream {
			if !labelName.MatchString(name) {
				return badRequest("couldn't parse labels: parse error: %q cannot be the name of a label", name)
			}
		}
		for _, value := range stream.Values {
			record, err := readPushed(value)
			if err != nil {
				return err
			}
			records[i] = append(records[i], record)
		}
	}
	for i, stream := range request.Streams {
		add := s.store.Appender(stream.Stream)
		for _, record := range records[i] {
			add(record.at, record.line, record.metadata)
		}
	}
	return nil
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
