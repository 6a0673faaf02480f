package guard

import (
	"net/http"
	"net/textproto"
	"strings"
)

// hopByHop reports the fields that concern one connection only (RFC 9110 §7.6.1).
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// removeHops deletes hop-by-hop fields and those that Connection names.
func removeHops(h http.Header) {
	removeNamed(h)
	for name := range h {
		if hopByHop(name) {
			delete(h, name)
		}
	}
}

// removeNamed deletes the fields that Connection names.
func removeNamed(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = textproto.TrimString(name); name != "" {
				h.Del(name)
			}
		}
	}
}

func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for t := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(textproto.TrimString(t), token) {
				return true
			}
		}
	}
	return false
}
