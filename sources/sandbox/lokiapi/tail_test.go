package lokiapi_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"obs/sources"
	"obs/sources/sandbox/lokiapi"
)

type tailFrame struct {
	Streams []struct {
		Stream sources.Labels `json:"stream"`
		Values [][]any        `json:"values"`
	} `json:"streams"`
	EncodingFlags []string `json:"encodingFlags"`
}

// dial opens a tail. The answer is there when it is a refusal.
func dial(t *testing.T, address, query, more string, header http.Header) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	target := strings.Replace(address, "http", "ws", 1) + "/loki/api/v1/tail?query=" + url.QueryEscape(query) + more
	connection, response, err := websocket.Dial(t.Context(), target, &websocket.DialOptions{HTTPHeader: header})
	if err == nil {
		t.Cleanup(func() { _ = connection.CloseNow() })
	}
	return connection, response, err
}

func readFrame(t *testing.T, c *websocket.Conn) (f tailFrame) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, text, err := c.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTail(t *testing.T) {
	store := lokiapi.NewStore()
	now := base.Add(time.Minute)
	server := httptest.NewServer(lokiapi.Handler(store, lokiapi.Options{Now: func() time.Time { return now }}))
	t.Cleanup(server.Close)
	add := store.Appender(sources.Labels{"service_name": "cart"})
	other := store.Appender(sources.Labels{"service_name": "other"})
	add(base, "before 1", sources.Labels{"m": "1"})
	add(base.Add(1), "before 2", nil)

	connection, _, err := dial(t, server.URL, `{service_name="cart"} |= "e" | label_format a="b"`, "", apart)
	if err != nil {
		t.Fatal(err)
	}
	first := readFrame(t, connection)
	if len(first.Streams) != 1 || len(first.Streams[0].Values) != 2 || first.Streams[0].Values[0][1] != "before 1" || len(first.EncodingFlags) != 1 {
		t.Fatalf("%+v", first)
	}
	if meta := textOf(first.Streams[0].Values[0][2]); meta != `{"parsed":{"a":"b"},"structuredMetadata":{"detected_level":"unknown","m":"1"}}` {
		t.Error(meta)
	}
	// Late records are told of too, and what does not fit is not.
	add(base.Add(-time.Second), "late", nil)
	add(base.Add(time.Hour), "lin", nil)
	other(base.Add(time.Hour), "line", nil)
	add(base.Add(time.Hour), "line", sources.Labels{"m": "2"})
	next := readFrame(t, connection)
	if len(next.Streams) != 1 || len(next.Streams[0].Values) != 2 || next.Streams[0].Values[0][1] != "late" || next.Streams[0].Values[1][1] != "line" {
		t.Fatalf("%+v", next)
	}

	limited, _, err := dial(t, server.URL, `{service_name="cart"}`, "&limit=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if f := readFrame(t, limited); len(f.Streams) != 1 || f.Streams[0].Values[0][1] != "before 2" || f.Streams[0].Stream["detected_level"] != "unknown" || len(f.Streams[0].Values[0]) != 2 {
		t.Errorf("%+v", f)
	}
}

func TestTailRefusals(t *testing.T) {
	server := httptest.NewServer(lokiapi.Handler(lokiapi.NewStore(), lokiapi.Options{}))
	t.Cleanup(server.Close)
	for _, test := range []struct{ query, more, want string }{
		{"", "", "parse error : syntax error: unexpected $end"},
		{"{run=", "", "parse error at line 1, col 6: syntax error: unexpected $end, expecting STRING"},
		{`{run="x"}`, "&delay_for=9", "delay_for can't be greater than 5"},
		{`{run="x"}`, "&limit=x", `strconv.Atoi: parsing "x": invalid syntax`},
		{`{run="x"}`, "&start=x", `could not parse 'start' parameter: strconv.ParseInt: parsing "x": invalid syntax`},
		{`rate({run="x"}[1m])`, "", "only log selector is supported"},
	} {
		_, response, err := dial(t, server.URL, test.query, test.more, nil)
		if err == nil || response == nil || response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s%s: %v", test.query, test.more, err)
			continue
		}
		if body, _ := io.ReadAll(response.Body); string(body) != test.want {
			t.Errorf("%s%s: %s", test.query, test.more, body)
		}
	}
}
