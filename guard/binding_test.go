package guard_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/testpki"
	"github.com/wiretight/wiretight/internal/token"
)

// holder is a client with a DPoP key of its own.
type holder struct {
	f   *fixture
	key *ecdsa.PrivateKey
	jwk map[string]any
	jkt string
}

func newHolder(f *fixture) *holder {
	f.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	h := &holder{f: f, key: key}
	signer, err := token.NewSigner("ES256", "k", key)
	if err != nil {
		f.t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(signer.JWK(), &all); err != nil {
		f.t.Fatal(err)
	}
	h.jwk = map[string]any{"kty": all["kty"], "crv": all["crv"], "x": all["x"], "y": all["y"]}
	if h.jkt, err = token.Thumbprint(key.Public()); err != nil {
		f.t.Fatal(err)
	}
	return h
}

// token mints a token bound to the holder's key.
func (h *holder) token(claims map[string]any) string {
	h.f.t.Helper()
	all := map[string]any{"cnf": map[string]any{"jkt": h.jkt}}
	maps.Copy(all, claims)
	return h.f.mint(all)
}

// proof makes a proof for one GET of path. Changes replace claims; a nil value
// takes one out, and those whose name begins with "header." change the header.
func (h *holder) proof(raw, path string, changes map[string]any) string {
	h.f.t.Helper()
	path, _, _ = strings.Cut(path, "?")
	ath := sha256.Sum256([]byte(raw))
	header := map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": h.jwk}
	claims := map[string]any{
		"jti": randomID(), "htm": "GET", "htu": "https://" + testHost + path, "iat": h.f.clock.now().Unix(), "ath": base64url(ath[:]),
	}
	for name, v := range changes {
		in := claims
		if n, ok := strings.CutPrefix(name, "header."); ok {
			in, name = header, n
		}
		in[name] = v
		if v == nil {
			delete(in, name)
		}
	}
	one, err := json.Marshal(header)
	if err != nil {
		h.f.t.Fatal(err)
	}
	two, err := json.Marshal(claims)
	if err != nil {
		h.f.t.Fatal(err)
	}
	text := base64url(one) + "." + base64url(two)
	signature, err := signBytes(h.key, "ES256", []byte(text))
	if err != nil {
		h.f.t.Fatal(err)
	}
	return text + "." + base64url(signature)
}

// ask sends a GET with the token and a fresh proof.
func (h *holder) ask(raw, path string, changes map[string]any) reply {
	h.f.t.Helper()
	return h.f.get(path, "Authorization", "DPoP "+raw, "Dpop", h.proof(raw, path, changes))
}

const proofChallenge = `DPoP error="invalid_dpop_proof", algs="ES256 ES384 ES512 PS256 PS384 PS512 RS256 RS384 RS512 EdDSA"`

// TestProofsAreGoodOnce holds that a proof sent again is refused as what it is,
// and that the token is as good as before.
func TestProofsAreGoodOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	h := newHolder(f)
	raw := h.token(nil)
	proof := h.proof(raw, "/items", nil)
	if got := f.get("/items", "Authorization", "DPoP "+raw, "Dpop", proof); got.status != 200 {
		t.Fatalf("got %v, want 200", got)
	}
	got := f.get("/items", "Authorization", "DPoP "+raw, "Dpop", proof)
	if v := got.header.Values("Www-Authenticate"); got.status != 401 || len(v) != 2 || v[1] != proofChallenge {
		t.Errorf("got %v, %q, want 401 with %q", got, v, proofChallenge)
	}
	if rule, _ := f.refusal(got); rule != "replay" {
		t.Errorf("got it by %q, want replay", rule)
	}
	if got := h.ask(raw, "/items", nil); got.status != 200 {
		t.Errorf("with a new proof: got %v, want 200", got)
	}
}

