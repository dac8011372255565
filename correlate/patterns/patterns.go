// Package patterns finds the statements that wrote log lines, and how often each did in
// a window and in its baseline.
//
// A pattern is the text of a line with <*> for what varies. They are found by Drain: P.
// He, J. Zhu, Z. Zheng, M. R. Lyu, "Drain: An Online Log Parsing Approach with Fixed
// Depth Tree", ICWS 2017. Lines are text in and patterns out; which lines are read, and
// what is made of a change, is decided in correlate.
package patterns

import (
	"strings"
)

// Options of a Miner. What is zero has its default.
type Options struct {
	// Depth of the parse tree, at least 3. Two of its layers are the root and the length
	// of the text, so that the first Depth-2 words lead to a pattern.
	Depth int
	// Similarity is the least share of equal words, above 0 and at most 1, by which a
	// text belongs to a pattern. A larger one makes more patterns that say more: by the
	// default, two errors of which only the last words differ may be one pattern.
	Similarity float64
	// MaxChildren is how many words one node of the tree tells apart.
	MaxChildren int
	// MaxPatterns is how many patterns are kept; lines of further ones are Other.
	MaxPatterns int
}

// The defaults of the tree are those of the authors' implementation (LogPAI logparser,
// Drain: depth=4, st=0.4, maxChild=100).
const (
	defaultDepth       = 4
	defaultSimilarity  = 0.4
	defaultMaxChildren = 100
	// defaultMaxPatterns is three times the largest number of templates among the 16
	// systems that J. Zhu et al. labeled, 341 ("Tools and Benchmarks for Automated Log
	// Parsing", ICSE-SEIP 2019, table I).
	defaultMaxPatterns = 1024
)

const (
	// maxWords is how many words of a text a pattern is made of; a gap stands for the
	// rest. A judgement: a message begins with what it says, and ends with a list, a
	// query or a dump.
	maxWords = 64
	// maxInLeaf bounds how many patterns a text is compared with, and so the time that
	// a line takes. A judgement, in the order of MaxChildren.
	maxInLeaf = 128
)

// ID names a pattern of one Miner.
type ID int

// Other is the pattern of all lines that found no room among MaxPatterns.
const Other ID = 0

// OtherText is what Other reads as, though its lines share nothing.
const OtherText = gap

// Pattern is what a Miner found.
type Pattern struct {
	ID ID
	// Text holds <*> for what varies. Two patterns may come to read the same when both
	// became more general.
	Text  string
	Count int // lines
}

// Miner sorts lines into patterns one by one. Its memory is bounded whatever the lines
// are, and the same lines in the same order give the same patterns.
type Miner struct {
	options  Options
	roots    map[root]*node
	clusters []*cluster // by ID; the first is Other
	masked   []byte     // reused from line to line
	words    []string   // the same
}

// root is what all texts of a pattern share besides words.
type root struct {
	severity       Severity
	header, length int // in words
}

type node struct {
	children map[string]*node
	clusters []*cluster // where the path ends
}

type cluster struct {
	id    ID
	words []string
	count int
}

// NewMiner makes a Miner that has seen no line.
func NewMiner(options Options) *Miner {
	if options.Depth < 3 {
		options.Depth = defaultDepth
	}
	if !(options.Similarity > 0 && options.Similarity <= 1) { // NaN too
		options.Similarity = defaultSimilarity
	}
	if options.MaxChildren < 1 {
		options.MaxChildren = defaultMaxChildren
	}
	if options.MaxPatterns < 1 {
		options.MaxPatterns = defaultMaxPatterns
	}
	return &Miner{
		options: options, roots: map[root]*node{},
		clusters: []*cluster{{id: Other, words: []string{OtherText}}},
	}
}

// Add counts a line and tells its pattern, of which the text may become more general
// with later lines.
func (m *Miner) Add(line string) ID { return m.AddEntry(Read(line)) }

// AddEntry is Add for a line that was read already.
func (m *Miner) AddEntry(e Entry) ID {
	m.masked = mask(m.masked[:0], e.Text)
	words := m.split(string(m.masked))
	header := headerWords(words)
	at := root{severity: e.Severity, header: header, length: len(words)}
	body := words[header:]
	found := m.best(m.leaf(at, body, false), body, header)
	if found == nil {
		found = m.insert(at, words, body)
	} else {
		found.generalize(words)
	}
	found.count++
	return found.id
}

