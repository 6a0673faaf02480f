package checks

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtWeakAlgorithm reads the algorithm of the token. HMAC is right for a service
// that verifies what it has issued itself, and wrong where the secret has to be
// shared.
var jwtWeakAlgorithm = scan.Check{
	ID: "jwt.weak-algorithm", Needs: catalog.NeedsToken, Passive: true,
	Run: func(_ context.Context, t *scan.Target) scan.Verdict {
		token, why := readable(t)
		if why != "" {
			return scan.Skip(why)
		}
		weak := weakAlgorithm(token)
		severity := catalog.Medium
		switch {
		case strings.EqualFold(token.Alg, "none"):
			severity = catalog.High
		case weak == "" && strings.HasPrefix(token.Alg, "HS"):
			weak = sharedSecret(t, token)
		}
		if weak == "" {
			return scan.Pass()
		}
		e := inToken(t, "Its header says alg "+clip(token.Alg)+": "+weak+".")
		e.Severity = severity
		return scan.Find(e)
	},
}

// sound are the algorithms of RFC 7518, RFC 8037 and RFC 9864 for signatures that
// nobody advises against.
var soundAlgorithms = []string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448"}

// weakAlgorithm says what is wrong with the algorithm, whoever uses it.
func weakAlgorithm(token scan.Token) string {
	switch {
	case token.Alg == "":
		return "there is none"
	case strings.EqualFold(token.Alg, "none"):
		return "the service's own tokens are not signed"
	case strings.HasPrefix(token.Alg, "RSA1_5"):
		return "RSA with PKCS #1 v1.5 encryption is open to padding attacks"
	case token.Alg == "ES256K":
		return "the curve secp256k1 is for other uses, and few libraries verify it with care"
	}
	for _, name := range soundAlgorithms {
		if token.Alg != name {
			continue
		}
		if family := name[:2]; (family == "RS" || family == "PS") && token.SignatureBytes > 0 && token.SignatureBytes < 256 {
			return fmt.Sprintf("the signature has %d bits, so the RSA key is under 2048", token.SignatureBytes*8)
		}
		return ""
	}
	return "it is none of the registered algorithms for signatures"
}

// sharedSecret says by what it shows that the HMAC secret is known to more than
// one service.
func sharedSecret(t *scan.Target, token scan.Token) string {
	if publishes(t, "RSA", "EC", "OKP") {
		return "it is HMAC, though public keys are published: who verifies with the secret can also sign"
	}
	if len(token.Audience) > 1 {
		return fmt.Sprintf("it is HMAC, and the token is for %d audiences: each that verifies it can also sign for the others", len(token.Audience))
	}
	if net.ParseIP(t.Host()) != nil || t.Loopback() {
		return "" // the name says nothing
	}
	for _, aud := range token.Audience {
		if u, err := url.Parse(aud); err == nil && u.Hostname() != "" && !strings.EqualFold(u.Hostname(), t.Host()) {
			return "it is HMAC, and the token is for another host, " + clip(u.Hostname()) + ": both have the secret"
		}
	}
	return ""
}