// TestProofs is the list of RFC 9449 §4.3, asked over both versions of HTTP,
// with a token that is remembered from the second request on.
func TestProofs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	h, thief := newHolder(f), newHolder(f)
	raw, other := h.token(nil), h.token(nil)
	at := f.clock.now()
	foreign := maps.Clone(h.jwk)
	foreign["d"] = base64url(make([]byte, 32))
	for _, c := range []struct {
		name    string
		changes map[string]any
		ok      bool
	}{
		{"as it should be", nil, true},
		{"made a minute ago", map[string]any{"iat": at.Add(-time.Minute).Unix()}, true},
		{"made a minute ahead", map[string]any{"iat": at.Add(time.Minute).Unix()}, true},
		{"host in capitals and default port", map[string]any{"htu": "https://API.example.com:443/items"}, true},
		{"htu with a query", map[string]any{"htu": "https://" + testHost + "/items?a=b"}, true},
		{"another method", map[string]any{"htm": "POST"}, false},
		{"method in small letters", map[string]any{"htm": "get"}, false},
		{"no method", map[string]any{"htm": nil}, false},
		{"another path", map[string]any{"htu": "https://" + testHost + "/other"}, false},
		{"path with a slash more", map[string]any{"htu": "https://" + testHost + "/items/"}, false},
		{"another host", map[string]any{"htu": "https://www.example.com/items"}, false},
		{"another port", map[string]any{"htu": "https://" + testHost + ":8443/items"}, false},
		{"plain http", map[string]any{"htu": "http://" + testHost + "/items"}, false},
		{"path alone", map[string]any{"htu": "/items"}, false},
		{"no URL", map[string]any{"htu": nil}, false},
		{"another token", map[string]any{"ath": func() string { s := sha256.Sum256([]byte(other)); return base64url(s[:]) }()}, false},
		{"no token", map[string]any{"ath": nil}, false},
		{"empty ath", map[string]any{"ath": ""}, false},
		{"made too long ago", map[string]any{"iat": at.Add(-61 * time.Second).Unix()}, false},
		{"made too far ahead", map[string]any{"iat": at.Add(61 * time.Second).Unix()}, false},
		{"no iat", map[string]any{"iat": nil}, false},
		{"iat a string", map[string]any{"iat": fmt.Sprint(at.Unix())}, false},
		{"no jti", map[string]any{"jti": nil}, false},
		{"empty jti", map[string]any{"jti": ""}, false},
		{"huge jti", map[string]any{"jti": strings.Repeat("x", 2000)}, false},
		{"typ of a token", map[string]any{"header.typ": "at+jwt"}, false},
		{"no typ", map[string]any{"header.typ": nil}, false},
		{"alg none", map[string]any{"header.alg": "none"}, false},
		{"alg HS256", map[string]any{"header.alg": "HS256"}, false},
		{"alg of another kind", map[string]any{"header.alg": "RS256"}, false},
		{"no key", map[string]any{"header.jwk": nil}, false},
		{"a private key", map[string]any{"header.jwk": foreign}, false},
		{"the key of another", map[string]any{"header.jwk": thief.jwk}, false},
		{"unknown crit", map[string]any{"header.crit": []string{"x"}, "header.x": true}, false},
	} {
		for _, client := range []*http.Client{f.h1, f.h2} {
			before := f.upstream.count()
			got := f.send(client, "GET", "/items?page=2", "", "Authorization", "DPoP "+raw, "Dpop", h.proof(raw, "/items", c.changes))
			if c.ok {
				if got.status != 200 {
					_, reason := f.refusal(got)
					t.Errorf("%s: got %v (%s), want 200", c.name, got, reason)
				}
				continue
			}
			f.wantUnbound(c.name, got, before)
			if v := got.header.Values("Www-Authenticate"); len(v) != 2 || v[0] != `Bearer error="invalid_token"` || v[1] != proofChallenge {
				t.Errorf("%s: got challenges %q", c.name, v)
			}
		}
	}
}

// wantUnbound checks a refusal by the binding rule.
func (f *fixture) wantUnbound(name string, got reply, before int) {
	f.t.Helper()
	rule, reason := f.refusal(got)
	if got.status != 401 || got.problem().Detail != "Invalid token" || rule != "binding" {
		f.t.Errorf("%s: got %v, rule %q (%s), want 401 Invalid token by binding", name, got, rule, reason)
	}
	if n := f.upstream.count(); n != before {
		f.t.Errorf("%s: the upstream was reached", name)
	}
}

