package profile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
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
	root, err := decode(path, text, &file)
	if err != nil {
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
		return file, warnings, &Mistake{File: path, Line: lineOf(root, "current"), Key: "current", Text: unknownProfile(file.Current, file.Names())}
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
	root, err := decode(path, text, &p)
	if err != nil {
		return Profile{}, true, err
	}
	if p.Grafana != nil {
		return Profile{}, true, &Mistake{
			File: path, Line: lineOf(root, "grafana"), Key: "grafana",
			Text: "a file of a working directory cannot name a Grafana, which wants a token: put it into the configuration file",
		}
	}
	all := p.connections()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if mistake := sent(get(root, name), all[name]); mistake != nil {
			mistake.File, mistake.Key = path, strings.TrimSuffix(name+"."+mistake.Key, ".")
			return Profile{}, true, mistake
		}
	}
	return p, true, nil
}

// sent is what a connection has beside an address that tells nobody's name, nil for nothing.
func sent(node *yaml.Node, c *Connection) *Mistake {
	const only = "a file of a working directory can give an address and nothing that is sent to it: put credentials into the configuration file"
	for i := 0; i+1 < len(node.Content) && node.Kind == yaml.MappingNode; i += 2 {
		if key := node.Content[i]; key.Value != "url" && key.Value != "<<" {
			return &Mistake{Line: key.Line, Key: key.Value, Text: only}
		}
	}
	if alone := (Connection{URL: c.URL}); !reflect.DeepEqual(*c, alone) { // as what is merged in may have it
		return &Mistake{Line: node.Line, Text: only}
	}
	if strings.Contains(c.URL, "@") {
		return &Mistake{Line: lineOf(node, "url"), Key: "url", Text: "no user and password can stand in an address here"}
	}
	return nil
}

// lineOf is the line of the value under a key, 0 where there is none.
func lineOf(node *yaml.Node, key string) int {
	if node = value(node, key); node != nil {
		return node.Line
	}
	return 0
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
	if near := Nearest(name, known); near != "" {
		return fmt.Sprintf("there is no profile %q: do you mean %q?", name, near)
	}
	return fmt.Sprintf("there is no profile %q: known are %s", name, strings.Join(known, ", "))
}

func (p *Profile) connections() map[string]*Connection {
	all := map[string]*Connection{}
	for name, c := range map[string]*Connection{
		"prometheus": p.Prometheus, "loki": p.Loki, "jaeger": p.Jaeger, "tempo": p.Tempo, "alertmanager": p.Alertmanager, "notes": p.Notes,
	} {
		if c != nil {
			all[name] = c
		}
	}
	return all
}

// setDirectory makes files relative to the one that names them, or to the home directory where
// they begin with ~/: a shell would have seen to that.
func (p *Profile) setDirectory(dir string) {
	all := p.connections()
	if p.Grafana != nil {
		all["grafana"] = &p.Grafana.Connection
	}
	for _, c := range all {
		for _, file := range []*string{&c.PasswordFile, &c.TokenFile, &c.HTTPConfigFile} {
			below := dir
			if inHome, tilde := strings.CutPrefix(*file, "~/"); tilde {
				if home, err := os.UserHomeDir(); err == nil {
					*file, below = inHome, home
				}
			}
			if *file != "" && !filepath.IsAbs(*file) {
				*file = filepath.Join(below, *file)
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
