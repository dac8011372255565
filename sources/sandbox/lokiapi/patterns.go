package lokiapi

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"obs/sources/sandbox/lokiapi/logql"
)

const (
	// patternStep is the width of the counts of those who do not name one.
	patternStep = 10 * time.Second
	// maxPatterns is how many patterns are told, the most frequent ones.
	maxPatterns = 300
	// maxPatternWords is how much of a line a pattern is made of.
	maxPatternWords = 60
)

type linePattern struct {
	Pattern string     `json:"pattern"`
	Level   string     `json:"level"`
	Samples [][2]int64 `json:"samples"` // seconds and count

	total int64
}

// patterns counts lines by what is left of them without the words that vary.
func (s *server) patterns(r *request) (any, error) {
	matchers, err := r.selector()
	if err != nil {
		return nil, err
	}
	from, to, err := r.window(time.Hour)
	if err != nil {
		return nil, err
	}
	step, err := r.span("step", patternStep)
	if err != nil {
		return nil, err
	}
	step = max(step.Truncate(patternStep), patternStep)
	type key struct{ pattern, level string }
	found := map[key]*linePattern{}
	var metadata logql.Labels
	for _, stream := range s.store.Select(matchers, from.UnixNano(), to.UnixNano()) {
		for i := range stream.Records.Len() {
			if i%1024 == 0 && r.Context().Err() != nil {
				return nil, r.Context().Err()
			}
			metadata = stream.Records.Metadata(i, metadata[:0])
			k := key{template(stream.Records.Line(i)), metadata.Get(detectedLevel)}
			p := found[k]
			if p == nil {
				p = &linePattern{Pattern: k.pattern, Level: strings.Clone(k.level)}
				found[k] = p
			}
			p.add(align(stream.Records.Time(i), int64(step)) / int64(time.Second))
		}
	}
	list := []*linePattern{}
	for _, p := range found {
		slices.SortFunc(p.Samples, func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) })
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *linePattern) int {
		return cmp.Or(cmp.Compare(b.total, a.total), strings.Compare(a.Pattern, b.Pattern), strings.Compare(a.Level, b.Level))
	})
	return success(list[:min(len(list), maxPatterns)]), nil
}

func (p *linePattern) add(second int64) {
	p.total++
	// Records come in order within a stream, so it is one of the last, mostly.
	for i := len(p.Samples) - 1; i >= 0; i-- {
		if p.Samples[i][0] == second {
			p.Samples[i][1]++
			return
		}
	}
	p.Samples = append(p.Samples, [2]int64{second, 1})
}

// template replaces what varies: words with a digit and quoted texts.
func template(line string) string {
	const gap = "<_>"
	var b strings.Builder
	for n, word := range splitWords(line) {
		if n == maxPatternWords {
			break
		}
		if n > 0 {
			b.WriteByte(' ')
		}
		name, value, isPair := strings.Cut(word, "=")
		switch {
		case isPair && varies(value) && !strings.ContainsAny(name, `"{`):
			word = name + "=" + gap
		case varies(word):
			word = gap
		}
		b.WriteString(word)
	}
	return b.String()
}

func varies(word string) bool { return strings.ContainsAny(word, "0123456789\"") }

// splitWords cuts at blanks that are not inside of quotes.
func splitWords(line string) (words []string) {
	start, quoted := 0, false
	for i := 0; i <= len(line); i++ {
		switch {
		case i == len(line), !quoted && line[i] <= ' ':
			if i > start {
				words = append(words, line[start:i])
			}
			start = i + 1
		case line[i] == '"' && (i == 0 || line[i-1] != '\\'):
			quoted = !quoted
		}
	}
	return words
}
