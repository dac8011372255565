package correlate

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"obs/sources"
)

// DiffSchema is the version of a Diff's JSON.
const DiffSchema = "obs.diff/v1"

// Trend is how the later of two looks at a system compares with the earlier one.
type Trend string

// The trends.
const (
	Worse      Trend = "worse"      // something more departs, or the same departs clearly further
	Same       Trend = "same"       // it departs about as far
	Recovering Trend = "recovering" // it departs clearly less, and still does
	Recovered  Trend = "recovered"  // nothing departs any more
	AllHealthy Trend = "healthy"    // nothing departed, and nothing does
	Unknown    Trend = "unknown"    // one of the two does not tell
)

// Diff is what changed between two triages. It is a plain value.
type Diff struct {
	Schema string `json:"schema"`
	Trend  Trend  `json:"trend"`
	// Reason says in a sentence what the trend rests on.
	Reason       string  `json:"reason"`
	Earlier      DiffEnd `json:"earlier"`
	Later        DiffEnd `json:"later"`
	Alike        bool    `json:"alike"` // both may be the same incident: the same suspect, and most of what departs
	AlikeBecause string  `json:"alike_because,omitempty"`
	// Departures are the series that depart, what got worse first.
	Departures     []Departure   `json:"departures"`
	Suspects       []SuspectMove `json:"suspects"`                   // in the later's order, then those of the earlier alone
	BaselineDiffer bool          `json:"baseline_differs,omitempty"` // what is usual was not the same
}

// DiffEnd is one of the two.
type DiffEnd struct {
	Verdict  Verdict        `json:"verdict"`
	Window   sources.Window `json:"window"`
	Suspect  string         `json:"suspect,omitempty"` // the first
	Departed int            `json:"departed"`          // series
}

// Departure is what departs of one service in one of the two at least: of its endpoints the
// one that does so furthest, since which ones stand out differs from one look to the next.
type Departure struct {
	Service   string `json:"service"`
	Operation string `json:"operation,omitempty"` // the later's
	Metric    string `json:"metric"`
	Signal    string `json:"signal"`
	Unit      string `json:"unit,omitempty"`
	// Change is new, gone, further, nearer or same.
	Change string `json:"change"`
	// Usual is the later's baseline, or the earlier's where it departs there alone. Earlier and
	// Later are nil where it does not depart.
	Usual   float64  `json:"usual"`
	Earlier *float64 `json:"earlier,omitempty"`
	Later   *float64 `json:"later,omitempty"`
	Text    string   `json:"text"`
}

// SuspectMove is a suspect's place in both; 0 where it is none.
type SuspectMove struct {
	Service string `json:"service"`
	Earlier int    `json:"earlier_rank,omitempty"`
	Later   int    `json:"later_rank,omitempty"`
}

// The words of Departure.Change.
const (
	departsNew     = "new"
	departsGone    = "gone"
	departsFurther = "further"
	departsNearer  = "nearer"
	departsSame    = "same"
)

// clearly is how much further, or less far, a series departs when people would call it worse
// or better, beyond what the same trouble varies by from one look to the next: half as far
// again, or half as far.
const clearly = 1.5

// DiffCases compares two triages.
func DiffCases(earlier, later *Case) *Diff {
	d := &Diff{
		Schema: DiffSchema, Earlier: endOf(earlier), Later: endOf(later),
		Departures: []Departure{}, Suspects: []SuspectMove{},
	}
	d.BaselineDiffer = earlier.Baseline != nil && later.Baseline != nil && *earlier.Baseline != *later.Baseline
	d.departures(earlier, later)
	d.suspects(earlier, later)
	d.judge(earlier, later)
	d.alike()
	return d
}

func endOf(c *Case) DiffEnd {
	end := DiffEnd{Verdict: c.Verdict, Window: c.Window, Departed: len(c.Anomalies)}
	if len(c.Suspects) > 0 {
		end.Suspect = c.Suspects[0].Service
	}
	return end
}

type seriesKey struct{ service, metric, signal string }

func keyOfAnomaly(a *Anomaly) seriesKey { return seriesKey{a.Service, a.Metric, a.Signal} }

// farthest are the anomalies of each service that depart furthest by a metric, in the order in
// which the case has the first of each.
func farthest(c *Case) (order []seriesKey, of map[seriesKey]*Anomaly) {
	of = map[seriesKey]*Anomaly{}
	for i := range c.Anomalies {
		a := &c.Anomalies[i]
		other, known := of[keyOfAnomaly(a)]
		if !known {
			order = append(order, keyOfAnomaly(a))
		}
		if !known || far(a) > far(other) {
			of[keyOfAnomaly(a)] = a
		}
	}
	return order, of
}

func far(a *Anomaly) float64 { return math.Abs(a.WindowValue - a.BaselineValue) }

func (d *Diff) departures(earlier, later *Case) {
	first, before := farthest(earlier)
	second, after := farthest(later)
	for _, key := range second {
		d.Departures = append(d.Departures, departure(before[key], after[key]))
	}
	for _, key := range first {
		if after[key] == nil {
			d.Departures = append(d.Departures, departure(before[key], nil))
		}
	}
	order := []string{departsNew, departsFurther, departsSame, departsNearer, departsGone}
	slices.SortStableFunc(d.Departures, func(a, b Departure) int {
		return cmp.Compare(slices.Index(order, a.Change), slices.Index(order, b.Change))
	})
}

