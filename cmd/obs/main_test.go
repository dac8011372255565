package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"obs/docs/schema"
)

// TestMain makes this test binary the obs that scripts run, and lets no goroutine outlive
// the tests.
func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"obs": clocked})
}

// clocked is main with the clock of a script: it stands still at NOW, where that is set, but
// for the time that the program sleeps, which passes at once; with SHOWN it writes as to a
// terminal. What it writes is held against the published schemas.
func clocked() {
	w := system()
	var written bytes.Buffer
	if !w.shown {
		w.out = io.MultiWriter(w.out, &written)
	}
	w.shown = w.shown || os.Getenv("SHOWN") != ""
	if now, err := time.Parse(time.RFC3339, os.Getenv("NOW")); err == nil {
		w.now = func() time.Time { return now }
		w.sleep = func(_ context.Context, d time.Duration) { now = now.Add(d) }
	}
	status := run(os.Args[1:], w)
	if err := published(written.Bytes()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = exitUnpublished
	}
	os.Exit(status)
}

// exitUnpublished is the status of a run in a test whose JSON is not as published. The program
// has no such status.
const exitUnpublished = 99

// published holds what was written against the schema that it names. What names none, such as
// a text, is not looked at.
func published(written []byte) error {
	var named struct {
		Schema string `json:"schema"`
	}
	_ = json.Unmarshal(written, &named) // a text names nothing
	if named.Schema == "" {
		return nil
	}
	return schema.Validate(named.Schema, bytes.NewReader(written))
}

// endedAs is a run that wrote this, held against what is published.
func endedAs(stdout, stderr *bytes.Buffer, status int) ended {
	if err := published(stdout.Bytes()); err != nil {
		return ended{stdout.String(), err.Error(), exitUnpublished}
	}
	return ended{stdout.String(), stderr.String(), status}
}

type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	code := l.m.Run()
	http.DefaultClient.CloseIdleConnections()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

// noon is the moment that fixed clocks show: a Saturday.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// ended is a run of the program that came to its end.
type ended struct {
	stdout, stderr string
	status         int
}

// runAt runs the program in this process, piped, at a fixed moment and in an empty
// environment.
func runAt(ctx context.Context, now time.Time, args ...string) ended {
	var stdout, stderr bytes.Buffer
	status := runContext(ctx, args, world{
		out: &stdout, err: &stderr,
		getenv: func(string) string { return "" },
		now:    func() time.Time { return now },
	})
	return endedAs(&stdout, &stderr, status)
}

// refusing is an address that refuses connections. Its port belongs to one end of a
// connection, so that nothing else can come to listen on it during the test.
func refusing(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connection, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = connection.Close()
		_ = listener.Close()
	})
	return "http://" + connection.LocalAddr().String()
}
