package checks

import (
	"net"
	"net/http"
	"slices"
	"testing"
)

// mendedA has, for each check of list_a.go, the server on which it found
// something, mended. No check of any area may find anything there.
var mendedA = map[string]func(testing.TB) *fixture{
	"transport.no-tls":                  func(t testing.TB) *fixture { return named(t, list, toHTTPS) },
	"transport.no-https-redirect":       func(t testing.TB) *fixture { return named(t, list, toHTTPS) },
	"transport.forwarded-proto-trusted": func(t testing.TB) *fixture { return named(t, list, toHTTPS) },
	"transport.websocket-cleartext":     func(t testing.TB) *fixture { return named(t, list, refuse) },
	"transport.token-over-http": func(t testing.TB) *fixture {
		token := goodToken(t)
		f := serve(t, server{Handler: guarded(token), Token: token})
		f.Config.Protected = []string{"/items"}
		return f
	},
	"transport.redirect-downgrade":   slashMended,
	"transport.redirect-leaks-token": slashMended,
	"transport.no-hsts":              func(t testing.TB) *fixture { return named(t, list, toHTTPS) },
	"transport.weak-hsts":            func(t testing.TB) *fixture { return named(t, list, toHTTPS) },
	"transport.cleartext-reference": func(t testing.TB) *fixture {
		return serve(t, server{Handler: documents(map[string]string{"/openapi.json": openAPI("https://api.example.com", "/token")})})
	},
	"host.unvalidated": func(t testing.TB) *fixture { return named(t, list, toHTTPS) },
	"host.reflected": func(t testing.TB) *fixture {
		return serve(t, server{Handler: mirrored(func(*http.Request) string { return "/docs" }, nil)})
	},
	"tls.cert-untrusted":         tlsMended,
	"tls.cert-expired":           tlsMended,
	"tls.cert-name-mismatch":     tlsMended,
	"tls.cert-expiring":          tlsMended,
	"tls.cert-weak-key":          tlsMended,
	"tls.cert-weak-signature":    tlsMended,
	"tls.legacy-protocol":        tlsMended,
	"tls.weak-cipher":            tlsMended,
	"tls.no-forward-secrecy":     tlsMended,
	"tls.no-tls13":               tlsMended,
	"tls.downgrade-unprotected":  tlsMended,
	"tls.insecure-renegotiation": tlsMended,
	"tls.early-data": func(t testing.TB) *fixture {
		token := goodToken(t)
		dial := nginx(t, "if ($host != '127.0.0.1') { return 421 '{}'; } if ($ssl_early_data) { return 425 '{}'; } if ($http_authorization != 'Bearer "+token+"') { return 401 '{}'; } return 200 '{\"items\":[1]}';")
		f := serve(t, server{Token: token, Hello: func(c net.Conn, _ []byte) bool { tunnel(t, c, dial); return true }})
		f.Config.Protected = []string{"/items"}
		return f
	},
	"jwks.weak-key":            keysMended,
	"jwks.private-key-exposed": keysMended,
	"jwks.inconsistent":        keysMended,
}

func named(t testing.TB, h, plain http.HandlerFunc) *fixture {
	return serve(t, server{Name: "api.test", Handler: h, Plain: plain})
}

func slashMended(t testing.TB) *fixture {
	token := goodToken(t)
	return serve(t, server{Token: token, Handler: slashing(token, func(r *http.Request) string { return "/items" + query(r) })})
}

func tlsMended(t testing.TB) *fixture { return shown(t, testPKI(t).leaf(t, "api.test")) }

func keysMended(t testing.TB) *fixture {
	return published(t, keySet(p256JWK, ed25519JWK, rsaJWK("new", 2048, "")))
}

func TestMendedA(t *testing.T) {
	t.Parallel()
	checks := slices.Concat(transportChecks(), hostChecks(), tlsChecks(), jwksChecks())
	passMended(t, checks, mendedA)
}
