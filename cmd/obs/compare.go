package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"obs/correlate/ident"
	"obs/sources"
)

// Wrong uses of a comparison.
var (
	errManyTraces   = errors.New("more than two traces were given")
	errComparedWith = errors.New("--compare compares with normal traces, and another trace was given too")
)

// asked is what the arguments of `obs trace` name: one text, or two traces, of which the
// second is to be compared with. A text may be pasted without quotes, such as a header with
// its name: several arguments are traces only when each is an ID of one by itself.
func (o *traceOptions) asked(args []string, w world) (text string, with sources.TraceID, err error) {
	if len(args) < 2 {
		text = strings.Join(args, " ")
		if text != "-" {
			return text, "", nil
		}
		pasted, err := io.ReadAll(io.LimitReader(w.in, ident.MaxText+1))
		if err != nil {
			return "", "", fmt.Errorf("reading standard input: %w", err)
		}
		return string(pasted), "", nil
	}
	for _, arg := range args {
		if with = namedTrace(arg); with == "" {
			return strings.Join(args, " "), "", nil
		}
	}
	switch {
	case len(args) > 2:
		return "", "", usage(errManyTraces, "give one trace, or two to compare the first with the second")
	case o.compare:
		return "", "", usage(errComparedWith, "leave out --compare, or the second trace")
	}
	return args[0], with, nil
}

// namedTrace is the trace that an argument names by itself; empty for anything else.
func namedTrace(arg string) sources.TraceID {
	id, err := ident.Read(arg)
	if err != nil || id.Candidates[0].Kind != ident.Trace {
		return ""
	}
	return id.Trace
}
