package loki_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"obs/sources"
	"obs/sources/loki"
)

func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name, file, text string
		status           int
		kind             error
		detail, hint     string // parts of
	}{
		{name: "syntax", file: "error_parse.txt", status: 400, kind: sources.ErrBadQuery, detail: "parse error at line 1, col 16: syntax error: unexpected $end"},
		{name: "matchers", file: "error_matchers.txt", status: 400, kind: sources.ErrBadQuery, detail: "at least one regexp or equality matcher", hint: "service_name"},
		{name: "no tenant", file: "error_tenant.txt", status: 401, kind: sources.ErrRefused, detail: "no org id", hint: "it keeps tenants apart, and none was named"},
		{name: "too long", file: "error_length.txt", status: 400, kind: sources.ErrBadQuery, detail: "limit: 1d", hint: "shorter window"},
		{name: "too fine", file: "error_resolution.txt", status: 400, kind: sources.ErrBadQuery, detail: "11,000 points", hint: "longer step"},
		{name: "too many", file: "error_busy.txt", status: 429, kind: sources.ErrBusy, detail: "too many outstanding requests", hint: "queue"},
		{name: "too much", file: "error_limit.txt", status: 400, kind: sources.ErrBadQuery, detail: "100000 > 5000"},
		{name: "another server", file: "error_path.txt", status: 404, kind: sources.ErrNotThisAPI, detail: "404 page not found", hint: "is the address of loki's API"},
		{name: "gateway", text: `{"code":400,"status":"error","message":"parse error : unexpected $end"}`, status: 400, kind: sources.ErrBadQuery, detail: "parse error : unexpected $end"},
		{name: "broken", text: "rpc error: code = Unknown", status: 500, kind: sources.ErrServer, detail: "rpc error", hint: "log"},
		{name: "hostile", text: "no\x1b[2J " + strings.Repeat("x", 1<<16), status: 400, kind: sources.ErrBadQuery, detail: `no\x1b[2J xxx`},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, ledger := open(t, &canned{t: t, file: test.file, text: test.text, status: test.status})
			_, err := client.Records(t.Context(), lines, recorded, 10, true)
			mustFail(t, err, test.kind, test.status, test.detail, test.hint)
			mustList(t, ledger, lines, recorded, sources.QueryFailed, 0)
		})
	}
}

// With labels apart, Loki answers a query that cannot work as it does one that finds
// nothing. So a query that finds nothing is asked again without.
func TestQueriesThatCannotWorkAreNotEmpty(t *testing.T) {
	const invalid = lines + ` |~ "("`
	client, ledger := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Loki-Response-Encoding-Flags") != "" || r.FormValue("query") != invalid:
			_, _ = w.Write(read(t, "records_none.json"))
		default:
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write(read(t, "error_regexp.txt"))
		}
	}))
	_, err := client.Records(t.Context(), invalid, recorded, 10, false)
	mustFail(t, err, sources.ErrBadQuery, http.StatusBadRequest, "missing closing )", "")
	if answer, err := client.Records(t.Context(), lines, recorded, 10, false); err != nil || answer.Truncated {
		t.Errorf("a query that finds nothing: %v", err)
	}
	for i, q := range ledger.Queries() {
		w, status := recorded, sources.QueryEmpty
		if i%2 == 1 {
			w = window(recorded.From, 1)
		}
		if i == 1 {
			status = sources.QueryFailed
		}
		if q.Window != w || q.Status != status {
			t.Errorf("question %d: %+v", i, q)
		}
	}
}

// Where Loki stopped in a query is read off its message.
func TestWhereAQueryIsWrong(t *testing.T) {
	for text, want := range map[string][2]int{
		"parse error at line 2, col 41: syntax error: unexpected $end": {2, 41},
		"parse error : stage '|~': error parsing regexp":               {},
		"parse error at line 99999999999, col 1: no":                   {},
	} {
		client, _ := open(t, &canned{t: t, text: text, status: 400})
		_, err := client.Records(t.Context(), lines, recorded, 10, true)
		failure := (*sources.Error)(nil)
		if !errors.As(err, &failure) || failure.Line != want[0] || failure.Column != want[1] {
			t.Errorf("%s: %+v", text, failure)
		}
	}
}

