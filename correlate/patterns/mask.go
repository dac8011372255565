package patterns

import "strings"

// gap stands for what varies.
const gap = "<*>"

// Masked is a text with <*> for what varies in it, such as numbers and IDs: two texts that
// say the same of different requests are equal by it.
func Masked(text string) string { return string(mask(nil, normalize(text))) }

// mask replaces what varies by itself with a gap: numbers with their units, dates,
// times and durations, addresses, IDs, the queries of URLs, and quoted values. It is
// one pass over a normalized text, and appends to dst.
func mask(dst []byte, s string) []byte {
	keptEnd := -1 // where a quotation ends that is kept
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case isDigit(c):
			i = numberEnd(s, i)
			dst = appendGap(dst)
		case (c == '-' || c == '+') && isSign(s, i):
			i = numberEnd(s, i+1)
			dst = appendGap(dst)
		case isWord(c):
			dst, i = maskWord(dst, s, i)
		case c == ':' && isAddress(s, i):
			i = addressEnd(s, i)
			dst = appendGap(dst)
		case (c == '"' || c == '\'') && i != keptEnd:
			end := quotationEnd(s, i)
			if end < 0 || isKept(s, i, end) {
				keptEnd = max(keptEnd, end)
				dst = append(dst, c)
				i++
				continue
			}
			dst = appendQuotation(dst, c)
			i = end + 1
		case c == '?' && isURLQuery(dst, s, i):
			dst = appendGap(append(dst, c))
			i = urlQueryEnd(s, i+1)
		case c == '@' && domainEnd(s, i+1) > 0:
			dst = appendGap(dst[:localPart(dst)])
			i = domainEnd(s, i+1)
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}

// appendGap writes a gap; a list of gaps becomes a single one, since lists vary in
// length.
func appendGap(dst []byte) []byte {
	for _, end := range []string{gap, gap + ",", gap + ", "} {
		if len(dst) >= len(end) && string(dst[len(dst)-len(end):]) == end {
			return dst[:len(dst)-len(end)+len(gap)]
		}
	}
	return append(dst, gap...)
}

// appendQuotation writes a gap in quotes; a list of them becomes a single one.
func appendQuotation(dst []byte, quote byte) []byte {
	for _, comma := range []string{",", ", "} {
		n := len(dst) - len(gap) - 2 - len(comma)
		if n >= 0 && dst[n] == quote && dst[n+len(gap)+1] == quote &&
			string(dst[n+1:n+1+len(gap)]) == gap && string(dst[n+len(gap)+2:]) == comma {
			return dst[:n+len(gap)+2]
		}
	}
	dst = append(dst, quote)
	dst = append(dst, gap...)
	return append(dst, quote)
}

// maskWord takes the word of letters and digits at i, which begins with a letter.
func maskWord(dst []byte, s string, i int) (masked []byte, next int) {
	end := wordEnd(s, i)
	word := s[i:end]
	switch {
	case isUUID(s, i):
		return appendGap(dst), i + uuidLength
	case isAddress(s, i):
		return appendGap(dst), addressEnd(s, i)
	case isCalendarName(s, i, end), isID(word):
		return appendGap(dst), end
	}
	// worker2 and http2 are names, order4711 is a name and a number.
	digits := end
	for digits > i && isDigit(s[digits-1]) {
		digits--
	}
	if end-digits >= 2 && digits > i {
		return appendGap(append(dst, s[i:digits]...)), end
	}
	return append(dst, word...), end
}

// isID tells an ID from a name: at least eight hexadecimal digits, of which one is a
// decimal, or letters and digits in turns. A judgement: eight is the first part of a
// UUID, and the shortest abbreviation of a hash in common use is seven.
func isID(word string) bool {
	groups, hex := 0, len(word) >= 8
	for i := range len(word) {
		c := word[i]
		if c >= 0x80 {
			return false
		}
		hex = hex && isHex(c)
		if isDigit(c) && (i == 0 || !isDigit(word[i-1])) {
			groups++
		}
	}
	return groups > 1 || (hex && groups > 0)
}

