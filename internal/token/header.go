package token

import "strings"

// Header is what a token says about its own signature. Until Verify has
// returned nil nothing in it can be believed.
type Header struct {
	// Algorithm is alg as it stands in the token.
	Algorithm string
	// KeyID is kid. Empty: absent.
	KeyID string
	// Type is typ in lower case and without "application/" (RFC 7515 §4.1.9).
	// Absent counts as "jwt".
	Type string
}

const maxKeyID = 512

// parseHeader reads a protected header, with room for its members. jwk is the
// header's key, which only a proof may have.
func parseHeader(data []byte, maxDepth int, proof bool, room []member) (h Header, jwk []byte, err *Error) {
	members, bad := scanObject(data, maxDepth, room[:0])
	if bad != nil {
		return h, nil, refuse(RuleToken, "header "+bad.Error())
	}
	h.Type = "jwt"
	for i := range members {
		m := &members[i]
		switch string(m.name) {
		case "alg":
			text, ok := m.text()
			if !ok || !plain(text) {
				return h, nil, refuse(RuleToken, "header member alg is not a plain string")
			}
			h.Algorithm = algorithmName(text)
		case "kid":
			text, ok := m.text()
			if !ok || !plain(text) || len(text) > maxKeyID {
				return h, nil, refuse(RuleToken, "header member kid is not a plain string of bounded length")
			}
			h.KeyID = string(text)
		case "typ":
			text, ok := m.text()
			if !ok || !plain(text) {
				return h, nil, refuse(RuleToken, "header member typ is not a plain string")
			}
			h.Type = typeName(text)
		case "jwk":
			if !proof || m.kind != kindObject {
				return h, nil, refuse(RuleToken, "header brings its own key: member jwk")
			}
			jwk = m.value
		default:
			if reason := forbiddenMember(m.name); reason != "" {
				return h, nil, refuse(RuleToken, reason)
			}
		}
	}
	if h.Algorithm == "" {
		return h, nil, refuse(RuleToken, "header has no alg")
	}
	return h, jwk, nil
}

// forbiddenMember says why a header with this member is refused, or nothing.
// Keys come from the issuer's set alone (RFC 8725 §3.5 and §3.10), and nothing
// that changes how the rest is read is understood here.
func forbiddenMember(name []byte) string {
	switch string(name) {
	case "jku", "x5u", "x5c":
		return "header brings its own key: member " + string(name)
	case "crit":
		return "header has critical extensions: member crit"
	case "b64", "zip":
		return "header changes how the payload is read: member " + string(name)
	case "enc", "epk", "p2c", "p2s":
		return "header is that of an encrypted token: member " + string(name)
	}
	return ""
}

// plain tells whether text is not empty and free of control characters, so
// that it can be compared, logged and forwarded without a second thought.
func plain(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return len(text) > 0
}

// typeName normalises a media type for comparison. The usual ones cost nothing.
func typeName(text []byte) string {
	switch string(text) {
	case "JWT", "jwt":
		return "jwt"
	case "at+jwt":
		return "at+jwt"
	case "dpop+jwt":
		return "dpop+jwt"
	}
	return strings.TrimPrefix(strings.ToLower(string(text)), "application/")
}
