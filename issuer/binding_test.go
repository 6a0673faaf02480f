package issuer_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/testpki"
	"github.com/wiretight/wiretight/internal/token"
	"github.com/wiretight/wiretight/issuer"
)

func dpopHeader(proofs ...string) http.Header { return http.Header{"Dpop": proofs} }

// dpopLogin gets tokens bound to a key.
func (f *fixture) dpopToken(p *prover, more map[string]any, pairs ...string) answer {
	f.t.Helper()
	return f.do(request{path: "/auth/token", form: form(pairs...), header: dpopHeader(p.proof(f.clock.now(), "POST", "/auth/token", more))})
}

func TestDPoP(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	p, thief := newProver(t), newProver(t)
	a := f.dpopToken(p, nil, "grant_type", "password", "username", "alice", "password", testPassword)
	raw := a.access(t)
	cnf, _ := claims(t, raw)["cnf"].(map[string]any)
	if a.json["token_type"] != "DPoP" || cnf["jkt"] != p.thumbprint() || len(cnf) != 1 {
		t.Errorf("got token_type %v and cnf %v, want DPoP and the key's thumbprint alone", a.json["token_type"], cnf)
	}
	b := f.dpopToken(p, nil, "grant_type", "refresh_token", "refresh_token", a.refresh(t))
	if cnf, _ := claims(t, b.access(t))["cnf"].(map[string]any); cnf["jkt"] != p.thumbprint() || b.json["token_type"] != "DPoP" {
		t.Errorf("after a refresh: got %v %v", b.json["token_type"], cnf)
	}
	if c := f.dpopToken(thief, nil, "grant_type", "refresh_token", "refresh_token", b.refresh(t)); c.status != 400 || c.json["error"] != "invalid_grant" {
		t.Errorf("with another key: got %d %s, want 400 invalid_grant", c.status, c.body)
	}
	if c := f.dpopToken(p, nil, "grant_type", "refresh_token", "refresh_token", b.refresh(t)); c.status != 400 {
		t.Errorf("after the theft: got %d, want the session ended", c.status)
	}
	if f.active(raw) {
		t.Error("after the theft an access token is good still")
	}
}

func TestDPoPSessionsNeedTheKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	p := newProver(t)
	raw := f.dpopToken(p, nil, "grant_type", "password", "username", "alice", "password", testPassword).access(t)
	list := func(scheme string, proofs ...string) answer {
		h := http.Header{"Authorization": {scheme + " " + raw}}
		if len(proofs) > 0 {
			h["Dpop"] = proofs
		}
		return f.do(request{method: "GET", path: "/auth/sessions", header: h})
	}
	good := func() string {
		return p.proof(f.clock.now(), "GET", "/auth/sessions", map[string]any{"ath": accessHash(raw)})
	}
	if a := list("DPoP", good()); a.status != 200 {
		t.Errorf("got %d %s, want 200", a.status, a.body)
	}
	for name, a := range map[string]answer{
		"Bearer":           list("Bearer"),
		"Bearer and proof": list("Bearer", good()),
		"no proof":         list("DPoP"),
		"two proofs":       list("DPoP", good(), good()),
		"no ath":           list("DPoP", p.proof(f.clock.now(), "GET", "/auth/sessions", nil)),
		"another key":      list("DPoP", newProver(t).proof(f.clock.now(), "GET", "/auth/sessions", map[string]any{"ath": accessHash(raw)})),
	} {
		if a.status != 401 {
			t.Errorf("%s: got %d, want 401", name, a.status)
		}
	}
}

