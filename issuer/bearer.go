package issuer

import (
	"errors"
	"net/http"
	"strings"

	"github.com/wiretight/wiretight/internal/revocation"
	"github.com/wiretight/wiretight/internal/token"
)

// bearer is who an access token of this issuer speaks for.
type bearer struct {
	claims token.Claims
	family *familyID // nil: a machine client's token
}

// bearer authenticates the request by its access token, as the guard would:
// signature, revocation and binding.
func (c *call) bearer() (bearer, *failure) {
	raw, dpop := c.accessToken()
	if raw == "" {
		return bearer{}, &failure{status: http.StatusUnauthorized, detail: "Not authenticated", code: "invalid_token", challenge: "Bearer", reason: "no access token"}
	}
	b, reason, f := c.examine(raw)
	if f != nil {
		return bearer{}, f
	}
	if reason == "" {
		var bad *failure
		if reason, bad = c.unbound(raw, &b.claims, dpop); bad != nil {
			return bearer{}, bad
		}
	}
	if reason != "" {
		return bearer{}, &failure{status: http.StatusUnauthorized, detail: "Invalid token", code: "invalid_token", challenge: `Bearer error="invalid_token"`, reason: reason}
	}
	c.subject = b.claims.Subject
	return b, nil
}

// accessToken finds the token in its header or cookie.
func (c *call) accessToken() (raw string, dpop bool) {
	h := c.r.Header["Authorization"]
	if len(h) == 1 {
		scheme, rest, _ := strings.Cut(h[0], " ")
		if dpop = strings.EqualFold(scheme, "DPoP"); dpop || strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(rest), dpop
		}
	}
	if k := c.r.CookiesNamed(cookieAccess); len(k) == 1 && len(h) == 0 {
		return k[0].Value, false
	}
	return "", false
}

// examine verifies an access token and whether it is revoked. The reason says
// why it is no good.
func (c *call) examine(raw string) (b bearer, reason string, f *failure) {
	t, err := token.Parse(raw, token.Limits{})
	if err != nil {
		return b, err.Error(), nil
	}
	keys, _, err := c.ring.source.Current()
	if err != nil {
		return b, "", unavailable(err)
	}
	if err := t.Verify(&c.policy, keys, c.at); err != nil {
		return b, err.Error(), nil
	}
	b.claims = t.Claims
	if session, ok := parseSID(t.Claims.SessionID); ok {
		b.family = &familyID{subject: subjectID(t.Claims.Subject), session: session}
	}
	ctx, cancel := c.storeContext()
	defer cancel()
	revoked, err := c.Issuer.sessions.revokedSince(ctx, t.Claims.SessionID, t.Claims.Subject, t.Claims.IssuedAt)
	for _, id := range []struct {
		kind revocation.Kind
		sum  [32]byte
	}{{revocation.JTI, revocation.Hash(revocation.JTI, t.Claims.ID)}, {revocation.Identity, t.Identity()}} {
		if err == nil && !revoked {
			revoked, err = c.Issuer.sessions.revoked(ctx, id.kind, id.sum, t.Claims.IssuedAt)
		}
	}
	if err != nil {
		return b, "", unavailable(err)
	}
	if revoked {
		return b, "token is revoked", nil
	}
	return b, "", nil
}

// unbound says why the client is not the one that the token was given to.
func (c *call) unbound(raw string, claims *token.Claims, dpop bool) (string, *failure) {
	b := bound{JKT: claims.Confirmation.JKT, Certificate: claims.Confirmation.X5TS256, Fingerprint: claims.Confirmation.Fingerprint}
	if (b.JKT != "") != dpop {
		return "token came under the wrong scheme", nil
	}
	s := shown{certificate: certificateOf(c.r)}
	if k := c.r.CookiesNamed(cookieFingerprint); len(k) == 1 {
		s.fingerprint = hashText(k[0].Value)
	}
	if b.JKT != "" {
		proof, f := c.proof(raw, b.JKT)
		if f != nil {
			f.status = http.StatusUnauthorized // RFC 9449 §7.1
			f.challenge = `DPoP error="` + f.code + `", algs="` + strings.Join(proofAlgorithms, " ") + `"`
			return "", f
		}
		s.jkt = proof.JKT
	}
	return b.mismatch(s), nil
}

// errNotOwner says that a token is another's.
var errNotOwner = errors.New("token belongs to somebody else")
