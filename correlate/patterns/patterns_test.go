package patterns

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// systems are lines as several systems write them, and the patterns that they have.
var systems = []struct {
	name            string
	lines, patterns []string
}{
	{
		"Go slog", []string{
			`{"time":"2026-11-21T14:00:00Z","level":"INFO","msg":"order placed","order":17}`,
			`{"time":"2026-11-21T14:00:01Z","level":"INFO","msg":"order placed","order":18}`,
			`{"time":"2026-11-21T14:00:02Z","level":"ERROR","msg":"charge failed after 3 tries","err":"EOF"}`,
			`{"time":"2026-11-21T14:00:02Z","level":"ERROR","msg":"charge failed after 5 tries","err":"EOF"}`,
		},
		[]string{"order placed", "charge failed after <*> tries"},
	},
	{
		"logfmt", []string{
			`ts=2026-11-21T14:00:00Z level=info msg="compacted block" duration=3.2s`,
			`ts=2026-11-21T14:00:09Z level=info msg="compacted block" duration=1.1s`,
			`ts=2026-11-21T14:00:09Z level=warn msg="slow rule for group 7" duration=1.1s`,
		},
		[]string{"compacted block", "slow rule for group <*>"},
	},
	{
		"log4j with stack traces", []string{
			"2026-11-21 14:00:00,123 ERROR [http-nio-8080-exec-1] c.s.CartService - Could not load cart 17\njava.net.SocketTimeoutException: Read timed out\n\tat java.base/java.net.Socket.read(Socket.java:101)",
			"2026-11-21 14:00:03,001 ERROR [http-nio-8080-exec-9] c.s.CartService - Could not load cart 4711\njava.lang.IllegalStateException\n\tat c.s.CartService.load(CartService.java:17)",
			"2026-11-21 14:00:03,001 INFO [main] c.s.Application - Started Application in 3.4 seconds",
		},
		[]string{"<*> ERROR [http-nio-<*>-exec-<*>] c.s.CartService - Could not load cart <*>", "<*> INFO [main] c.s.Application - Started Application in <*> seconds"},
	},
	{
		"nginx access", []string{
			`10.0.0.1 - - [21/Nov/2026:14:00:00 +0000] "GET /api/orders/17 HTTP/1.1" 200 512 "-" "Mozilla/5.0 (X11; Linux x86_64)"`,
			`10.0.0.2 - bob [21/Nov/2026:14:00:01 +0000] "GET /api/orders/18?full=1 HTTP/1.1" 504 12 "https://shop/" "curl/8.1"`,
			`10.0.0.2 - - [21/Nov/2026:14:00:01 +0000] "POST /api/carts HTTP/2.0" 201 12 "-" "curl/8.1"`,
		},
		[]string{
			`<*> - - [<*>] "GET /api/orders/<*> HTTP/<*>" <*> <*> "<*>" "<*>"`,
			`<*> - bob [<*>] "GET /api/orders/<*>?<*> HTTP/<*>" <*> <*> "<*>" "<*>"`,
			`<*> - - [<*>] "POST /api/carts HTTP/<*>" <*> <*> "<*>" "<*>"`,
		},
	},
	{
		"nginx error", []string{
			`2026/11/21 14:00:00 [error] 31#31: *1 connect() failed (111: Connection refused) while connecting to upstream, client: 10.0.0.1, server: shop`,
			`2026/11/21 14:00:01 [error] 32#32: *77 connect() failed (111: Connection refused) while connecting to upstream, client: 10.0.0.9, server: shop`,
			`2026/11/21 14:00:02 [warn] 32#32: *78 an upstream response is buffered to a temporary file /var/cache/nginx/3/00/0000000003`,
		},
		[]string{
			`<*> [error] <*>#<*>: *<*> connect() failed (<*>: Connection refused) while connecting to upstream, client: <*>, server: shop`,
			`<*> [warn] <*>#<*>: *<*> an upstream response is buffered to a temporary file /var/cache/nginx/<*>`,
		},
	},
	{
		"Python", []string{
			"2026-11-21 14:00:00,123 - shop.cart - WARNING - cart of user 17 expired",
			"2026-11-21 14:00:01,423 - shop.cart - WARNING - cart of user 18 expired",
			"2026-11-21 14:00:01,423 - shop.mail - ERROR - cannot send to bob@example.org: timed out",
		},
		[]string{"<*> - shop.cart - WARNING - cart of user <*> expired", "<*> - shop.mail - ERROR - cannot send to <*>: timed out"},
	},
	{
		"klog", []string{
			`I1121 14:00:00.000001       1 kubelet.go:2412] "SyncLoop UPDATE" source="api" pods=["shop/cart-7d9f8b6c5d-x2x4z"]`,
			`I1122 14:00:00.000002       1 kubelet.go:2412] "SyncLoop UPDATE" source="api" pods=["shop/cart-1","shop/cart-2"]`,
			`E1121 14:00:00.000003       1 reflector.go:147] "Failed to watch" err="connection refused" type="*v1.Pod"`,
			`E1121 14:00:01.000003       1 reflector.go:147] "Failed to watch" err="EOF" type="*v1.Node"`,
		},
		[]string{
			`I<*> <*> <*> kubelet.go:<*>] "SyncLoop UPDATE" source="<*>" pods=["<*>"]`,
			`E<*> <*> <*> reflector.go:<*>] "Failed to watch" err="<*>" type="<*>"`,
		},
	},
	{
		"sshd over syslog", []string{
			"Nov  1 14:00:00 host-1 sshd[4711]: Failed password for root from 10.0.0.1 port 22 ssh2",
			"Nov 11 14:00:00 host-2 sshd[12]: Failed password for admin from 10.0.0.2 port 2222 ssh2",
			"Dec 11 14:00:00 host-2 sshd[12]: Failed password for guest from 10.0.0.2 port 2222 ssh2",
			"Dec 11 14:00:00 host-2 sshd[12]: Connection closed by authenticating user root 10.0.0.2 port 22",
		},
		[]string{
			"<*> <*> <*> host-<*> sshd[<*>]: Failed password for <*> from <*> port <*> ssh2",
			"<*> <*> <*> host-<*> sshd[<*>]: Connection closed by authenticating user root <*> port <*>",
		},
	},
	{
		"fields without a message", []string{
			`{"action":"login","user":"bob","took":12}`,
			`{"took":7,"action":"login","user":"eve"}`,
			`{"took":7,"action":"purge","user":"eve","rows":9}`,
		},
		[]string{"action=login took=<*> user=<*>", "action=purge rows=<*> took=<*> user=eve"},
	},
}

