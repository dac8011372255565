package jaeger

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"obs/sources"
)

// params are the parameters of a request, in the order in which a person reads them.
type params []param

// param is a value under a name. One that repeats another under the spelling of other
// servers is sent, and left out where a person reads.
type param struct {
	name, value string
	repeated    bool
}

// add appends the value under each name, unless it is empty.
func (p *params) add(value string, names ...string) {
	if value == "" {
		return
	}
	for i, name := range names {
		*p = append(*p, param{name, value, i > 0})
	}
}

func (p params) values() url.Values {
	values := make(url.Values, len(p))
	for _, each := range p {
		values.Add(each.name, each.value)
	}
	return values
}

// String escapes only what would change the meaning of the text in an address or
// between single quotes in a shell, so that it can be read and copied.
func (p params) String() string {
	var b strings.Builder
	for i, each := range p {
		if each.repeated {
			continue
		}
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(each.name + "=")
		for j := range len(each.value) {
			c := each.value[j]
			if c <= ' ' || c >= 0x7f || strings.IndexByte(`%&#+'<>\`, c) >= 0 {
				fmt.Fprintf(&b, "%%%02X", c)
			} else {
				b.WriteByte(c)
			}
		}
	}
	return b.String()
}

// seconds renders a duration as decimal seconds, which is read both by Go's parser,
// as Jaeger uses it, and by that of protocol buffers. No bound is an empty text.
func seconds(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func micros(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }

// tagsJSON renders attributes as the JSON object of texts that both searches take.
func tagsJSON(attributes sources.Attributes) string {
	if len(attributes) == 0 {
		return ""
	}
	tags := make(map[string]string, len(attributes))
	for _, a := range attributes {
		tags[a.Key] = a.Value
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(tags) != nil {
		return "" // a map of strings always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}
