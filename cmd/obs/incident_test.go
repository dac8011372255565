package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"obs/correlate/survey"
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
		return answer{status: http.StatusOK, body: together(map[string]string{"2": "services.json", "3": "interval.json"})}
	case path == "/api/v1/query_range" && strings.HasPrefix(query, "label_replace("):
		// Nothing was recorded of what is asked together: HotROD has neither targets of its own
		// nor versions.
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

// together is the answer to questions that are asked in one query, of which each was recorded
// by itself: Prometheus puts the question's place among them on each series.
func together(files map[string]string) string {
	type series struct {
		Metric map[string]string `json:"metric"`
		Value  json.RawMessage   `json:"value"`
	}
	var whole struct {
		Status string `json:"status"`
		Data   struct {
			ResultType string   `json:"resultType"`
			Result     []series `json:"result"`
		} `json:"data"`
	}
	var all []series
	for _, part := range slices.Sorted(maps.Keys(files)) {
		text, err := os.ReadFile(incidentAnswers + files[part])
		if err == nil {
			whole.Data.Result = nil
			err = json.Unmarshal(text, &whole)
		}
		if err != nil {
			panic(err) // as below
		}
		for _, s := range whole.Data.Result {
			s.Metric[survey.PartLabel] = part
			all = append(all, s)
		}
	}
	whole.Data.Result = all
	body, err := json.Marshal(whole)
	if err != nil {
		panic(err)
	}
	return string(body)
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
