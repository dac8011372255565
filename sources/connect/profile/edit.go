package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Document is the configuration file as it is written, with its comments, for changes.
type Document struct {
	path     string
	document *yaml.Node
	root     *yaml.Node // of the document
}

// Edit reads the file for a change. One that is not there is begun.
func Edit(path string) (*Document, error) {
	d := &Document{path: path, root: &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}}
	d.document = &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{d.root}}
	text, _, err := load(path)
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return nil, err
	}
	var file File
	root, err := decode(path, text, &file)
	if err != nil {
		return nil, err // a change would lose what is not understood
	}
	if root == nil { // comments alone
		d.document.HeadComment = strings.TrimSpace(string(text))
		return d, nil
	}
	if err := yaml.Unmarshal(text, d.document); err != nil {
		return nil, unreadable(path, text, err)
	}
	if d.root = d.document.Content[0]; d.root.Kind == yaml.ScalarNode { // null
		d.root.Kind, d.root.Tag, d.root.Value = yaml.MappingNode, "!!map", ""
	}
	return d, nil
}

// Use makes a profile the current one.
func (d *Document) Use(name string) error {
	var file File
	if err := d.root.Decode(&file); err != nil {
		return errors.New(withoutValues(err))
	}
	if _, known := file.Profiles[name]; !known {
		return errors.New(unknownProfile(name, file.Names()))
	}
	return set(d.root, []string{"current"}, scalar(name))
}

// Set sets a key of a profile, such as loki.url, to a value in YAML. The first profile of a
// file becomes the current one.
func (d *Document) Set(profile, key, value string) error {
	if err := CheckName(profile); err != nil {
		return err
	}
	path := splitKey(key)
	if slices.Contains(path, "") {
		return fmt.Errorf("%q is not a key: give it as in loki.url", key)
	}
	t, err := typeAt(reflect.TypeFor[Profile](), path)
	if err != nil {
		return err
	}
	node, err := valueOf(t, value)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	c := checker{file: "the new value", merged: map[visit]bool{}}
	if c.check(node, t, key); len(c.mistakes) > 0 {
		return errors.Join(c.mistakes...)
	}
	if err := set(d.root, append([]string{"profiles", profile}, path...), node); err != nil {
		return err
	}
	return d.firstIsCurrent(profile)
}

// maxName bounds the name of a profile, in characters: it stands in messages and on screens.
const maxName = 64

// CheckName tells what is wrong with the name of a new profile. It is to be written in a
// shell and in a variable as it stands.
func CheckName(name string) error {
	wrong := func(r rune) bool {
		return r > unicode.MaxASCII || (r != '-' && r != '_' && r != '.' && r != '/' && !unicode.IsLetter(r) && !unicode.IsDigit(r))
	}
	if name == "" || len(name) > maxName || name[0] == '-' || strings.ContainsFunc(name, wrong) {
		return fmt.Errorf("%q is no name of a profile: give up to %d letters, digits, dots, dashes, underscores and slashes", name, maxName)
	}
	return nil
}

// Put writes a whole profile, in place of one of the same name.
func (d *Document) Put(name string, p *Profile) error {
	if err := CheckName(name); err != nil {
		return err
	}
	node := &yaml.Node{}
	if err := node.Encode(p); err != nil {
		return err
	}
	if inlineSecret(node) {
		return errors.New("a password or token cannot be written down with a whole profile: name the place where it is")
	}
	if err := set(d.root, []string{"profiles", name}, node); err != nil {
		return err
	}
	return d.firstIsCurrent(name)
}

// Has reports whether there is such a profile.
func (d *Document) Has(name string) bool { return get(d.root, "profiles", name) != nil }

// Current is the name of the current profile, empty where there is none.
func (d *Document) Current() string {
	if node := get(d.root, "current"); node != nil {
		return node.Value
	}
	return ""
}

// Path is where the file is.
func (d *Document) Path() string { return d.path }

func (d *Document) firstIsCurrent(name string) error {
	if get(d.root, "current") == nil {
		d.root.Content = append([]*yaml.Node{scalar("current"), scalar(name)}, d.root.Content...) // where it is looked for
	}
	return nil
}

// inlineSecret tells that a secret stands in an encoded value, where the library writes
// this in its place.
func inlineSecret(node *yaml.Node) bool {
	return node.Value == hidden || slices.ContainsFunc(node.Content, inlineSecret)
}

// Write checks the whole and writes it, for nobody else to read.
func (d *Document) Write() error {
	text, err := d.text()
	if err != nil {
		return err
	}
	var file File
	if _, err := decode(d.path, text, &file); err != nil {
		return err
	}
	path, err := followed(d.path)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	// A file that is written halfway is no configuration: it takes its place when it is whole.
	temporary, err := writeBeside(path, text)
	if err != nil {
		return err
	}
	return replace(temporary, path)
}