func mustFail(t *testing.T, err, kind error, status int, detail, hint string) {
	t.Helper()
	failure := (*sources.Error)(nil)
	if !errors.As(err, &failure) || !errors.Is(err, kind) {
		t.Fatalf("got %v, want one that is %q", err, kind)
	}
	if failure.Status != status || !strings.Contains(failure.Detail, detail) || !strings.Contains(failure.Hint, hint) || len(failure.Detail) > 500 {
		t.Errorf("status %d, detail %q, hint %q; want %d, %q, %q", failure.Status, failure.Detail, failure.Hint, status, detail, hint)
	}
	if failure.Asked == "" || failure.Backend != sources.Loki {
		t.Errorf("asked %q of %s", failure.Asked, failure.Backend)
	}
}

// Servers that are old, or where nobody has switched it on, tell no fields and volumes.
func TestEndpointsThatAreMissing(t *testing.T) {
	for _, test := range []struct {
		name, file, detail, hint string
		call                     func(context.Context, *loki.Client) error
	}{
		{"fields", "error_path.txt", "404 page not found", "3.1", func(ctx context.Context, c *loki.Client) error {
			_, err := c.Fields(ctx, lines, recorded)
			return err
		}},
		{"volume", "error_volume.txt", "not found", "volume_enabled", func(ctx context.Context, c *loki.Client) error {
			_, err := c.Volume(ctx, lines, nil, recorded)
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, _ := open(t, &canned{t: t, file: test.file, status: 404})
			mustFail(t, test.call(t.Context(), client), sources.ErrNotFound, 404, test.detail, test.hint)
		})
	}
}

func TestEveryQuestionTellsAnotherAPI(t *testing.T) {
	for name, call := range map[string]func(context.Context, *loki.Client) error{
		"records": func(ctx context.Context, c *loki.Client) error {
			_, err := c.Records(ctx, lines, recorded, 10, false)
			return err
		},
		"instant": func(ctx context.Context, c *loki.Client) error {
			_, err := c.Instant(ctx, metric, recorded.To)
			return err
		},
		"range": func(ctx context.Context, c *loki.Client) error {
			_, err := c.Range(ctx, metric, recorded, recorded.Duration())
			return err
		},
		"labels": func(ctx context.Context, c *loki.Client) error {
			_, err := c.Labels(ctx, recorded)
			return err
		},
		"values": func(ctx context.Context, c *loki.Client) error {
			_, err := c.LabelValues(ctx, "a", recorded)
			return err
		},
		"streams": func(ctx context.Context, c *loki.Client) error {
			_, err := c.Streams(ctx, lines, recorded)
			return err
		},
		"fields": func(ctx context.Context, c *loki.Client) error {
			_, err := c.Fields(ctx, lines, recorded)
			return err
		},
		"volume": func(ctx context.Context, c *loki.Client) error {
			_, err := c.Volume(ctx, lines, nil, recorded)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, body := range []string{"<html>sign in</html>", "OK", "[]", ""} {
				client, _ := open(t, &canned{t: t, text: body})
				if err := call(t.Context(), client); !errors.Is(err, sources.ErrNotThisAPI) {
					t.Errorf("%q: %v", body, err)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			client, _ := open(t, http.NotFoundHandler())
			if err := call(ctx, client); !errors.Is(err, sources.ErrTimeout) || !sources.IsCancelled(err) {
				t.Errorf("cancelled: %v", err)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	for body, want := range map[string]string{
		"parse error":                         "",
		`{"message":"no"}`:                    "no",
		`{"status":"error","error":"no"}`:     "no",
		`{"error":{"code":1,"message":"no"}}`: "no",
		`{"detail":"no"}`:                     "no",
		`{"message":{"a":1},"detail":7}`:      "",
		`{"message":"\u001b[31mno"}`:          "\x1b[31mno", // cleaned by the transport
		`{"message":"no"`:                     "",
		`"no"`:                                "",
		"":                                    "",
		strings.Repeat(`{"message":`, 1<<20) + `"no"`: "",
	} {
		if got := loki.Explain(400, []byte(body)); got != want {
			t.Errorf("%.50s: %q, want %q", body, got, want)
		}
	}
}
