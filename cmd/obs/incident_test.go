package main

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

const incidentAnswers = "testdata/incident/"

// incident answers as the three backends did about an incident that record.sh made: it is
// told what a question is about by its words, so that it goes on answering when they are
// put in another way.
func incident(r *http.Request) answer {
	file := ""
	query := r.Form.Get("query")
	switch path := r.URL.Path; {
	case path == "/api/v1/label/__name__/values":
		file = "names.json"
	case path == "/api/v1/query" && strings.Contains(query, "max(count_over_time"):
		file = "interval.json"
	case path == "/api/v1/query" && strings.Contains(query, "last_over_time"):
		file = "services.json"
	case path == "/api/v1/query_range" && strings.Contains(query, "span_name"):
		file = "operations.json"
	case path == "/api/v1/query_range" && strings.Contains(query, "STATUS_CODE_ERROR"):
		file = "errors.json"
	case path == "/api/v1/query_range" && strings.Contains(query, "histogram_quantile"):
		file = "latency.json"
	case path == "/api/v1/query_range":
		file = "traffic.json"
	case path == "/api/v1/query_exemplars":
		file = "exemplars.json"
	case path == "/api/v1/series":
		file = "series.json"

	case path == "/api/v3/services":
		file = "traced.json"
	case strings.HasSuffix(path, "/"+moments()["TRACE"]), path == "/api/v3/traces" && r.Form.Has("query.duration_min"):
		file = "trace.json"

	case path == "/loki/api/v1/series":
		file = "streams.json"
	case path == "/loki/api/v1/query_range" && !strings.Contains(query, moments()["TRACE"]):
		// Loki's way to say that there is nothing is in the answers of nothing.
	case path == "/loki/api/v1/query_range" && strings.Contains(query, "|~"):
		file = "records_by_line.json"
	case path == "/loki/api/v1/query_range":
		file = "records_by_field.json"
	}
	if file == "" {
		return nothing(r)
	}
	return recordedAnswer(http.StatusOK, incidentAnswers+file)
}

// moments are the names that moments.txt gives to moments of the incident, and its trace.
func moments() map[string]string {
	text, err := os.ReadFile(incidentAnswers + "moments.txt")
	if err != nil {
		panic(err) // the test cannot go on, and is in no position to say so
	}
	named := map[string]string{}
	for _, line := range strings.Fields(string(text)) {
		name, value, _ := strings.Cut(line, "=")
		named[name] = value
	}
	return named
}

func TestIncidentIsNamed(t *testing.T) {
	for _, name := range []string{"FROM", "HALF", "TURN", "TO", "TRACE"} {
		if moments()[name] == "" {
			t.Errorf("moments.txt names no %s", name)
		}
	}
}
