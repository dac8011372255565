package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"obs/sources"
)

// Mistake is something in a configuration file that cannot be meant so.
type Mistake struct {
	File string
	Line int    // from 1; 0 where it is about the whole
	Key  string // such as profiles.production.loki.url
	Text string
}

// Error renders file, line, key and what is wrong.
func (m *Mistake) Error() string {
	at := m.File
	if m.Line > 0 {
		at += fmt.Sprintf(":%d", m.Line)
	}
	if m.Key != "" {
		at += ": " + m.Key
	}
	return sources.Printable(at + ": " + m.Text)
}

// maxFile bounds what is read, in bytes.
const maxFile = 1 << 20

// Read reads the configuration file. One that is not there is empty. Warnings are to be
// shown; the error, where there is one, holds every *Mistake.
func Read(path string) (file File, warnings []string, err error) {
	text, mode, err := load(path)
	if errors.Is(err, fs.ErrNotExist) {
		return File{}, nil, nil
	}
	if err != nil {
		return File{}, nil, err
	}
	if mode.Perm()&0o077 != 0 {
		warnings = append(warnings, fmt.Sprintf("%s can be read by others (mode %04o): chmod 600 %s", sources.Printable(path), mode.Perm(), sources.Printable(path)))
	}
	if err := decode(path, text, &file); err != nil {
		return File{}, warnings, err
	}
	for name, p := range file.Profiles {
		if p == nil {
			p = &Profile{}
			file.Profiles[name] = p
		}
		p.setDirectory(filepath.Dir(path))
	}
	if file.Current != "" && file.Profiles[file.Current] == nil {
		return file, warnings, &Mistake{File: path, Key: "current", Text: unknownProfile(file.Current, file.Names())}
	}
	return file, warnings, nil
}

// ReadLocal reads the file of a working directory. It may hold names and defaults, and
// addresses without anything that is sent to them: whoever wrote the file is not who runs
// obs, and must not learn that person's credentials.
func ReadLocal(path string) (p Profile, found bool, err error) {
	text, _, err := load(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Profile{}, false, nil
	}
	if err != nil {
		return Profile{}, true, err
	}
	if err := decode(path, text, &p); err != nil {
		return Profile{}, true, err
	}
	if p.Grafana != nil {
		return Profile{}, true, &Mistake{File: path, Key: "grafana", Text: "a file of a working directory cannot name a Grafana, which wants a token: put it into " + "the configuration file"}
	}
	for name, c := range p.connections() {
		if only := (Connection{URL: c.URL}); !reflect.DeepEqual(*c, only) {
			return Profile{}, true, &Mistake{File: path, Key: name, Text: "a file of a working directory can give an address and nothing that is sent to it: put credentials into the configuration file"}
		}
		if strings.Contains(c.URL, "@") {
			return Profile{}, true, &Mistake{File: path, Key: name + ".url", Text: "no user and password can stand in an address here"}
		}
	}
	return p, true, nil
}

// Names are the names of the profiles, in order.
func (f *File) Names() []string {
	names := make([]string, 0, len(f.Profiles))
	for name := range f.Profiles {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Find is the profile of that name.
func (f *File) Find(name string) (*Profile, error) {
	if p := f.Profiles[name]; p != nil {
		return p, nil
	}
	return nil, errors.New(unknownProfile(name, f.Names()))
}

func unknownProfile(name string, known []string) string {
	if len(known) == 0 {
		return fmt.Sprintf("there is no profile %q, nor any other: obs config import makes one", name)
	}
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("there is no profile %q: do you mean %q?", name, near)
	}
	return fmt.Sprintf("there is no profile %q: there are %s", name, strings.Join(known, ", "))
}

func (p *Profile) connections() map[string]*Connection {
	all := map[string]*Connection{}
	for name, c := range map[string]*Connection{
		"prometheus": p.Prometheus, "loki": p.Loki, "jaeger": p.Jaeger, "tempo": p.Tempo, "alertmanager": p.Alertmanager,
	} {
		if c != nil {
			all[name] = c
		}
	}
	return all
}

// setDirectory makes files relative to the one that names them.
func (p *Profile) setDirectory(dir string) {
	all := p.connections()
	if p.Grafana != nil {
		all["grafana"] = &p.Grafana.Connection
	}
	for _, c := range all {
		for _, file := range []*string{&c.PasswordFile, &c.TokenFile, &c.HTTPConfigFile} {
			if *file != "" && !filepath.IsAbs(*file) {
				*file = filepath.Join(dir, *file)
			}
		}
		if c.HTTPConfig != nil {
			c.HTTPConfig.SetDirectory(dir)
		}
	}
}

func load(path string) (text []byte, mode fs.FileMode, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	text, err = io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s is larger than a configuration can be", path)
	}
	return text, info.Mode(), err
}

// decode reads YAML strictly into a pointer.
func decode(path string, text []byte, into any) error {
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil // empty, or nothing but comments
	case err != nil:
		// The library tells the line, and of the text no more than a key.
		return &Mistake{File: path, Text: strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return &Mistake{File: path, Text: "it holds more than one document"}
	}
	c := checker{file: path}
	c.check(document.Content[0], reflect.TypeOf(into).Elem(), "")
	if len(c.mistakes) > 0 {
		return errors.Join(c.mistakes...)
	}
	if err := document.Decode(into); err != nil {
		return &Mistake{File: path, Text: strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	return nil
}

// checker compares a document with the types that it is for.
type checker struct {
	file     string
	mistakes []error
}

func (c *checker) add(node *yaml.Node, key, format string, args ...any) {
	c.mistakes = append(c.mistakes, &Mistake{File: c.file, Line: node.Line, Key: key, Text: fmt.Sprintf(format, args...)})
}

func (c *checker) check(node *yaml.Node, t reflect.Type, at string) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Tag == "!!null" {
		return // a key without a value
	}
	want := shapeOf(t)
	if !fits(node, want) {
		c.add(node, at, "it is %s, and must be %s", shapeIn(node), want)
		return
	}
	switch want {
	case list:
		for i, item := range node.Content {
			c.check(item, bare(t.Elem()), fmt.Sprintf("%s[%d]", at, i))
		}
	case keys:
		c.checkKeys(node, t, at)
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
		below := strings.TrimPrefix(at+"."+key.Value, ".")
		if line, twice := seen[key.Value]; twice {
			c.add(key, below, "it stands in line %d too", line)
			continue
		}
		seen[key.Value] = key.Line
		index := slices.IndexFunc(known, func(f field) bool { return f.name == key.Value })
		switch {
		case key.Value == "<<": // what is merged in is checked where it stands
		case index >= 0:
			c.check(value, known[index].kind, below)
		case free(t) != nil:
			c.check(value, free(t), below)
		default:
			c.add(key, below, "%s", unknownKey(key.Value, known))
		}
	}
}

func unknownKey(key string, known []field) string {
	names := make([]string, len(known))
	for i, f := range known {
		names[i] = f.name
	}
	if near := nearest(key, names); near != "" {
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

// UnmarshalYAML reads a list of arguments, or a line for sh.
func (c *Command) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		if node.Value != "" {
			*c = Command{"sh", "-c", node.Value}
		}
		return nil
	}
	var all []string
	if err := node.Decode(&all); err != nil {
		return err
	}
	*c = all
	return nil
}
