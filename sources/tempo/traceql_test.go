package tempo

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"obs/sources"
)

func TestTraceQL(t *testing.T) {
	for _, test := range []struct {
		q    sources.TraceQuery
		want string
	}{
		{sources.TraceQuery{Service: "frontend"}, `{ resource.service.name = "frontend" }`},
		{
			sources.TraceQuery{Service: "frontend", Operation: "POST /api/orders", MinDuration: 1500 * time.Millisecond, MaxDuration: time.Minute},
			`{ resource.service.name = "frontend" && name = "POST /api/orders" && duration >= 1500ms && duration <= 1m }`,
		},
		{with(sources.Attribute{Key: "error", Value: "true"}), `{ resource.service.name = "a" && status = error }`},
		{with(sources.Attribute{Key: "span.kind", Value: "server"}), `{ resource.service.name = "a" && kind = server }`},
		{with(sources.Attribute{Key: "otel.status_code", Value: "ERROR"}), `{ resource.service.name = "a" && status = error }`},
		{
			with(sources.Attribute{Key: "http.status_code", Value: "500"}),
			`{ resource.service.name = "a" && (span.http.status_code = "500" || resource.http.status_code = "500" || span.http.status_code = 500 || resource.http.status_code = 500) }`,
		},
		{
			with(sources.Attribute{Key: "http.request.header.x-request-id", Value: `["req-1"]`}),
			`{ resource.service.name = "a" && (span."http.request.header.x-request-id" = "[\"req-1\"]" || resource."http.request.header.x-request-id" = "[\"req-1\"]"` +
				` || span."http.request.header.x-request-id" = "req-1" || resource."http.request.header.x-request-id" = "req-1") }`,
		},
		{with(sources.Attribute{Key: `a "b\`, Value: "true"}), `{ resource.service.name = "a" && (span."a \"b\\" = "true" || resource."a \"b\\" = "true" || span."a \"b\\" = true || resource."a \"b\\" = true) }`},
		{
			with(sources.Attribute{Key: "x", Value: "1e9"}, sources.Attribute{Key: "y", Value: "-1.5"}),
			`{ resource.service.name = "a" && (span.x = "1e9" || resource.x = "1e9") && (span.y = "-1.5" || resource.y = "-1.5" || span.y = -1.5 || resource.y = -1.5) }`,
		},
	} {
		got, err := TraceQL(test.q)
		if err != nil || got != test.want {
			t.Errorf("%s:\n%s, %v\nwant\n%s", test.q, got, err, test.want)
		}
	}
	for _, key := range []string{"", "a\nb", "a\x00"} {
		if got, err := TraceQL(with(sources.Attribute{Key: key, Value: "v"})); err == nil {
			t.Errorf("an attribute %q is asked for by %s", key, got)
		}
	}
}

func with(attributes ...sources.Attribute) sources.TraceQuery {
	return sources.TraceQuery{Service: "a", Attributes: attributes}
}

func TestDurations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(1, 1<<62).Draw(t, "nanoseconds"))
		if rapid.Bool().Draw(t, "round") {
			d = d.Truncate(time.Millisecond) + time.Millisecond
		}
		if got, err := time.ParseDuration(strings.Replace(duration(d), "us", "µs", 1)); err != nil || got != d {
			t.Errorf("%d as %q is %d, %v", d, duration(d), got, err)
		}
	})
}

// A text never leaves its quotes: whatever is searched for, the query without its strings
// is the same, and the strings are what was searched for.
func TestTextsStayInQuotes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a"\\ {}&|=\n\t\x00-\x1f]*`), rapid.Just(`" } || { status = error && name = "`))
		q := sources.TraceQuery{Service: text.Draw(t, "service"), Operation: text.Draw(t, "operation")}
		q.Attributes = sources.Attributes{{Key: "k", Value: "v" + text.Draw(t, "value")}}
		query, err := TraceQL(q)
		if err != nil {
			t.Fatal(err)
		}
		skeleton, strs := taken(t, query)
		wantSkeleton, wantStrs := `{ resource.service.name = S && `, []string{q.Service}
		if q.Operation != "" {
			wantSkeleton, wantStrs = wantSkeleton+`name = S && `, append(wantStrs, q.Operation)
		}
		wantSkeleton, wantStrs = wantSkeleton+`(span.k = S || resource.k = S) }`, append(wantStrs, q.Attributes[0].Value, q.Attributes[0].Value)
		if skeleton != wantSkeleton {
			t.Errorf("%q asks %s", q, skeleton)
		}
		for i, want := range wantStrs {
			if strs[i] != want {
				t.Errorf("%q is asked for as %q", want, strs[i])
			}
		}
	})
}

// An attribute's name stays in its quotes, too.
func TestNamesStayInQuotes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a"\\ {}&|=.]*`)).Draw(t, "key")
		name, err := attributeName(key)
		if err != nil {
			return
		}
		if !strings.HasPrefix(name, `"`) {
			if name != key || strings.Trim(key, letters) != "" {
				t.Errorf("%q is named %s", key, name)
			}
			return
		}
		inner, ok := strings.CutSuffix(name[1:], `"`)
		plain := strings.NewReplacer(`\\`, "", `\"`, "").Replace(inner)
		if !ok || strings.ContainsAny(plain, `"\`) || strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(inner) != key {
			t.Errorf("%q is named %s", key, name)
		}
	})
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."

// taken takes the strings out of a query, as a reader does that knows Go's escapes.
func taken(t *rapid.T, query string) (skeleton string, strs []string) {
	var b strings.Builder
	for i := 0; i < len(query); i++ {
		if query[i] != '"' {
			b.WriteByte(query[i])
			continue
		}
		end := i + 1
		for end < len(query) && query[end] != '"' {
			if query[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(query) {
			t.Fatalf("a string without an end: %s", query)
		}
		text, err := strconv.Unquote(query[i : end+1])
		if err != nil {
			t.Fatalf("%s: %v", query[i:end+1], err)
		}
		strs = append(strs, text)
		b.WriteByte('S')
		i = end
	}
	return b.String(), strs
}
