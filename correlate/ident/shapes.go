package ident

import (
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"obs/sources"
)

var (
	hexDigits = regexp.MustCompile(`(?i)^(0x)?([0-9a-f]+)$`)
	uuid      = regexp.MustCompile(`(?i)^(?:urn:uuid:)?([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$`)
	ulid      = regexp.MustCompile(`(?i)^[0-7][0-9a-hjkmnp-tv-z]{25}$`) // Crockford's base 32: https://github.com/ulid/spec
	ksuid     = regexp.MustCompile(`^[0-9A-Za-z]{27}$`)                 // https://github.com/segmentio/ksuid
	project   = regexp.MustCompile(`(?i)^(?://[^/]+/)?projects/[^/]+/traces/([0-9a-f]{32})$`)
	// requestLike are the IDs that say themselves that they are a request's: req_a1b2c3d4.
	requestLike = regexp.MustCompile(`(?i)^(?:req|request|rid|corr|correlation|txn)[-_:][0-9a-z][0-9a-z_-]*$`)
)

// Times that an ID carries are believed between 2000 and 2100: outside, the text only
// happens to have the shape.
var earliest, latest = time.Unix(946684800, 0), time.Unix(4102444800, 0)

func plausible(t time.Time) bool { return t.After(earliest) && t.Before(latest) }

// setMade notes the time that the ID carries in itself.
func (c *Candidate) setMade(t time.Time) {
	if plausible(t) {
		c.When, c.made = t.UTC(), true
	}
}

// shapes is what a word without a name may be, likeliest first. Any word may be a
// request ID.
func shapes(text string) []Candidate {
	request := Candidate{Kind: Request, Request: text}
	if m := hexDigits.FindStringSubmatch(text); m != nil {
		if len(m[2]) > 32 {
			return []Candidate{request}
		}
		return hexShapes(text, m[1] != "", m[2])
	}
	if m := uuid.FindStringSubmatch(text); m != nil {
		request.form = "UUID"
		if t := uuidTime(m); plausible(t) {
			request.setMade(t)
		}
		if trace, ok := traced(strings.Join(m[1:], ""), "", "", "with dashes"); ok {
			return []Candidate{request, trace}
		}
		return []Candidate{request}
	}
	if t, ok := ulidTime(text); ok {
		request.form = "ULID"
		request.setMade(t)
		return []Candidate{request}
	}
	if t, ok := ksuidTime(text); ok {
		request.form = "KSUID"
		request.setMade(t)
		return []Candidate{request}
	}
	if digits, ok := encoded(text); ok {
		candidates := encodedShapes(digits)
		if strings.HasSuffix(text, "=") {
			return append(candidates, request)
		}
		return append([]Candidate{request}, candidates...)
	}
	return []Candidate{request}
}

// hexShapes reads up to 32 hexadecimal digits. IDs are random, so each leading zero
// lost is 16 times rarer than the one before: with two lost of 128 bits, or three of
// 64, a word that short is more often another kind of ID.
func hexShapes(text string, prefixed bool, digits string) []Candidate {
	request := Candidate{Kind: Request, Request: text}
	trace, ok := traced(digits, "", "", "")
	if !ok {
		return nil
	}
	n := len(digits)
	number := !prefixed && strings.Trim(digits, "0123456789") == ""
	dec, isDec := Candidate{}, false
	if number && n <= 20 {
		dec, isDec = decimal(digits, "")
	}
	span, isSpan := Candidate{}, false
	if id, ok := sources.ParseSpanID(digits); ok {
		span, isSpan = Candidate{Kind: Span, Span: id}, n > 12
	}
	likely := prefixed || n >= 30 || (n >= 13 && n <= 16 && (!number || n == 16))
	var candidates []Candidate
	add := func(c Candidate, ok bool) {
		if ok {
			candidates = append(candidates, c)
		}
	}
	add(trace, likely)
	add(span, likely && isSpan)
	add(dec, isDec && n > 16) // no hexadecimal notation has 17 to 20 digits
	add(request, true)
	add(dec, isDec && n <= 16)
	add(trace, !likely)
	return candidates
}

// uuidTime is the time in a UUID of version 1, 6 or 7 (RFC 9562); zero for others.
func uuidTime(m []string) time.Time {
	var digits string
	switch m[3][0] {
	case '1':
		digits = m[3][1:] + m[2] + m[1]
	case '6':
		digits = m[1] + m[2] + m[3][1:]
	case '7':
		ms, err := strconv.ParseInt(m[1]+m[2], 16, 64)
		if err != nil {
			return time.Time{}
		}
		return time.UnixMilli(ms)
	default:
		return time.Time{}
	}
	const gregorian = 122192928000000000 // from 1582-10-15 to 1970, in units of 100 ns
	ticks, err := strconv.ParseInt(digits, 16, 64)
	if err != nil {
		return time.Time{}
	}
	ticks -= gregorian
	return time.Unix(ticks/1e7, ticks%1e7*100)
}

func ulidTime(text string) (time.Time, bool) {
	if !ulid.MatchString(text) {
		return time.Time{}, false
	}
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	ms := int64(0)
	for _, r := range strings.ToLower(text[:10]) {
		ms = ms<<5 | int64(strings.IndexRune(alphabet, r))
	}
	t := time.UnixMilli(ms)
	return t, plausible(t)
}