// numberEnd is where a number, time, date, address or ID ends that begins with the
// digit at i: its unit belongs to it, and so does what follows after one of the signs
// by which the parts of dates, times, versions and addresses are divided.
func numberEnd(s string, i int) int {
	if isUUID(s, i) {
		return i + uuidLength
	}
	if isAddress(s, i) {
		return addressEnd(s, i)
	}
	end := partsEnd(s, i)
	if strings.HasPrefix(s[end:], "%") {
		end++
	}
	// The time after a date, and the time zone after a time.
	if end-i >= 8 && !isDigits(s[i:end]) && end+6 < len(s) && s[end] == ' ' && isDigit(s[end+1]) && isDigit(s[end+2]) && s[end+3] == ':' {
		end = partsEnd(s, end+1)
	}
	if end+6 <= len(s) && s[end] == ' ' && (s[end+1] == '+' || s[end+1] == '-') && isDigits(s[end+2:end+6]) {
		end = wordEnd(s, end+2)
	}
	return end
}

func partsEnd(s string, i int) int {
	end := wordEnd(s, i)
	for end+1 < len(s) && strings.IndexByte(".:,/-+", s[end]) >= 0 {
		if !isDigit(s[end+1]) && (s[end] != '/' || !isMonth(s, end+1)) {
			break
		}
		end = wordEnd(s, end+1)
	}
	return end
}

// isSign tells the sign of a number from a dash between words.
func isSign(s string, i int) bool {
	return i+1 < len(s) && isDigit(s[i+1]) && (i == 0 || strings.IndexByte(" =:,([{\"'", s[i-1]) >= 0)
}

const uuidLength = 36

// isUUID looks for the textual form of RFC 9562, in any case.
func isUUID(s string, i int) bool {
	if len(s)-i < uuidLength {
		return false
	}
	for n := range uuidLength {
		c := s[i+n]
		if dash := n == 8 || n == 13 || n == 18 || n == 23; dash != (c == '-') || (!dash && !isHex(c)) {
			return false
		}
	}
	return i+uuidLength == len(s) || !isWord(s[i+uuidLength])
}

// isAddress tells IPv6 and MAC addresses: at most eight groups of up to four
// hexadecimal digits, at least two colons, and at least one decimal digit. What has no
// colons twice and not as many groups as either is a time.
func isAddress(s string, i int) bool {
	end := addressEnd(s, i)
	if end-i < 3 || (end < len(s) && isWord(s[end])) || (i > 0 && s[i] == ':' && isWord(s[i-1])) {
		return false
	}
	groups, length, decimals, twice := 1, 0, 0, false
	for n := i; n < end; n++ {
		if s[n] == ':' {
			groups++
			length = 0
			twice = twice || (n > i && s[n-1] == ':')
			continue
		}
		if length++; length > 4 {
			return false
		}
		if isDigit(s[n]) {
			decimals++
		}
	}
	return decimals > 0 && groups <= 9 && (twice || groups == 6 || groups == 8)
}

func addressEnd(s string, i int) int {
	// The longest address has 39 characters (RFC 4291).
	limit := min(len(s), i+40)
	for i < limit && (isHex(s[i]) || s[i] == ':') {
		i++
	}
	if i > 1 && s[i-1] == ':' && s[i-2] != ':' {
		i-- // a colon after it is punctuation
	}
	return i
}

const (
	months   = "JanFebMarAprMayJunJulAugSepOctNovDec"
	weekdays = "MonTueWedThuFriSatSun"
)

func isMonth(s string, i int) bool { return isOneOf(months, s, i) }

func isOneOf(names, s string, i int) bool {
	if i+3 > len(s) || (i+3 < len(s) && isWord(s[i+3])) {
		return false
	}
	return strings.Index(names, s[i:i+3])%3 == 0
}

