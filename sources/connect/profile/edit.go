package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
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
	path string
	root *yaml.Node
}

// Edit reads the file for a change. One that is not there is begun.
func Edit(path string) (*Document, error) {
	d := &Document{path: path, root: &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}}
	text, _, err := load(path)
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return nil, err
	}
	var file File
	if err := decode(path, text, &file); err != nil {
		return nil, err // a change would lose what is not understood
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	if len(document.Content) > 0 {
		d.root = document.Content[0]
	}
	return d, nil
}

// Use makes a profile the current one.
func (d *Document) Use(name string) error {
	var file File
	if err := d.root.Decode(&file); err != nil {
		return err
	}
	if _, known := file.Profiles[name]; !known {
		return errors.New(unknownProfile(name, file.Names()))
	}
	set(d.root, []string{"current"}, scalar(name))
	return nil
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
	c := checker{file: "the new value"}
	if c.check(node, t, key); len(c.mistakes) > 0 {
		return errors.Join(c.mistakes...)
	}
	set(d.root, append([]string{"profiles", profile}, path...), node)
	return d.firstIsCurrent(profile)
}

// maxName bounds the name of a profile, in characters: it stands in messages and on screens.
const maxName = 64

// CheckName tells what is wrong with the name of a new profile. It is to be written in a
// shell and in a variable as it stands.
func CheckName(name string) error {
	wrong := func(r rune) bool {
		return r > unicode.MaxASCII || !(r == '-' || r == '_' || r == '.' || r == '/' || unicode.IsLetter(r) || unicode.IsDigit(r))
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
	set(d.root, []string{"profiles", name}, node)
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
		set(d.root, []string{"current"}, scalar(name))
	}
	return nil
}

// Write checks the whole and writes it, for nobody else to read.
func (d *Document) Write() error {
	text, err := d.text()
	if err != nil {
		return err
	}
	var file File
	if err := decode(d.path, text, &file); err != nil {
		return err
	}
	dir := filepath.Dir(d.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// A file that is written halfway is no configuration: it takes its place when it is whole.
	temporary, err := writeBeside(d.path, text)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, d.path); err != nil {
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
	if errors.Is(err, fs.ErrNotExist) {
		text, err = []byte(template), os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err != nil {
		return "", err
	}
	return writeBeside(path, text)
}

// Adopt puts a copy in the file's place, unless there is a mistake in it.
func Adopt(copied, path string) error {
	if _, _, err := Read(copied); err != nil {
		return err
	}
	return os.Rename(copied, path)
}

func (d *Document) text() ([]byte, error) {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	err := errors.Join(encoder.Encode(d.root), encoder.Close())
	return b.Bytes(), err
}

// hidden stands in place of a secret.
const hidden = "<secret>"

// View is the file as text with every secret taken out.
func (d *Document) View() (string, error) {
	text, err := d.text()
	if err != nil {
		return "", err
	}
	var copied yaml.Node
	if err := yaml.Unmarshal(text, &copied); err != nil {
		return "", err
	}
	if len(copied.Content) == 0 {
		return "", nil
	}
	hide(copied.Content[0], reflect.TypeFor[File](), "")
	// A comment may hold the secret that was used before.
	shown := Document{root: withoutComments(copied.Content[0])}
	text, err = shown.text()
	return string(text), err
}

func withoutComments(node *yaml.Node) *yaml.Node {
	node.HeadComment, node.LineComment, node.FootComment = "", "", ""
	for _, inner := range node.Content {
		withoutComments(inner)
	}
	return node
}

// hide replaces secrets, user and password in addresses, and the values of headers and of
// parameters, which may be secrets.
func hide(node *yaml.Node, t reflect.Type, key string) {
	if node.Kind == yaml.AliasNode {
		return // its anchor is hidden where it stands
	}
	if node.Kind == yaml.ScalarNode {
		switch {
		case node.Value == "":
		case t == secretType, key == "values", key == "endpoint_params", key == "claims":
			*node = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: hidden}
		case strings.Contains(node.Value, "@"):
			if u, err := url.Parse(node.Value); err != nil || u.User != nil {
				node.Value = node.Value[:strings.Index(node.Value, "//")+len("//")] + hidden + node.Value[strings.LastIndex(node.Value, "@"):]
			}
		}
		return
	}
	switch shapeOf(t) {
	case command:
		hideArguments(node)
	case list:
		for _, item := range node.Content {
			hide(item, bare(t.Elem()), key)
		}
	case keys:
		var known []field
		if t.Kind() == reflect.Struct {
			known = fields(t)
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			name, value := node.Content[i].Value, node.Content[i+1]
			index := slices.IndexFunc(known, func(f field) bool { return f.name == name })
			switch {
			case index >= 0:
				hide(value, known[index].kind, name)
			case free(t) != nil && (key == "endpoint_params" || key == "claims"):
				hide(value, secretType, key)
			case free(t) != nil:
				hide(value, free(t), name)
			}
		}
	default:
		*node = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: hidden}
	}
}

// hideArguments leaves the name of a command: an argument may be a secret.
func hideArguments(node *yaml.Node) {
	for i, argument := range node.Content {
		if i > 0 {
			argument.Value = "…"
		}
	}
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
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(value), &document); err != nil {
		return nil, err
	}
	if len(document.Content) == 0 {
		return scalar(""), nil
	}
	if shapeOf(t) == list && document.Content[0].Kind == yaml.ScalarNode { // one is a list of one
		return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: document.Content}, nil
	}
	return document.Content[0], nil
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

// set puts a value under a path of keys, which are made where they are missing.
func set(node *yaml.Node, path []string, to *yaml.Node) {
	if len(path) == 0 {
		comment := node.LineComment
		*node = *to
		node.LineComment = comment
		return
	}
	if node.Kind != yaml.MappingNode { // a key without a value
		*node = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	}
	inner := value(node, path[0])
	if inner == nil {
		inner = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		node.Content = append(node.Content, scalar(path[0]), inner)
	}
	set(inner, path[1:], to)
}
