package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/config"
	"github.com/prometheus/sigv4"
	"go.yaml.in/yaml/v3"

	"obs/sources"
)

// decode reads YAML strictly into a pointer. The root of the document is nil where there is
// none. No error holds a value of the file: any of them may be a secret.
func decode(path string, text []byte, into any) (*yaml.Node, error) {
	var document, next yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil // empty, or nothing but comments
	case err != nil:
		return nil, unreadable(path, text, err)
	}
	if err := decoder.Decode(&next); !errors.Is(err, io.EOF) {
		return nil, &Mistake{File: path, Line: next.Line, Text: "it holds more than one document"}
	}
	root := document.Content[0]
	c := checker{file: path, merged: map[visit]bool{}}
	c.check(root, reflect.TypeOf(into).Elem(), "")
	if len(c.mistakes) > 0 {
		return nil, errors.Join(c.mistakes...)
	}
	if err := root.Decode(into); err != nil {
		return nil, unreadable(path, text, err)
	}
	return root, nil
}

var (
	atLine        = regexp.MustCompile(`^line (\d+): `)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
	indentedByTab = regexp.MustCompile(`^ *\t`)
)

// unreadable is the mistake of a text that the library cannot read.
func unreadable(path string, text []byte, err error) *Mistake {
	m := &Mistake{File: path, Text: withoutValues(err)}
	if found := atLine.FindStringSubmatch(m.Text); found != nil {
		m.Line, _ = strconv.Atoi(found[1]) // digits alone
		m.Text = m.Text[len(found[0]):]
	}
	lines := strings.Split(string(text), "\n")
	// The library names the anchor, which may well be a password.
	if found := unknownAnchor.FindStringSubmatch(m.Text); found != nil {
		m.Text = "it refers to an anchor that is not there; a text that begins with * wants quotes"
		m.Line = 1 + slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, "*"+found[1]) })
		return m
	}
	for i := max(0, m.Line-2); i < min(len(lines), m.Line+1); i++ { // it is not exact in lines
		if indentedByTab.MatchString(lines[i]) {
			m.Line, m.Text = i+1, "a tab cannot indent: use spaces"
		}
	}
	return m
}

// withoutValues is the text of an error of the library, as far as it quotes nothing.
func withoutValues(err error) string {
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:\n  ")
	text, _, _ = strings.Cut(text, "\n")
	text, _, cut := strings.Cut(text, "`")
	if text = strings.TrimSpace(text); cut {
		text += " …"
	}
	return text
}

// visit is a mapping that is merged into one of a type.
type visit struct {
	node *yaml.Node
	into reflect.Type
}

// checker compares a document with the types that it is for.
type checker struct {
	file     string
	merged   map[visit]bool
	mistakes []error
}

func (c *checker) add(node *yaml.Node, key, format string, args ...any) {
	c.mistakes = append(c.mistakes, &Mistake{File: c.file, Line: node.Line, Key: key, Text: fmt.Sprintf(format, args...)})
}

// validated are the types that refuse what contradicts itself.
var validated = []reflect.Type{
	reflect.TypeFor[config.HTTPClientConfig](), reflect.TypeFor[config.TLSConfig](), reflect.TypeFor[config.OAuth2](), reflect.TypeFor[sigv4.SigV4Config](),
}

func (c *checker) check(node *yaml.Node, t reflect.Type, at string) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if !c.plain(node, at) || node.Tag == "!!null" { // a key without a value
		return
	}
	want := shapeOf(t)
	if !fits(node, want) {
		c.add(node, at, "it is %s, and must be %s", shapeIn(node), want)
		return
	}
	before := len(c.mistakes)
	switch want {
	case list:
		for i, item := range node.Content {
			c.check(item, bare(t.Elem()), fmt.Sprintf("%s[%d]", at, i))
		}
	case keys:
		c.checkKeys(node, t, at)
	case command:
		c.checkCommand(node, at)
	case text:
		c.checkText(node, t, at)
	case whole:
		if node.Decode(reflect.New(t).Interface()) != nil {
			c.add(node, at, "it is a number out of bounds")
		}
	}
	if len(c.mistakes) == before && slices.Contains(validated, t) {
		if err := node.Decode(reflect.New(t).Interface()); err != nil {
			c.add(node, at, "%s", withoutValues(err))
		}
	}
}

// plain tells that a value is what it looks like: a password that begins with & or ! is an
// anchor or a tag to YAML, and would be as good as none.
func (c *checker) plain(node *yaml.Node, at string) bool {
	switch {
	case node.Tag == "!!null" && node.Anchor != "":
		c.add(node, at, "it is an anchor without a value; a text that begins with & wants quotes")
	case node.Kind == yaml.ScalarNode && !strings.HasPrefix(node.Tag, "!!"), node.Tag == "!!binary":
		c.add(node, at, "it has a tag; a text that begins with ! wants quotes")
	default:
		return true
	}
	return false
}

