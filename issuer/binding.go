package issuer

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/internal/token"
)

// bound is what a family and its access tokens are bound to: one of these, or
// nothing. Each is the base64url text of a SHA-256.
type bound struct {
	JKT         string `json:"jkt,omitempty"`
	Certificate string `json:"x5t,omitempty"`
	Fingerprint string `json:"fp,omitempty"`
}

// confirmation is cnf (RFC 7800) as it stands in tokens.
type confirmation struct {
	JKT         string `json:"jkt,omitempty"`
	Certificate string `json:"x5t#S256,omitempty"`
	Fingerprint string `json:"fp#S256,omitempty"`
}

func (b bound) confirmation() *confirmation {
	if b == (bound{}) {
		return nil
	}
	return &confirmation{b.JKT, b.Certificate, b.Fingerprint}
}

// tokenType is token_type (RFC 9449 §5).
func (b bound) tokenType() string {
	if b.JKT != "" {
		return "DPoP"
	}
	return "Bearer"
}

// proofAlgorithms are what proofs may be signed with.
var proofAlgorithms = []string{"ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512", "EdDSA"}

// shown is what a request shows of its client.
type shown struct {
	jkt         string
	certificate string
	fingerprint string // hash of the cookie
}

// show looks at what the client shows. A proof that is no good refuses.
func (c *call) show() (shown, *failure) {
	s := shown{certificate: certificateOf(c.r)}
	if cookies := c.r.CookiesNamed(cookieFingerprint); len(cookies) == 1 {
		s.fingerprint = hashText(cookies[0].Value)
	}
	proof, f := c.proof("", "")
	s.jkt = proof.JKT
	return s, f
}

func certificateOf(r *http.Request) string {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return ""
	}
	return token.CertThumbprint(r.TLS.PeerCertificates[0])
}

func hashText(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// bind chooses what new tokens are bound to, the strongest first. It returns
// the fingerprint cookie's value if it had to make one.
func (c *call) bind(s shown, cookies bool) (b bound, fingerprint string, f *failure) {
	switch {
	case s.jkt != "":
		return bound{JKT: s.jkt}, "", nil
	case s.certificate != "":
		return bound{Certificate: s.certificate}, "", nil
	case c.cfg.Binding == BindDPoP:
		return b, "", c.badProof("invalid_dpop_proof", "A DPoP proof is required", "neither a DPoP proof nor a certificate came")
	case c.cfg.Binding == BindFingerprint && cookies:
		fingerprint = randomText(32)
		return bound{Fingerprint: hashText(fingerprint)}, fingerprint, nil
	}
	return b, "", nil
}

// mismatch says how the client differs from the one that tokens are bound to,
// or nothing.
func (b bound) mismatch(s shown) string {
	for _, m := range []struct{ want, got, what string }{
		{b.JKT, s.jkt, "DPoP key"}, {b.Certificate, s.certificate, "certificate"}, {b.Fingerprint, s.fingerprint, "fingerprint cookie"},
	} {
		switch {
		case m.want == "":
		case m.got == "":
			return "the client shows no " + m.what
		case subtle.ConstantTimeCompare([]byte(m.want), []byte(m.got)) != 1:
			return "the client shows another " + m.what
		}
	}
	return ""
}

// proof verifies the request's DPoP proof, if it has one, and uses it up
// (RFC 9449 §4.3, §11.1).
func (c *call) proof(accessToken, jkt string) (token.Proof, *failure) {
	if c.cfg.DPoPNonce {
		c.w.Header().Set("DPoP-Nonce", c.nonces.issue(c.at))
	}
	headers := c.r.Header["Dpop"]
	if len(headers) == 0 {
		return token.Proof{}, nil
	}
	refuse := func(reason string) (token.Proof, *failure) {
		return token.Proof{}, c.badProof("invalid_dpop_proof", "DPoP proof is not valid", reason)
	}
	if len(headers) > 1 {
		return refuse("more than one DPoP proof")
	}
	req := token.ProofRequest{Method: c.r.Method, URL: c.cfg.URL + c.r.URL.EscapedPath(), AccessToken: accessToken, JKT: jkt, Window: proofWindow}
	if c.cfg.DPoPNonce {
		req.Nonce = func(n string) bool { return c.nonces.valid(n, c.at) }
	}
	proof, err := token.VerifyProof(headers[0], req, c.at)
	if errors.Is(err, token.ErrNonce) {
		return token.Proof{}, c.badProof("use_dpop_nonce", "A current nonce is required in the DPoP proof", err.Error())
	}
	if err != nil {
		return refuse(err.Error())
	}
	sum := sha256.Sum256([]byte(proof.JKT + "\x00" + proof.ID))
	ctx, cancel := c.storeContext()
	defer cancel()
	err = c.store.Replace(ctx, "proof/"+hex.EncodeToString(sum[:]), nil, []byte{1}, proof.IssuedAt.Add(proofWindow+time.Second))
	switch {
	case err == nil && proof.IssuedAt.Before(c.store.Lost()):
		return refuse("DPoP proof is older than a loss of the store's records, and may have been used")
	case errors.Is(err, store.ErrConflict):
		return refuse("DPoP proof was used before")
	case err != nil:
		return token.Proof{}, unavailable(err)
	}
	return proof, nil
}

// proofWindow is how far a proof's iat may lie from now.
const proofWindow = 60 * time.Second

func (c *call) badProof(code, detail, reason string) *failure {
	return &failure{status: http.StatusBadRequest, detail: detail, code: code, reason: reason}
}

// storeContext bounds one call of the store.
func (c *call) storeContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.r.Context(), storeTimeout)
}

// randomText returns n random bytes in base64url.
func randomText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}
