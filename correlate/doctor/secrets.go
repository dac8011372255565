package doctor

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"obs/correlate"
	"obs/correlate/ident"
	"obs/sources"
	"obs/sources/redact"
)

// KindSecrets is the kind of a finding about what looks like secrets in records.
const KindSecrets = "logs.secrets"

// secretPlace is where records hold what looks like a secret, and of which kind. It never
// holds the secret itself.
type secretPlace struct{ kind, field string }

// named finds name=value and name: value in text that is neither JSON nor logfmt.
var named = regexp.MustCompile(`([A-Za-z][A-Za-z0-9_.\-]*)["']?\s*[=:]\s*["']?([^\s"',;&]+)`)

// cardDigits is a number of a payment card as people and programs write it: 13 to 16 digits
// that begin as those of the large issuers do, in groups or not.
var cardDigits = regexp.MustCompile(`(?:^|[^0-9A-Za-z.\-_])((?:4[0-9]{3}|5[1-5][0-9]{2}|2[2-7][0-9]{2}|3[47][0-9]{2}|6(?:011|5[0-9]{2}))(?:[ -]?[0-9]{2,6}){2,4})(?:[^0-9A-Za-z.\-_]|$)`)

// countSecrets counts, once for each record, the places of it where something looks like a
// secret.
func countSecrets(counts map[secretPlace]int, r sources.Record) {
	here := map[secretPlace]bool{}
	message, fields := correlate.Unfold(r.Line)
	for name, value := range r.Metadata {
		look(here, name, value)
	}
	for _, f := range fields {
		look(here, f.Key, f.Value)
	}
	if message != "" {
		look(here, "", message)
		for _, m := range named.FindAllStringSubmatch(message, -1) {
			if kind := byName(m[1], m[2]); kind != "" {
				here[secretPlace{kind, m[1]}] = true
			}
		}
	}
	for place := range here {
		counts[place]++
	}
}

// look notes what a field's value, or text without a field, looks like.
func look(here map[secretPlace]bool, field, value string) {
	known := false
	for i := range redact.Shapes {
		if s := &redact.Shapes[i]; s.Pattern.MatchString(value) {
			here[secretPlace{s.Kind, field}], known = true, true
		}
	}
	for _, m := range cardDigits.FindAllStringSubmatch(value, -1) {
		if isCard(m[1]) {
			here[secretPlace{"payment card number", field}], known = true, true
		}
	}
	if kind := byName(field, value); kind != "" && !known {
		here[secretPlace{kind, field}] = true
	}
}

var passwordName = regexp.MustCompile(`(?i)passw|pwd|passphrase`)

// byName is what a field of that name and value holds; empty where it is no secret. What has
// the name of a secret is often a word about one.
func byName(name, value string) string {
	value = strings.TrimSpace(value)
	switch {
	case name == "":
	case passwordName.MatchString(name):
		if redact.LooksLikePassword(value) {
			return "password"
		}
	case ident.NamesSecret(name):
		if redact.LooksLikeToken(value) {
			return "token"
		}
	}
	return ""
}

// isCard checks the digits by Luhn's formula (ISO/IEC 7812-1), which one in ten numbers passes
// by chance.
func isCard(text string) bool {
	var digits []int
	for _, r := range text {
		if r >= '0' && r <= '9' {
			digits = append(digits, int(r-'0'))
		}
	}
	if len(digits) < 13 || len(digits) > 16 {
		return false
	}
	sum := 0
	for i, d := range slices.Backward(digits) {
		if (len(digits)-1-i)%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// findSecrets says where records look as if they carried secrets, and never which.
func (e *exam) findSecrets() {
	for _, r := range e.rows {
		places := make([]secretPlace, 0, len(r.records.secrets))
		for place := range r.records.secrets {
			places = append(places, place)
		}
		if len(places) == 0 {
			continue
		}
		slices.SortFunc(places, func(a, b secretPlace) int {
			return cmp.Or(cmp.Compare(r.records.secrets[b], r.records.secrets[a]), cmp.Compare(a.kind, b.kind), cmp.Compare(a.field, b.field))
		})
		var said []string
		evidence := correlate.Evidence{
			Backend: sources.Loki, Query: r.records.query, Window: e.options.Window,
			Values: []correlate.Value{{Name: "records sampled", Value: float64(r.records.records)}},
		}
		for _, p := range places {
			in := "in the text"
			if p.field != "" {
				in = "in " + p.field
			}
			said = append(said, fmt.Sprintf("%s %s (%d)", p.kind, in, r.records.secrets[p]))
			evidence.Values = append(evidence.Values, correlate.Value{Name: p.kind + " " + in, Value: float64(r.records.secrets[p])})
		}
		e.find(Finding{
			Kind: KindSecrets, Grade: Weak, Services: []string{r.Name},
			Statement: fmt.Sprintf("%s: of %d sampled records some look as if they held secrets, which are not shown here: %s", r.Name, r.records.records, list(said)),
			Evidence:  []correlate.Evidence{evidence}, Mends: []Mend{mendSecrets},
		})
	}
}
