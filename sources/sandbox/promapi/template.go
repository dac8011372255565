package promapi

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/common/helpers/templates"
	"github.com/prometheus/prometheus/model/labels"
)

// Prometheus's own expander is built on text/template, whose calls of methods by name
// make the linker keep every exported method of the program: 5 MB. Labels and a value
// in a sentence are what alerts need.

var (
	action = regexp.MustCompile(`\{\{-?\s*(.*?)\s*-?\}\}`)
	word   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|[^\s"]+`)
)

// expand fills labels and value into the text of a label or an annotation. What it does
// not know becomes an error in the text's place, as with a server.
func expand(text string, metric labels.Labels, value float64) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	var failed error
	expanded := action.ReplaceAllStringFunc(text, func(found string) string {
		result, err := pipeline(action.FindStringSubmatch(found)[1], metric, value)
		failed = errors.Join(failed, err)
		return fmt.Sprint(result)
	})
	if failed != nil {
		return fmt.Sprintf("<error expanding template: %v>", failed)
	}
	return expanded
}

// pipeline evaluates "OPERAND | FUNCTION" and "FUNCTION OPERAND"; the result is a text
// or a number.
func pipeline(text string, metric labels.Labels, value float64) (result any, err error) {
	for i, command := range strings.Split(text, "|") {
		words := word.FindAllString(command, -1)
		if i > 0 {
			words = append(words, "") // the result of the command before
		}
		if result, err = apply(words, result, metric, value); err != nil {
			return nil, err
		}
	}
	return result, nil
}

func apply(words []string, before any, metric labels.Labels, value float64) (any, error) {
	if len(words) == 0 {
		return nil, errors.New("missing value for command")
	}
	if len(words) == 1 {
		return operand(words[0], before, metric, value)
	}
	name, last := words[0], words[len(words)-1]
	if name == "index" && len(words) == 3 && (words[1] == "$labels" || words[1] == ".Labels") {
		label, err := strconv.Unquote(last)
		return metric.Get(label), err
	}
	of, err := operand(last, before, metric, value)
	if err != nil {
		return nil, err
	}
	if name == "printf" && len(words) == 3 {
		format, err := strconv.Unquote(words[1])
		return fmt.Sprintf(format, of), err
	}
	if len(words) == 2 {
		switch name {
		case "humanize":
			return humanize(of, 1000, []string{"k", "M", "G", "T", "P", "E", "Z", "Y"})
		case "humanize1024":
			return humanize(of, 1024, []string{"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"})
		case "humanizePercentage":
			v, err := templates.ConvertToFloat(of)
			return fmt.Sprintf("%.4g%%", v*100), err
		case "humanizeDuration":
			return templates.HumanizeDuration(of)
		}
	}
	return nil, fmt.Errorf("the sandbox does not know %q", strings.Join(words, " "))
}

func operand(text string, before any, metric labels.Labels, value float64) (any, error) {
	if text == "" {
		return before, nil
	}
	if text == "$value" || text == ".Value" {
		return value, nil
	}
	for _, of := range []string{"$labels.", ".Labels."} {
		if name, ok := strings.CutPrefix(text, of); ok {
			return metric.Get(name), nil
		}
	}
	return nil, fmt.Errorf("the sandbox does not know %q", text)
}

// humanize writes a number with four digits and a prefix of its unit.
func humanize(of any, base float64, large []string) (string, error) {
	v, err := templates.ConvertToFloat(of)
	if err != nil {
		return "", err
	}
	prefixes, by := large, 1/base
	if math.Abs(v) < 1 && base == 1000 {
		prefixes, by = []string{"m", "u", "n", "p", "f", "a", "z", "y"}, base
	}
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Sprintf("%.4g", v), nil
	}
	prefix := ""
	for _, p := range prefixes {
		if by < 1 && math.Abs(v) < base || by > 1 && math.Abs(v) >= 1 {
			break
		}
		prefix = p
		v *= by
	}
	return fmt.Sprintf("%.4g%s", v, prefix), nil
}
