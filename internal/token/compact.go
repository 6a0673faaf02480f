package token

import (
	"encoding/base64"
	"strings"
)

// Limits bounds what Parse reads. A zero field means its default.
type Limits struct {
	// MaxSize is the longest token in bytes. Zero: 8 KiB.
	MaxSize int
	// MaxDepth is how deeply objects and arrays may be nested. Zero: 16.
	MaxDepth int
}

const (
	defaultMaxSize  = 8 << 10
	defaultMaxDepth = 16
)

// canonical accepts exactly one spelling of any bytes (RFC 4648 §3.5), but for
// line breaks, which encoding/base64 skips: split refuses them first.
var canonical = base64.RawURLEncoding.Strict()

// compact is the three parts of a JWS, decoded.
type compact struct {
	header, payload, signature []byte
	// signed is the text that the signature covers.
	signed string
}

// split decodes compact serialization (RFC 7515 §3.1 and §7.1).
func split(raw string, l Limits) (c compact, err *Error) {
	if l.MaxSize <= 0 {
		l.MaxSize = defaultMaxSize
	}
	if len(raw) > l.MaxSize {
		return c, refuse(RuleToken, "token is longer than the limit")
	}
	first := strings.IndexByte(raw, '.')
	last := strings.LastIndexByte(raw, '.')
	if first < 0 || first == last || strings.IndexByte(raw[first+1:last], '.') >= 0 {
		return c, refuse(RuleToken, malformed(raw))
	}
	if first == 0 || first+1 == last {
		return c, refuse(RuleToken, "token has an empty header or payload")
	}
	if last+1 == len(raw) {
		return c, refuse(RuleToken, "token has no signature")
	}
	if strings.IndexByte(raw, '\n') >= 0 || strings.IndexByte(raw, '\r') >= 0 {
		return c, refuse(RuleToken, "token has a line break in it")
	}
	buf := make([]byte, 0, len(raw))
	var ok bool
	if c.header, buf, ok = decodePart(raw[:first], buf); !ok {
		return c, refuse(RuleToken, "header is not canonical base64url")
	}
	if c.payload, buf, ok = decodePart(raw[first+1:last], buf); !ok {
		return c, refuse(RuleToken, "payload is not canonical base64url")
	}
	if c.signature, _, ok = decodePart(raw[last+1:], buf); !ok {
		return c, refuse(RuleToken, "signature is not canonical base64url")
	}
	c.signed = raw[:last]
	return c, nil
}

func decodePart(text string, buf []byte) (part, rest []byte, ok bool) {
	start := len(buf)
	buf = buf[:start+base64.RawURLEncoding.DecodedLen(len(text))]
	n, err := canonical.Decode(buf[start:], []byte(text))
	if err != nil || n != len(buf)-start {
		return nil, nil, false
	}
	return buf[start:len(buf):len(buf)], buf, true
}

// malformed says what a text that is no compact JWS seems to be instead.
func malformed(raw string) string {
	switch {
	case raw == "":
		return "token is empty"
	case strings.HasPrefix(strings.TrimLeft(raw, " \t\r\n"), "{"):
		return "token is in JSON serialization; only the compact form is accepted"
	case strings.Count(raw, ".") == 4:
		return "token is encrypted (JWE); only signed tokens are accepted"
	default:
		return "token does not consist of exactly three parts"
	}
}
