package schema

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:embed *.json
var current embed.FS

// Validate holds every JSON value of a document against the published schema of a form: one
// object, or the lines of a stream. That there is none is an error.
func Validate(id string, document io.Reader) error {
	text, err := current.ReadFile(File(id))
	if err != nil {
		return fmt.Errorf("no schema %s is published", id)
	}
	schema, err := compile(text)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(document)
	decoder.UseNumber()
	for n := 0; ; n++ {
		var value any
		switch err := decoder.Decode(&value); {
		case errors.Is(err, io.EOF) && n > 0:
			return nil
		case err != nil:
			return fmt.Errorf("value %d: %w", n+1, err)
		}
		if err := schema.Validate(value); err != nil {
			return fmt.Errorf("value %d is no %s: %w", n+1, id, err)
		}
	}
}

func compile(text []byte) (*jsonschema.Schema, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("schema.json", document); err != nil {
		return nil, err
	}
	return compiler.Compile("schema.json")
}