// split gives the words of a masked text in a slice that the next line overwrites.
func (m *Miner) split(text string) []string {
	m.words = m.words[:0]
	for text != "" {
		if len(m.words) == maxWords-1 && strings.Contains(text, " ") {
			m.words = append(m.words, gap)
			break
		}
		word, rest, _ := strings.Cut(text, " ")
		m.words = append(m.words, word)
		text = rest
	}
	return m.words
}

// Text of a pattern as it is by now; empty for an ID of another Miner.
func (m *Miner) Text(id ID) string {
	if id < 0 || int(id) >= len(m.clusters) {
		return ""
	}
	return strings.Join(m.clusters[id].words, " ")
}

// Patterns by ID, which is the order in which they were first seen. Other comes first,
// and only where it has lines. The counts add up to the lines that were added.
func (m *Miner) Patterns() []Pattern {
	var all []Pattern
	for _, c := range m.clusters {
		if c.count > 0 {
			all = append(all, Pattern{ID: c.id, Text: m.Text(c.id), Count: c.count})
		}
	}
	return all
}

// leaf follows the first words of the body down the tree. Where the path is not there
// yet it makes it, if it may, and else gives nil.
func (m *Miner) leaf(at root, body []string, grow bool) *node {
	n := m.roots[at]
	if n == nil {
		if !grow {
			return nil
		}
		n = &node{}
		m.roots[at] = n
	}
	for _, word := range body[:min(len(body), m.options.Depth-2)] {
		next := n.child(pathWord(word), m.options.MaxChildren, grow)
		if next == nil {
			return nil
		}
		n = next
	}
	return n
}

// child leads on with a word. Of its children a node keeps one for all words that
// found no room.
func (n *node) child(word string, maxChildren int, grow bool) *node {
	if next := n.children[word]; next != nil {
		return next
	}
	if !grow {
		return n.children[gap]
	}
	if n.children == nil {
		n.children = map[string]*node{}
	}
	if word != gap && len(n.children) >= maxChildren-1 {
		word = gap
	}
	next := n.children[word]
	if next == nil {
		next = &node{}
		n.children[strings.Clone(word)] = next // not the whole line
	}
	return next
}

// pathWord is what a word leads to in the tree. Words with digits or a gap are taken
// for variable, and of name=value only the name leads on.
func pathWord(word string) string {
	if at := strings.IndexByte(word, '='); at > 0 {
		word = word[:at+1]
	}
	if strings.Contains(word, gap) || strings.ContainsAny(word, "0123456789") {
		return gap
	}
	return word
}

// best is the most similar pattern of a leaf, or nil where none is similar enough. Of
// equally similar ones it is the most general, and then the oldest.
func (m *Miner) best(leaf *node, body []string, header int) *cluster {
	if leaf == nil {
		return nil
	}
	var found *cluster
	most, mostGaps := 0.0, -1
	for _, c := range leaf.clusters {
		share, gaps := similarity(c.words[header:], body, m.options.Similarity)
		if share >= m.options.Similarity && (share > most || (share == most && gaps > mostGaps)) {
			found, most, mostGaps = c, share, gaps
		}
	}
	return found
}

// similarity is the share of the words that a pattern and a text have in common at the
// same place. As in the paper a word in the place of a gap is not in common. Unlike
// there, gaps on both sides are not counted at all: masked values in the same places do
// not make two texts alike. It is 0 as soon as it cannot come to least.
func similarity(pattern, text []string, least float64) (share float64, gaps int) {
	equal, counted := 0, 0
	// The little more keeps a product such as 0.6·5 from being less than 3.
	mayDiffer := int((1-least)*float64(len(text)) + 1e-9)
	for i, word := range text {
		p := pattern[i]
		if p == gap {
			gaps++
		}
		switch {
		case p == word:
			if saysNothing(p) {
				continue
			}
			equal++
		case fillsNamed(p, word):
			equal++
		case counted-equal == mayDiffer:
			return 0, gaps
		}
		counted++
	}
	if counted == 0 {
		return 1, gaps
	}
	return float64(equal) / float64(counted), gaps
}

