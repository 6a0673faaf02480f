package guard

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"github.com/wiretight/wiretight/internal/token"
)

// fingerprintCookie is the cookie whose SHA-256 a token bound by fingerprint
// carries.
const fingerprintCookie = "__Host-fingerprint"

// proofWindow is how far a proof's iat may lie from now.
const proofWindow = 60 * time.Second

func decodeThumbprint(s string) (sum thumbprint, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != len(sum) {
		return sum, false
	}
	return thumbprint(raw), true
}

// checkBinding demands that the client proves to be the one that the token was
// issued to, on every request, remembered token or not.
func checkBinding(x *exchange) *refusal {
	if !x.verified {
		return nil
	}
	mode := x.policy.binding
	if x.route != nil && x.route.binding != "" {
		mode = x.route.binding
	}
	if mode == BindingOff {
		return nil
	}
	reason := ""
	switch x.facts.bound {
	case boundDPoP:
		return x.checkProof()
	case boundCertificate:
		reason = x.checkCertificate()
	case boundFingerprint:
		reason = x.checkFingerprint()
	case unbound:
		if mode == BindingRequired {
			reason = "token is not bound to a client"
		}
	}
	if reason == "" && x.credential.dpop {
		reason = "token is not bound to a key, but came under the DPoP scheme"
	}
	if reason != "" {
		return x.challenged(&refusal{rule: RuleBinding, kind: kindInvalidToken, reason: reason})
	}
	return nil
}

// checkCertificate compares x5t#S256 with the client's certificate (RFC 8705 §3).
func (x *exchange) checkCertificate() string {
	if x.r.TLS == nil || len(x.r.TLS.PeerCertificates) == 0 {
		return "token is bound to a certificate, but the client showed none"
	}
	sum := sha256.Sum256(x.r.TLS.PeerCertificates[0].Raw)
	if subtle.ConstantTimeCompare(sum[:], x.thumbprint[:]) != 1 {
		return "token is bound to another certificate"
	}
	return ""
}

// checkFingerprint compares the fingerprint cookie's hash with the token's.
func (x *exchange) checkFingerprint() string {
	c := x.r.CookiesNamed(fingerprintCookie)
	if len(c) != 1 {
		return "token is bound to a fingerprint cookie, but the request has " + map[bool]string{true: "none", false: "several"}[len(c) == 0]
	}
	sum := sha256.Sum256([]byte(c[0].Value))
	if subtle.ConstantTimeCompare(sum[:], x.thumbprint[:]) != 1 {
		return "token is bound to another fingerprint cookie"
	}
	return ""
}

// checkProof verifies the DPoP proof (RFC 9449 §4.3). Its jti is consumed
// later, by checkReplay.
func (x *exchange) checkProof() *refusal {
	refuse := func(reason string) *refusal {
		f := &refusal{rule: RuleBinding, kind: kindInvalidToken, reason: reason}
		f.dpop = dpopChallenge{show: true, error: "invalid_dpop_proof"}
		return x.challenged(f)
	}
	if !x.credential.dpop {
		return x.challenged(&refusal{rule: RuleBinding, kind: kindInvalidToken, reason: "token is bound to a key, but came under the Bearer scheme"})
	}
	proofs := x.r.Header["Dpop"]
	if len(proofs) != 1 {
		return refuse("request has no DPoP proof, or several")
	}
	req := token.ProofRequest{
		Method:      x.r.Method,
		URL:         "https://" + x.r.Host + x.path.encoded,
		AccessToken: x.credential.raw,
		JKT:         base64.RawURLEncoding.EncodeToString(x.thumbprint[:]),
		Window:      proofWindow,
	}
	if x.policy.dpopNonce {
		req.Nonce = func(n string) bool { return x.guard.nonces.valid(n, x.now) }
	}
	proof, err := token.VerifyProof(proofs[0], req, x.now)
	if err != nil {
		f := refuse(err.Error())
		if f != nil && x.policy.dpopNonce {
			f.dpop.nonce = x.guard.nonces.issue(x.now)
			if errors.Is(err, token.ErrNonce) {
				f.dpop.error = "use_dpop_nonce"
			}
		}
		return f
	}
	x.proof = &proof
	return nil
}

// nonces makes the values that DPoP proofs must contain (RFC 9449 §8): the
// minute, signed, so that nothing need be stored. One is good for five minutes.
type nonces struct{ key [32]byte }

const nonceLife = 5 * time.Minute

func newNonces() *nonces {
	n := &nonces{}
	_, _ = rand.Read(n.key[:]) // never fails (crypto/rand)
	return n
}

func (n *nonces) issue(now time.Time) string {
	var b [8 + 16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.Unix()))
	copy(b[8:], n.mac(b[:8]))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (n *nonces) valid(nonce string, now time.Time) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(b) != 24 || !hmac.Equal(b[8:], n.mac(b[:8])) {
		return false
	}
	age := now.Sub(time.Unix(int64(binary.BigEndian.Uint64(b[:8])), 0))
	return age > -time.Minute && age < nonceLife
}

func (n *nonces) mac(b []byte) []byte {
	m := hmac.New(sha256.New, n.key[:])
	m.Write(b)
	return m.Sum(nil)[:16]
}