func TestPatternsOfSystems(t *testing.T) {
	for _, test := range systems {
		t.Run(test.name, func(t *testing.T) {
			m := NewMiner(Options{})
			ids := make([]ID, len(test.lines))
			for i, line := range test.lines {
				ids[i] = m.Add(line)
			}
			var texts []string
			count := 0
			for _, p := range m.Patterns() {
				texts = append(texts, p.Text)
				count += p.Count
			}
			if !slices.Equal(texts, test.patterns) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(texts, "\n"), strings.Join(test.patterns, "\n"))
			}
			if count != len(test.lines) {
				t.Errorf("%d lines counted of %d", count, len(test.lines))
			}
			for i, line := range test.lines {
				if !Matches(m.Text(ids[i]), line) {
					t.Errorf("%q does not match its pattern %q", line, m.Text(ids[i]))
				}
			}
		})
	}
}

func TestSimilarity(t *testing.T) {
	lines := []string{"cache of users is warm again", "cache of carts is cold forever"}
	for share, want := range map[float64]int{0: 2, 0.2: 1, 0.5: 1, 0.7: 2, 7: 2} {
		m := NewMiner(Options{Similarity: share, Depth: 3})
		for _, line := range lines {
			m.Add(line)
		}
		// cache, of and is: three of six.
		if share == 0 || share == 7 {
			want = 1 // by the default, 0.4
		}
		if got := len(m.Patterns()); got != want {
			t.Errorf("similarity %v: %d patterns, want %d", share, got, want)
		}
	}
}

// Nine words of ten are 0.9 of them, whatever floating point makes of 1-0.9.
func TestSimilarityAtTheEdge(t *testing.T) {
	m := NewMiner(Options{Similarity: 0.9})
	if first, second := m.Add("a b c d e f g h i j"), m.Add("a b c d e f g h i x"); first != second {
		t.Errorf("%q and %q", m.Text(first), m.Text(second))
	}
}

func TestPairsKeepTheirNames(t *testing.T) {
	m := NewMiner(Options{})
	m.Add("user=bob cart=full saved")
	m.Add("user=eve cart=full saved")
	if all := m.Patterns(); len(all) != 1 || all[0].Text != "user=<*> cart=full saved" {
		t.Errorf("%+v", all)
	}
}

func TestHeaderWords(t *testing.T) {
	for text, want := range map[string]int{
		"<*> INFO [main] c.s.Cart - saved":                 5,
		"<*> [main] INFO c.s.Cart saved":                   3,
		"<*> <*> <*> host sshd[<*>]: [preauth] closed now": 6,
		"I<*> <*> <*> a.go:<*>] saved it":                  4,
		"<*> UTC [<*>] ERROR: duplicate key":               4,
		"<*> saved a[<*>] of it":                           1,
		"ERROR: gone":                                      1,
		"cart - saved":                                     0,
		"<*> <*>":                                          0,
		"<*> INFO -":                                       0,
		"":                                                 0,
	} {
		if got := headerWords(strings.Fields(text)); got != want {
			t.Errorf("%q: %d words, want %d", text, got, want)
		}
	}
}