// saysNothing tells words that are a gap, but for punctuation.
func saysNothing(word string) bool {
	return strings.Contains(word, gap) && strings.IndexFunc(word, func(r rune) bool { return r < 0x80 && isWord(byte(r)) || r >= 0x80 }) < 0
}

// fillsNamed tells that the pattern's word is name=<*> and the other gives that name.
func fillsNamed(pattern, word string) bool {
	name, ok := strings.CutSuffix(pattern, gap)
	return ok && len(name) > 1 && name[len(name)-1] == '=' && strings.HasPrefix(word, name)
}

// generalize puts gaps where the words differ.
func (c *cluster) generalize(words []string) {
	for i, word := range words {
		p := c.words[i]
		if p == word || p == gap || fillsNamed(p, word) {
			continue
		}
		c.words[i] = gap
		if at := strings.IndexByte(p, '='); at > 0 && at < len(word) && p[:at+1] == word[:at+1] {
			c.words[i] = p[:at+1] + gap
		}
	}
}

// insert makes a pattern of the words, or gives Other where there is no room.
func (m *Miner) insert(at root, words, body []string) *cluster {
	other := m.clusters[Other]
	if len(m.clusters) > m.options.MaxPatterns {
		return other
	}
	leaf := m.leaf(at, body, true)
	if len(leaf.clusters) >= maxInLeaf {
		return other
	}
	made := &cluster{id: ID(len(m.clusters)), words: strings.Split(strings.Join(words, " "), " ")}
	if len(words) == 0 {
		made.words = nil
	}
	leaf.clusters = append(leaf.clusters, made)
	m.clusters = append(m.clusters, made)
	return made
}

// headerLength is how many words may come before the message: date, time, severity,
// process, thread and logger do, with signs between them. A judgement.
const headerLength = 10

// headerWords is how many words come before the message. They are the same for many
// statements of a program, and would make all of them alike; the paper cuts them off
// by a format that is given for each system, which here nobody gives. A text has a
// header only if it begins with a gap, a severity or brackets.
func headerWords(words []string) int {
	if len(words) == 0 || !isHeader(words[0]) {
		return 0
	}
	end, run := 0, true
	for i, word := range words[:min(len(words), headerLength)] {
		run = run && isHeader(word)
		if run || isDivider(word) {
			end = i + 1
			run = true
		}
	}
	if end == len(words) {
		return 0 // it is all there is
	}
	return end
}

// Message is what a line says: its text without the date, the severity, the thread and the
// like that stand before it.
func Message(line string) string {
	words := strings.Split(Read(line).Text, " ")
	masked := make([]string, len(words))
	for i, word := range words {
		masked[i] = string(mask(nil, word))
		if masked[i] == "" {
			return strings.Join(words, " ") // nothing to tell a header by
		}
	}
	return strings.Join(words[headerWords(masked):], " ")
}

// isHeader tells words that are a time and its zone, a number, a severity or in brackets.
func isHeader(word string) bool {
	return saysNothing(word) || isKlogDate(word) || word == "UTC" || word == "GMT" || wordSeverity(word) != Unstated || isDivider(word) ||
		(word[0] == '[' && word[len(word)-1] == ']')
}

// isKlogDate tells the severity and the date that klog writes as one word, masked.
func isKlogDate(word string) bool {
	date, ok := strings.CutSuffix(word, gap)
	return ok && len(date) == 1 && strings.ContainsAny(date, "IWEF")
}

// isDivider tells what stands between a header and a message: a sign by itself, or the
// end of brackets around a place in the program, with a colon or without.
func isDivider(word string) bool {
	switch word {
	case "-", "--", "---", ":", "|", "=>":
		return true
	}
	return strings.HasSuffix(word, "]:") || (strings.HasSuffix(word, "]") && !strings.Contains(word, "["))
}

// Matches tells whether a line can have been written by the statement of a pattern: its
// text reads like it, with anything in the place of each <*>.
func Matches(pattern, line string) bool {
	text := Read(line).Text
	parts := strings.Split(pattern, gap)
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok || len(parts) == 1 {
		return ok && rest == ""
	}
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(rest, part)
		if at < 0 {
			return false
		}
		rest = rest[at+len(part):]
	}
	return strings.HasSuffix(rest, last)
}
