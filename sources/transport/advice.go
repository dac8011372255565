package transport

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"obs/sources"
)

// Advice is what to do about refusals that say certain words. The first that fits counts.
type Advice []struct{ Words, Hint string }

// To gives a refusal its hint, where one fits.
func (a Advice) To(failure *sources.Error) {
	for _, one := range a {
		if strings.Contains(failure.Detail, one.Words) {
			failure.Hint = one.Hint
			return
		}
	}
}

// StoppedAt takes over where in a query the server stopped, from an expression that finds
// line and column in what it said.
func StoppedAt(place *regexp.Regexp, failure *sources.Error) {
	if at := place.FindStringSubmatch(failure.Detail); at != nil && errors.Is(failure, sources.ErrBadQuery) {
		failure.Line, _ = strconv.Atoi(at[1]) // 0 for a number that is none
		failure.Column, _ = strconv.Atoi(at[2])
	}
}

// ExplainText is an Explain for servers that write plain text, behind gateways that write
// JSON objects of several kinds. It returns nothing where the whole text is the message.
func ExplainText(_ int, body []byte) string {
	if !json.Valid(body) {
		return ""
	}
	for _, message := range gjson.GetManyBytes(body, "message", "error", "error.message", "detail") {
		if message.Type == gjson.String && message.Str != "" {
			return message.Str
		}
	}
	return ""
}
