package profile

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "rewrite docs/config.schema.json")

func TestSchemaIsCurrent(t *testing.T) {
	path := filepath.Join("..", "..", "..", "docs", "config.schema.json")
	want, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the types say; make schema writes it", path)
	}
}

// What an editor marks by the schema the reader refuses, and the other way round, but for
// what a schema cannot tell: notation, contradictions, and names that must be known.
func TestSchemaAgreesWithTheReader(t *testing.T) {
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("config.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	// valid tells what the schema says of a file, and whether it is one for a schema at all.
	valid := func(text string) (valid, readable bool) {
		var value any
		if yaml.Unmarshal([]byte(text), &value) != nil {
			return false, false
		}
		return schema.Validate(value) == nil, true
	}
	for _, text := range []string{
		completeFile, commented, "", "~", "current:", "profiles: {p: }", in("loki: {tenant: 12, username: true, password: 1.5, token: }"),
		in("loki: {token_command: pass x}"), in("loki: {token_command: [pass, x, 1]}"), in("names: {services: {a: [b]}, trace_id_fields: }"),
		in("loki: {http_config: {tls_config: {min_version: TLS12}, http_headers: {X-A: {values: [a]}}}}"),
		in("loki: {http_config: {oauth2: {client_id: a, token_url: b, claims: {a: [1, {b: c}]}, endpoint_params: {a: b}}}}"),
		in("prometheus: {sigv4: {region: r, role_arn: x, tags: {a: b}, use_fips_sts_endpoint: true}}"), in("grafana: {org_id: 3, datasources: {loki: x}}"),
	} {
		var file File
		_, err := decode("config.yaml", []byte(text), &file)
		if ok, readable := valid(text); err != nil || !ok || !readable {
			t.Errorf("the reader says %v, the schema %v:\n%s", err, ok, text)
		}
	}
	beyond := map[string]bool{
		"huge number": true, "unknown current profile": true, "current profile without any": true, "a proxy that is none": true,
		"two ways in http_config": true, "a key without its certificate": true, "a header that is not for setting": true, "half of sigv4": true,
		"two documents": true, "a password that YAML takes for an anchor": true, "a password that YAML takes for a tag": true, "binary": true,
	}
	for _, m := range mistakes {
		if ok, readable := valid(m.text); readable && ok != beyond[m.name] {
			t.Errorf("%s: the schema says %v", m.name, ok)
		}
	}
}

// Every key of obs's own has words for whom an editor shows them to.
func TestKeysHaveWords(t *testing.T) {
	for _, k := range Keys() {
		if k.Doc == "" {
			t.Errorf("%s has none", k.Path)
		}
	}
}
