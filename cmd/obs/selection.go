package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/template"

	"github.com/itchyny/gojq"
	"github.com/spf13/cobra"

	"obs/sources"
)

// selection is the output of a command, of which a person wants a part: its JSON goes
// through an expression of jq or a template. Without either it goes through as it is.
type selection struct {
	to    io.Writer
	shown bool // to is a terminal

	quiet  bool // nothing is said that nobody asked for
	silent bool // and nobody asked for a result, but for the exit status

	expression, template string
	apply                func(value any) error // nil to select nothing

	pipe *io.PipeWriter
	done chan error
}

// flags are --jq and --template, and --quiet, on a command that writes results.
func (s *selection) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.expression, "jq", "", "write what this jq expression selects of the JSON; texts without quotes")
	f.StringVar(&s.template, "template", "", "write the JSON by this Go template")
	f.BoolVarP(&s.quiet, "quiet", "q", false, "write no result unless -o, --jq or --template asks for it, and no progress: the exit status tells")
}

// prepare compiles what was given.
func (s *selection) prepare() error {
	switch {
	case s.expression != "" && s.template != "":
		return usage(errors.New("--jq and --template both say what to write"), "give one of them")
	case s.expression != "":
		query, err := gojq.Parse(s.expression)
		if err != nil {
			return usage(fmt.Errorf("--jq: %w", err), "see https://jqlang.org/manual/")
		}
		code, err := gojq.Compile(query)
		if err != nil {
			return usage(fmt.Errorf("--jq: %w", err), "see https://jqlang.org/manual/")
		}
		s.apply = func(value any) error { return s.each(code, value) }
	case s.template != "":
		t, err := template.New("--template").Option("missingkey=zero").Funcs(template.FuncMap{"json": compact, "join": joined}).Parse(s.template)
		if err != nil {
			return usage(err, "see https://pkg.go.dev/text/template; json and join are functions too")
		}
		s.apply = func(value any) error {
			var b bytes.Buffer
			if err := t.Execute(&b, value); err != nil {
				return err
			}
			return s.line(strings.TrimSuffix(b.String(), "\n"))
		}
	}
	return nil
}

// each writes the results of an expression, one to a line.
func (s *selection) each(code *gojq.Code, value any) error {
	for results := code.Run(value); ; {
		result, more := results.Next()
		if !more {
			return nil
		}
		if err, failed := result.(error); failed {
			var halt *gojq.HaltError
			if errors.As(err, &halt) && halt.Value() == nil {
				return nil
			}
			return fmt.Errorf("--jq: %w", err)
		}
		text, isText := result.(string)
		if !isText {
			text = compact(result)
		}
		if err := s.line(text); err != nil {
			return err
		}
	}
}

// line writes a text, which may be of several lines. On a terminal nothing of it acts.
func (s *selection) line(text string) error {
	if s.shown {
		lines := strings.Split(text, "\n")
		for i := range lines {
			lines[i] = sources.Printable(lines[i])
		}
		text = strings.Join(lines, "\n")
	}
	_, err := io.WriteString(s.to, text+"\n")
	return err
}

func compact(value any) string {
	text, err := gojq.Marshal(value)
	if err != nil {
		return "null" // it came from JSON
	}
	return string(text)
}

func joined(separator string, list []any) string {
	texts := make([]string, len(list))
	for i, item := range list {
		var isText bool
		if texts[i], isText = item.(string); !isText {
			texts[i] = compact(item)
		}
	}
	return strings.Join(texts, separator)
}

// Write takes the command's output.
func (s *selection) Write(p []byte) (int, error) {
	switch {
	case s.silent:
		return len(p), nil
	case s.apply == nil:
		return s.to.Write(p)
	}
	if s.pipe == nil {
		var from *io.PipeReader
		from, s.pipe = io.Pipe()
		s.done = make(chan error, 1)
		go func() { s.done <- s.read(from) }()
	}
	return s.pipe.Write(p)
}

// read selects from one value after the other, as they come.
func (s *selection) read(from *io.PipeReader) error {
	in := json.NewDecoder(from)
	in.UseNumber() // times in nanoseconds do not fit into a float
	for {
		var value any
		err := in.Decode(&value)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = s.apply(numbers(value))
		}
		if err != nil {
			_ = from.CloseWithError(err)
			return err
		}
	}
}

// numbers turns json.Number into what gojq computes with.
func numbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return int(i)
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = numbers(v[key])
		}
	}
	return value
}

// end waits until all is written.
func (s *selection) end() error {
	if s.pipe == nil {
		return nil
	}
	_ = s.pipe.Close()
	return <-s.done
}
