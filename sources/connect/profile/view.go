package profile

import (
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// hidden stands in place of a secret.
const hidden = "<secret>"

// View is the file as text with every secret taken out.
func (d *Document) View() (string, error) {
	shown, err := d.withoutSecrets()
	if shown == nil {
		return "", err
	}
	text, err := shown.text()
	return string(text), err
}

// Values are what View shows, as what JSON can hold; nil of an empty file.
func (d *Document) Values() (values map[string]any, err error) {
	shown, err := d.withoutSecrets()
	if shown == nil {
		return nil, err
	}
	err = shown.document.Decode(&values)
	return values, err
}

// withoutSecrets is a copy; nil of an empty document.
func (d *Document) withoutSecrets() (*Document, error) {
	text, err := d.text()
	if err != nil {
		return nil, err
	}
	var copied yaml.Node
	if err := yaml.Unmarshal(text, &copied); err != nil {
		return nil, err
	}
	if len(copied.Content) == 0 {
		return nil, nil
	}
	// A comment may hold the secret that was used before.
	h := hider{done: map[visit]bool{}}
	h.hide(copied.Content[0], reflect.TypeFor[File](), "")
	return &Document{document: withoutComments(&copied)}, nil
}

func withoutComments(node *yaml.Node) *yaml.Node {
	node.HeadComment, node.LineComment, node.FootComment = "", "", ""
	for _, inner := range node.Content {
		withoutComments(inner)
	}
	return node
}

// addressKeys hold an address, in which a user and a password may stand.
var addressKeys = []string{"url", "proxy_url", "token_url"}

// freeKeys hold values that servers give a meaning to, among them secrets.
var freeKeys = []string{"values", "endpoint_params", "claims"}

// commandName is the first word of a command's line, where it is nothing but a name.
var commandName = regexp.MustCompile(`^[\w./+-]+$`)

// hider takes secrets out of a document.
type hider struct{ done map[visit]bool }

// hide replaces secrets, user and password in addresses, the arguments of commands, and the
// values of headers and of parameters, which may be secrets.
func (h *hider) hide(node *yaml.Node, t reflect.Type, key string) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias // which may stand where no secret does
	}
	at := visit{node, t}
	if node.Kind != yaml.ScalarNode && h.done[at] {
		return
	}
	h.done[at] = true
	switch shape := shapeOf(t); {
	case slices.Contains(freeKeys, key) && node.Kind == yaml.ScalarNode:
		conceal(node)
	case shape == command:
		hideArguments(node)
	case node.Kind == yaml.ScalarNode && t == secretType:
		conceal(node)
	case node.Kind == yaml.ScalarNode && slices.Contains(addressKeys, key):
		node.Value = withoutSecrets(node.Value)
	case node.Kind == yaml.ScalarNode:
		if u, err := url.Parse(node.Value); err == nil && u.User != nil {
			node.Value = withoutSecrets(node.Value)
		}
	case shape == list && node.Kind == yaml.SequenceNode:
		for _, item := range node.Content {
			h.hide(item, bare(t.Elem()), key)
		}
	case shape == keys && node.Kind == yaml.MappingNode:
		h.hideKeys(node, t, key)
	default:
		conceal(node)
	}
}

func (h *hider) hideKeys(node *yaml.Node, t reflect.Type, key string) {
	var known []field
	if t.Kind() == reflect.Struct {
		known = fields(t)
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i].Value, node.Content[i+1]
		index := slices.IndexFunc(known, func(f field) bool { return f.name == name })
		switch {
		case node.Content[i].Tag == "!!merge" && value.Kind == yaml.SequenceNode:
			for _, one := range value.Content {
				h.hide(one, t, key)
			}
		case node.Content[i].Tag == "!!merge":
			h.hide(value, t, key)
		case index >= 0:
			h.hide(value, known[index].kind, name)
		case free(t) != nil && slices.Contains(freeKeys, key):
			h.hide(value, secretType, key)
		case free(t) != nil:
			h.hide(value, free(t), "")
		default:
			conceal(value) // which the strict reader has no place for
		}
	}
}

func conceal(node *yaml.Node) {
	if node.Kind != yaml.ScalarNode || node.Value != "" {
		*node = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: hidden, Anchor: node.Anchor}
	}
}

// withoutSecrets is an address without user and password, and without parameters.
func withoutSecrets(address string) string {
	scheme, rest, found := strings.Cut(address, "://")
	if scheme += "://"; !found {
		scheme, rest = "", address
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		rest = hidden + rest[at:]
	}
	if path, _, asked := strings.Cut(rest, "?"); asked {
		rest = path + "?" + hidden
	}
	return scheme + rest
}

// hideArguments leaves the name of a command: an argument may be a secret.
func hideArguments(node *yaml.Node) {
	if node.Kind == yaml.ScalarNode {
		words := strings.Fields(node.Value)
		switch {
		case len(words) == 0:
		case !commandName.MatchString(words[0]):
			conceal(node)
		case len(words) > 1:
			node.Value = words[0] + " …"
		}
		return
	}
	for i, argument := range node.Content {
		if i > 0 {
			*argument = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "…", Anchor: argument.Anchor}
		}
	}
}
