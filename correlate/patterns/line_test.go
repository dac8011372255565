package patterns

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRead(t *testing.T) {
	tests := []struct {
		name, line, text string
		severity         Severity
	}{
		{"Go slog JSON", `{"time":"2026-11-21T14:00:00Z","level":"ERROR","msg":"charge failed","err":"EOF"}`, "charge failed", Error},
		{"JSON of zap, with a number for time", `{"level":"warn","ts":1763733600.1,"msg":"slow \"query\"\nof cart"}`, `slow "query"`, Warn},
		{"JSON of pino", `{"level":50,"time":1763733600000,"msg":"boom"}`, "boom", Error},
		{"JSON with the message behind an object", `{"a":{"msg":"inner","b":["}"]},"message":"outer"}`, "outer", Unstated},
		{"JSON of OTLP", `{"severity_text":"Fatal","body":"down"}`, "down", Fatal},
		{"JSON without a message", `{"user":"bob","took":12,"level":"info","path":"/a b","ok":true}`, "ok=true path=<*> took=12 user=bob", Info},
		{"JSON whose message is an object", `{"body":{"stringValue":"x"},"a":"b"}`, "a=b body=<*>", Unstated},
		{"Docker's wrapping", `{"log":"{\"level\":\"error\",\"msg\":\"no disk\"}\n","stream":"stderr"}`, "no disk", Error},
		{"wrapped again and again", `{"log":"{\"log\":\"{\\\"log\\\":\\\"x\\\"}\"}"}`, `{"log":"x"}`, Unstated},
		{"JSON that is none", `{"msg":"half`, `{"msg":"half`, Unstated},
		{"JSON with more behind it", `{"msg":"a"} trailing`, `{"msg":"a"} trailing`, Unstated},
		{"braces", "{not json} at all", "{not json} at all", Unstated},
		{"JSON without a value", `{"a":}`, `{"a":}`, Unstated},
		{"JSON of many fields", `{` + strings.Repeat(`"a":1,`, maxFields) + `"msg":"late"}`, strings.TrimSpace(strings.Repeat("a=1 ", maxFields)), Unstated},
		{"logfmt with text behind a quotation", `a=b msg="x"y`, `a=b msg="x"y`, Unstated},
		{"text with its level as a pair", `started level=warn in time`, `started level=warn in time`, Warn},
		{"an empty object", "{}", "{}", Unstated},
		{"logfmt", `ts=2026-11-21T14:00:00Z level=error caller=a.go:1 msg="disk \"a\" full" free=0`, `disk "a" full`, Error},
		{"logfmt without a message", `level=info status=ok component=db`, "component=db status=ok", Info},
		{"text with a pair", "user=bob logged in", "user=bob logged in", Unstated},
		{"a single pair", "count=3", "count=3", Unstated},
		{"log4j with a stack trace", "2026-11-21 14:00:00,123 ERROR [main] c.s.Cart - boom\njava.lang.NullPointerException\n\tat c.s.Cart.add(Cart.java:17)", "2026-11-21 14:00:00,123 ERROR [main] c.s.Cart - boom", Error},
		{"nginx error", `2026/11/21 14:00:00 [error] 31#31: *1 connect() failed`, `2026/11/21 14:00:00 [error] 31#31: *1 connect() failed`, Error},
		{"Python", "WARNING:root:disk is nearly full", "WARNING:root:disk is nearly full", Warn},
		{"klog", `E1121 14:00:00.000000       1 reflector.go:147] "Failed to watch" err="EOF"`, `E1121 14:00:00.000000 1 reflector.go:147] "Failed to watch" err="EOF"`, Error},
		{"a panic of Go", "panic: runtime error: index out of range [3] with length 2", "panic: runtime error: index out of range [3] with length 2", Fatal},
		{"a word that is no severity", "there was no error at all", "there was no error at all", Unstated},
		{"colors", "\x1b[31mERROR\x1b[0m it  broke\t now", "ERROR it broke now", Error},
		{"control characters and bytes that are no UTF-8", "a\x00b \xff\xfe c", "a b \uFFFD c", Unstated},
		{"blank lines first", "\n\n  hello\nworld", "hello", Unstated},
		{"nothing", "", "", Unstated},
		{"blanks", " \t\n ", "", Unstated},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Read(test.line)
			if got.Text != test.text || got.Severity != test.severity {
				t.Errorf("Read(%q)\n got %q, %q\nwant %q, %q", test.line, got.Text, got.Severity, test.text, test.severity)
			}
		})
	}
}

func TestReadOfLongLines(t *testing.T) {
	long := strings.Repeat("ä word ", 200_000)
	for _, line := range []string{
		long,
		`{"msg":"first","data":"` + long + `"}`,
		`{"msg":"first","data":["` + long + `"]}`,
		`level=info msg=first data="` + long + `"`,
		`{"data":"` + long + `","msg":"last"}`,
		`{"a":1,"data":"` + long + `","msg":"last"}`,
	} {
		got := Read(line).Text
		if len(got) > maxText || !utf8.ValidString(got) {
			t.Errorf("%.30q: a text of %d bytes", line, len(got))
		}
		if strings.Contains(line, "first") && got != "first" {
			t.Errorf("%.30q: %.60q, and the message stands before the cut", line, got)
		}
	}
}

func TestParseSeverity(t *testing.T) {
	for name, want := range map[string]Severity{
		"INFO": Info, "Information": Info, " warning ": Warn, "err": Error, "SEVERE": Error, "Critical": Fatal,
		"50": Error, "7": Unstated, "": Unstated, "none": Unstated, strings.Repeat("error", 1000): Unstated,
	} {
		if got := ParseSeverity(name); got != want {
			t.Errorf("ParseSeverity(%.20q) = %q, want %q", name, got, want)
		}
	}
	for s := Trace; s <= Fatal; s++ {
		if ParseSeverity(s.String()) != s {
			t.Errorf("%q is not read back", s)
		}
	}
	if got := Severity(-1).String() + Severity(99).String(); got != "" {
		t.Errorf("severities that are none read %q", got)
	}
}