func TestMaskedValuesMakeNothingAlike(t *testing.T) {
	m := NewMiner(Options{})
	first, second := m.Add("10 20 30 40 50 started"), m.Add("10 20 30 40 50 stopped")
	if first == second {
		t.Errorf("both are %q", m.Text(first))
	}
}

func TestSeveritiesAreApart(t *testing.T) {
	m := NewMiner(Options{})
	if m.Add("INFO request of bob done") == m.Add("ERROR request of bob done") {
		t.Error("an error is taken for information")
	}
}

func TestMinerIsBounded(t *testing.T) {
	const lines = 3000
	m := NewMiner(Options{MaxPatterns: 50})
	for i := range lines {
		m.Add(letters(i) + " " + letters(i*7) + strings.Repeat(" x", i%40))
	}
	all := m.Patterns()
	if len(all) > 51 || all[0].ID != Other || all[0].Text != OtherText {
		t.Errorf("%d patterns, the first of which is %+v", len(all), all[0])
	}
	total := 0
	for _, p := range all {
		total += p.Count
	}
	if total != lines {
		t.Errorf("%d lines counted of %d", total, lines)
	}
	nodes := 0
	var walk func(*node)
	walk = func(n *node) {
		nodes++
		for _, child := range n.children {
			walk(child)
		}
	}
	for _, n := range m.roots {
		walk(n)
	}
	if nodes > 3*50 {
		t.Errorf("%d nodes for 50 patterns", nodes)
	}
	if m.Text(-1) != "" || m.Text(10_000) != "" {
		t.Error("an ID of no pattern has a text")
	}
}

// Texts that share nothing but their length and their first words fill one leaf.
func TestLeafIsBounded(t *testing.T) {
	m := NewMiner(Options{})
	for i := range 2 * maxInLeaf {
		m.Add("a b " + strings.Repeat(letters(i)+" ", 10))
	}
	if all := m.Patterns(); len(all) != maxInLeaf+1 || all[0].ID != Other || all[0].Count != maxInLeaf {
		t.Errorf("%d patterns, the first of which is %+v", len(all), all[0])
	}
}

// Many different words end up in one pattern.
func TestManyDifferentWords(t *testing.T) {
	m := NewMiner(Options{})
	for i := range 20_000 {
		m.Add("user " + letters(i) + " was not found in the directory")
	}
	if all := m.Patterns(); len(all) > defaultMaxChildren || all[len(all)-1].Text != "user <*> was not found in the directory" {
		t.Errorf("%d patterns, of which the last is %q", len(all), all[len(all)-1].Text)
	}
}

// letters is a word without digits for each number.
func letters(i int) string {
	word := []byte{}
	for {
		word = append(word, byte('a'+i%26))
		if i /= 26; i == 0 {
			return string(word)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		pattern, line string
		want          bool
	}{
		{"a <*> c", "a b c", true},
		{"a <*> c", "a b b  c", true},
		{"a <*> c", "a c", false},
		{"a <*> c", "a b d", false},
		{"a <*> b <*> c", "a x y c", false},
		{"a", "a", true},
		{"a", "a b", false},
		{"<*>", "", true},
		{"", "", true},
		{"<*>x", "xyx", true},
		{"a<*>a", "a", false},
		{"<*>ab<*>b", "ab", false},
		{"order <*> placed", `{"msg":"order 7 placed"}`, true},
	} {
		if got := Matches(test.pattern, test.line); got != test.want {
			t.Errorf("Matches(%q, %q) = %v", test.pattern, test.line, got)
		}
	}
}

// anyLine draws lines that are like real ones, and such that are not.
func anyLine() *rapid.Generator[string] {
	word := rapid.OneOf(
		rapid.SampledFrom([]string{
			"user", "cart", "ERROR", "[main]", "-", "id=17", "user=bob", "user=eve", "10.0.0.1", `"a b"`, `"GET /a?b=c HTTP/1.1"`, "'x y'",
			"<*>", "<*>,", "1,", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "bob@example.org", "/a/b?c=d", "::1", "Nov", "2026-11-21", "14:00:00", "sshd[1]:", `\"`, "\"", "'",
		}),
		rapid.StringMatching(`[a-f0-9:@?./=,"'<*>\[\]-]{1,12}`),
		rapid.String(),
	)
	text := rapid.Map(rapid.SliceOfN(word, 0, 80), func(words []string) string { return strings.Join(words, " ") })
	return rapid.OneOf(
		text,
		rapid.Map(text, func(s string) string { return fmt.Sprintf(`{"level":"error","msg":%q}`, s) }),
		rapid.Map(text, func(s string) string { return fmt.Sprintf(`{"a":%q,"b":1}`, s) }),
		rapid.Map(text, func(s string) string { return fmt.Sprintf(`level=info user=bob err=%q`, s) }),
		rapid.SampledFrom(slices.Concat(systems[0].lines, systems[2].lines, systems[3].lines, systems[6].lines)),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	)
}

func TestLinesMatchTheirPatterns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(anyLine(), 1, 40).Draw(t, "lines")
		options := Options{MaxPatterns: rapid.IntRange(1, 30).Draw(t, "most"), Similarity: 0.2, MaxChildren: rapid.IntRange(1, 4).Draw(t, "children")}
		m, again := NewMiner(options), NewMiner(options)
		ids := make([]ID, len(lines))
		for i, line := range lines {
			ids[i] = m.Add(line)
			if again.Add(line) != ids[i] {
				t.Fatal("the same lines give different patterns")
			}
		}
		for i, line := range lines {
			if !Matches(m.Text(ids[i]), line) {
				t.Fatalf("%q does not match its pattern %q", line, m.Text(ids[i]))
			}
		}
		total := 0
		for _, p := range m.Patterns() {
			total += p.Count
		}
		if total != len(lines) || !slices.Equal(m.Patterns(), again.Patterns()) {
			t.Fatalf("%d lines counted of %d", total, len(lines))
		}
	})
}

