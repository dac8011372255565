package ident

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"obs/sources/redact"
)

// role is what a field's name says its value is.
type role int

const (
	unnamed    role = iota // nothing that is known
	secret                 // a credential: its value is not read
	traceName              // a trace ID
	headerName             // a propagation header
	stateName              // a tracestate
	spanName               // a span ID
	requestName
	sampledName
	flagsName // W3C trace flags in hexadecimal
	upperName // the upper half of a Datadog trace ID
	tagsName  // x-datadog-tags, where that stands
	timeName
	messageName // text that may name an ID
	otherName   // an ID of something else
)

// roles are the roles of folded names. Besides the plain names they are those of
//   - OpenTelemetry's log correlation: otelTraceID (Python), trace_flags
//   - Elastic Common Schema: trace.id, span.id, http.request.id
//   - Datadog: dd.trace_id, dd.span_id, x-datadog-*, _dd.p.tid
//   - B3: X-B3-TraceId, X-B3-SpanId, X-B3-Sampled
//   - Google Cloud Logging: logging.googleapis.com/trace, …/spanId, …/trace_sampled
//   - Azure: x-ms-request-id, operation_Id; AWS: x-amzn-requestid, awsRequestId
//   - Cloudflare: cf-ray; CloudFront: x-amz-cf-id; Vercel: x-vercel-id
var roles = map[string]role{
	"traceid": traceName, "trace": traceName, "oteltraceid": traceName, "ddtraceid": traceName, "xb3traceid": traceName,
	"b3traceid": traceName, "xdatadogtraceid": traceName, "datadogtraceid": traceName, "xtraceid": traceName,
	"xraytraceid": traceName, "awsxraytraceid": traceName, "operationid": traceName, "root": traceName, "self": traceName,
	"tracestate": stateName,
	"spanid":     spanName, "otelspanid": spanName, "ddspanid": spanName, "xb3spanid": spanName, "b3spanid": spanName,
	"xdatadogparentid": spanName, "datadogparentid": spanName, "uifind": spanName,
	"reqid": requestName, "cfray": requestName, "xamzcfid": requestName, "xvercelid": requestName, "invocationid": requestName,
	"transactionid": requestName, "xtransactionid": requestName, "requestuuid": requestName, "conversationid": requestName,
	"sampled": sampledName, "oteltracesampled": sampledName, "tracesampled": sampledName, "xb3sampled": sampledName,
	"xdatadogsamplingpriority": sampledName, "traceflags": flagsName,
	"ddptid": upperName, "xdatadogtags": tagsName,
	"time": timeName, "timestamp": timeName, "ts": timeName, "date": timeName, "datetime": timeName, "eventtime": timeName,
	"msg": messageName, "message": messageName, "log": messageName, "line": messageName, "body": messageName,
	"event": messageName, "text": messageName, "stringvalue": messageName, "error": messageName, "err": messageName,
}

// secretParts are what names of credentials contain.
var secretParts = regexp.MustCompile(redact.Names)

// elsewhere begins the names of IDs that another request or span has.
var elsewhere = regexp.MustCompile(`^(?:parent|link|caller|previous|prev|original|orig|client|remote|upstream)`)

// fold makes the spellings of a name one: lower case, letters and digits alone.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return -1
	}, name)
}

// spellings are the folded forms under which a name is looked up: whole, its last two
// parts (trace.id), its last one (mdc.traceId, guid:x-request-id).
func spellings(name string) []string {
	parts := nameParts(name)
	names := []string{fold(name)}
	if n := len(parts); n > 1 {
		names = append(names, fold(parts[n-2]+parts[n-1]), fold(parts[n-1]))
	}
	return names
}

func nameParts(name string) []string {
	return strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune("./: ", r) })
}

// roleOf reads a name with the path to it.
func roleOf(name string) role {
	names := spellings(name)
	if secretParts.MatchString(names[0]) {
		return secret
	}
	last := names[len(names)-1]
	for _, part := range nameParts(name) {
		if elsewhere.MatchString(fold(part)) && (strings.HasSuffix(last, "id") || last == "traceparent") {
			return otherName
		}
	}
	for _, n := range names {
		switch {
		case roles[n] != unnamed:
			return roles[n]
		case headers[n] != nil:
			return headerName
		case strings.HasSuffix(n, "requestid") || strings.HasSuffix(n, "correlationid"):
			return requestName
		}
	}
	if strings.HasSuffix(last, "id") {
		return otherName
	}
	return unnamed
}

// ownRoles are the roles of a team's own names. One of other letters than ASCII's folds to
// what may be another, and is left out.
func ownRoles(traceFields, requestFields []string) map[string]role {
	own := map[string]role{}
	for kind, names := range map[role][]string{traceName: traceFields, requestName: requestFields} {
		for _, name := range names {
			ascii := !strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf })
			if folded := fold(name); folded != "" && ascii && own[folded] != traceName {
				own[folded] = kind
			}
		}
	}
	return own
}

// roleOf is the package's roleOf with the team's own names: one that is the whole name wins,
// and one that is the end of a longer name (mdc.tid) does where that is not known (_dd.p.tid).
func (r *reader) roleOf(name string) role {
	kind := roleOf(name)
	if len(r.own) == 0 || kind == secret {
		return kind
	}
	names := spellings(name)
	if own := r.own[names[0]]; own != unnamed {
		return own
	}
	if kind == unnamed || kind == otherName || kind == messageName {
		for _, n := range names[1:] {
			if own := r.own[n]; own != unnamed {
				return own
			}
		}
	}
	return kind
}

// headerOf is the parser of the header of that name, whose role is headerName.
func headerOf(name string) func(string) (Candidate, bool) {
	for _, n := range spellings(name) {
		if parse := headers[n]; parse != nil {
			return parse
		}
	}
	return readTraceparent
}

// isDecimal reports whether trace and span IDs under that name are decimal.
func isDecimal(name string) bool {
	name = fold(name)
	return strings.Contains(name, "datadog") || strings.Contains(name, "ddtraceid") || strings.Contains(name, "ddspanid")
}

// NamesSecret reports whether a field of that name holds a credential.
func NamesSecret(name string) bool { return roleOf(name) == secret }
