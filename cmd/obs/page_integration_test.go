//go:build integration

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// browsed runs a headless Chromium on a file, and returns the document as it then is, what it
// wrote to its console, and the addresses that it asked for.
func browsed(t *testing.T, path string, more ...string) (document, console string, asked []string) {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("the page is looked at in Chromium, which is not there: install the package chromium")
	}
	dir := t.TempDir()
	netLog := filepath.Join(dir, "net.json")
	args := append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
		// Whatever is asked for, by a page or by the browser itself, no host has an address.
		"--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND", "--user-data-dir=" + filepath.Join(dir, "profile"),
		"--enable-logging=stderr", "--log-net-log=" + netLog, "--virtual-time-budget=5000", "--dump-dom",
	}, append(more, "file://"+path)...)
	cmd := exec.CommandContext(t.Context(), program, args...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("Chromium: %v\n%s", err, said.String())
	}
	for line := range strings.Lines(said.String()) {
		if strings.Contains(line, "CONSOLE") {
			console += line
		}
	}
	log, err := os.ReadFile(netLog)
	if err != nil {
		t.Fatal(err)
	}
	// What the browser asks by itself, as for its own updates, has no origin.
	for _, found := range regexp.MustCompile(`"initiator":"([^"]*)".*?"url":"((?:https?|wss?|ftp)://[^"]*)"`).FindAllStringSubmatch(string(log), -1) {
		if found[1] != "not an origin" {
			asked = append(asked, found[2])
		}
	}
	return string(out), console, asked
}

// widths are those of a telephone and of a desk, in pixels.
var widths = []int{400, 1280}

// framed is a page that shows another in a frame of each width, and writes down how wide the
// content of each is, with everything unfolded too. It has the policy taken off the other, as
// it needs a script there.
func framed(t *testing.T, page string) (path string) {
	t.Helper()
	dir := t.TempDir()
	policy := regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`)
	const measure = `<script>addEventListener("load", () => {
  const wide = () => document.documentElement.scrollWidth;
  const folded = wide();
  for (const d of document.querySelectorAll("details")) d.open = true;
  parent.postMessage(folded + " " + wide() + " of " + innerWidth, "*");
})</script>`
	inner := strings.Replace(policy.ReplaceAllString(page, ""), "</body>", measure+"</body>", 1)
	outer := `<ul id="widths"></ul><script>addEventListener("message", e => {
  document.getElementById("widths").appendChild(document.createElement("li")).textContent = e.data })</script>`
	for _, width := range widths {
		outer += fmt.Sprintf(`<iframe src="inner.html" style="border:0;width:%dpx;height:2000px"></iframe>`, width)
	}
	for name, text := range map[string]string{"inner.html": inner, "outer.html": outer} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "outer.html")
}

// hostileCase is a saved case in which every service is called something that would act on a
// page, and every address is a script.
func hostileCase(t *testing.T, saved string) string {
	t.Helper()
	const name = `</style></svg><script>console.error("run")</script><img src=http://192.0.2.1/x onerror=alert(1)>"'{{.}}`
	quoted, err := json.Marshal(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range []string{"payment", "checkout", "gateway"} {
		saved = strings.ReplaceAll(saved, `"`+service+`"`, string(quoted))
	}
	return regexp.MustCompile(`"url": "[^"]*"`).ReplaceAllString(saved, `"url": "javascript:console.error('run')"`)
}

// The test of pages would notice one that asks for something, or fails.
func TestBrowserTells(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(path, []byte(`<img src="http://pages.example/x.png"><script>console.error("failed")</script>`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, console, asked := browsed(t, path)
	if !strings.Contains(console, "failed") || !slices.Contains(asked, "http://pages.example/x.png") {
		t.Errorf("it says %q, and asks for %q", console, asked)
	}
}

// A page is looked at as a person's browser shows it: nothing is asked of anybody, nothing is
// said on the console, and it fits on a telephone and on a desk.
func TestPageInABrowser(t *testing.T) {
	pages := map[string][]string{ // and the sections that each must have
		"latency": {"answers", "suspects", "anomalies", "timeline", "trace", "walk", "findings", "queries"},
		"errors":  {"answers", "suspects", "anomalies", "timeline", "trace", "findings", "queries"},
		"creep":   {"answers", "suspects", "anomalies", "findings", "queries"},
		"healthy": {"queries"},
		"trace":   {"trace", "queries"},
		"hostile": {"answers", "suspects", "anomalies", "trace", "findings"},
	}
	for name, sections := range pages {
		t.Run(name, func(t *testing.T) {
			var page string
			switch name {
			case "trace":
				page = runAt(t.Context(), theNoon, "open", "../../correlate/report/testdata/case-trace.json", "-o", "html").stdout
			case "hostile":
				saved := filepath.Join(t.TempDir(), "case.json")
				text := hostileCase(t, runAt(t.Context(), theNoon, "demo", "latency", "-o", "json").stdout)
				if err := os.WriteFile(saved, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				page = runAt(t.Context(), theNoon, "open", saved, "-o", "html").stdout
			default:
				page = runAt(t.Context(), theNoon, "demo", name, "-o", "html").stdout
			}
			path := filepath.Join(t.TempDir(), "page.html")
			if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
				t.Fatal(err)
			}
			document, console, asked := browsed(t, path)
			if console != "" || len(asked) > 0 {
				t.Errorf("it says %q, and asks for %q", console, asked)
			}
			for _, section := range sections {
				if !strings.Contains(document, `<section id="`+section+`">`) {
					t.Errorf("no section %s", section)
				}
			}
			if !strings.Contains(document, "</footer>") || strings.Contains(document, "<script") || strings.Contains(document, "<img") {
				t.Error("it is not whole, or has more elements than its own")
			}
			document, _, _ = browsed(t, framed(t, page))
			for _, width := range widths {
				if want := fmt.Sprintf(`<li>%d %d of %d</li>`, width, width, width); !strings.Contains(document, want) {
					t.Errorf("%s, want %s", regexp.MustCompile(`<li>[^<]* of [^<]*`).FindAllString(document, -1), want)
				}
			}
		})
	}
}
