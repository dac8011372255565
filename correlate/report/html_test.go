package report_test

import (
	"bytes"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
)

// elements is the structure of a page, an element in a line, without its texts; and its text.
func elements(t testing.TB, page string) (structure, text string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b, said strings.Builder
	var walk func(n *html.Node, depth int)
	walk = func(n *html.Node, depth int) {
		switch n.Type {
		case html.ElementNode:
			b.WriteString(strings.Repeat(" ", depth) + n.Data)
			for _, a := range n.Attr {
				b.WriteString(" " + a.Key)
				if a.Key == "href" && !strings.HasPrefix(a.Val, "#") && !strings.HasPrefix(a.Val, "https://h.example/") && !strings.HasPrefix(a.Val, "http://127.0.0.1:") {
					t.Errorf("the page leads to %q", a.Val)
				}
			}
			b.WriteByte('\n')
		case html.TextNode:
			if n.Parent.Data != "style" {
				said.WriteString(n.Data + " ")
			}
		default:
		}
		for child := range n.ChildNodes() {
			walk(child, depth+1)
		}
	}
	walk(root, 0)
	return b.String(), said.String()
}

// What a backend says is text in the page, whatever it looks like, and never its structure.
func TestHostileTextInHTML(t *testing.T) {
	check := func(t testing.TB, shape, payload, want string) {
		t.Helper()
		c := full(payload)
		shapes[shape](c)
		got, said := elements(t, write(t, report.HTML, c))
		if got != want {
			t.Errorf("%s: %q makes the page\n%s\nwant\n%s", shape, payload, got[:min(len(got), 3000)], want[:min(len(want), 3000)])
		}
		if expected := words(sources.Printable(payload)); !strings.Contains(words(said), expected) {
			t.Errorf("%s: %q is not said", shape, expected)
		}
	}
	for shape := range shapes {
		c := full("harmless")
		shapes[shape](c)
		want, _ := elements(t, write(t, report.HTML, c))
		for name, payload := range hostile {
			t.Run(shape+" "+name, func(t *testing.T) { check(t, shape, payload, want) })
		}
	}
	c := full("harmless")
	want, _ := elements(t, write(t, report.HTML, c))
	rapid.Check(t, func(rt *rapid.T) {
		payload := "x" + rapid.StringOf(rapid.SampledFrom([]rune("ab </>\"'`&;=!-[]{}()\\%\x00\x1b\u2028é"))).Draw(rt, "payload") + "x"
		check(t, "unknown", payload, want)
	})
}

// A page asks for nothing: it has no script and no resource, and forbids them.
func TestHTMLStandsAlone(t *testing.T) {
	for name, build := range made {
		page := write(t, report.HTML, build())
		if !strings.Contains(page, `content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"`) {
			t.Errorf("%s: no policy", name)
		}
		structure, _ := elements(t, page)
		for _, line := range strings.Split(structure, "\n") {
			words := strings.Fields(line)
			if len(words) == 0 {
				continue
			}
			for _, banned := range []string{"script", "img", "link", "iframe", "object", "embed", "base", "form", "use", "image", "src", "srcset", "xlink:href", "background", "ping"} {
				for i, word := range words {
					if word == banned || (i > 0 && strings.HasPrefix(word, "on")) {
						t.Errorf("%s: %s", name, line)
					}
				}
			}
		}
		if regexp.MustCompile(`(?i)url\(|@import|expression\(`).MatchString(page) {
			t.Errorf("%s: its style asks for something", name)
		}
	}
}

func TestHTMLIsTheSameEachTime(t *testing.T) {
	for name, build := range made {
		if first, again := write(t, report.HTML, build()), write(t, report.HTML, build()); first != again {
			t.Errorf("%s: two pages of one case differ", name)
		}
	}
}

// withSeries is an incident with a chart: an hour at one value, and another since the onset,
// with a gap of five minutes.
func withSeries() *correlate.Case {
	c := madeTriage()
	baseline := window(-time.Hour, 0)
	c.Baseline, c.Window = &baseline, window(0, time.Hour)
	c.Anomalies = c.Anomalies[:1]
	a := &c.Anomalies[0]
	a.Onset = noon.Add(20 * time.Minute)
	s := correlate.Stretch{From: noon.Add(-59 * time.Minute), StepSeconds: 60}
	for i := range 119 {
		v := 0.2
		switch {
		case i >= 100 && i < 105:
			s.Values = append(s.Values, nil)
			continue
		case i >= 79:
			v = 0.4
		}
		s.Values = append(s.Values, &v)
	}
	a.Series = []correlate.Stretch{s}
	c.Changes = []correlate.Change{{Time: noon.Add(19 * time.Minute), Kind: correlate.ChangeVersion, Service: a.Service, Text: "1.0 → 1.1"}}
	return c
}

