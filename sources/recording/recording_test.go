package recording_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"obs/sources"
	"obs/sources/recording"
	"obs/sources/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "s3cret-of-the-run"

// answers are a server's, one for each way in which an attempt can go.
func answers(elsewhere string) http.Handler {
	mux := http.NewServeMux()
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Set-Cookie", "session=abc")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		_, _ = fmt.Fprintf(w, `{"asked":%q,"password":"hunter2"}`, r.Form.Get("query"))
	})
	mux.HandleFunc("/refused", text(http.StatusUnauthorized, `who is `+password+`?`))
	mux.HandleFunc("/missing", text(http.StatusNotFound, `no such thing`))
	mux.HandleFunc("/broken", text(http.StatusInternalServerError, `the disk is full`))
	mux.HandleFunc("/binary", text(http.StatusOK, "\x00\xff\x01"))
	mux.HandleFunc("/large", text(http.StatusOK, strings.Repeat("x", 3000)))
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>log in") })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere+"/refused", http.StatusTemporaryRedirect)
	})
	busy := 0
	mux.HandleFunc("/busy", func(w http.ResponseWriter, _ *http.Request) {
		if busy++; busy == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "at last")
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "only this")
	})
	return mux
}

func open(t *testing.T, address string, tape transport.Tape, access transport.Access) *transport.Client {
	t.Helper()
	client, err := transport.New(transport.Options{
		Backend: sources.Loki, URL: address + "/prefix", Origin: "LOKI_URL", Access: access, MaxBytes: 2000, Retries: 1, Tape: tape,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// outcome is all that a caller sees of an answer.
func outcome(client *transport.Client, method, path string) string {
	ctx := context.Background()
	request, err := http.NewRequestWithContext(ctx, method, client.URL(path, url.Values{"step": {"15"}}).String(), nil)
	if method == http.MethodPost {
		request, err = http.NewRequestWithContext(ctx, method, client.URL(path, nil).String(), strings.NewReader(url.Values{"query": {"up"}}.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if err != nil {
		return err.Error()
	}
	response, body, err := client.Do(request)
	text := fmt.Sprintf("%q", body)
	if response != nil {
		text += fmt.Sprintf(" %d %q %q", response.StatusCode, response.Header.Get("Content-Type"), response.Header.Get("Date"))
	}
	if failure := (*sources.Error)(nil); errors.As(err, &failure) {
		text += fmt.Sprintf(" %v %d %s %s", failure, failure.Status, failure.Hint, failure.Kind)
	}
	return text
}

// What a run saw of its servers, another sees of the recording, when they are gone.
func TestReplay(t *testing.T) {
	elsewhere := httptest.NewServer(http.StripPrefix("/prefix", answers("")))
	server := httptest.NewServer(http.StripPrefix("/prefix", answers(strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1)+"/prefix")))
	recorder := &recording.Recorder{}
	ways := []struct{ method, path string }{
		{http.MethodGet, "/ok"}, {http.MethodPost, "/ok"}, {http.MethodGet, "/refused"}, {http.MethodGet, "/missing"}, {http.MethodGet, "/broken"}, {http.MethodGet, "/binary"},
		{http.MethodGet, "/large"}, {http.MethodGet, "/page"}, {http.MethodGet, "/away"}, {http.MethodGet, "/busy"}, {http.MethodGet, "/cut"},
	}
	client := open(t, server.URL, recorder, transport.Basic("anna", password))
	var saw []string
	for _, w := range ways {
		saw = append(saw, outcome(client, w.method, w.path))
	}
	server.Close()
	elsewhere.Close()
	saw = append(saw, outcome(client, http.MethodGet, "/gone"))
	ways = append(ways, struct{ method, path string }{http.MethodGet, "/gone"})

	for _, compressed := range []bool{false, true} {
		var file bytes.Buffer
		if err := recorder.Recording(recording.Head{Command: "triage"}, nil).Write(&file, compressed); err != nil {
			t.Fatal(err)
		}
		if !compressed {
			for _, secret := range []string{password, "hunter2", "Authorization", "session=abc", "YW5uYTp"} {
				if strings.Contains(file.String(), secret) {
					t.Errorf("the recording holds %s", secret)
				}
			}
		}
		read, err := recording.Read(iotest.OneByteReader(&file))
		if err != nil {
			t.Fatal(err)
		}
		player := recording.NewPlayer(read)
		client := open(t, server.URL, player, transport.Access{})
		for i, w := range ways {
			want := strings.ReplaceAll(saw[i], "hunter2", "[redacted]")
			if got := outcome(client, w.method, w.path); got != want {
				t.Errorf("%s %s, compressed %t\n got %s\nwant %s", w.method, w.path, compressed, got, want)
			}
		}
		if player.Unknown() != 0 {
			t.Errorf("%d requests were not found", player.Unknown())
		}
		if got := outcome(client, http.MethodGet, "/other"); !strings.Contains(got, "does not hold this question") || player.Unknown() != 1 {
			t.Errorf("what was not asked: %s", got)
		}
	}
}

// A question that the run did not wait for is not answered to another, which does not wait for
// it either.
func TestReplayOfWhatWasLeft(t *testing.T) {
	left := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(left)
		<-r.Context().Done()
	}))
	defer server.Close()
	recorder := &recording.Recorder{}
	run := func(tape transport.Tape, leave func(cancel func())) error {
		client := open(t, server.URL, tape, transport.Access{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go leave(cancel)
		_, err := client.Get(ctx, "/slow", nil, nil)
		return err
	}
	first := run(recorder, func(cancel func()) { <-left; cancel() })
	second := run(recording.NewPlayer(recorder.Recording(recording.Head{}, nil)), func(cancel func()) { cancel() })
	if first == nil || second == nil || first.Error() != second.Error() || !sources.IsCancelled(second) {
		t.Errorf("first %v\nthen  %v", first, second)
	}
}

// The ledger of a replay is that of the run, in whatever order its questions come.
func TestQueries(t *testing.T) {
	at := time.Unix(1000, 0)
	window := sources.Window{From: at.Add(-time.Hour), To: at}
	queries := []sources.Query{
		{Backend: sources.Loki, Text: `{app="a"}`, Window: window, Status: sources.QueryOK, Duration: 123456789 * time.Nanosecond, Bytes: 10, Records: 2, Attempts: 1},
		{Backend: sources.Prometheus, Text: "up", Window: window, Status: sources.QueryFailed, Error: "no", Duration: time.Second, Attempts: 3},
		{Backend: sources.Loki, Text: `{app="a"}`, Window: window, Status: sources.QueryEmpty, Duration: time.Minute, Partial: "half"},
	}
	var file bytes.Buffer
	if err := new(recording.Recorder).Recording(recording.Head{}, queries).Write(&file, false); err != nil {
		t.Fatal(err)
	}
	read, err := recording.Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	ledger := &sources.Ledger{Now: func() time.Time { return at }, Play: recording.NewPlayer(read).Query}
	for _, i := range []int{1, 0, 2} {
		_, call := ledger.Start(t.Context(), queries[i].Backend, queries[i].Text, queries[i].Window)
		call.End(7, nil)
	}
	_, other := ledger.Start(t.Context(), sources.Jaeger, "GET /", sources.Window{})
	other.End(1, nil)
	got := ledger.Queries()
	if len(got) != 4 || got[3].Text != "GET /" || got[3].Records != 1 {
		t.Fatalf("%+v", got)
	}
	for i, want := range queries {
		if got[i].Started = want.Started; got[i] != want {
			t.Errorf("query %d\n got %+v\nwant %+v", i, got[i], want)
		}
	}
}

func TestReadMistakes(t *testing.T) {
	var whole bytes.Buffer
	if err := new(recording.Recorder).Recording(recording.Head{Command: "triage"}, []sources.Query{{Text: "up"}}).Write(&whole, true); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nothing": "", "a case": `{"schema":"obs.case/v1"}`, "no JSON": "hello", "a list": `[1]`, "a newer one": `{"schema":"obs.recording/v9"}`,
		"cut off":         whole.String()[:whole.Len()-10],
		"a line of junk":  `{"schema":"obs.recording/v1"}` + "\nwhat",
		"half compressed": "\x1f\x8bzzz",
	} {
		if _, err := recording.Read(strings.NewReader(text)); !errors.Is(err, recording.ErrNoRecording) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