func (c *checker) checkText(node *yaml.Node, t reflect.Type, at string) {
	switch t {
	case urlType:
		if _, err := url.Parse(node.Value); err != nil {
			c.add(node, at, "it is not an address")
		}
	case versionType:
		if _, known := config.TLSVersions[node.Value]; !known {
			c.add(node, at, "it must be one of %s", strings.Join(tlsVersions(), ", "))
		}
	}
}

func (c *checker) checkCommand(node *yaml.Node, at string) {
	if node.Kind == yaml.ScalarNode {
		return
	}
	for i, argument := range node.Content {
		c.check(argument, reflect.TypeFor[string](), fmt.Sprintf("%s[%d]", at, i))
	}
	if len(node.Content) == 0 || node.Content[0].Value == "" {
		c.add(node, at, "it names no command")
	}
}

func (c *checker) checkKeys(node *yaml.Node, t reflect.Type, at string) {
	var known []field
	if t.Kind() == reflect.Struct {
		known = fields(t)
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.Tag == "!!null" {
			c.add(key, at, "a key must be a text")
			continue
		}
		below := strings.TrimPrefix(at+"."+key.Value, ".")
		line, twice := seen[key.Value]
		seen[key.Value] = key.Line
		index := slices.IndexFunc(known, func(f field) bool { return f.name == key.Value })
		switch {
		case twice:
			c.add(key, below, "it stands in line %d too", line)
		case key.Tag == "!!merge":
			c.checkMerged(value, t, at)
		case index >= 0:
			c.check(value, known[index].kind, below)
		case free(t) != nil:
			c.check(value, free(t), below)
		case !isWord(key.Value) || (node.Style&yaml.FlowStyle != 0 && value.Tag == "!!null"):
			// In {password: a,b} the b is a key of its own.
			c.add(key, at, "there is something that is no key; a text with a comma, a colon or braces wants quotes")
		default:
			c.add(key, below, "%s", unknownKey(key.Value, known))
		}
	}
}

// checkMerged checks what << takes in, by the keys of where it is taken to. A mapping that is
// merged into itself ends here, and is refused when it is decoded.
func (c *checker) checkMerged(from *yaml.Node, t reflect.Type, at string) {
	if from.Kind == yaml.AliasNode {
		from = from.Alias
	}
	if c.merged[visit{from, t}] {
		return
	}
	c.merged[visit{from, t}] = true
	switch from.Kind {
	case yaml.MappingNode:
		c.checkKeys(from, t, at)
	case yaml.SequenceNode:
		for _, one := range from.Content {
			c.checkMerged(one, t, at)
		}
	default:
		c.add(from, at, "<< takes keys with values")
	}
}

// isWord tells that a text looks like a key, and not like a value that lost its quotes.
func isWord(text string) bool { return wordPattern.MatchString(text) }

// Keys have up to two dozen letters.
var wordPattern = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,48}$`)

func unknownKey(key string, known []field) string {
	names := make([]string, len(known))
	for i, f := range known {
		names[i] = f.name
	}
	if near := Nearest(key, names); near != "" {
		return fmt.Sprintf("unknown key %q, do you mean %q?", key, near)
	}
	return fmt.Sprintf("unknown key %q; there are %s", key, strings.Join(names, ", "))
}

func fits(node *yaml.Node, want shape) bool {
	switch want {
	case list:
		return node.Kind == yaml.SequenceNode
	case keys:
		return node.Kind == yaml.MappingNode
	case command:
		return node.Kind == yaml.SequenceNode || node.Kind == yaml.ScalarNode
	case yesNo:
		return node.Kind == yaml.ScalarNode && node.Tag == "!!bool"
	case whole:
		return node.Kind == yaml.ScalarNode && node.Tag == "!!int"
	case text:
		return node.Kind == yaml.ScalarNode
	}
	return true
}

func shapeIn(node *yaml.Node) shape {
	switch node.Kind {
	case yaml.SequenceNode:
		return list
	case yaml.MappingNode:
		return keys
	}
	return text
}

// parsed reads one value, as a command line gives it.
func parsed(value string) (*yaml.Node, error) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(value), &document); err != nil {
		return nil, errors.New(sources.Printable(unreadable("", []byte(value), err).Text))
	}
	if len(document.Content) == 0 {
		return scalar(""), nil
	}
	return document.Content[0], nil
}
