package token

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"time"
)

// ProofRequest is what a DPoP proof must be a proof for.
type ProofRequest struct {
	// Method is the request's method, as it was sent.
	Method string
	// URL is the request's absolute URL; query and fragment do not count.
	URL string
	// AccessToken is the token that the request carries. Empty: none, as at a
	// token endpoint; then the proof need not name one.
	AccessToken string
	// JKT is the thumbprint that the token is bound to. It may be empty only
	// where AccessToken is: then any key will do, and Proof.JKT says which.
	JKT string
	// Nonce tells whether a nonce is one that this server gave out lately.
	// Nil: no nonce is asked for.
	Nonce func(nonce string) bool
	// Window is how far iat may lie behind or ahead. Zero: 60 s either way.
	Window time.Duration
}

// Proof is what an accepted proof says.
type Proof struct {
	// ID is jti. The caller must see to it that the same ID and JKT are not
	// accepted again while IssuedAt is within the window (RFC 9449 §11.1).
	ID string
	// JKT is the thumbprint of the key that made the proof.
	JKT string
	// IssuedAt is iat.
	IssuedAt time.Time
}

const (
	defaultWindow = time.Minute
	maxProofID    = 256
	maxProofRSA   = 4096
)

// VerifyProof checks a DPoP proof by the list of RFC 9449 §4.3, but for
// replay, which is the caller's. It returns an *Error of RuleBinding; errors.Is
// tells ErrNonce when a current nonce is all that is missing.
func VerifyProof(raw string, r ProofRequest, now time.Time) (Proof, error) {
	var none Proof
	if r.AccessToken != "" && r.JKT == "" {
		return none, refuse(RuleBinding, "token is not bound to a proof key")
	}
	p, err := parseProof(raw)
	if err != nil {
		return none, unproven(err)
	}
	thumbprint, bad := Thumbprint(p.key.public)
	if bad != nil {
		return none, refuse(RuleBinding, "proof's key has no thumbprint")
	}
	if r.JKT != "" && !sameText(thumbprint, r.JKT) {
		return none, refuse(RuleBinding, "proof was made with another key than the token is bound to")
	}
	if !p.key.verify(p.alg, p.parts.signed, p.parts.signature) {
		return none, refuse(RuleBinding, "proof's signature does not match under algorithm "+p.alg.name)
	}
	if err := p.claims.check(&r, now); err != nil {
		return none, err
	}
	return Proof{ID: p.claims.id, JKT: thumbprint, IssuedAt: p.claims.issuedAt}, nil
}

type proof struct {
	parts  compact
	alg    *algorithm
	key    *key
	claims proofClaims
}

type proofClaims struct {
	id, method, url, tokenHash, nonce string
	issuedAt                          time.Time
}

func parseProof(raw string) (p proof, err *Error) {
	if p.parts, err = split(raw, Limits{}); err != nil {
		return p, err
	}
	room := make([]member, 0, 12)
	h, jwk, err := parseHeader(p.parts.header, defaultMaxDepth, true, room)
	if err != nil {
		return p, err
	}
	if h.Type != "dpop+jwt" {
		return p, refuse(RuleBinding, "type is "+quoted(h.Type)+", not dpop+jwt")
	}
	if p.alg = lookup(h.Algorithm); p.alg == nil || !p.alg.asymmetric() {
		return p, refuse(RuleBinding, "algorithm "+quoted(h.Algorithm)+" is not allowed")
	}
	if p.key, err = proofKey(jwk, p.alg); err != nil {
		return p, err
	}
	p.claims, err = parseProofClaims(p.parts.payload, room)
	return p, err
}

// proofKey is the only place where a token's own key is used, and only to be
// compared with the thumbprint that the access token names.
func proofKey(jwk []byte, alg *algorithm) (*key, *Error) {
	if jwk == nil {
		return nil, refuse(RuleBinding, "header has no jwk")
	}
	k, private, err := parseKey(jwk)
	switch {
	case err != nil:
		return nil, refuse(RuleBinding, "jwk cannot be used: "+err.Error())
	case private:
		return nil, refuse(RuleBinding, "jwk holds a private key")
	case !k.serves(alg):
		return nil, refuse(RuleBinding, "jwk is not for algorithm "+alg.name)
	case rsaBits(k.public) > maxProofRSA:
		return nil, refuse(RuleBinding, "jwk is longer than 4096 bits")
	}
	return k, nil
}

func parseProofClaims(payload []byte, room []member) (c proofClaims, err *Error) {
	members, bad := scanObject(payload, defaultMaxDepth, room[:0])
	if bad != nil {
		return c, refuse(RuleBinding, "payload "+bad.Error())
	}
	var kept texts
	for i := range members {
		m := &members[i]
		switch string(m.name) {
		case "jti":
			c.id, err = stringClaim(m, &kept)
		case "htm":
			c.method, err = stringClaim(m, &kept)
		case "htu":
			c.url, err = stringClaim(m, &kept)
		case "ath":
			c.tokenHash, err = stringClaim(m, &kept)
		case "nonce":
			c.nonce, err = stringClaim(m, &kept)
		case "iat":
			c.issuedAt, err = dateClaim(m)
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

func (c *proofClaims) check(r *ProofRequest, now time.Time) error {
	window := r.Window
	if window <= 0 {
		window = defaultWindow
	}
	switch {
	case c.id == "" || len(c.id) > maxProofID:
		return refuse(RuleBinding, "proof has no jti of bounded length")
	case c.method == "" || c.method != r.Method:
		return refuse(RuleBinding, "proof is for another method")
	case !sameTarget(c.url, r.URL):
		return refuse(RuleBinding, "proof is for another URL")
	case c.issuedAt.IsZero():
		return refuse(RuleBinding, "proof has no iat")
	case now.Sub(c.issuedAt).Abs() > window:
		return refuse(RuleBinding, "proof was made too long ago or lies ahead")
	case r.AccessToken != "" && !sameText(c.tokenHash, tokenHash(r.AccessToken)):
		return refuse(RuleBinding, "proof is for another access token")
	case r.Nonce != nil && (c.nonce == "" || !r.Nonce(c.nonce)):
		return &Error{RuleBinding, "proof has no current nonce", ErrNonce}
	}
	return nil
}

// tokenHash is ath of RFC 9449 §4.2.
func tokenHash(accessToken string) string {
	sum := sha256.Sum256([]byte(accessToken))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func sameText(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// unproven says that it is the proof, not the token, that cannot be read.
func unproven(err *Error) *Error {
	return &Error{RuleBinding, "proof: " + err.Reason, errors.Unwrap(err)}
}
