package tempo

import (
	"cmp"
	"errors"
	"io"

	"obs/sources"
	"obs/sources/otlp"
)

// errNoSpans tells of an answer that is well and holds no span, which is how some releases
// say that there is no such trace.
var errNoSpans = errors.New("the answer holds no span")

// decode reads a trace as either generation of the API writes it: OTLP in an object trace,
// or with its resources under the name batches. IDs are in base64, which is what protocol
// buffers make of bytes; newer releases may write them as OTLP wants. A trace that is larger
// than the server gives comes in part, with a status and a message that say so.
func decode(body io.Reader) ([]sources.Trace, error) {
	r := otlp.NewReader(body, otlp.HexOrBase64)
	held, status, message := false, "", ""
	resources := func(name []byte) error {
		switch string(name) {
		case "resourceSpans", "batches":
			held = true
			return r.ResourceSpans()
		}
		return r.Skip()
	}
	err := r.Object(func(name []byte) (err error) {
		switch string(name) {
		case "trace":
			held = true
			return r.Object(resources)
		case "status":
			status, err = r.Text()
			return err
		case "message":
			message, err = r.Text()
			return err
		case "metrics": // what the search cost; an answer without a trace may have nothing else
			held = true
		}
		return resources(name)
	})
	if err == nil {
		err = r.End()
	}
	switch {
	case err != nil:
		return nil, err
	case !held:
		return nil, errors.New("the answer holds no trace")
	}
	traces, err := r.Traces()
	if status == "PARTIAL" {
		for i := range traces {
			traces[i].Partial = cmp.Or(message, "it does not say why")
		}
	}
	return traces, err
}