// isCalendarName tells the names of months and days in dates. They must go: a pattern
// must not change at midnight.
func isCalendarName(s string, i, end int) bool {
	if end-i != 3 || end+1 >= len(s) {
		return false
	}
	next := end + 1
	if isMonth(s, i) {
		return s[end] == ' ' && isDigit(s[next])
	}
	if s[end] == ',' && s[next] == ' ' {
		next++
	}
	return isOneOf(weekdays, s, i) && next < len(s) && s[next-1] == ' ' && (isDigit(s[next]) || isMonth(s, next))
}

// maxSingle is how long a text in single quotes may be: further away, the next one is
// as likely an apostrophe. A judgement.
const maxSingle = 128

// quotationEnd is where the quotation ends that begins at i; -1 where none begins, as
// with an apostrophe, or it does not end.
func quotationEnd(s string, i int) int {
	if i > 0 && (isWord(s[i-1]) || s[i-1] == '\\' || s[i-1] == s[i]) {
		return -1
	}
	if s[i] == '"' {
		return closing(s, i)
	}
	end := closing(s[:min(len(s), i+maxSingle)], i)
	if end < 0 || (end+1 < len(s) && isWord(s[end+1])) {
		return -1
	}
	return end
}

// isKept tells which quotations are no values, but are part of what the statement in
// the program says: the message itself as klog quotes it, a name in JSON, and the
// request in an access log, of which the method and the route are worth knowing.
func isKept(s string, i, end int) bool {
	if i == 0 || (i > 1 && s[i-1] == ' ' && s[i-2] == ']' && !isRepeated(s, i)) || (end+1 < len(s) && s[end+1] == ':') {
		return true
	}
	method, rest, ok := strings.Cut(s[i+1:end], " ")
	return ok && len(method) >= len("GET") && isUpper(method) && (strings.HasPrefix(rest, "/") || strings.Contains(rest, " HTTP/"))
}

// isRepeated tells that the text has a quotation before i already, so that this one is
// not the message.
func isRepeated(s string, i int) bool { return strings.IndexByte(s[:i], s[i]) >= 0 }

// isURLQuery tells the query of a URL or path from a question mark.
func isURLQuery(dst []byte, s string, i int) bool {
	if i+1 >= len(s) || urlQueryEnd(s, i+1) == i+1 {
		return false
	}
	for n := len(dst) - 1; n >= 0 && dst[n] != ' '; n-- {
		if dst[n] == '/' {
			return true
		}
	}
	return false
}

func urlQueryEnd(s string, i int) int {
	for i < len(s) && strings.IndexByte(" \"'<>)]},", s[i]) < 0 {
		i++
	}
	return i
}

// domainEnd is where the domain of a mail address ends that begins at i; 0 where none
// does, as in a Java object's name and hash. One that has no dot is none.
func domainEnd(s string, i int) int {
	end, dots := i, 0
	for end < len(s) && (isWord(s[end]) || s[end] == '-' || (s[end] == '.' && end+1 < len(s) && isWord(s[end+1]))) {
		if s[end] == '.' {
			dots++
		}
		end++
	}
	if dots == 0 || end == i {
		return 0
	}
	return end
}

// localPart is where the local part of a mail address begins that dst ends with.
func localPart(dst []byte) int {
	n := len(dst)
	for n > 0 && (isWord(dst[n-1]) || strings.IndexByte(".-+*<>%", dst[n-1]) >= 0) {
		if dst[n-1] == '<' && (len(dst)-n < 2 || string(dst[n-1:n+2]) != gap) {
			break // an address in angle brackets, and no gap
		}
		n--
	}
	return n
}

func wordEnd(s string, i int) int {
	for i < len(s) && isWord(s[i]) {
		i++
	}
	return i
}

// isWord counts all that is not ASCII among the letters: units such as µs, and names.
func isWord(c byte) bool {
	return c == '_' || c >= 0x80 || isDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

func isHex(c byte) bool {
	return isDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')
}
