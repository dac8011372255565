package sources

import "testing"

func TestWebAddress(t *testing.T) {
	for text, want := range map[string]string{
		"https://wiki.example/run?a={b}#c":  "https://wiki.example/run?a={b}#c",
		"HTTP://wiki.example/":              "HTTP://wiki.example/",
		"http://user:secret@wiki.example/x": "http://wiki.example/x",
		"javascript:alert(1)":               "",
		"https://a:b@c@wiki.example?x=@y":   "https://wiki.example?x=@y",
		`http://wiki.example\@evil.example`: `http://wiki.example\@evil.example`,
		"http://wiki.example/a\nb":          "http://wiki.example/a\nb",
		"http://wiki .example/":             "",
		"http://wiki\u202e.example/":        "",
		"http://user@":                      "",
		"java\nscript:alert(1)":             "",
		"http://":                           "",
		"http:relative":                     "",
		"//wiki.example":                    "",
		"wiki.example":                      "",
		"file:///etc/passwd":                "",
		" https://wiki.example":             "",
		"":                                  "",
	} {
		if got := WebAddress(text); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}
