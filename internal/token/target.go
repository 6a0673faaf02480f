package token

import (
	"crypto"
	"crypto/rsa"
	"encoding/hex"
	"net/url"
	"strings"
)

// sameTarget compares two absolute URLs without query and fragment, after the
// syntax- and scheme-based normalisation of RFC 3986 §6.2 that cannot change
// what a path means: case of scheme and host, the default port, the empty
// path, and the encoding of characters that need none. Dot segments stay.
func sameTarget(proof, request string) bool {
	a, ok := target(proof)
	if !ok {
		return false
	}
	b, ok := target(request)
	return ok && a == b
}

func target(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" {
		return "", false
	}
	scheme := strings.ToLower(u.Scheme)
	host := strings.ToLower(u.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	default:
		return "", false
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return scheme + "://" + strings.TrimSuffix(host, ":") + decodeUnreserved(path), true
}

// decodeUnreserved spells a path in its one normal form (RFC 3986 §6.2.2).
func decodeUnreserved(path string) string {
	if strings.IndexByte(path, '%') < 0 {
		return path
	}
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' || len(path)-i < 3 {
			b.WriteByte(path[i])
			continue
		}
		c, err := hex.DecodeString(path[i+1 : i+3])
		switch {
		case err != nil:
			b.WriteByte('%')
			continue
		case isUnreserved(c[0]):
			b.WriteByte(c[0])
		default:
			b.WriteString(strings.ToUpper(path[i : i+3]))
		}
		i += 2
	}
	return b.String()
}

func isUnreserved(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte("-._~", c) >= 0
}

// rsaBits returns the length of an RSA key, and 0 for any other.
func rsaBits(pub crypto.PublicKey) int {
	if pub, ok := pub.(*rsa.PublicKey); ok {
		return pub.N.BitLen()
	}
	return 0
}
