package guard_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/token"
)

// party is an issuer under any algorithm, and signs whatever it is given.
type party struct {
	alg    string
	key    crypto.Signer
	secret []byte
	jwks   []byte
}

const partyKey = "party-1"

// rsaKey is one for all tests: making it takes long.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func newParty(t testing.TB, alg string) *party {
	t.Helper()
	p := &party{alg: alg}
	var err error
	switch alg {
	case "HS256":
		p.secret = make([]byte, 32)
		_, _ = rand.Read(p.secret) // never fails (crypto/rand)
		return p
	case "ES256":
		p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, p.key, err = ed25519.GenerateKey(rand.Reader)
	default:
		p.key = rsaKey()
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := token.NewSigner(alg, partyKey, p.key)
	if err != nil {
		t.Fatal(err)
	}
	p.jwks = jwks(t, signer)
	return p
}

// issuer is the party as a guard's configuration has it.
func (p *party) issuer(name string) guard.Issuer {
	return guard.Issuer{Issuer: name, Audiences: []string{testAudience}, Algorithms: []string{p.alg}, JWKS: p.jwks, Secret: p.secret}
}

func (p *party) sign(header, claims map[string]any) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return p.signText(string(h), string(c))
}

// signText signs any two texts as header and payload.
func (p *party) signText(header, claims string) (string, error) {
	text := base64url([]byte(header)) + "." + base64url([]byte(claims))
	if p.secret != nil {
		m := hmac.New(sha256.New, p.secret)
		m.Write([]byte(text))
		return text + "." + base64url(m.Sum(nil)), nil
	}
	signature, err := signBytes(p.key, p.alg, []byte(text))
	return text + "." + base64url(signature), err
}

// signBytes makes a JWS signature (RFC 7518 §3).
func signBytes(key crypto.Signer, alg string, text []byte) ([]byte, error) {
	digest := sha256.Sum256(text)
	switch alg {
	case "EdDSA":
		return key.Sign(rand.Reader, text, crypto.Hash(0))
	case "PS256":
		return key.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	case "RS256":
		return key.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
	der, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &rs); err != nil {
		return nil, err
	}
	return append(rs.R.FillBytes(make([]byte, 32)), rs.S.FillBytes(make([]byte, 32))...), nil
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// header is that of an ordinary token of the party.
func (p *party) header() map[string]any {
	h := map[string]any{"alg": p.alg, "typ": "at+jwt"}
	if p.secret == nil {
		h["kid"] = partyKey
	}
	return h
}

// mint signs claims as the fixture would, with the party's key.
func (p *party) mint(f *fixture, claims map[string]any) string {
	f.t.Helper()
	raw, err := p.sign(p.header(), f.claims(claims))
	if err != nil {
		f.t.Fatal(err)
	}
	return raw
}

// certificate is a self-signed one for the party's key.
func (p *party) certificate(t testing.TB) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "id.example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, p.key.Public(), p.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// neverLimited lets a test fail as often as it needs to.
var neverLimited = guard.RateLimit{AuthFailures: guard.Rate{Count: 1 << 20, Per: time.Minute}}

// unwired asks the guard's handler without a connection between, for what no
// connection would carry and for peers that the loopback has not got.
func unwired(h http.Handler, peer string, header http.Header, target string) reply {
	r := httptest.NewRequest(http.MethodGet, "https://"+testHost+target, nil)
	r.RemoteAddr, r.RequestURI = peer, target
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return reply{w.Code, "", w.Header(), w.Body.String()}
}

// refusal returns the rule and reason that the log has for an answer.
func (f *fixture) refusal(r reply) (rule, reason string) {
	f.t.Helper()
	for _, m := range f.log.of(f.t, r.header.Get("X-Request-Id")) {
		if m["msg"] == "request" {
			rule, _ = m["rule"].(string)
			reason, _ = m["reason"].(string)
		}
	}
	return rule, reason
}

// TestAttacks throws every forged token at a guard. None may pass, be told
// more than the table of refusals says, or make the guard call anybody.
func TestAttacks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, alg  string
		algorithms []string
	}{
		{"RS256", "RS256", []string{"RS256"}},
		{"PS256", "PS256", []string{"PS256"}},
		{"ES256", "ES256", []string{"ES256"}},
		{"EdDSA", "EdDSA", []string{"EdDSA"}},
		{"HS256", "HS256", []string{"HS256"}},
		{"RS256 where the configuration names no algorithm", "RS256", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newParty(t, c.alg)
			called := newListener(t)
			f := newFixture(t, func(cfg *guard.Config) {
				cfg.RateLimit = neverLimited
				cfg.Tokens.Leeway = 30 * time.Second
				cfg.Tokens.Issuers = []guard.Issuer{p.issuer(testIssuer)}
				cfg.Tokens.Issuers[0].Algorithms = c.algorithms
			})
			m := attack.Material{
				Token: p.mint(f, nil), JWKS: p.jwks, Sign: p.sign, SignText: p.signText,
				CallbackURL: called.URL, Now: f.clock.now(),
			}
			if p.key != nil {
				m.PublicKey, m.Cert = p.key.Public(), p.certificate(t)
			}
			forged := attack.All(m)
			if len(forged) < 100 {
				t.Fatalf("got %d forged tokens, want all that the material allows", len(forged))
			}
			genuine := map[string]bool{m.Token: true}
			for _, a := range forged {
				if a.Genuine != "" {
					genuine[a.Genuine] = true
				}
			}
			f.passGenuine(genuine)
			before := f.upstream.count()
			refused := 0
			for _, a := range forged {
				if !wireOnly[a.Name] {
					f.mustRefuse(a)
					refused++
				}
			}
			if got := f.upstream.count(); got != before {
				t.Errorf("%d forged tokens reached the upstream", got-before)
			}
			f.passGenuine(genuine) // what was refused has spoilt nothing
			if n := called.count.Load(); n != 0 {
				t.Errorf("the guard called the attacker %d times", n)
			}
			t.Logf("%d forged tokens refused, %d genuine ones passed", refused, len(genuine))
		})
	}
}