// TestProofTable holds what concerns the request around the proof.
func TestProofTable(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	h, thief := newHolder(f), newHolder(f)
	raw := h.token(nil)
	if got := h.ask(raw, "/items", nil); got.status != 200 {
		t.Fatalf("got %v", got)
	}
	p := func() string { return h.proof(raw, "/items", nil) }
	for _, c := range []struct {
		name   string
		header []string
	}{
		{"no proof", []string{"Authorization", "DPoP " + raw}},
		{"an empty proof", []string{"Authorization", "DPoP " + raw, "Dpop", ""}},
		{"two proofs", []string{"Authorization", "DPoP " + raw, "Dpop", p(), "Dpop", p()}},
		{"two proofs in one", []string{"Authorization", "DPoP " + raw, "Dpop", p() + ", " + p()}},
		{"the Bearer scheme", []string{"Authorization", "Bearer " + raw}},
		{"the Bearer scheme with a proof", []string{"Authorization", "Bearer " + raw, "Dpop", p()}},
		{"a proof of the thief's key", []string{"Authorization", "DPoP " + raw, "Dpop", thief.proof(raw, "/items", nil)}},
		{"the token as its proof", []string{"Authorization", "DPoP " + raw, "Dpop", raw}},
		{"garbage", []string{"Authorization", "DPoP " + raw, "Dpop", "garbage"}},
		{"an unbound token with a proof", []string{"Authorization", "DPoP " + f.mint(nil), "Dpop", p()}},
	} {
		before := f.upstream.count()
		f.wantUnbound(c.name, f.get("/items", c.header...), before)
	}
	// An unbound token is not asked for a proof, and one is not in its way.
	if got := f.get("/items", "Authorization", f.bearer(), "Dpop", "garbage"); got.status != 200 {
		t.Errorf("an unbound token under Bearer: got %v, want 200", got)
	}
}

// TestProofOfCanonicalPath holds that proofs are compared with the path that is
// forwarded.
func TestProofOfCanonicalPath(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	h := newHolder(f)
	raw := h.token(nil)
	for _, c := range []struct {
		sent, proved string
		ok           bool
	}{
		{"/%69tems", "/items", true},
		{"/items", "/%69tems", true},
		{"/%c3%a4", "/%C3%A4", true},
		{"/items/", "/items", false},
		{"/a%20b", "/a%20b", true},
		{"/a%20b", "/a+b", false},
	} {
		got := f.get(c.sent, "Authorization", "DPoP "+raw, "Dpop", h.proof(raw, c.proved, nil))
		if (got.status == 200) != c.ok {
			t.Errorf("%s proved as %s: got %d", c.sent, c.proved, got.status)
		}
	}
}

// TestProofNonce is the dance of RFC 9449 §9.
func TestProofNonce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) { c.Tokens.DPoPNonce = true })
	h := newHolder(f)
	raw := h.token(map[string]any{"exp": f.clock.now().Add(50 * time.Minute).Unix()})
	first := h.ask(raw, "/items", nil)
	nonce := first.header.Get("Dpop-Nonce")
	challenges := first.header.Values("Www-Authenticate")
	if first.status != 401 || nonce == "" || len(challenges) != 2 || !strings.Contains(challenges[1], `DPoP error="use_dpop_nonce"`) {
		t.Fatalf("got %v, want 401 with a nonce", first)
	}
	with := func(nonce string) reply { return h.ask(raw, "/items", map[string]any{"nonce": nonce}) }
	if got := with(nonce); got.status != 200 {
		t.Errorf("with the nonce: got %v, want 200", got)
	}
	f.clock.advance(4*time.Minute + 59*time.Second)
	if got := with(nonce); got.status != 200 {
		t.Errorf("before the nonce's end: got %v, want 200", got)
	}
	f.clock.advance(time.Second)
	late := with(nonce)
	if late.status != 401 || late.header.Get("Dpop-Nonce") == "" || late.header.Get("Dpop-Nonce") == nonce {
		t.Errorf("after the nonce's end: got %v, want 401 and a new one", late)
	}
	if got := with(late.header.Get("Dpop-Nonce")); got.status != 200 {
		t.Errorf("with the new nonce: got %v, want 200", got)
	}
	stranger := newFixture(t, func(c *guard.Config) { c.Tokens.DPoPNonce = true })
	s := newHolder(stranger)
	foreign := s.ask(s.token(nil), "/items", nil).header.Get("Dpop-Nonce")
	for name, n := range map[string]string{
		"empty": "", "garbage": "x", "another guard's": foreign, "cut": nonce[:len(nonce)-2],
		"altered time": "AAAA" + nonce[4:], "zeroes": base64url(make([]byte, 24)), "padded": nonce + "=",
	} {
		before := f.upstream.count()
		f.wantUnbound(name+" nonce", with(n), before)
	}
	// What is wrong besides the nonce is not excused by asking for one.
	got := h.ask(raw, "/items", map[string]any{"nonce": late.header.Get("Dpop-Nonce"), "htm": "PUT"})
	if v := got.header.Values("Www-Authenticate"); got.status != 401 || len(v) != 2 || v[1] != proofChallenge {
		t.Errorf("a wrong method: got %v", got)
	}
}

