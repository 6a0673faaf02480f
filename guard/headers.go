package guard

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// Request headers that an upstream might believe although anybody can set
// them. Every form of them (letter case, anything for the hyphen, repeats) is
// removed before a request goes on. What the upstream is to believe is set
// afterwards, in forward.go.

// spoofable lists exact names, lower case.
var spoofable = set(
	// identity, as proxies hand it on
	"x-auth-subject", "x-auth-issuer", "x-auth-scopes", "x-auth-client", "x-auth-claims",
	"x-auth-user", "x-auth-email", "x-auth-groups", "x-auth-token-claims",
	"x-remote-user", "remote-user", "x-webauth-user", "x-authenticated-user", "x-authenticated-userid",
	"x-authenticated-scope", "x-authenticated-groups", "x-consumer-id", "x-consumer-username",
	"x-consumer-custom-id", "x-credential-identifier", "x-anonymous-consumer", "x-userinfo", "x-jwt-payload",
	"x-jwt-assertion", "x-goog-authenticated-user-email", "x-goog-authenticated-user-id", "x-goog-iap-jwt-assertion",
	"x-endpoint-api-userinfo", "x-amzn-oidc-data", "x-amzn-oidc-identity", "x-amzn-oidc-accesstoken",
	"cf-access-jwt-assertion", "cf-access-authenticated-user-email", "x-ms-client-principal",
	"x-ms-client-principal-id", "x-ms-client-principal-name", "x-pomerium-jwt-assertion",
	// client certificates
	"x-forwarded-client-cert", "x-client-cert", "x-client-certificate", "x-ssl-cert", "x-ssl-client-cert",
	"ssl-client-cert", "x-amzn-mtls-clientcert", "client-cert", "client-cert-chain", "x-arr-clientcert",
	// scheme, host and path
	"x-original-url", "x-original-uri", "x-rewrite-url", "x-original-host", "x-original-method", "x-original-path",
	"x-forwarded-uri", "x-forwarded-url", "x-forwarded-path", "x-forwarded-method", "x-forwarded-prefix",
	"x-forwarded-scheme", "x-forwarded-ssl", "x-forwarded-port", "x-forwarded-server", "x-forwarded-by",
	"x-forwarded-host", "x-forwarded-proto", "x-forwarded-for", "x-forwarded", "forwarded", "forwarded-for",
	"x-url-scheme", "x-scheme", "front-end-https", "x-https", "x-host", "x-http-host-override", "x-http-destinationurl",
	"x-proxy-url", "x-script-name", "x-replaced-path", "x-envoy-original-path", "x-envoy-original-host",
	"x-envoy-external-address", "x-envoy-internal", "x-envoy-decorator-operation",
	// methods
	"x-http-method-override", "x-http-method", "x-method-override",
	// client address
	"x-real-ip", "x-client-ip", "client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip",
	"cf-connecting-ipv6", "fastly-client-ip", "x-proxyuser-ip", "x-originating-ip", "x-remote-ip", "x-remote-addr",
	"wl-proxy-client-ip", "x-appengine-user-ip", "x-azure-clientip",
	// the server's own environment, and what only a hop may say
	"proxy", "x-request-id", "content-length-override", "early-data",
)

// spoofablePrefixes lists beginnings of names, lower case.
var spoofablePrefixes = []string{
	"x-auth-request-", "x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "x-forwarded-preferred-",
	"x-forwarded-access-", "x-forwarded-tls-", "x-authentik-", "x-oathkeeper-", "x-ssl-client-", "ssl-client-",
	"x-middleware-", "x-jwt-claim-",
}

// credentialNames are what Connection must not remove on the way to us.
var credentialNames = set("authorization", "cookie", "dpop", "host", "content-length", "transfer-encoding")

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

// spoofableName reports whether name, in any form, is one of the above.
func spoofableName(name string) bool {
	n := foldName(name)
	if spoofable[n] {
		return true
	}
	if n[0] != 'x' && n[0] != 's' {
		return false
	}
	for _, p := range spoofablePrefixes {
		if strings.HasPrefix(n, p) {
			return true
		}
	}
	return false
}

// foldName brings the forms together that servers mistake for each other. CGI
// and what descends from it write an underscore for whatever is neither letter
// nor digit, so all of those count as the hyphen.
func foldName(name string) string {
	folded := lower(name)
	for i := range len(folded) {
		if foldedByte(folded[i]) != folded[i] {
			b := []byte(folded)
			for j := range b {
				b[j] = foldedByte(b[j])
			}
			return string(b)
		}
	}
	return folded
}