// departure is a series in both; one of them may be nil.
func departure(was, is *Anomaly) Departure {
	about := cmp.Or(is, was)
	one := Departure{Service: about.Service, Operation: about.Operation, Metric: about.Metric, Signal: about.Signal, Unit: about.Unit, Usual: about.BaselineValue}
	subject := about.Service
	if about.Operation != "" {
		subject += " " + about.Operation
	}
	subject += " " + measure(about)
	usual := Quantity(about.BaselineValue, about.Unit)
	switch {
	case was == nil:
		one.Change, one.Later = departsNew, &is.WindowValue
		one.Text = fmt.Sprintf("%s departs now: %s, usually %s", subject, Quantity(is.WindowValue, is.Unit), usual)
	case is == nil:
		one.Change, one.Earlier = departsGone, &was.WindowValue
		one.Text = fmt.Sprintf("%s no longer departs: it was %s, usually %s", subject, Quantity(was.WindowValue, was.Unit), usual)
	default:
		one.Earlier, one.Later = &was.WindowValue, &is.WindowValue
		one.Change = departsSame
		switch {
		case far(is) > far(was)*clearly:
			one.Change = departsFurther
		case far(is)*clearly < far(was):
			one.Change = departsNearer
		}
		one.Text = fmt.Sprintf("%s: %s, then %s, usually %s", subject, Quantity(was.WindowValue, was.Unit), Quantity(is.WindowValue, is.Unit), usual)
	}
	return one
}

func (d *Diff) suspects(earlier, later *Case) {
	at := map[string]int{}
	move := func(service string) *SuspectMove {
		i, known := at[service]
		if !known {
			i = len(d.Suspects)
			at[service] = i
			d.Suspects = append(d.Suspects, SuspectMove{Service: service})
		}
		return &d.Suspects[i]
	}
	for _, s := range later.Suspects {
		if m := move(s.Service); m.Later == 0 {
			m.Later = s.Rank
		}
	}
	for _, s := range earlier.Suspects {
		if m := move(s.Service); m.Earlier == 0 {
			m.Earlier = s.Rank
		}
	}
}

// judge says how it goes. What departed before is held against itself, and the middle one of
// these decides, so that no single series does. What is new makes it worse where it is of a
// service that did not depart before, unless the rest gets better: as a queue drains, the
// trouble passes through others.
func (d *Diff) judge(earlier, later *Case) {
	tell := func(v Verdict) bool { return v == Healthy || v == Anomalous }
	was, is := d.Earlier.Verdict, d.Later.Verdict
	switch {
	case !tell(was) || !tell(is):
		d.Trend, d.Reason = Unknown, "one of the two has too little data to tell"
		return
	case was == Healthy && is == Healthy:
		d.Trend, d.Reason = AllHealthy, "nothing departs in either"
		return
	case is == Healthy:
		d.Trend, d.Reason = Recovered, "nothing departs any more"
		return
	case was == Healthy:
		d.Trend, d.Reason = Worse, "nothing departed before"
		if len(d.Departures) > 0 {
			d.Reason += "; " + d.Departures[0].Text
		}
		return
	}
	first, before := farthest(earlier)
	_, after := farthest(later)
	if len(first) == 0 {
		d.Trend, d.Reason = Same, "both are in trouble, by other evidence than what is measured"
		return
	}
	departed := map[string]bool{}
	var ratios []float64
	for _, key := range first {
		departed[key.service] = true
		ratio := 0.0
		if is := after[key]; is != nil {
			ratio = far(is) / max(far(before[key]), math.SmallestNonzeroFloat64)
		}
		ratios = append(ratios, ratio)
	}
	slices.Sort(ratios)
	middle := ratios[len(ratios)/2] // of an even number the upper one: better is what has to be shown
	d.Reason = departure(before[first[0]], after[first[0]]).Text
	fresh := slices.IndexFunc(d.Departures, func(one Departure) bool { return one.Change == departsNew && !departed[one.Service] })
	switch {
	case middle*clearly < 1:
		d.Trend = Recovering
	case fresh >= 0:
		d.Trend, d.Reason = Worse, d.Departures[fresh].Text
	case middle > clearly:
		d.Trend = Worse
	default:
		d.Trend = Same
	}
}

// alike says whether both may be one incident, or the same one again.
func (d *Diff) alike() {
	if d.Earlier.Verdict != Anomalous || d.Later.Verdict != Anomalous {
		return
	}
	shared := 0
	for _, one := range d.Departures {
		if one.Earlier != nil && one.Later != nil {
			shared++
		}
	}
	fewer := min(d.Earlier.Departed, d.Later.Departed)
	suspect := d.Earlier.Suspect != "" && d.Earlier.Suspect == d.Later.Suspect
	d.Alike = suspect && 2*shared >= fewer
	d.AlikeBecause = fmt.Sprintf("%d of %s depart in both", shared, counted(len(d.Departures), "series"))
	if suspect {
		d.AlikeBecause += "; the first suspect of both is " + d.Later.Suspect
	} else if d.Earlier.Suspect != "" && d.Later.Suspect != "" {
		d.AlikeBecause += fmt.Sprintf("; the first suspect was %s, and is %s", d.Earlier.Suspect, d.Later.Suspect)
	}
}