func FuzzMiner(f *testing.F) {
	for _, system := range systems {
		f.Add(strings.Join(system.lines, "\x1e"))
	}
	for _, line := range []string{
		"", " ", "\x00", "\xff\xfe", "{", `{"`, `{"a`, `{"a":`, `{"a":"`, `{"a":[`, `{"msg":"\ud800"}`, `{"":""}`, "=", "a=", "a=b c=", `a=b c="`,
		"\x1b[", "\x1b[31", `"`, `'`, `\`, "@", "a@b.c", "@b.c", "<a@b.c", "<*>@b.c", "a?b", "/?", "/?a", ":", "::", ":::::::::", "1:", "-", "-1", "<*>", "<*>,<*>", "1,1, 1",
		"[", "]", "] ", `] "`, "Jan", "Jan 1", "Mon,", "Mon, 1", "1 Jan", "2026-11-21 14:", "2026-11-21 14:00 +00", "\u202eabc\u2028",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m := NewMiner(Options{MaxPatterns: 8})
		lines := strings.Split(text, "\x1e")
		ids := make([]ID, len(lines))
		for i, line := range lines {
			ids[i] = m.Add(line)
		}
		for i, line := range lines {
			if got := m.Text(ids[i]); !Matches(got, line) {
				t.Errorf("%q does not match its pattern %q", line, got)
			}
		}
	})
}

// Lines of a megabyte are cut before anything is done with them, whatever is in them.
func TestLinesOfAMegabyte(t *testing.T) {
	for _, part := range []string{"a", "\"", "'", "' ", "\\\"", "1", "1,", ":", "@", "a@b.", "?", "/?a", "[", "{", `{"log":`, "a=b ", "\x1b[", "\xff", "] \"", "<*>", "\n", " "} {
		line := strings.Repeat(part, 1<<20/len(part))
		begun := time.Now()
		m := NewMiner(Options{})
		id := m.Add(line)
		if !Matches(m.Text(id), line) {
			t.Errorf("%q repeated does not match its pattern %.80q", part, m.Text(id))
		}
		// Milliseconds here, and minutes if it were not linear.
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("%q repeated takes %v", part, took)
		}
	}
}

func realisticLines(n int) []string {
	var lines []string
	for i := 0; len(lines) < n; i++ {
		for _, system := range systems {
			lines = append(lines, strings.ReplaceAll(system.lines[i%len(system.lines)], "17", fmt.Sprint(i)))
		}
	}
	return lines[:n]
}

func BenchmarkMiner(b *testing.B) {
	const n = 100_000
	different := make([]string, n)
	for i := range different {
		different[i] = letters(i) + " " + letters(i*31) + " " + letters(i*17) + " x y z"
	}
	same := make([]string, n)
	for i := range same {
		same[i] = "1 ERROR " + strings.Repeat(letters(i%5000)+" ", 20)
	}
	for _, test := range []struct {
		name  string
		lines []string
	}{{"realistic", realisticLines(n)}, {"different", different}, {"same_length", same}} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m := NewMiner(Options{})
				for _, line := range test.lines {
					m.Add(line)
				}
			}
		})
	}
}