// TestBadProofs must neither give out a token nor cost a session.
func TestBadProofs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	p := newProver(t)
	a := f.dpopToken(p, nil, "grant_type", "password", "username", "alice", "password", testPassword)
	now := f.clock.now()
	used := p.proof(now, "POST", "/auth/token", nil)
	refresh := form("grant_type", "refresh_token", "refresh_token", a.refresh(t))
	if b := f.do(request{path: "/auth/token", form: form("grant_type", "client_credentials"), basic: billing, header: dpopHeader(used)}); b.status != 200 {
		t.Fatalf("got %d %s", b.status, b.body)
	}
	for name, h := range map[string]http.Header{
		"used before":    dpopHeader(used),
		"two":            dpopHeader(p.proof(now, "POST", "/auth/token", nil), p.proof(now, "POST", "/auth/token", nil)),
		"garbage":        dpopHeader("x.y.z"),
		"empty":          dpopHeader(""),
		"another path":   dpopHeader(p.proof(now, "POST", "/auth/login", nil)),
		"another method": dpopHeader(p.proof(now, "GET", "/auth/token", nil)),
		"another host":   dpopHeader(p.proof(now, "POST", "/auth/token", map[string]any{"htu": "https://evil.example/auth/token"})),
		"old":            dpopHeader(p.proof(now.Add(-2*time.Minute), "POST", "/auth/token", nil)),
		"from ahead":     dpopHeader(p.proof(now.Add(2*time.Minute), "POST", "/auth/token", nil)),
		"without jti":    dpopHeader(p.proof(now, "POST", "/auth/token", map[string]any{"jti": nil})),
	} {
		b := f.do(request{path: "/auth/token", form: refresh, header: h})
		if b.status != 400 || b.json["error"] != "invalid_dpop_proof" {
			t.Errorf("%s: got %d %s, want 400 invalid_dpop_proof", name, b.status, b.body)
		}
	}
	if b := f.dpopToken(p, nil, "grant_type", "refresh_token", "refresh_token", a.refresh(t)); b.status != 200 {
		t.Errorf("the session was ended by a bad proof: got %d %s", b.status, b.body)
	}
	f.store.down.Store(true)
	if b := f.dpopToken(p, nil, "grant_type", "client_credentials"); b.status == 200 {
		t.Error("a proof that cannot be used up is accepted")
	}
}

func TestDPoPNonces(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *issuer.Config) { c.DPoPNonce, c.Binding = true, issuer.BindDPoP })
	_, second := f.start()
	p := newProver(t)
	pairs := []string{"grant_type", "password", "username", "alice", "password", testPassword}
	a := f.dpopToken(p, nil, pairs...)
	nonce := a.header.Get("DPoP-Nonce")
	if a.status != 400 || a.json["error"] != "use_dpop_nonce" || nonce == "" {
		t.Fatalf("got %d %s with nonce %q, want 400 use_dpop_nonce and one", a.status, a.body, nonce)
	}
	// Another instance knows it too.
	q := request{path: "/auth/token", form: form(pairs...), header: dpopHeader(p.proof(f.clock.now(), "POST", "/auth/token", map[string]any{"nonce": nonce}))}
	b := f.doAt(second, q)
	if b.status != 200 || b.header.Get("DPoP-Nonce") == "" {
		t.Fatalf("got %d %s, want 200 and a nonce for the next time", b.status, b.body)
	}
	for name, n := range map[string]string{"made up": "AAAA", "changed": nonce[:len(nonce)-2] + "AA"} {
		if a := f.dpopToken(p, map[string]any{"nonce": n}, pairs...); a.json["error"] != "use_dpop_nonce" {
			t.Errorf("%s: got %d %s, want use_dpop_nonce", name, a.status, a.body)
		}
	}
	f.clock.advance(6 * time.Minute)
	if a := f.dpopToken(p, map[string]any{"nonce": nonce}, pairs...); a.json["error"] != "use_dpop_nonce" {
		t.Errorf("old: got %d %s, want use_dpop_nonce", a.status, a.body)
	}
	// Asking for a nonce must not have ended the session.
	refresh := b.refresh(t)
	nonce = f.dpopToken(p, nil, "grant_type", "refresh_token", "refresh_token", refresh).header.Get("DPoP-Nonce")
	if a := f.dpopToken(p, map[string]any{"nonce": nonce}, "grant_type", "refresh_token", "refresh_token", refresh); a.status != 200 {
		t.Errorf("refresh: got %d %s, want 200", a.status, a.body)
	}
}

