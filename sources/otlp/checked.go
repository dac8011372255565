package otlp

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// checked is JSON that a decoder has read already, so that nothing can be wrong with it: it is
// parted by its brackets and quotes alone, which takes a third of the time of reading it again.
type checked struct {
	text []byte
	at   int
}

// next goes to where the next value or closing bracket begins. Between them what separates
// does not matter any more.
func (c *checked) next() {
	for c.at < len(c.text) {
		switch c.text[c.at] {
		case ' ', '\t', '\r', '\n', ',', ':':
			c.at++
		default:
			return
		}
	}
}

// kind is that of the next value, or of a closing bracket; 0 at the end.
func (c *checked) kind() jsontext.Kind {
	if c.next(); c.at == len(c.text) {
		return 0
	}
	switch first := c.text[c.at]; first {
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return '0'
	default:
		return jsontext.Kind(first)
	}
}

// closes reads a closing bracket, if it is next.
func (c *checked) closes() bool {
	c.next()
	if c.at < len(c.text) && c.text[c.at] != '}' && c.text[c.at] != ']' {
		return false
	}
	c.at = min(c.at+1, len(c.text))
	return true
}

// value reads the next value, whatever it is.
func (c *checked) value() jsontext.Value {
	c.next()
	start := c.at
	if start == len(c.text) {
		return nil
	}
	switch c.text[start] {
	case '"':
		c.quoted()
	case '{', '[':
		for depth := 0; ; {
			switch c.text[c.at] {
			case '"':
				c.quoted()
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			if c.at++; depth == 0 {
				return c.text[start:c.at]
			}
		}
	default:
		if end := bytes.IndexAny(c.text[start:], ",:]} \t\r\n"); end >= 0 {
			c.at += end
		} else {
			c.at = len(c.text)
		}
	}
	return c.text[start:c.at]
}

// quoted goes behind a string.
func (c *checked) quoted() {
	for c.at++; ; {
		c.at += bytes.IndexByte(c.text[c.at:], '"') + 1
		escapes := 0
		for i := c.at - 2; c.text[i] == '\\'; i-- {
			escapes++
		}
		if escapes%2 == 0 {
			return
		}
	}
}
