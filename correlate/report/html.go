package report

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"

	"obs/correlate"
	"obs/sources"
)

//go:embed html.tmpl html_style.tmpl
var htmlFiles embed.FS

// htmlTemplate is parsed for the first page: most runs write none.
var htmlTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.ParseFS(htmlFiles, "html.tmpl", "html_style.tmpl"))
})

// HTML writes the case as one page that needs nothing else: no script, no font, no address
// that a browser would ask. Links to backends are followed only by whoever clicks them.
func HTML(w io.Writer, c *correlate.Case) error {
	view := newHTMLView(c)
	printableTexts(reflect.ValueOf(view).Elem())
	var b bytes.Buffer
	if err := htmlTemplate().ExecuteTemplate(&b, "html.tmpl", view); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// printableTexts makes every text in a value printable, so that no field can be forgotten.
func printableTexts(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(sources.Printable(v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			printableTexts(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			printableTexts(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			printableTexts(v.Field(i))
		}
	default: // holds no text
	}
}

// htmlView is a page as its template takes it: texts and numbers, laid out.
type htmlView struct {
	Title, Sign, Verdict, Headline, Asked, TakenFor string
	Facts                                           []htmlFact
	Sections                                        []htmlSection
	Nothing                                         *htmlNothing
	Alert                                           *htmlAlert
	Answers                                         []htmlAnswer
	Suspects                                        []htmlSuspect
	TimelineTitle                                   string
	Timeline                                        []htmlMilestone
	TimelineLeft                                    int
	Charts                                          []htmlChart
	Anomalies                                       []htmlAnomaly
	AnomaliesLeft                                   int
	Failure, Story, Places                          []string // lines of text
	Traces                                          []htmlTrace
	Comparison                                      *htmlComparison
	Hops                                            []htmlHop
	RecordsTitle                                    string
	Records, RecordsMore                            []htmlRecord
	Findings                                        []htmlFinding
	Missing                                         []htmlMissing
	Queries                                         []htmlQuery
	QueriesTitle, Schema                            string
}

type htmlFact struct{ Name, Text string }

type htmlSection struct{ ID, Name string }

type htmlNothing struct {
	Title, Advice string
	Asked         []string
}

// htmlRef is a finding that something rests on. Anchor is empty where the case has none.
type htmlRef struct{ Anchor, ID string }

type htmlAnswer struct {
	Asked, Text string
	Known       bool
	Findings    []htmlRef
}

type htmlStatement struct {
	Ref  htmlRef
	Text string
}

type htmlSuspect struct {
	Rank               int
	Service, Operation string
	Score, Share       string // as a number, and in percent
	For, Against       []htmlStatement
	More               string // how many findings for it are not told
}

// htmlAlert is the alert that the case started from.
type htmlAlert struct {
	Title   string
	Runbook string
	Facts   []htmlFact
}

type htmlMilestone struct {
	Time, Machine, Kind, Sign, Service, Text string
	Findings                                 []htmlRef
}

type htmlAnomaly struct {
	Flow, Signal, Baseline, Window, Factor, Score, Since string
	Findings                                             []htmlRef
}

type htmlHop struct {
	From, To, Join, ID, Note string
	Weak                     bool
	Evidence                 *htmlEvidence
}

type htmlEvidence struct {
	Backend, Query, Window, URL string
	Values                      []htmlFact
}

type htmlFinding struct {
	Anchor, ID, Statement string
	Evidence              []htmlEvidence
}

type htmlMissing struct{ Backend, Reason, Hint string }

type htmlQuery struct{ Backend, Status, Query, Window, Duration, Size, Error string }

type htmlRecord struct {
	Time, Severity, Level, Service, Message, Join string
	Weak                                          bool
}

type htmlComparison struct {
	Title    string
	Evidence []htmlEvidence
	Rows     []htmlCompared
	Left     int
	Rest     []string
}

type htmlCompared struct{ Gain, Name, Changes, Told string }

// References lead to findings by their place, since an ID may be any text.
func refsTo(c *correlate.Case, ids []string) []htmlRef {
	var refs []htmlRef
	for _, id := range ids {
		ref := htmlRef{ID: id}
		if at := slices.IndexFunc(c.Findings, func(f correlate.Finding) bool { return f.ID == id }); at >= 0 {
			ref.Anchor = anchorOf(at)
		}
		refs = append(refs, ref)
	}
	return refs
}

func anchorOf(finding int) string { return fmt.Sprintf("finding-%d", finding+1) }

func newHTMLView(c *correlate.Case) *htmlView {
	v := &htmlView{Schema: c.Schema}
	if c.Verdict != "" {
		_, v.Headline, _ = strings.Cut(headline(c), "  ")
		v.Sign, v.Verdict = Sign(c.Verdict), string(c.Verdict)
		v.Title = v.Verdict + ": " + v.Headline
	} else {
		v.Asked, v.TakenFor = c.Asked, c.TakenFor
		v.Title = "obs trace " + c.Asked
	}
	v.Facts = append(v.Facts, htmlFact{"window", c.Window.String()})
	if c.Baseline != nil {
		v.Facts = append(v.Facts, htmlFact{"baseline", c.Baseline.String()})
	}
	if c.Services > 0 {
		v.Facts = append(v.Facts, htmlFact{"looked at", counted(c.Services, "service")})
	}
	if c.Alert != nil {
		v.Alert = &htmlAlert{Title: AlertTitle(c.Alert), Runbook: sources.WebAddress(c.Alert.RunbookURL)}
		for _, fact := range alertFacts(c) {
			v.Alert.Facts = append(v.Alert.Facts, htmlFact{fact[0], fact[1]})
		}
	}
	if c.Answers != nil && c.Verdict == correlate.Anomalous {
		for _, q := range questions {
			text, findings := answerText(q, c)
			v.Answers = append(v.Answers, htmlAnswer{q.asked, text, q.answer(c.Answers).Text != "", refsTo(c, findings)})
		}
	}
	if nothingFound(c) {
		v.Nothing = &htmlNothing{}
		v.Nothing.Title, v.Nothing.Asked, v.Nothing.Advice = Nothing(c)
	}
	v.suspects(c)
	v.timeline(c)
	v.anomalies(c)
	v.request(c)
	v.Comparison = comparedView(c.Comparison)
	v.evidence(c)
	v.sections()
	return v
}

// toldFor is how many findings a suspect shows in words: as many as text refers to.
const toldFor = 4

func (v *htmlView) suspects(c *correlate.Case) {
	told := func(ids []string) []htmlStatement {
		var all []htmlStatement
		for _, id := range ids {
			if f := c.Finding(id); f != nil {
				all = append(all, htmlStatement{refsTo(c, []string{id})[0], f.Statement})
			}
		}
		return all
	}
	for _, s := range c.Suspects {
		one := htmlSuspect{
			Rank: s.Rank, Service: s.Service, Operation: s.Operation, Score: fmt.Sprintf("%.2f", s.Score), Share: share(s.Score),
			For: told(s.Findings[:min(len(s.Findings), toldFor)]), Against: told(s.Against),
		}
		if more := len(s.Findings) - toldFor; more > 0 {
			one.More = counted(more, "more finding")
		}
		v.Suspects = append(v.Suspects, one)
	}
}

// milestoneSigns tell the kinds of milestone apart without colour.
var milestoneSigns = map[string]string{
	correlate.MilestoneWindow: "│", correlate.MilestoneOnset: "▲", correlate.MilestoneChange: "◆", correlate.MilestoneRequest: "●", correlate.MilestoneNote: "✎", correlate.MilestoneAlert: "!",
}

func (v *htmlView) timeline(c *correlate.Case) {
	all := c.Timeline()
	if len(all) < 2 { // one moment is no history
		return
	}
	first, last := &all[0], &all[len(all)-1]
	v.TimelineTitle, v.TimelineLeft = zoned(first, last), c.BeyondTimeline()
	for i := range all {
		m := &all[i]
		v.Timeline = append(v.Timeline, htmlMilestone{
			Time: momentOf(m, first, last), Machine: m.Time.UTC().Format("2006-01-02T15:04:05.000Z"), Kind: m.Kind, Sign: milestoneSigns[m.Kind],
			Service: m.Service, Text: m.Text, Findings: refsTo(c, m.Findings),
		})
	}
}

func (v *htmlView) anomalies(c *correlate.Case) {
	for i := range c.Anomalies {
		if i == shownAnomalies {
			v.AnomaliesLeft = len(c.Anomalies) - i
			break
		}
		a := &c.Anomalies[i]
		v.Anomalies = append(v.Anomalies, htmlAnomaly{
			Flow: flow(a), Signal: signal(a), Baseline: correlate.Quantity(a.BaselineValue, a.Unit), Window: correlate.Quantity(a.WindowValue, a.Unit),
			Factor: correlate.Factor(a.BaselineValue, a.WindowValue), Score: fmt.Sprintf("%.1f", a.Score), Since: began(a), Findings: refsTo(c, a.Findings),
		})
		if chart, ok := newHTMLChart(c, a, len(v.Charts)+1); ok {
			v.Charts = append(v.Charts, chart)
		}
	}
}

// shownRecords is how many records stand open: some screens of them. The others are folded.
const shownRecords = 60

// request is what the case has of single requests: traces, and the records of no span.
func (v *htmlView) request(c *correlate.Case) {
	lines := func(draw func(*page, *correlate.Case)) []string {
		p := &page{}
		draw(p, c)
		if p.b.Len() == 0 {
			return nil
		}
		return strings.Split(strings.TrimSpace(p.b.String()), "\n")
	}
	v.Failure, v.Story, v.Places = lines(failed), lines(story), lines(places)
	left := c.Records
	for i, t := range c.Traces() {
		var beneath map[sources.SpanID][]correlate.Record
		beneath, left = bySpan(t, left)
		v.Traces = append(v.Traces, newHTMLTrace(t, beneath, i+1))
	}
	v.RecordsTitle = "Records"
	if len(left) > 0 {
		v.RecordsTitle += restTitle(c, left)
	}
	for i := range left {
		if r := recordView(&left[i]); i < shownRecords {
			v.Records = append(v.Records, r)
		} else {
			v.RecordsMore = append(v.RecordsMore, r)
		}
	}
}

func recordView(r *correlate.Record) htmlRecord {
	level := ""
	switch s := strings.ToLower(r.Severity); {
	case strings.HasPrefix(s, "err"), strings.HasPrefix(s, "fatal"), strings.HasPrefix(s, "crit"):
		level = "bad"
	case strings.HasPrefix(s, "warn"):
		level = "warn"
	}
	return htmlRecord{
		Time: r.Time.UTC().Format("15:04:05.000"), Severity: strings.ToUpper(r.Severity), Level: level, Service: r.Service,
		Message: Message(r.Line), Join: string(r.Join), Weak: r.Join.Weak(),
	}
}

func comparedView(c *correlate.Comparison) *htmlComparison {
	if c == nil {
		return nil
	}
	view := &htmlComparison{Title: c.Title(), Left: max(0, len(c.Rows)-shownDifferences), Rest: c.Rest()}
	for i := range c.Evidence {
		view.Evidence = append(view.Evidence, evidenceView(&c.Evidence[i]))
	}
	for i := range c.Rows[:min(len(c.Rows), shownDifferences)] {
		r := &c.Rows[i]
		view.Rows = append(view.Rows, htmlCompared{c.Gain(r), r.Name, strings.Join(r.Changes, ", "), c.Told(r)})
	}
	return view
}

func evidenceView(e *correlate.Evidence) htmlEvidence {
	view := htmlEvidence{Backend: string(e.Backend), Query: e.Query, URL: sources.WebAddress(e.URL)}
	if !e.Window.IsZero() {
		view.Window = e.Window.String()
	}
	for _, value := range e.Values {
		view.Values = append(view.Values, htmlFact{value.Name, correlate.Quantity(value.Value, value.Unit)})
	}
	return view
}

// evidence is what the case rests on, and what it lacks.
func (v *htmlView) evidence(c *correlate.Case) {
	for _, h := range c.Hops {
		hop := htmlHop{From: h.From, To: h.To, Join: string(h.Join), ID: h.ID, Note: h.Note, Weak: h.Join.Weak()}
		if h.Evidence != nil {
			e := evidenceView(h.Evidence)
			hop.Evidence = &e
		}
		v.Hops = append(v.Hops, hop)
	}
	for i := range c.Findings {
		f := &c.Findings[i]
		view := htmlFinding{Anchor: anchorOf(i), ID: f.ID, Statement: f.Statement}
		for j := range f.Evidence {
			view.Evidence = append(view.Evidence, evidenceView(&f.Evidence[j]))
		}
		v.Findings = append(v.Findings, view)
	}
	for _, m := range c.Missing {
		v.Missing = append(v.Missing, htmlMissing{missingName(m), m.Reason, m.Hint})
	}
	for i := range c.Queries {
		q := &c.Queries[i]
		v.Queries = append(v.Queries, htmlQuery{
			Backend: string(q.Backend), Status: q.Status, Query: q.Query, Window: searched(q), Duration: correlate.Seconds(q.DurationSeconds),
			Size: Bytes(q.Bytes), Error: q.Error,
		})
	}
	v.QueriesTitle = cost(c)
}

// sections are those that the page has, in its order.
func (v *htmlView) sections() {
	for _, s := range []struct {
		there    bool
		id, name string
	}{
		{v.Alert != nil, "alert", "Alert"},
		{len(v.Answers) > 0, "answers", "Answers"},
		{len(v.Suspects) > 0, "suspects", "Suspects"},
		{len(v.Anomalies) > 0, "anomalies", "Anomalies"},
		{len(v.Timeline) > 0, "timeline", "Timeline"},
		{len(v.Failure) > 0, "failure", "What failed"},
		{len(v.Story) > 0, "story", "What happened"},
		{len(v.Traces) > 0, "trace", "Trace"},
		{v.Comparison != nil, "compared", "Compared"},
		{len(v.Records) > 0, "records", "Records"},
		{len(v.Places) > 0, "places", "Where logs carry the ID"},
		{len(v.Hops) > 0, "walk", "The walk"},
		{len(v.Findings) > 0, "findings", "Findings"},
		{len(v.Missing) > 0, "missing", "Missing"},
		{len(v.Queries) > 0, "queries", "Queries"},
	} {
		if s.there {
			v.Sections = append(v.Sections, htmlSection{s.id, s.name})
		}
	}
}
