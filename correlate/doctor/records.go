package doctor

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"obs/correlate"
	"obs/correlate/ident"
	"obs/sources"
)

// Kinds of findings about records.
const (
	KindNoIDs      = "logs.no_ids"      // the sampled records name no trace
	KindOtherField = "logs.other_field" // they do, under a name that obs does not know
	KindFewIDs     = "logs.few_ids"
	KindNotStored  = "logs.ids_not_stored"
	KindNoRequest  = "requests.no_id"
)

// few is the share of a service's records up to which too few carry an ID. Health checks,
// housekeeping and the start of a process are of no request, and are most of what a quiet
// service logs; where not even one record in ten names a trace, its logger mostly does not.
const few = 0.1

// sampledLog is what the newest records of a service carry.
type sampledLog struct {
	query    string
	asked    bool
	records  int
	withID   int // a trace ID that the walk reads as one
	inLine   int // beside those, one in the line under another name
	places   []correlate.Place
	ids      []sources.TraceID // newest first, each once
	others   []otherField      // unknown names of values that look like trace IDs
	requests bool              // some carry a request ID
	secrets  map[secretPlace]int
}

// otherField is a field of records that may hold trace IDs.
type otherField struct {
	name   string
	kind   string // where it is, as in correlate.Place
	count  int
	sample sources.TraceID
	stored bool // the sample is a trace that is stored
}

// sampleRecords looks at the newest records of each service.
func (e *exam) sampleRecords(ctx context.Context) {
	if !e.answers(sources.Loki) {
		return
	}
	var parts []func()
	for _, r := range e.rows {
		if len(r.names.Logs) == 0 {
			continue
		}
		label, names := e.labelOf(r.names.Logs)
		r.records.query = sources.LogQuery{Selector: sources.Selector{sources.AnyOf(label, names...)}}.String()
		parts = append(parts, func() {
			answer, err := e.set.Logs.Records(ctx, r.records.query, e.options.Window, sampledRecords, false)
			if err != nil {
				e.failed(sources.Loki, "the records of a service were not looked at", err)
				return
			}
			r.records.asked = true
			r.records.read(answer.Records, e.signals)
			for _, record := range answer.Records {
				e.sees(sources.Loki, record.Time)
			}
		})
	}
	together(parts...)
}

// labelOf is the label by which the names are services, and those names that it has.
func (e *exam) labelOf(names []string) (label string, has []string) {
	for _, stream := range e.streams {
		name, by := e.signals.LogService(stream)
		if !slices.Contains(names, name) || (label != "" && by != label) || slices.Contains(has, name) {
			continue
		}
		label, has = by, append(has, name)
	}
	slices.Sort(has)
	return label, has
}

// read counts what records carry.
func (s *sampledLog) read(records []sources.Record, by correlate.Signals) {
	s.records = len(records)
	s.secrets = map[secretPlace]int{}
	places := map[correlate.Place]int{}
	others := map[otherField]*otherField{}
	seen := map[sources.TraceID]bool{}
	for _, r := range records {
		countSecrets(s.secrets, r)
		if ident.InLine(r.Line, by.RequestFields()) != "" || hasAny(r.Metadata, by.RequestFields()) {
			s.requests = true
		}
		if id, place, ok := by.TraceOf(r); ok {
			s.withID++
			places[correlate.Place{Service: place.Service, Kind: place.Kind, Field: place.Field}]++
			if !seen[id] {
				seen[id] = true
				s.ids = append(s.ids, id)
			}
			continue
		}
		name, kind, id := unknownID(r, by)
		if name == "" {
			continue
		}
		if kind == correlate.InField || kind == correlate.InLine {
			s.inLine++
		}
		key := otherField{name: name, kind: kind}
		if others[key] == nil {
			others[key] = &otherField{name: name, kind: kind, sample: id}
		}
		others[key].count++
	}
	for place, n := range places {
		place.Records = n
		s.places = append(s.places, place)
	}
	slices.SortFunc(s.places, func(a, b correlate.Place) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Field, b.Field))
	})
	for _, o := range others {
		s.others = append(s.others, *o)
	}
	slices.SortFunc(s.others, func(a, b otherField) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.name, b.name), cmp.Compare(a.kind, b.kind))
	})
}

func hasAny(labels sources.Labels, names []string) bool {
	v, _ := labels.First(names...)
	return v != ""
}