// followed is the file that a path leads to, over symbolic links, with which people keep
// their configuration elsewhere. It may be missing.
func followed(path string) (string, error) {
	const most = 40 // links in a row, as Linux has it
	for range most {
		if !isLink(path) {
			return path, nil
		}
		to, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return "", fmt.Errorf("%s leads nowhere: too many links", path)
}

// isLink tells that a link is there. What else is wrong with a path shows when it is written.
func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

func replace(temporary, path string) error {
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return nil
}

// writeBeside writes a new file in the folder of another, for nobody else to read.
func writeBeside(path string, text []byte) (string, error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".config-*.yaml") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

// template is what a person finds who edits a file that is not there yet.
const template = `# Connections of obs, by name; obs config schema has every key.
# current: production
# profiles:
#   production:
#     prometheus: {url: https://prometheus.example.com}
#     loki: {url: https://loki.example.com, tenant: team-a, username: me, password_command: pass show loki}
#     jaeger: {url: https://jaeger.example.com, token_file: /run/secrets/jaeger}
`

// Copy makes a copy of the configuration file beside it, to be edited.
func Copy(path string) (string, error) {
	text, _, err := load(path)
	path, linked := followed(path)
	switch {
	case linked != nil:
		return "", linked
	case errors.Is(err, fs.ErrNotExist):
		text, err = []byte(template), os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err != nil {
		return "", err
	}
	return writeBeside(path, text)
}

// Adopt puts a copy in the file's place, unless there is a mistake in it, for nobody else
// to read. One that is as it was is removed, and changed is false.
func Adopt(copied, path string) (changed bool, err error) {
	text, _, err := load(copied)
	if err != nil {
		return false, err
	}
	was, _, err := load(path)
	if errors.Is(err, fs.ErrNotExist) {
		was, err = []byte(template), nil
	}
	if err == nil && bytes.Equal(text, was) {
		return false, os.Remove(copied)
	}
	if _, _, err := Read(copied); err != nil {
		return false, err
	}
	if path, err = followed(path); err != nil {
		return false, err
	}
	if err := os.Chmod(copied, 0o600); err != nil { // an editor may have made it anew
		return false, err
	}
	return true, os.Rename(copied, path)
}

func (d *Document) text() ([]byte, error) {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	err := errors.Join(encoder.Encode(d.document), encoder.Close())
	return b.Bytes(), err
}

func splitKey(key string) []string { return strings.Split(key, ".") }

// typeAt is the type of the value under a path of keys.
func typeAt(t reflect.Type, path []string) (reflect.Type, error) {
	for i, name := range path {
		var known []field
		if t.Kind() == reflect.Struct {
			known = fields(t)
		}
		index := slices.IndexFunc(known, func(f field) bool { return f.name == name })
		switch {
		case index >= 0:
			t = known[index].kind
		case shapeOf(t) == keys && free(t) != nil:
			t = free(t)
		case shapeOf(t) != keys:
			return nil, fmt.Errorf("%s holds %s and no keys", strings.Join(path[:i], "."), shapeOf(t))
		default:
			return nil, fmt.Errorf("%s: %s", strings.Join(path[:i+1], "."), unknownKey(name, known))
		}
	}
	return t, nil
}

// valueOf reads a value as it is given on a command line: as it stands where a text belongs,
// else as YAML.
func valueOf(t reflect.Type, value string) (*yaml.Node, error) {
	if shapeOf(t) == text {
		return scalar(value), nil
	}
	node, err := parsed(value)
	if err != nil {
		return nil, err
	}
	if shapeOf(t) == list && node.Kind == yaml.ScalarNode { // one is a list of one
		return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{node}}, nil
	}
	return node, nil
}

func scalar(value string) *yaml.Node {
	node := &yaml.Node{}
	node.SetString(value)
	return node
}

func get(node *yaml.Node, path ...string) *yaml.Node {
	for _, name := range path {
		node = value(node, name)
		if node == nil {
			return nil
		}
	}
	return node
}

func value(node *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(node.Content) && node.Kind == yaml.MappingNode; i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i+1]
		}
	}
	return nil
}

// set puts a value under a path of keys, which are made where they are missing. What other
// places share by an anchor stays as it is.
func set(node *yaml.Node, path []string, to *yaml.Node) error {
	if node.Kind == yaml.AliasNode || node.Anchor != "" {
		return errors.New("it is shared with other places by an anchor: obs config edit changes it")
	}
	if len(path) == 0 {
		head, line, foot := node.HeadComment, node.LineComment, node.FootComment
		*node = *to
		node.HeadComment, node.LineComment, node.FootComment = head, line, foot
		return nil
	}
	if node.Kind != yaml.MappingNode { // a key without a value
		head, line, foot := node.HeadComment, node.LineComment, node.FootComment
		*node = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", HeadComment: head, LineComment: line, FootComment: foot}
	}
	inner := value(node, path[0])
	if inner == nil {
		inner = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		node.Content = append(node.Content, scalar(path[0]), inner)
	}
	return set(inner, path[1:], to)
}