func ksuidTime(text string) (time.Time, bool) {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	if !ksuid.MatchString(text) {
		return time.Time{}, false
	}
	n := new(big.Int)
	for _, r := range text {
		n.Mul(n, big.NewInt(62))
		n.Add(n, big.NewInt(int64(strings.IndexRune(alphabet, r))))
	}
	n.Rsh(n, 128) // 32 bits of time stand before 128 of chance
	const epoch = 1_400_000_000
	if n.BitLen() > 32 {
		return time.Time{}, false
	}
	t := time.Unix(n.Int64()+epoch, 0)
	return t, plausible(t)
}

// encoded reads 16 or 8 bytes in base64, as OTLP is printed by what takes IDs for plain
// bytes: standard or URL-safe, padded or not. Without padding the word must look
// random, and bytes that are text are an encoded text.
func encoded(text string) (digits string, ok bool) {
	padding := len(text) == 24 && strings.HasSuffix(text, "==") || len(text) == 12 && strings.HasSuffix(text, "=")
	bare := strings.TrimRight(text, "=")
	if !padding && (bare != text || (len(text) != 22 && len(text) != 11) || !mixed(text)) {
		return "", false
	}
	if strings.ContainsAny(bare, "+/") && strings.ContainsAny(bare, "-_") {
		return "", false
	}
	bytes, err := base64.RawStdEncoding.Strict().DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(bare))
	if err != nil || (len(bytes) != 16 && len(bytes) != 8) || strings.Trim(string(bytes), asciiText) == "" {
		return "", false
	}
	return hex.EncodeToString(bytes), true
}

// asciiText are the characters of text. That random bytes are all of them happens to one 64-bit
// ID in 2700.
var asciiText = func() string {
	var b strings.Builder
	for r := ' '; r <= '~'; r++ {
		b.WriteRune(r)
	}
	return b.String()
}()

// mixed reports whether a word has letters of both cases and digits, as a random one of
// its length does.
func mixed(text string) bool {
	return strings.ContainsAny(text, "abcdefghijklmnopqrstuvwxyz") && strings.ContainsAny(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") &&
		strings.ContainsAny(text, "0123456789")
}

func encodedShapes(digits string) (candidates []Candidate) {
	if c, ok := traced(digits, "", "", "base64"); ok {
		candidates = append(candidates, c)
	}
	if id, ok := sources.ParseSpanID(digits); ok {
		candidates = append(candidates, Candidate{Kind: Span, Span: id, form: "base64"})
	}
	return candidates
}

// isClear reports whether a word amid other text is plainly an ID.
func isClear(word string) bool {
	if len(word) > maxLength {
		return false
	}
	if m := hexDigits.FindStringSubmatch(word); m != nil {
		letters := strings.Trim(m[2], "0123456789") != ""
		return strings.ContainsAny(m[2], "0123456789") && (len(m[2]) == 32 || letters && (len(m[2]) == 16 || len(m[2]) >= 30 && len(m[2]) < 32))
	}
	if uuid.MatchString(word) {
		return true
	}
	if _, ok := ulidTime(word); ok {
		return strings.ToUpper(word) == word && strings.ContainsAny(word, "0123456789")
	}
	if _, ok := ksuidTime(word); ok {
		return mixed(word)
	}
	if strings.HasSuffix(word, "==") {
		_, ok := encoded(word)
		return ok
	}
	return requestLike.MatchString(word) && strings.ContainsAny(word, "0123456789")
}

// traceValue reads the value of a field that names a trace ID, in any notation.
func traceValue(value string, asDecimal bool) (Candidate, bool) {
	value = strip(value)
	if c, ok := propagated(value); ok {
		return c, true
	}
	if broken(value) != "" {
		return Candidate{}, false
	}
	if m := project.FindStringSubmatch(value); m != nil {
		return traced(m[1], "", "", "Google Cloud trace name")
	}
	if m := uuid.FindStringSubmatch(value); m != nil {
		return traced(strings.Join(m[1:], ""), "", "", "with dashes")
	}
	// Hexadecimal notations have 16 or 32 digits, or a few less: 17 to 20 are decimal.
	if strings.Trim(value, "0123456789") == "" && len(value) <= 20 && (asDecimal || len(value) > 16) {
		return decimal(value, "")
	}
	if m := hexDigits.FindStringSubmatch(value); m != nil {
		return traced(m[2], "", "", "")
	}
	if digits, ok := encoded(value); ok {
		return traced(digits, "", "", "base64")
	}
	return Candidate{}, false
}

// spanValue reads the value of a field that names a span ID, in any notation.
func spanValue(value string, asDecimal bool) (sources.SpanID, bool) {
	if asDecimal && strings.Trim(value, "0123456789") == "" {
		c, ok := decimal(value, "")
		if !ok {
			return "", false
		}
		return sources.SpanID(c.Trace[16:]), true
	}
	if digits, ok := encoded(value); ok {
		value = digits
	}
	return sources.ParseSpanID(strings.TrimPrefix(value, "0x"))
}

// ParseTrace reads a trace ID in any notation in which log records carry it: see
// TraceFields.
func ParseTrace(value string) (sources.TraceID, bool) {
	if len(value) == 32 || len(value) <= 16 { // as nearly all are
		return sources.ParseTraceID(value)
	}
	c, ok := traceValue(value, false)
	return c.Trace, ok
}