// A trace ID at full width, as 32 hexadecimal digits or as a UUID of them, behind a name.
var namedID = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_.\-]*)["']?\s*[=:]\s*["']?([0-9a-fA-F]{32}|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})(?:[^0-9A-Za-z\-]|$)`)

// unknownID finds what looks like a trace ID under a name that is not known to hold one:
// a value of 32 hexadecimal digits that are no request's ID by their name.
func unknownID(r sources.Record, by correlate.Signals) (name, kind string, id sources.TraceID) {
	for _, of := range []struct {
		kind   string
		labels sources.Labels
	}{{correlate.InMetadata, r.Metadata}, {correlate.InLabel, r.Stream}} {
		for _, name := range sorted(of.labels) {
			if id, ok := wideID(of.labels[name]); ok && !isRequest(by, name) {
				return name, of.kind, id
			}
		}
	}
	_, fields := correlate.Unfold(r.Line)
	for _, f := range fields {
		if id, ok := wideID(f.Value); ok && !isRequest(by, f.Key) {
			return f.Key, correlate.InField, id
		}
	}
	if len(fields) > 0 {
		return "", "", ""
	}
	for _, m := range namedID.FindAllStringSubmatch(r.Line, -1) {
		if id, ok := wideID(m[2]); ok && !isRequest(by, m[1]) {
			return m[1], correlate.InLine, id
		}
	}
	return "", "", ""
}

var wide = regexp.MustCompile(`^(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$`)

func wideID(value string) (sources.TraceID, bool) {
	if !wide.MatchString(value) {
		return "", false
	}
	return sources.ParseTraceID(strings.ReplaceAll(value, "-", ""))
}

func isRequest(by correlate.Signals, name string) bool {
	return slices.ContainsFunc(by.RequestFields(), func(known string) bool { return strings.EqualFold(known, name) })
}

// anyRecord selects the records of all streams that name a service.
func (e *exam) anyRecord() string {
	for _, label := range correlate.LogServiceLabels() {
		for _, stream := range e.streams {
			if stream[label] != "" {
				return sources.Selector{sources.NotEmpty(label)}.String()
			}
		}
	}
	// Loki gives streams without it a service_name of its own from version 3.0 on.
	return sources.Selector{sources.NotEmpty("service_name")}.String()
}

// share of the sampled records.
func (s *sampledLog) share(n int) float64 {
	if s.records == 0 {
		return 0
	}
	return float64(n) / float64(s.records)
}

// tooFew reports whether no record carries an ID, and so few were looked at that chance may
// have it where one in ten does: 29 are needed.
func (s *sampledLog) tooFew() bool {
	return s.withID+len(s.others) == 0 && math.Pow(1-few, float64(s.records)) > luck
}

// judgeRecords says how well a trace leads to the service's records, and they to it.
func (e *exam) judgeRecords(r *row) {
	s := &r.records
	switch {
	case !e.answers(sources.Loki):
		r.Hops.TraceToRecords = Hop{Unknown, e.silent(sources.Loki)}
		r.Hops.RecordToTrace = r.Hops.TraceToRecords
		return
	case len(r.names.Logs) == 0:
		r.Hops.TraceToRecords = Hop{Broken, "Loki has no records of it"}
		r.Hops.RecordToTrace = r.Hops.TraceToRecords
		return
	case !s.asked || s.records == 0:
		r.Hops.TraceToRecords = Hop{Unknown, "none of its records was looked at"}
		r.Hops.RecordToTrace = r.Hops.TraceToRecords
		return
	}
	if s.tooFew() {
		r.Hops.TraceToRecords = Hop{Unknown, fmt.Sprintf("none of its %s carries an ID, too few to tell by", counted(s.records, "record"))}
		r.Hops.RecordToTrace = r.Hops.TraceToRecords
		return
	}
	share := percent(s.share(s.withID))
	switch reach := s.share(s.withID + s.inLine); {
	case s.withID+s.inLine == 0:
		r.Hops.TraceToRecords = Hop{Weak, "by service and time: no record carries an ID"}
	case reach < few:
		r.Hops.TraceToRecords = Hop{Weak, percent(reach) + " of its records carry an ID"}
	case s.withID == 0:
		r.Hops.TraceToRecords = Hop{OK, "by the text of the line"}
	default:
		r.Hops.TraceToRecords = Hop{OK, share + ", " + where(s.places)}
	}
	switch {
	case s.withID == 0 && len(s.others) > 0:
		r.Hops.RecordToTrace = Hop{Broken, "IDs stand under a name that obs does not know"}
	case s.withID == 0:
		r.Hops.RecordToTrace = Hop{Broken, "no record names a trace"}
	case !e.answers(e.tracer):
		r.Hops.RecordToTrace = Hop{Unknown, e.silent(e.tracer)}
	case r.recordIDs.lost(e.allChecks(recordIDsOf)):
		r.Hops.RecordToTrace = Hop{Weak, fmt.Sprintf("none of %d IDs is a stored trace", r.recordIDs.asked)}
	case s.share(s.withID) < few:
		r.Hops.RecordToTrace = Hop{Weak, share + " of its records name a trace"}
	default:
		r.Hops.RecordToTrace = Hop{OK, share + " name a trace"}
	}
}

// where names the places of IDs, the most used first.
func where(places []correlate.Place) string {
	var all []string
	for _, p := range places {
		text := p.Kind
		if p.Field != "" {
			text += " " + p.Field
		}
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	const shown = 2
	if len(all) > shown {
		return fmt.Sprintf("%s and %d more places", strings.Join(all[:shown], ", "), len(all)-shown)
	}
	return strings.Join(all, ", ")
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

// findRecords gathers what the records lack.
func (e *exam) findRecords() {
	if !e.arrives(sources.Loki) {
		return
	}
	looked := func(r *row) bool { return r.records.asked && r.records.records > 0 }
	e.findOver(KindOtherField, Broken, func(r *row) bool { return looked(r) && r.records.withID == 0 && len(r.records.others) > 0 }, func(services []string) Finding {
		var fields []string
		stored := 0
		for _, service := range services {
			o := e.rowOf(service).records.others[0]
			if !slices.Contains(fields, o.name) {
				fields = append(fields, o.name)
			}
			if o.stored {
				stored++
			}
		}
		sort.Strings(fields)
		statement := fmt.Sprintf("%s: records carry what looks like trace IDs under %s, which obs does not know", list(services), strings.Join(fields, ", "))
		if stored > 0 {
			statement += fmt.Sprintf("; of %d that were looked up, %d are stored traces", len(services), stored)
		}
		return Finding{
			Statement: statement, Evidence: e.recordsEvidence(services, func(s *sampledLog) int { return s.others[0].count }, "records with such a value"),
			Mends: []Mend{
				{Where: "obs profile", Text: "names:\n  trace_id_fields: [" + yamlList(fields) + "]"},
				mendRename(fields[0]),
			},
		}
	})
	e.findOver(KindNoIDs, Broken, func(r *row) bool {
		return looked(r) && r.records.withID == 0 && len(r.records.others) == 0 && !r.records.tooFew()
	}, func(services []string) Finding {
		return Finding{
			Statement: fmt.Sprintf("%s: no record of the newest %s carries a trace ID, so that only service and time join them to a trace", list(services), sampleSize(e, services)),
			Evidence:  e.recordsEvidence(services, func(s *sampledLog) int { return s.withID }, "records with a trace ID"),
			Mends:     []Mend{mendLogIDs, mendMetadata},
		}
	})
	e.findOver(KindFewIDs, Weak, func(r *row) bool {
		return looked(r) && r.records.withID > 0 && r.records.share(r.records.withID) < few
	}, func(services []string) Finding {
		return Finding{
			Statement: fmt.Sprintf("%s: fewer than one record in ten carries a trace ID", list(services)),
			Evidence:  e.recordsEvidence(services, func(s *sampledLog) int { return s.withID }, "records with a trace ID"),
			Mends:     []Mend{mendLogIDs},
		}
	})
	if e.arrives(e.tracer) {
		e.findOver(KindNotStored, Weak, func(r *row) bool { return r.recordIDs.lost(e.allChecks(recordIDsOf)) }, func(services []string) Finding {
			asked := 0
			for _, service := range services {
				asked += e.rowOf(service).recordIDs.asked
			}
			return Finding{
				Statement: fmt.Sprintf("%s: the traces that records name are not stored (%d looked up)", list(services), asked),
				Evidence:  e.recordsEvidence(services, func(s *sampledLog) int { return s.withID }, "records with a trace ID"),
				Mends:     []Mend{mendSampling},
			}
		})
	}
}

// recordsEvidence counts something in the samples of the services; the first few stand for
// all.
func (e *exam) recordsEvidence(services []string, count func(*sampledLog) int, of string) []correlate.Evidence {
	const shown = 3
	all := []correlate.Evidence{}
	for _, service := range services[:min(shown, len(services))] {
		s := &e.rowOf(service).records
		all = append(all, correlate.Evidence{
			Backend: sources.Loki, Query: s.query, Window: e.options.Window, URL: e.set.Logs.Link(s.query, e.options.Window),
			Values: []correlate.Value{{Name: of, Value: float64(count(s))}, {Name: "records sampled", Value: float64(s.records)}},
		})
	}
	return all
}

func sampleSize(e *exam, services []string) string {
	n := 0
	for _, service := range services {
		n = max(n, e.rowOf(service).records.records)
	}
	return fmt.Sprint(n)
}

// settled is how old an ID should be before it is looked up: spans are sent in batches, by
// OpenTelemetry's SDKs every 5 seconds, and collectors that sample by the whole trace wait 30
// for its end.
const settled = 30 * time.Second
