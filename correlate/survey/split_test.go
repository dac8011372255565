package survey_test

import (
	"maps"
	"slices"
	"testing"

	"obs/correlate/survey"
	"obs/sources"
)

func latencyOf(t *testing.T, metrics []string, probe []sources.Labels) survey.Question {
	t.Helper()
	questions, _ := survey.Recognise(metrics).Plan(probe)
	i := slices.IndexFunc(questions, func(q survey.Question) bool { return q.Signal == survey.Latency })
	if i < 0 {
		t.Fatal("nothing asks for latency")
	}
	return questions[i]
}

func TestRawSelectsTheSeriesBehindAQuestion(t *testing.T) {
	classic := latencyOf(t, []string{"http_server_request_duration_seconds_bucket"},
		rows("http_server_request_duration_seconds_count", sources.Labels{"service_name": "cart"}))
	native := latencyOf(t, []string{"http_server_request_duration_seconds"},
		rows("http_server_request_duration_seconds", sources.Labels{"service_name": "cart"}))
	gauges := survey.GuessGauges(rows("cpu_usage", sources.Labels{"service": "cart"}), nil)[0]
	for _, test := range []struct {
		question survey.Question
		labels   sources.Labels
		want     string
	}{
		{classic, sources.Labels{"service_name": `a"b`}, `http_server_request_duration_seconds_bucket{service_name="a\"b", le="+Inf"}`},
		{native, sources.Labels{"service_name": "cart"}, `http_server_request_duration_seconds{service_name="cart"}`},
		{gauges, sources.Labels{"service": "cart", "__name__": "cpu_usage"}, `{__name__="cpu_usage", service="cart"}`},
		{gauges, sources.Labels{"service": "cart"}, ""},
	} {
		got := test.question.Raw(test.labels)
		if got != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
		if got != "" {
			mustParse(t, got)
		}
	}
}

func TestSplitsComeInTheOrderOfAsking(t *testing.T) {
	got := survey.Splits([]string{"zz", "http_response_status_code", "le", "zone", "color", "http_route", "pod", "__name__", "version", "tenant_id"})
	want := []string{"version", "pod", "zone", "tenant_id", "http_route", "http_response_status_code", "color", "zz"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAnOperationIsFoundByItsRouteOrItsSpan(t *testing.T) {
	q := latencyOf(t, []string{"http_server_request_duration_seconds_bucket"},
		rows("http_server_request_duration_seconds_count", sources.Labels{"service_name": "cart"}))
	sets := []sources.Labels{
		{"http_route": "/cart", "http_request_method": "POST"}, {"http_route": "/cart", "http_request_method": "GET"}, {"http_route": "/plain"},
	}
	for operation, want := range map[string]sources.Labels{
		"/cart":       {"http_route": "/cart"},
		"GET /cart":   {"http_route": "/cart", "http_request_method": "GET"},
		"GET /plain":  {"http_route": "/plain"},
		"PUT /cart":   nil,
		"/nowhere":    nil,
		"":            nil,
		"cart.Add":    nil,
		"GET ":        nil,
		"get /cart":   {"http_route": "/cart", "http_request_method": "GET"},
		"GET /a /b c": nil,
	} {
		if got := q.Narrow(sets, operation); !maps.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%q is selected by %v, want %v", operation, got, want)
		}
	}
}