// clientCertificate is a self-signed one, and its x5t#S256.
func clientCertificate(t testing.TB) (*tls.Certificate, string) {
	t.Helper()
	id, err := testpki.Issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "client"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	pair, sum := id.TLS(), sha256.Sum256(id.Cert.Raw)
	return &pair, base64url(sum[:])
}

// TestCertificateBound is RFC 8705 §3 with real client certificates.
func TestCertificateBound(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	own, print := clientCertificate(t)
	foreign, _ := clientCertificate(t)
	raw := f.mint(map[string]any{"cnf": map[string]any{"x5t#S256": print}})
	for _, h2 := range []bool{false, true} {
		mine, theirs, none := f.client(h2, own), f.client(h2, foreign), f.client(h2, nil)
		for range 2 { // verified, then remembered
			if got := f.send(mine, "GET", "/", "", "Authorization", "Bearer "+raw); got.status != 200 {
				t.Errorf("own certificate: got %v, want 200", got)
			}
			for name, c := range map[string]*http.Client{"foreign certificate": theirs, "no certificate": none} {
				before := f.upstream.count()
				f.wantUnbound(name, f.send(c, "GET", "/", "", "Authorization", "Bearer "+raw), before)
			}
		}
		for _, header := range []string{"X-Client-Cert", "X-Forwarded-Client-Cert", "Client-Cert", "Ssl-Client-Cert"} {
			before := f.upstream.count()
			f.wantUnbound(header, f.send(none, "GET", "/", "", "Authorization", "Bearer "+raw, header, base64url(own.Certificate[0])), before)
		}
		before := f.upstream.count()
		f.wantUnbound("DPoP scheme", f.send(mine, "GET", "/", "", "Authorization", "DPoP "+raw), before)
		if got := f.send(theirs, "GET", "/", "", "Authorization", f.bearer()); got.status != 200 {
			t.Errorf("an unbound token beside a certificate: got %v, want 200", got)
		}
	}
}

// TestFingerprintBound holds that a token with fp#S256 needs its cookie, once,
// and that the cookie goes no further.
func TestFingerprintBound(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	const secret = "w2u8Y4Q7"
	sum := sha256.Sum256([]byte(secret))
	raw := f.mint(map[string]any{"cnf": map[string]any{"fp#S256": base64url(sum[:])}})
	for range 2 { // verified, then remembered
		got := f.get("/", "Authorization", "Bearer "+raw, "Cookie", "a=b; __Host-fingerprint="+secret)
		if got.status != 200 {
			t.Errorf("with the cookie: got %v, want 200", got)
		}
		if c := f.upstream.last(t).header.Get("Cookie"); c != "a=b" {
			t.Errorf("upstream got Cookie %q, want a=b", c)
		}
		for name, cookies := range map[string][]string{
			"no cookie":           nil,
			"an empty one":        {"Cookie", "__Host-fingerprint="},
			"another one":         {"Cookie", "__Host-fingerprint=" + secret + "x"},
			"its hash":            {"Cookie", "__Host-fingerprint=" + base64url(sum[:])},
			"another name":        {"Cookie", "fingerprint=" + secret},
			"in small letters":    {"Cookie", "__host-fingerprint=" + secret},
			"twice":               {"Cookie", "__Host-fingerprint=" + secret + "; __Host-fingerprint=" + secret},
			"a false and a true":  {"Cookie", "__Host-fingerprint=x; __Host-fingerprint=" + secret},
			"in two headers":      {"Cookie", "__Host-fingerprint=" + secret, "Cookie", "__Host-fingerprint=x"},
			"in a header instead": {"X-Fingerprint", secret},
		} {
			before := f.upstream.count()
			f.wantUnbound(name, f.get("/", append([]string{"Authorization", "Bearer " + raw}, cookies...)...), before)
		}
	}
}

