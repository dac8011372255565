package jaeger

import (
	"errors"
	"io"

	"obs/sources"
	"obs/sources/otlp"
)

// decodeOTLP reads the answers of v3: one object with all traces merged, or several
// after one another, as the API is defined as a stream. Names are taken in both of
// protocol buffers' spellings.
//
// Servers from before 2024 wrote an early OTLP, with IDs in base64 or with spans under a
// name since given up. It is refused, so that v1 is asked.
func decodeOTLP(body io.Reader) ([]sources.Trace, error) {
	r := otlp.NewReader(body, otlp.Hex)
	for {
		switch err := v3Part(r); {
		case errors.Is(err, io.EOF):
			return r.Traces()
		case err != nil:
			return nil, err
		}
	}
}

// v3Part reads one of the answer's objects. It returns io.EOF where there is no more.
func v3Part(r *otlp.Reader) error {
	if err := r.Next(); err != nil {
		return err
	}
	held := false
	var refused refusal
	err := r.Object(func(name []byte) error {
		switch string(name) {
		case "result":
			held = true
			return r.Object(func(name []byte) error {
				switch string(name) {
				case "resourceSpans", "resource_spans":
					return r.ResourceSpans()
				}
				return r.Skip()
			})
		case "errors", "error":
			return refused.read(r.Scanner, string(name))
		}
		return r.Skip()
	})
	switch {
	case err != nil:
		return err
	case !held && refused.String() != "":
		return &kindError{sources.ErrServer, refused.String()}
	case !held:
		return errors.New("the answer holds no result")
	}
	return nil
}