// wireOnly are not forged once they have been through HTTP: space around a
// field's value, and more of it behind the scheme, is no part of the token
// (RFC 9110 §5.5 and §11.4).
var wireOnly = map[string]bool{"spelling/space-before": true, "spelling/space-after": true}

// listener is an attacker's server that the guard must never talk to.
type listener struct {
	*httptest.Server
	count atomic.Int64
}

func newListener(t testing.TB) *listener {
	t.Helper()
	l := &listener{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { l.count.Add(1) }))
	t.Cleanup(l.Close)
	return l
}

func (f *fixture) passGenuine(tokens map[string]bool) {
	f.t.Helper()
	for raw := range tokens {
		if got := f.get("/items", "Authorization", "Bearer "+raw); got.status != 200 {
			_, reason := f.refusal(got)
			f.t.Errorf("a genuine token: got %v (%s), want 200", got, reason)
		}
	}
}

// mustRefuse sends a forged token and judges the answer and the log.
func (f *fixture) mustRefuse(a attack.Forged) {
	f.t.Helper()
	value := "Bearer " + a.Token
	var got reply
	if httpguts.ValidHeaderFieldValue(value) {
		got = f.send(f.h2, "GET", "/items", "", "Authorization", value)
	} else {
		got = unwired(f.guard.Handler(), "127.0.0.1:4000", http.Header{"Authorization": {value}}, "/items")
	}
	rule, reason := f.refusal(got)
	p := got.problem()
	wantStatus, wantDetail, wantError := 401, "Invalid token", "invalid_token"
	switch {
	case strings.ContainsAny(a.Token, ", "):
		wantStatus, wantDetail, wantError = 400, "Invalid request", "invalid_request"
	case strings.HasPrefix(a.Name, "expired/"):
		wantDetail = "Token expired"
	}
	challenge := `Bearer error="` + wantError + `"`
	if got.status != wantStatus || p.Detail != wantDetail || got.header.Get("WWW-Authenticate") != challenge {
		f.t.Errorf("%s: got %v, want %d %s", a.Name, got, wantStatus, wantDetail)
	}
	if reason == "" {
		f.t.Errorf("%s: the log has no reason", a.Name)
	}
	rules := []string{"token"}
	switch kind, _, _ := strings.Cut(a.Name, "/"); {
	case kind == "expired" && a.Name != "expired/epoch":
		rules = []string{"expired"}
	case kind == "expired", kind == "issuer", kind == "audience", kind == "binding":
		rules = append(rules, kind)
	case a.Name == "key-url/iss":
		rules = []string{"issuer"}
	}
	if !slices.Contains(rules, rule) {
		f.t.Errorf("%s: rule is %q (%s), want one of %q", a.Name, rule, reason, rules)
	}
}
