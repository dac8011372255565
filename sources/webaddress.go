package sources

import "strings"

// WebAddress is an address that a person may be sent to, without a password in it; empty for
// any other: what stands in alerts, annotations and saved cases is what their authors like.
// Otherwise it is as it was written, and still to be made printable.
func WebAddress(text string) string {
	scheme, rest, found := strings.Cut(text, "://")
	if !found || (!strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https")) {
		return ""
	}
	authority := rest
	if end := strings.IndexAny(rest, `/?#\`); end >= 0 { // a browser takes the last for a slash
		authority = rest[:end]
	}
	host := authority[strings.LastIndexByte(authority, '@')+1:]
	if host == "" || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || Acts(r) }) {
		return ""
	}
	return scheme + "://" + host + rest[len(authority):]
}