func TestBindingDPoPRefusesWithout(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *issuer.Config) { c.Binding = issuer.BindDPoP })
	for name, q := range map[string]request{
		"login":    loginJSON("alice", testPassword),
		"password": {path: "/auth/token", form: form("grant_type", "password", "username", "alice", "password", testPassword)},
		"client":   {path: "/auth/token", form: form("grant_type", "client_credentials"), basic: billing},
	} {
		if a := f.do(q); a.status != 400 || a.json["error"] != "invalid_dpop_proof" {
			t.Errorf("%s: got %d %s, want 400 invalid_dpop_proof", name, a.status, a.body)
		}
	}
	p := newProver(t)
	q := loginJSON("alice", testPassword)
	q.header = dpopHeader(p.proof(f.clock.now(), "POST", "/auth/login", nil))
	a := f.do(q)
	if a.json["token_type"] != "DPoP" || a.cookies["__Host-fingerprint"] != nil || a.cookies["__Host-refresh"] == nil {
		t.Fatalf("login with a proof: got %d %s", a.status, a.body)
	}
	s := f.sessionOf(a)
	r := request{path: "/auth/refresh", cookies: s.cookies, header: dpopHeader(p.proof(f.clock.now(), "POST", "/auth/refresh", nil))}
	b := f.do(r)
	if b.json["token_type"] != "DPoP" {
		t.Errorf("refresh with a proof: got %d %s", b.status, b.body)
	}
	if c := f.refreshCookie(s.with(b.refresh(t))); c.status != 401 {
		t.Errorf("refresh without a proof: got %d, want 401", c.status)
	}
}

func clientCertificate(t testing.TB) *tls.Certificate {
	t.Helper()
	id, err := testpki.Issue(&x509.Certificate{Subject: pkix.Name{CommonName: "client"}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	pair := id.TLS()
	return &pair
}

// TestCertificateBinding is RFC 8705 §3.
func TestCertificateBinding(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *issuer.Config) { c.Binding = issuer.BindDPoP }) // a certificate is as good
	f.certificate = clientCertificate(t)
	own := f.certificate
	a := f.password("alice")
	cnf, _ := claims(t, a.access(t))["cnf"].(map[string]any)
	if cnf["x5t#S256"] != token.CertThumbprint(own.Leaf) || len(cnf) != 1 || a.json["token_type"] != "Bearer" {
		t.Errorf("got %v and cnf %v, want the certificate's thumbprint", a.json["token_type"], cnf)
	}
	b := f.refreshBody(a.refresh(t))
	if cnf, _ := claims(t, b.access(t))["cnf"].(map[string]any); cnf["x5t#S256"] != token.CertThumbprint(own.Leaf) {
		t.Errorf("after a refresh: got %v", cnf)
	}
	sessions := request{method: "GET", path: "/auth/sessions", bearer: b.access(t)}
	if c := f.do(sessions); c.status != 200 {
		t.Errorf("with the certificate: got %d, want 200", c.status)
	}
	for name, cert := range map[string]*tls.Certificate{"another": clientCertificate(t), "none": nil} {
		f.certificate = cert
		if c := f.do(sessions); c.status != 401 {
			t.Errorf("with %s: got %d, want 401", name, c.status)
		}
	}
	f.certificate = clientCertificate(t)
	if c := f.refreshBody(b.refresh(t)); c.status != 400 {
		t.Errorf("refresh with another: got %d, want 400", c.status)
	}
	f.certificate = own
	if c := f.refreshBody(b.refresh(t)); c.status != 400 {
		t.Errorf("the session lives on: got %d, want 400", c.status)
	}
}

func FuzzProofHeader(f *testing.F) {
	fix := newFixture(f, nil)
	p := newProver(f)
	f.Add("")
	f.Add("x.y.z")
	f.Add(p.proof(fix.clock.now().Add(-time.Hour), "POST", "/auth/token", nil))
	f.Fuzz(func(t *testing.T, proof string) {
		r := http.Header{"Dpop": {proof}}
		status, body := handle(fix.issuer, "/auth/token", form("grant_type", "password", "username", "alice", "password", "x").Encode(), r)
		if status == 200 || status >= 500 {
			t.Errorf("got %d %s", status, body)
		}
	})
}