// TestConfirmations is what cnf may not look like.
func TestConfirmations(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) { c.RateLimit = neverLimited })
	h := newHolder(f)
	_, print := clientCertificate(t)
	for name, cnf := range map[string]any{
		"two confirmations": map[string]any{"jkt": h.jkt, "x5t#S256": print}, "unknown": map[string]any{"kid": "x"},
		"none": map[string]any{}, "short": map[string]any{"jkt": "AAAA"}, "text": "x", "null": nil,
		"padded": map[string]any{"jkt": h.jkt + "="}, "known and unknown": map[string]any{"jkt": h.jkt, "kid": "x"},
	} {
		if cnf == nil {
			cnf = json.RawMessage("null")
		}
		raw := f.mint(map[string]any{"cnf": cnf})
		for _, scheme := range []string{"Bearer ", "DPoP "} {
			got := f.get("/", "Authorization", scheme+raw, "Dpop", h.proof(raw, "/", nil))
			rule, _ := f.refusal(got)
			if got.status != 401 || rule != "binding" && rule != "token" {
				t.Errorf("%s under %s: got %v by %q, want 401", name, scheme, got, rule)
			}
		}
	}
	// Not even to who can show both: a remembered token would show only one.
	own, mine := clientCertificate(t)
	sum := sha256.Sum256([]byte("secret"))
	for name, cnf := range map[string]map[string]any{
		"key and certificate":         {"jkt": h.jkt, "x5t#S256": mine},
		"key and fingerprint":         {"jkt": h.jkt, "fp#S256": base64url(sum[:])},
		"certificate and fingerprint": {"x5t#S256": mine, "fp#S256": base64url(sum[:])},
	} {
		raw := f.mint(map[string]any{"cnf": cnf})
		for _, scheme := range []string{"Bearer ", "DPoP "} {
			got := f.send(f.client(false, own), "GET", "/", "", "Authorization", scheme+raw, "Dpop", h.proof(raw, "/", nil), "Cookie", "__Host-fingerprint=secret")
			if got.status != 401 {
				t.Errorf("%s under %s, both shown: got %v, want 401", name, scheme, got)
			}
		}
	}
	if n := f.upstream.count(); n != 0 {
		t.Errorf("%d requests reached the upstream", n)
	}
}

// TestBindingModes crosses the modes, of the configuration and of routes, with
// bound and unbound tokens.
func TestBindingModes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode                  guard.Binding
		path                  string
		unbound, proved, bare bool // who passes
	}{
		{"", "/", true, true, false},
		{guard.BindingOptional, "/", true, true, false},
		{guard.BindingRequired, "/", false, true, false},
		{guard.BindingOff, "/", true, true, true},
		{guard.BindingOff, "/required", false, true, false},
		{guard.BindingRequired, "/off", true, true, true},
		{guard.BindingRequired, "/optional", true, true, false},
		{guard.BindingRequired, "/same", false, true, false},
		{guard.BindingOptional, "/same", true, true, false},
	} {
		t.Run(string(c.mode)+c.path, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(cfg *guard.Config) {
				cfg.Tokens.Binding = c.mode
				cfg.Routes = []guard.Route{
					{Path: "/required", Binding: guard.BindingRequired},
					{Path: "/off", Binding: guard.BindingOff},
					{Path: "/optional", Binding: guard.BindingOptional},
					{Path: "/same"},
				}
			})
			h := newHolder(f)
			raw, unbound := h.token(nil), f.mint(nil)
			for range 2 { // verified, then remembered
				for name, got := range map[string]struct {
					reply
					ok bool
				}{
					"unbound":           {f.get(c.path, "Authorization", "Bearer "+unbound), c.unbound},
					"bound with proof":  {h.ask(raw, c.path, nil), c.proved},
					"bound, bare":       {f.get(c.path, "Authorization", "Bearer "+raw), c.bare},
					"bound, no proof":   {f.get(c.path, "Authorization", "DPoP "+raw), c.bare},
					"bound, wrong path": {f.get(c.path, "Authorization", "DPoP "+raw, "Dpop", h.proof(raw, "/other", nil)), c.bare},
				} {
					if (got.status == 200) != got.ok {
						t.Errorf("%s: got %v, want passed: %v", name, got.reply, got.ok)
					}
					if rule, _ := f.refusal(got.reply); !got.ok && rule != "binding" {
						t.Errorf("%s: rule is %q, want binding", name, rule)
					}
				}
			}
		})
	}
}

// TestChallengesOfBoundRoutes holds that clients learn of DPoP where it is
// needed, and not where it is not.
func TestChallengesOfBoundRoutes(t *testing.T) {
	t.Parallel()
	for mode, want := range map[guard.Binding]int{guard.BindingOptional: 1, guard.BindingRequired: 2} {
		f := newFixture(t, func(c *guard.Config) { c.Tokens.Binding = mode })
		got := f.get("/")
		v := got.header.Values("Www-Authenticate")
		if len(v) != want || v[0] != "Bearer" {
			t.Errorf("%s: got challenges %q, want %d", mode, v, want)
		}
		if want == 2 && v[1] != `DPoP algs="ES256 ES384 ES512 PS256 PS384 PS512 RS256 RS384 RS512 EdDSA"` {
			t.Errorf("%s: got challenge %q", mode, v[1])
		}
	}
}
