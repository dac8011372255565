package logql

import "slices"

// rangeNode keeps, for each series, the values within a span of time that moves on.
type rangeNode struct {
	ev     *evaluation
	expr   *rangeExpr
	series []*rangeSeries
	values []rangeValue // of all series, in order of time
	lo, hi int          // those within the span
	active []*rangeSeries
	absent Labels
}

type rangeSeries struct {
	labels  Labels
	key     string
	total   float64   // of what is within the span
	values  []float64 // of all times
	lo, hi  int       // those within the span
	isAlive bool
}

type rangeValue struct {
	time   int64
	value  float64
	series int32
}

func (ev *evaluation) rangeNode(e *rangeExpr, hint *Grouping) (node, error) {
	if e.query.late != nil {
		return nil, e.query.late
	}
	n := &rangeNode{ev: ev, expr: e}
	from := ev.params.From - int64(e.offset) - int64(e.span) + 1
	to := ev.params.To - int64(e.offset) + 1
	grouping := e.grouping
	ignoreErrors := false
	if grouping == nil && hint != nil && rangeFunctions[e.function].additive {
		grouping = hint
		// Where nothing looks at a label, Loki does not even parse the lines.
		ignoreErrors = e.unwrap == nil && !hint.without && len(hint.names) == 0 && !e.query.looksAtLabels()
	}
	if e.function == "absent_over_time" {
		grouping = &Grouping{}
		n.absent = absentLabels(e.query.Matchers)
	}
	collector := newCollector(grouping)
	var entry entry
	var metadata Labels
	read := 0
	for _, s := range ev.source.Select(e.query.Matchers, from, to) {
		for i := range s.Records.Len() {
			if read++; read%1024 == 0 && ev.ctx.Err() != nil {
				return nil, ev.ctx.Err()
			}
			metadata = s.Records.Metadata(i, metadata[:0])
			entry.reset(s.Records.Time(i), s.Records.Line(i), s.Labels, metadata)
			if !e.query.run(&entry) {
				continue
			}
			value, ok := n.value(&entry)
			if !ok {
				continue
			}
			if entry.err != "" && !ignoreErrors && !grouping.goesBy(errorLabel) {
				return nil, pipelineError(entry.err, entry.all())
			}
			if ignoreErrors {
				entry.err, entry.detail = "", ""
			}
			series := collector.series(&entry)
			collector.list[series].values = append(collector.list[series].values, value)
			n.values = append(n.values, rangeValue{entry.time, value, int32(series)})
		}
	}
	n.series = collector.list
	slices.SortStableFunc(n.values, func(a, b rangeValue) int { return int(min(max(a.time-b.time, -1), 1)) })
	// The values of each series in that order too.
	next := make([]int, len(n.series))
	for _, v := range n.values {
		n.series[v.series].values[next[v.series]] = v.value
		next[v.series]++
	}
	return n, nil
}

// value is what the entry counts for.
func (n *rangeNode) value(e *entry) (float64, bool) {
	switch {
	case n.expr.unwrap != nil:
		return n.expr.unwrap.value(e)
	case n.expr.function == "bytes_over_time" || n.expr.function == "bytes_rate":
		return float64(len(e.line)), true
	}
	return 1, true
}

func (n *rangeNode) at(at int64) ([]sample, error) {
	last := at - int64(n.expr.offset)
	first := last - int64(n.expr.span) + 1
	for ; n.hi < len(n.values) && n.values[n.hi].time <= last; n.hi++ {
		s := n.series[n.values[n.hi].series]
		s.hi++
		s.total += n.values[n.hi].value
		if !s.isAlive {
			s.isAlive = true
			n.active = append(n.active, s)
		}
	}
	for ; n.lo < n.hi && n.values[n.lo].time < first; n.lo++ {
		s := n.series[n.values[n.lo].series]
		s.lo++
		s.total -= n.values[n.lo].value
	}
	n.active = slices.DeleteFunc(n.active, func(s *rangeSeries) bool {
		s.isAlive = s.lo < s.hi
		return !s.isAlive
	})
	if n.expr.function == "absent_over_time" {
		if len(n.active) > 0 {
			return nil, nil
		}
		return []sample{{labels: n.absent, key: n.absent.Key(), value: 1}}, nil
	}
	vector := make([]sample, len(n.active))
	for i, s := range n.active {
		if i%256 == 0 && n.ev.ctx.Err() != nil {
			return nil, n.ev.ctx.Err()
		}
		vector[i] = sample{s.labels, s.key, n.compute(s)}
	}
	return vector, nil
}

func (n *rangeNode) compute(s *rangeSeries) float64 {
	within := s.values[s.lo:s.hi]
	seconds := n.expr.span.Seconds()
	total := s.total
	if n.expr.unwrap != nil {
		total = 0 // the running total of fractions would drift
		for _, v := range within {
			total += v
		}
	}
	switch n.expr.function {
	case "count_over_time", "bytes_over_time", "sum_over_time":
		return total
	case "rate", "bytes_rate":
		return total / seconds
	case "avg_over_time":
		return total / float64(len(within))
	case "min_over_time":
		return slices.Min(within)
	case "max_over_time":
		return slices.Max(within)
	case "stddev_over_time":
		return deviation(within)
	case "stdvar_over_time":
		return variance(within)
	case "quantile_over_time":
		return quantile(n.expr.param, within)
	case "first_over_time":
		return within[0]
	}
	return within[len(within)-1]
}

// absentLabels are those that a series would have had for certain.
func absentLabels(matchers []Matcher) (labels Labels) {
	for i, m := range matchers {
		twice := slices.ContainsFunc(matchers[:i], func(o Matcher) bool { return o.Name == m.Name }) ||
			slices.ContainsFunc(matchers[i+1:], func(o Matcher) bool { return o.Name == m.Name })
		if m.Op == equal && m.Value != "" && !twice {
			labels = append(labels, Label{m.Name, m.Value})
		}
	}
	return labels.sort()
}

// collector finds the series that an entry belongs to.
type collector struct {
	grouping *Grouping // none: by all labels
	names    []string  // of the grouping, in order
	byKey    map[string]int
	list     []*rangeSeries
	buffer   []byte
}

func newCollector(g *Grouping) *collector {
	c := &collector{grouping: g, byKey: map[string]int{}}
	if g != nil {
		c.names = slices.Compact(slices.Sorted(slices.Values(g.names)))
	}
	return c
}

func (c *collector) series(e *entry) int {
	var labels Labels
	c.buffer = c.buffer[:0]
	if c.grouping != nil && !c.grouping.without {
		for _, name := range c.names {
			if value, ok := e.get(name); ok {
				c.add(name, value)
			}
		}
	} else {
		labels = slices.DeleteFunc(e.all(), func(l Label) bool {
			return c.grouping != nil && (l.Value == "" || slices.Contains(c.names, l.Name))
		})
		for _, l := range labels {
			c.add(l.Name, l.Value)
		}
	}
	if i, ok := c.byKey[string(c.buffer)]; ok {
		return i
	}
	if labels == nil {
		for _, name := range c.names {
			if value, ok := e.get(name); ok {
				labels = append(labels, Label{name, value})
			}
		}
	}
	key := string(c.buffer)
	c.byKey[key] = len(c.list)
	c.list = append(c.list, &rangeSeries{labels: labels, key: key})
	return len(c.list) - 1
}

// add writes a part of what Labels.Key would be.
func (c *collector) add(name, value string) {
	c.buffer = append(c.buffer, name...)
	c.buffer = append(c.buffer, 0xfe)
	c.buffer = append(c.buffer, value...)
	c.buffer = append(c.buffer, 0xff)
}