func foldedByte(b byte) byte {
	if 'a' <= b && b <= 'z' || '0' <= b && b <= '9' {
		return b
	}
	return '-'
}

// ordinary reports the canonical names of headers that need no closer look, so
// that the common request costs next to nothing.
func ordinary(name string) bool {
	switch name {
	case "Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Content-Encoding",
		"Content-Type", "Cookie", "Date", "Dpop", "Expect", "If-Match", "If-Modified-Since",
		"If-None-Match", "If-Range", "If-Unmodified-Since", "Origin", "Pragma", "Priority", "Range", "Referer",
		"Sec-Ch-Ua", "Sec-Ch-Ua-Mobile", "Sec-Ch-Ua-Platform", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site",
		"Sec-Fetch-User", "Sec-Websocket-Extensions", "Sec-Websocket-Key", "Sec-Websocket-Protocol",
		"Sec-Websocket-Version", "Traceparent", "Tracestate", "Upgrade-Insecure-Requests", "User-Agent":
		return true
	}
	return false
}

// checkHeaders refuses headers with two meanings and removes what a client
// must not be believed. It removes all of it even if it refuses: the rule may
// be on trial.
func checkHeaders(x *exchange) *refusal {
	h := x.r.Header
	var no *refusal
	for name, values := range h {
		switch {
		case ordinary(name):
		case hopByHop(name):
			x.hops = true // removed later: the guard itself reads them
			if name == "Connection" {
				no = either(no, checkConnection(values))
			}
		case name == "Content-Length":
			no = either(no, x.checkLength(values))
		case framingAlias(name):
			no = &refusal{rule: RuleHeaders, kind: kindInvalidRequest, reason: "header " + quoted(name) + " can be mistaken for another that frames or authenticates the message"}
			x.dropped(name)
			delete(h, name)
		case spoofableName(name):
			x.keepForwarded(name, values)
			x.dropped(name)
			delete(h, name)
		}
	}
	if up, ok := h["Upgrade"]; ok && (len(up) != 1 || !strings.EqualFold(up[0], "websocket")) {
		delete(h, "Upgrade")
		delete(h, "Connection")
		delete(h, "Http2-Settings")
	}
	x.r.Trailer = nil
	return no
}

func either(a, b *refusal) *refusal {
	if a != nil {
		return a
	}
	return b
}

// checkConnection refuses a Connection header that would make a hop remove a
// credential, an identity or a framing header.
func checkConnection(values []string) *refusal {
	for _, v := range values {
		for token := range strings.SplitSeq(v, ",") {
			token = textproto.TrimString(token)
			if token == "" {
				continue
			}
			if folded := foldName(token); !validToken(token) || credentialNames[folded] || spoofableName(token) {
				return &refusal{rule: RuleHeaders, kind: kindInvalidRequest, reason: "Connection names " + quoted(token)}
			}
		}
	}
	return nil
}

// checkLength refuses a Content-Length that is not the length of the body. Over
// HTTP/1.1 it is what delimits the body, but HTTP/2 has frames for that and
// lets the field say anything, which an upstream would believe.
func (x *exchange) checkLength(values []string) *refusal {
	if len(values) == 1 {
		if n, err := strconv.ParseUint(values[0], 10, 63); err == nil && int64(n) == x.r.ContentLength {
			return nil
		}
	}
	return &refusal{rule: RuleHeaders, kind: kindInvalidRequest, reason: "Content-Length is " + quoted(strings.Join(values, ",")) +
		", but the body's length is " + strconv.FormatInt(x.r.ContentLength, 10)}
}

// framingAlias reports names which a server that folds them would take for a
// header that delimits or authenticates messages.
func framingAlias(name string) bool {
	folded := foldName(name)
	switch folded {
	case "content-length", "transfer-encoding", "authorization", "cookie", "host", "dpop", "content-type", "upgrade":
		return folded != lower(name)
	}
	return false
}

// keepForwarded remembers what a trusted proxy said before it is removed.
func (x *exchange) keepForwarded(name string, values []string) {
	if len(x.policy.trusted) == 0 || !x.peerTrusted() {
		return
	}
	switch name {
	case "X-Forwarded-For", "X-Forwarded-Host", "Forwarded":
		if x.forwarded == nil {
			x.forwarded = http.Header{}
		}
		x.forwarded[name] = values
	}
}

// peerTrusted reports whether the connection comes from a trusted proxy.
func (x *exchange) peerTrusted() bool {
	for _, p := range x.policy.trusted {
		if p.Contains(x.peer) {
			return true
		}
	}
	return false
}
