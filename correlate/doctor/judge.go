package doctor

import (
	"cmp"
	"fmt"
	"slices"

	"obs/correlate"
	"obs/sources"
)

// judge grades hops, services and the whole, and puts findings into their order.
func (e *exam) judge() {
	for _, r := range e.rows {
		e.judgeMetric(r)
		e.judgeExemplars(r)
		e.judgeRecords(r)
		e.judgeNames(r)
		r.Places, r.Sampled = r.records.places, r.records.records
		r.Grade = Unknown
		for _, hop := range r.Hops.All() {
			r.Grade = worse(r.Grade, hop.Grade)
		}
	}
	e.judgeServers()
	e.judgeReach()
	e.findMetrics()
	e.findExemplars()
	e.findRecords()
	e.findNames()
	e.findTraces()
	e.findLabels()
	e.findSecrets()

	report := e.report
	rank := map[Grade]int{Broken: 0, Weak: 1, OK: 2, Unknown: 3}
	slices.SortStableFunc(report.Findings, func(a, b Finding) int { return cmp.Compare(rank[a.Grade], rank[b.Grade]) })
	report.Grade = Unknown
	for i := range report.Findings {
		report.Findings[i].ID = fmt.Sprintf("f%d", i+1)
		report.Grade = worse(report.Grade, report.Findings[i].Grade)
	}
	slices.SortStableFunc(e.rows, func(a, b *row) int {
		return cmp.Or(cmp.Compare(rank[a.Grade], rank[b.Grade]), cmp.Compare(a.Name, b.Name))
	})
	for _, r := range e.rows {
		report.Services = append(report.Services, r.Service)
		report.Grade = worse(report.Grade, r.Grade)
	}
	for _, backend := range e.backends() {
		report.Servers = append(report.Servers, *e.servers[backend])
	}
}

// find notes a gap.
func (e *exam) find(f Finding) {
	if f.Evidence == nil {
		f.Evidence = []correlate.Evidence{} // so that none marshals as a list too
	}
	e.report.Findings = append(e.report.Findings, f)
}

// findOver notes one gap for all services that have it, where any has.
func (e *exam) findOver(kind string, grade Grade, has func(*row) bool, say func(services []string) Finding) {
	var services []string
	for _, r := range e.rows {
		if has(r) {
			services = append(services, r.Name)
		}
	}
	if len(services) == 0 {
		return
	}
	slices.Sort(services)
	f := say(services)
	f.Kind, f.Grade, f.Services = kind, grade, services
	e.find(f)
}

func (e *exam) rowOf(service string) *row {
	i := slices.IndexFunc(e.rows, func(r *row) bool { return r.Name == service })
	return e.rows[i]
}

// Broken reports whether anything cannot be walked at all.
func (r *Report) Broken() bool { return r.Grade == Broken }

// Server is what is known of a backend.
func (r *Report) Server(backend sources.Backend) *Server {
	for i := range r.Servers {
		if r.Servers[i].Backend == backend {
			return &r.Servers[i]
		}
	}
	return nil
}
