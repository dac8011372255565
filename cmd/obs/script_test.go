package main

import (
	"errors"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"obs/docs/schema"
)

// TestScripts runs the sessions in testdata/script against the program, with servers of
// every temper to talk to. Three commands are theirs: `exits STATUS COMMAND` runs a command
// that must end with exactly that status, `private FILE...` wants files that only their
// owner may read, and `validate FILE FORM` holds JSON against a published schema.
func TestScripts(t *testing.T) {
	silent, _ := silent(t)
	host := func(address string) string { return strings.TrimPrefix(address, "http://") }
	servers := map[string]string{
		"CLOSED":   refusing(t),
		"NOTHING":  answering(t, nothing),
		"INCIDENT": answering(t, incident),
		"ALERTING": answering(t, func(r *http.Request) answer {
			if r.URL.Path == "/api/v1/alerts" {
				return recordedAnswer(http.StatusOK, prometheusAnswers+"alerts.json")
			}
			if r.URL.Path == "/api/v1/rules" {
				return recordedAnswer(http.StatusOK, prometheusAnswers+"rules.json")
			}
			return nothing(r)
		}),
		"TELLING": answering(t, func(r *http.Request) answer {
			return recordedAnswer(http.StatusOK, "../../sources/alertmanager/testdata/"+path.Base(r.URL.Path)+".json")
		}),
		"SILENT":   silent,
		"WEBPAGE":  answering(t, always(recordedAnswer(http.StatusOK, jaegerAnswers+"page.html"))),
		"PLAIN404": answering(t, always(recordedAnswer(http.StatusNotFound, prometheusAnswers+"error_no_such_path.txt"))),
		"LOCKED":   answering(t, always(answer{status: http.StatusUnauthorized, body: "no token\n"})),
		"FORBIDS":  answering(t, always(answer{status: http.StatusForbidden, body: "not yours\n"})),
		"BROKEN":   answering(t, always(answer{status: http.StatusInternalServerError, body: "out of disk\n"})),
		"HOSTILE":  answering(t, always(answer{status: http.StatusInternalServerError, body: "red \x1b[31m and \u202eback"})),
		"BUSY":     answering(t, always(answer{status: http.StatusServiceUnavailable, body: "later", after: "3600"})),
		// Those that are reached with a password, by host and port alone.
		"TATTLER": host(answering(t, func(r *http.Request) answer {
			return answer{status: http.StatusUnauthorized, body: "http://ann:s3cret@here sent " + r.Header.Get("Authorization")}
		})),
		"KEYED": host(answering(t, func(r *http.Request) answer {
			if name, password, _ := r.BasicAuth(); name != "ann" || password != "s3cret" {
				return answer{status: http.StatusUnauthorized, body: "who is there?"}
			}
			return nothing(r)
		})),
	}
	named := moments()
	maps.Copy(servers, named)
	servers["NOW"] = named["TO"] // the clock of the program, see clocked
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			for name, address := range servers {
				env.Setenv(name, address)
			}
			env.Setenv("XDG_CACHE_HOME", env.WorkDir+"/.cache")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "private": private, "validate": validate},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var ended *exec.ExitError
		if !errors.As(err, &ended) {
			ts.Fatalf("%v", err)
		}
		got = ended.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func validate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: validate FILE FORM")
	}
	ts.Check(schema.Validate(args[1], strings.NewReader(ts.ReadFile(args[0]))))
}

func private(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: private FILE...")
	}
	for _, name := range args {
		info, err := os.Stat(ts.MkAbs(name))
		ts.Check(err)
		if mode := info.Mode().Perm(); mode != 0o600 {
			ts.Fatalf("%s has mode %o, want 600", name, mode)
		}
	}
}