func TestChartOfAnAnomaly(t *testing.T) {
	page := write(t, report.HTML, withSeries())
	for _, want := range []string{
		`<rect class="baseline" x="0" y="0" width="500" height="200"/>`, // the first half
		`<path class="onset" d="M666.7 0V200"/>`, `onset 12:20:00`,      // a third into the second
		`<path class="change" d="M658.3 0V200"/>`, `12:19:00 changed: 1.0 → 1.1`,
		`<path class="usual" d="M0 100H500"/>`, `<path class="level" d="M666.7 0H1000"/>`, // 0.2 and 0.4 of 0.4
		`<desc id="chart-1-desc">Over the baseline 2026-11-21 11:00:00 – 12:00:00 UTC the median is 200 ms; since the onset at 12:20:00 it is 400 ms.</desc>`,
		">400 ms</span>", ">11:30</span>", ">12:30</span>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s", want)
		}
	}
	line := regexp.MustCompile(`class="line" d="([^"]*)"`).FindStringSubmatch(page)
	if len(line) != 2 || strings.Count(line[1], "M") != 2 {
		t.Errorf("a gap does not part the line: %v", line)
	}
	markdown := write(t, report.Markdown, withSeries())
	if want := "`▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅│▅▅▅▅▅▆██████·█████`"; !strings.Contains(markdown, want) {
		t.Errorf("no %s in\n%s", want, markdown)
	}
}

// Whatever a file says is a series, a page of it has finite coordinates within its plane.
func TestAnySeriesIsDrawn(t *testing.T) {
	coordinates := regexp.MustCompile(`class="(?:line|usual|level)" d="([^"]*)"`)
	bad := regexp.MustCompile(`NaN|Inf|\d{5}.*`)
	rapid.Check(t, func(t *rapid.T) { // JSON knows no value that is not finite
		c := withSeries()
		a := &c.Anomalies[0]
		number := rapid.OneOf(rapid.Float64(), rapid.Float64Range(-1, 5), rapid.SampledFrom([]float64{0, math.Inf(1), math.NaN()}))
		a.BaselineValue, a.WindowValue = number.Draw(t, "baseline"), number.Draw(t, "window")
		a.Unit = rapid.SampledFrom([]string{"seconds", "ratio", "requests/s", ""}).Draw(t, "unit")
		s := &a.Series[0]
		s.StepSeconds = rapid.SampledFrom([]float64{60, 0, -1, 1e9, math.NaN()}).Draw(t, "step")
		for i := range s.Values {
			if rapid.Bool().Draw(t, "there") {
				v := rapid.OneOf(rapid.Float64(), rapid.Float64Range(-1, 5)).Draw(t, "value")
				s.Values[i] = &v
			}
		}
		if rapid.Bool().Draw(t, "creeps") {
			a.Creep = &correlate.Creep{Days: 9}
		}
		var b bytes.Buffer
		if err := report.HTML(&b, c); err != nil {
			t.Fatal(err)
		}
		for _, path := range coordinates.FindAllStringSubmatch(b.String(), -1) {
			if found := bad.FindString(path[1]); found != "" {
				t.Fatalf("drawn at %s", found)
			}
		}
	})
}

// Of a large trace the spans that matter stand open, and the page stays bounded.
func TestLargeTraceIsFolded(t *testing.T) {
	c := madeLookup()
	c.OtherTraces, c.Records = nil, nil
	root := c.Trace.Spans[0]
	for i := range 3000 {
		s := root
		s.ID, s.ParentID, s.Depth = sources.SpanID(strings.Repeat("0", 12)+string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676))+"0"), root.ID, 1
		s.Operation = "step " + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676))
		c.Trace.Spans = append(c.Trace.Spans, s)
	}
	c.Trace.SpanCount = len(c.Trace.Spans)
	c.Trace.Spans[2000].Error = true
	page := write(t, report.HTML, c)
	for _, want := range []string{"2999 more spans, which the request hardly waited for", "The whole trace", "and 2001 more rows, which -o json has"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	if rows := strings.Count(page, `<tr class="span`); rows != 1002 {
		t.Errorf("%d rows", rows)
	}
}
