package redact_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"obs/sources/redact"
)

const token = "q7XhP2mZ9rT4wK8vB1nD" // of no issuer

func TestText(t *testing.T) {
	jwt := "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2lnbmF0dXJlLXNpZw"
	for text, want := range map[string]string{
		`user=anna password=hunter2 ok`:                                                       `user=anna password=[redacted] ok`,
		`{"password":"hunter2","n":1}`:                                                        `{"password":"[redacted]","n":1}`,
		`{"line":"{\"db_password\": \"hunter2\"}"}`:                                           `{"line":"{\"db_password\": \"[redacted]\"}"}`,
		`Authorization: Bearer ` + token:                                                      `Authorization: Bearer [redacted]`,
		`authorization="Basic YW5uYTpodW50ZXIyMQ=="`:                                          `authorization="Basic [redacted]"`,
		`GET /pay?api_key=` + token + `&n=2`:                                                  `GET /pay?api_key=[redacted]&n=2`,
		`url=https://x/?password=hunter2`:                                                     `url=https://x/?password=[redacted]`,
		`postgres://app:s3cret@db:5432/shop`:                                                  `postgres://app:[redacted]@db:5432/shop`,
		`session ` + jwt + ` ended`:                                                           `session [redacted] ended`,
		`key AKIAIOSFODNN7EXAMPLE`:                                                            `key [redacted]`,
		`-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc"`:                                         `-----BEGIN RSA PRIVATE KEY-----[redacted]"`,
		`{"key":"db.password","value":{"stringValue":"x1y2"}}`:                                `{"key":"db.password","value":{"stringValue":"[redacted]"}}`,
		`{"key":"api_key","type":"string","value":"` + token + `"}`:                           `{"key":"api_key","type":"string","value":"[redacted]"}`,
		`{"key":"http.request.header.authorization","value":{"stringValue":"` + token + `"}}`: `{"key":"http.request.header.authorization","value":{"stringValue":"[redacted]"}}`,
		// Words about secrets, and what is none.
		`password=invalid`:                          `password=invalid`,
		`wrong password: try again`:                 `wrong password: try again`,
		`PWD=/home/app`:                             `PWD=/home/app`,
		`token_count=1234`:                          `token_count=1234`,
		`trace_id=4bf92f3577b34da6a3ce929d0e0e4736`: `trace_id=4bf92f3577b34da6a3ce929d0e0e4736`,
		`password_command: "pass show db"`:          `password_command: "pass show db"`,
		`token_file=/etc/obs/token-4711-4711`:       `token_file=/etc/obs/token-4711-4711`,
		`password=******`:                           `password=******`,
		`secret_key=changed`:                        `secret_key=changed`,
		`the bearer of news`:                        `the bearer of news`,
		`order 4111111111111111`:                    `order 4111111111111111`,
	} {
		got := redact.Text(text)
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
		if again := redact.Text(got); again != got {
			t.Errorf("%s: redacted again it is %s", got, again)
		}
	}
}

func TestField(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"password", "hunter2", redact.Mark},
		{"DB_PASSWORD", "hunter2", redact.Mark},
		{"http.request.header.cookie", "session=" + token, redact.Mark},
		{"x-api-key", token, redact.Mark},
		{"message", "password=hunter2", "password=" + redact.Mark},
		{"token", "next", "next"},
		{"http.route", "/token", "/token"},
		{"url.full", "https://anna:hunter2@shop/", "https://anna:" + redact.Mark + "@shop/"},
	} {
		if got := redact.Field(c.name, c.value); got != c.want {
			t.Errorf("%s=%s: %s", c.name, c.value, got)
		}
	}
}

// parts are of what texts are drawn, so that secrets come up in all surroundings.
var parts = []string{
	"password", "token", "=", ": ", `"`, `\`, `\n`, "hunter2", token, "Bearer ", "https://a:", "secret7@db", " ", "&", "<", "é", "{", "}", ",", "auth", "[redacted]", "x",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2lnbmF0dXJl",
}

// JSON stays JSON, and what is redacted twice is as redacted once, so that a recording and
// what is read from it agree.
func TestRedactedStaysWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 1, 14).Draw(t, "line"), "")
		once := redact.Text(line)
		if again := redact.Text(once); again != once {
			t.Fatalf("%q\nonce  %q\ntwice %q", line, once, again)
		}
		text, err := json.Marshal(map[string]any{"values": []string{line}, "password": line})
		if err != nil {
			t.Fatal(err)
		}
		if masked := redact.Text(string(text)); !json.Valid([]byte(masked)) {
			t.Fatalf("%s\nis no JSON any more: %s", text, masked)
		}
	})
}

// What is passed over at a glance is what holds no hint.
func BenchmarkText(b *testing.B) {
	for name, text := range map[string]string{
		"nothing": strings.Repeat("GET /products/1234 200 10.0.0.7:8080 ", 4), "hints": strings.Repeat("autumn tokens ", 10), "secret": "user=anna password=hunter2 ok",
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				redact.Text(text)
			}
		})
	}
}
