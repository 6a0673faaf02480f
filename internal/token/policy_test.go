package token_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/token"
)

func TestVerifyAcceptsEveryAlgorithm(t *testing.T) {
	t.Parallel()
	for _, alg := range token.Algorithms() {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			raw, ks := sign(t, alg, goodClaims()), keySet(t, alg)
			if err := verify(raw, goodPolicy(alg), ks, now); err != nil {
				t.Errorf("got %v, want nil", err)
			}
			for _, other := range token.Algorithms() {
				if other == alg {
					continue
				}
				err := verify(raw, goodPolicy(other), ks, now)
				refused(t, err, token.RuleToken, "is not allowed")
			}
		})
	}
}

// Whatever byte of an accepted token is changed, it is no longer accepted.
func TestVerifyRefusesEveryChangedByte(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"HS256", "ES256", "EdDSA", "RS256", "PS256"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			raw, ks, p := sign(t, alg, goodClaims()), keySet(t, alg), goodPolicy(alg)
			for i := range len(raw) {
				for _, c := range []byte{raw[i] ^ 1, raw[i] ^ 0x20, raw[i] ^ 0x80, 'A', '-', '=', '\n', '.', 0} {
					if c == raw[i] {
						continue
					}
					changed := raw[:i] + string([]byte{c}) + raw[i+1:]
					if verify(changed, p, ks, now) == nil {
						t.Fatalf("accepted with byte %d changed from %q to %q", i, raw[i], c)
					}
				}
			}
		})
	}
}

// A key never serves an algorithm of another family, even if both are allowed.
func TestVerifyBindsKeysToAlgorithms(t *testing.T) {
	t.Parallel()
	all := token.Algorithms()
	for _, has := range []string{"RS256", "ES256", "ES384", "EdDSA", "HS256"} {
		ks := keySet(t, has)
		for _, alg := range all {
			if alg == has {
				continue
			}
			raw := sign(t, alg, goodClaims())
			if err := verify(raw, goodPolicy(all...), ks, now); err == nil {
				t.Errorf("a token under %s was accepted by a key for %s", alg, has)
			}
		}
	}
}

func TestVerifyEd25519BySpelling(t *testing.T) {
	t.Parallel()
	raw := sign(t, "EdDSA", goodClaims())
	ks := keySet(t, "EdDSA")
	for _, allowed := range []string{"EdDSA", "Ed25519"} {
		if err := verify(raw, goodPolicy(allowed), ks, now); err != nil {
			t.Errorf("alg EdDSA, allowed %s: got %v, want nil", allowed, err)
		}
	}
	for _, spelling := range []string{"eddsa", "ED25519", "Ed448"} {
		err := verify(joined(`{"alg":"`+spelling+`"}`, `{}`), goodPolicy("EdDSA"), ks, now)
		refused(t, err, token.RuleToken, "is not allowed")
	}
}

func TestVerifyClaims(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) int64 { return now.Add(d).Unix() }
	type change = object
	for _, test := range []struct {
		name   string
		claims change
		policy func(*token.Policy)
		rule   token.Rule // empty: accepted
		reason string
	}{
		{name: "good"},
		{"other issuer", change{"iss": "https://evil.example/"}, nil, token.RuleIssuer, "not the expected"},
		{"issuer without slash", change{"iss": "https://id.example.com"}, nil, token.RuleIssuer, "not the expected"},
		{"issuer in other case", change{"iss": "https://ID.example.com/"}, nil, token.RuleIssuer, "not the expected"},
		{"issuer extended", change{"iss": "https://id.example.com/x"}, nil, token.RuleIssuer, "not the expected"},
		{"no issuer", change{"iss": nil}, nil, token.RuleIssuer, "no iss"},
		{"policy without issuer", nil, func(p *token.Policy) { p.Issuer = "" }, token.RuleIssuer, "not the expected"},
		{"any issuer", change{"iss": nil}, func(p *token.Policy) { p.Issuer, p.DangerouslyAnyIssuer = "", true }, "", ""},
		{"any issuer beside a named one", change{"iss": "x"}, func(p *token.Policy) { p.DangerouslyAnyIssuer = true }, token.RuleIssuer, "not the expected"},
		{"other audience", change{"aud": "other.example.com"}, nil, token.RuleAudience, "other services"},
		{"audience as part", change{"aud": "api.example.com.evil.example"}, nil, token.RuleAudience, "other services"},
		{"audience by part", change{"aud": "api"}, nil, token.RuleAudience, "other services"},
		{"audience in other case", change{"aud": "API.example.com"}, nil, token.RuleAudience, "other services"},
		{"audience joined", change{"aud": "x api.example.com"}, nil, token.RuleAudience, "other services"},
		{"no audience", change{"aud": nil}, nil, token.RuleAudience, "no aud"},
		{"audience among several", change{"aud": []string{"x", "api.example.com"}}, nil, "", ""},
		{"one of our several names", nil, func(p *token.Policy) { p.Audiences = []string{"x", "api.example.com"} }, "", ""},
		{"policy without audience", nil, func(p *token.Policy) { p.Audiences = nil }, token.RuleAudience, "other services"},
		{"any audience", change{"aud": nil}, func(p *token.Policy) { p.Audiences, p.DangerouslyAnyAudience = nil, true }, "", ""},
		{"any audience beside a named one", change{"aud": "x"}, func(p *token.Policy) { p.DangerouslyAnyAudience = true }, token.RuleAudience, "other services"},
		{"no subject", change{"sub": nil}, nil, token.RuleToken, `"sub" is missing`},
		{"no subject, not required", change{"sub": nil}, func(p *token.Policy) { p.Require = []string{"exp"} }, "", ""},
		{"required claim missing", nil, func(p *token.Policy) { p.Require = []string{"exp", "tenant"} }, token.RuleToken, `"tenant" is missing`},
		{"nothing required, exp still is", change{"exp": nil}, func(p *token.Policy) { p.Require = []string{} }, token.RuleToken, "no exp"},
		{"no expiry", change{"exp": nil}, nil, token.RuleToken, "no exp"},
		{"no expiry permitted", change{"exp": nil}, func(p *token.Policy) { p.DangerouslyNoExpiry = true }, "", ""},
		{"no expiry permitted, but past", change{"exp": in(-time.Hour)}, func(p *token.Policy) { p.DangerouslyNoExpiry = true }, token.RuleExpired, "expired"},
		{"expired", change{"exp": in(-time.Second)}, nil, token.RuleExpired, "expired"},
		{"expires now", change{"exp": in(0)}, nil, token.RuleExpired, "expired"},
		{"expires in a second", change{"exp": in(time.Second)}, nil, "", ""},
		{"expired at the epoch", change{"exp": 0}, nil, token.RuleExpired, "expired"},
		{"expired within the leeway", change{"exp": in(-29 * time.Second)}, func(p *token.Policy) { p.Leeway = 30 * time.Second }, "", ""},
		{"expired by the leeway", change{"exp": in(-30 * time.Second)}, func(p *token.Policy) { p.Leeway = 30 * time.Second }, token.RuleExpired, "expired"},
		{"negative leeway is none", change{"exp": in(time.Second)}, func(p *token.Policy) { p.Leeway = -time.Hour }, "", ""},
		{"expires half a second ago", change{"exp": float64(now.UnixMilli()-500) / 1000}, nil, token.RuleExpired, "expired"},
		{"expires in half a second", change{"exp": float64(now.UnixMilli()+500) / 1000}, nil, "", ""},
		{"not yet", change{"nbf": in(time.Second)}, nil, token.RuleToken, "nbf lies ahead"},
		{"not yet, within the leeway", change{"nbf": in(30 * time.Second)}, func(p *token.Policy) { p.Leeway = 30 * time.Second }, "", ""},
		{"not yet, beyond the leeway", change{"nbf": in(31 * time.Second)}, func(p *token.Policy) { p.Leeway = 30 * time.Second }, token.RuleToken, "nbf lies ahead"},
		{"issued ahead", change{"iat": in(time.Second)}, nil, token.RuleToken, "iat lies ahead"},
		{"issued ahead, within the leeway", change{"iat": in(30 * time.Second)}, func(p *token.Policy) { p.Leeway = 30 * time.Second }, "", ""},
		{"issued ahead, beyond the leeway", change{"iat": in(31 * time.Second)}, func(p *token.Policy) { p.Leeway = 30 * time.Second }, token.RuleToken, "iat lies ahead"},
		{"lives for the longest", change{"exp": in(time.Hour)}, nil, "", ""},
		{"lives too long", change{"exp": in(time.Hour + time.Second)}, nil, token.RuleToken, "lifetime"},
		{"was made to live too long", change{"iat": in(-2 * time.Hour)}, nil, token.RuleToken, "lifetime"},
		{"lives too long without iat", change{"iat": nil, "exp": in(24 * time.Hour)}, nil, token.RuleToken, "lifetime"},
		{"lives until the year 9999", change{"iat": nil, "exp": 253402300799}, nil, token.RuleToken, "lifetime"},
		{"issuer's clock is ahead", change{"iat": in(20 * time.Second), "exp": in(time.Hour + 20*time.Second)}, func(p *token.Policy) { p.Leeway = 30 * time.Second }, "", ""},
		{"leeway is no lifetime", change{"exp": in(time.Hour + 20*time.Second)}, func(p *token.Policy) { p.Leeway = 30 * time.Second }, token.RuleToken, "lifetime"},
		{"longer lifetime permitted", change{"exp": in(8 * time.Hour)}, func(p *token.Policy) { p.MaxLifetime = 8 * time.Hour }, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := goodPolicy("HS256")
			if test.policy != nil {
				test.policy(p)
			}
			err := verify(sign(t, "HS256", with(goodClaims(), test.claims)), p, keySet(t, "HS256"), now)
			if test.rule != "" {
				refused(t, err, test.rule, test.reason)
			} else if err != nil {
				t.Errorf("got %v, want nil", err)
			}
		})
	}
}

func TestVerifyTypes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, header string
		types        []string
		accepted     bool
	}{
		{"absent counts as JWT", ``, nil, true},
		{"JWT", `,"typ":"JWT"`, nil, true},
		{"at+jwt", `,"typ":"at+jwt"`, nil, true},
		{"media type in full", `,"typ":"application/AT+jwt"`, nil, true},
		{"proof", `,"typ":"dpop+jwt"`, nil, false},
		{"logout token", `,"typ":"logout+jwt"`, nil, false},
		{"ID token's own", `,"typ":"ID"`, nil, false},
		{"prefix twice", `,"typ":"application/application/jwt"`, nil, false},
		{"only at+jwt: absent", ``, []string{"at+jwt"}, false},
		{"only at+jwt: JWT", `,"typ":"JWT"`, []string{"at+jwt"}, false},
		{"only at+jwt: at+jwt", `,"typ":"AT+JWT"`, []string{"at+jwt"}, true},
		{"policy in full", `,"typ":"at+jwt"`, []string{"Application/AT+JWT"}, true},
		{"policy JWT: absent", ``, []string{"JWT"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := goodPolicy("HS256")
			p.Types = test.types
			raw := signSecret(secret(), `{"alg":"HS256"`+test.header+`}`, compactJSON(t, goodClaims()), "HS256")
			err := verify(raw, p, keySet(t, "HS256"), now)
			if !test.accepted {
				refused(t, err, token.RuleToken, "type ")
			} else if err != nil {
				t.Errorf("got %v, want nil", err)
			}
		})
	}
}

func TestVerifyRefusesByTheZeroPolicy(t *testing.T) {
	t.Parallel()
	err := verify(sign(t, "HS256", goodClaims()), &token.Policy{}, keySet(t, "HS256"), now)
	refused(t, err, token.RuleToken, "not allowed")
}

// The order of the rules decides which one is told: nothing about the claims
// is told before the signature has been verified.
func TestVerifyTellsNothingOfForgedClaims(t *testing.T) {
	t.Parallel()
	expired := with(goodClaims(), object{"exp": 1, "iss": "x", "aud": "x"})
	raw := sign(t, "HS256", expired)
	forged := raw[:strings.LastIndexByte(raw, '.')+1] + strings.Repeat("A", 43)
	refused(t, verify(forged, goodPolicy("HS256"), keySet(t, "HS256"), now), token.RuleToken, "signature does not match")
	refused(t, verify(raw, goodPolicy("HS256"), keySet(t, "HS256"), now), token.RuleIssuer, "")
}

// With ClaimsFirst the cheap rules come first, but nobody is told that a
// forgery has expired.
func TestVerifyClaimsFirst(t *testing.T) {
	t.Parallel()
	p := goodPolicy("HS256")
	p.ClaimsFirst = true
	forged := func(raw string) string { return raw[:strings.LastIndexByte(raw, '.')+1] + strings.Repeat("A", 43) }
	good := sign(t, "HS256", goodClaims())
	expired := sign(t, "HS256", with(goodClaims(), object{"iat": 1, "exp": 2}))
	foreign := sign(t, "HS256", with(goodClaims(), object{"aud": "x"}))
	for _, test := range []struct {
		name, raw string
		rule      token.Rule // empty: accepted
		forged    bool
	}{
		{"good", good, "", false},
		{"forged", forged(good), token.RuleToken, true},
		{"expired", expired, token.RuleExpired, false},
		{"expired and forged", forged(expired), token.RuleToken, true},
		{"for others", foreign, token.RuleAudience, false},
		{"for others and forged", forged(foreign), token.RuleAudience, false},
	} {
		err := verify(test.raw, p, keySet(t, "HS256"), now)
		if test.rule == "" {
			if err != nil {
				t.Errorf("%s: got %v, want nil", test.name, err)
			}
			continue
		}
		refused(t, err, test.rule, "")
		if got := errors.Is(err, token.ErrSignature); got != test.forged {
			t.Errorf("%s: got ErrSignature %v, want %v", test.name, got, test.forged)
		}
	}
}

func TestVerifyFindsTheKey(t *testing.T) {
	t.Parallel()
	set := func(jwks ...string) *token.KeySet {
		ks, _, err := token.ParseJWKS([]byte(`{"keys":[` + strings.Join(jwks, ",") + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		return ks
	}
	es, rs := string(signer(t, "ES256").JWK()), string(signer(t, "RS256").JWK())
	nameless := func(jwk string) string { // no kid, no alg
		return strings.NewReplacer(`"alg":"ES256","kid":"key-ES256",`, "", `"alg":"RS256","kid":"key-RS256",`, "").Replace(jwk)
	}
	renamed := strings.Replace(es, "key-ES256", "other", 1)
	named, anonymous := `{"alg":"ES256","kid":"key-ES256"}`, `{"alg":"ES256"}`
	for _, test := range []struct {
		name, header string
		keys         *token.KeySet
		unknown      bool
		reason       string // empty: the key was found, only the signature is wrong
	}{
		{"by kid", named, set(es, rs), false, ""},
		{"kid that no key has", `{"alg":"ES256","kid":"gone"}`, set(es), true, "no key has the kid"},
		{"kid in other case", `{"alg":"ES256","kid":"KEY-ES256"}`, set(es), true, "no key has the kid"},
		{"kid of a key for another algorithm", `{"alg":"ES256","kid":"key-RS256"}`, set(es, rs), false, "not for algorithm"},
		{"kid, keys without one", named, set(nameless(es)), true, "no key has the kid"},
		{"no kid, one key fits", anonymous, set(es, rs), false, ""},
		{"no kid, two keys fit", anonymous, set(es, renamed), false, "several keys"},
		{"no kid, none fits", anonymous, set(rs), false, "no key fits"},
		{"no kid, key without kid", anonymous, set(nameless(es)), false, ""},
		{"no keys at all", named, nil, true, "no keys"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			reason := test.reason
			if reason == "" {
				reason = "signature does not match"
			}
			err := verify(joined(test.header, `{}`), goodPolicy("ES256", "RS256"), test.keys, now)
			refused(t, err, token.RuleToken, reason)
			if got := errors.Is(err, token.ErrUnknownKey); got != test.unknown {
				t.Errorf("got ErrUnknownKey %v, want %v", got, test.unknown)
			}
		})
	}
}

func TestCheckTimeDoesNotAllocate(t *testing.T) {
	parsed, err := token.Parse(sign(t, "HS256", goodClaims()), token.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	p := goodPolicy("HS256")
	n := testing.AllocsPerRun(100, func() {
		if parsed.Claims.CheckTime(p, now) != nil {
			t.Error("refused")
		}
	})
	if n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
	refused(t, parsed.Claims.CheckTime(p, now.Add(5*time.Minute)), token.RuleExpired, "expired")
	refused(t, parsed.Claims.CheckTime(p, now.Add(-time.Second)), token.RuleToken, "nbf")
}

func TestHasScopes(t *testing.T) {
	t.Parallel()
	c := token.Claims{Scopes: []string{"read", "write"}}
	for _, test := range []struct {
		want []string
		has  bool
	}{
		{nil, true},
		{[]string{"read"}, true},
		{[]string{"write", "read"}, true},
		{[]string{"read", "admin"}, false},
		{[]string{"rea"}, false},
		{[]string{"read write"}, false},
		{[]string{""}, false},
	} {
		if got := c.HasScopes(test.want...); got != test.has {
			t.Errorf("HasScopes(%q): got %v, want %v", test.want, got, test.has)
		}
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	identity := func(header string, claims object) [32]byte {
		parsed, err := token.Parse(joined(header, compactJSON(t, claims)), token.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return parsed.Identity()
	}
	bare := with(goodClaims(), object{"jti": nil})
	base, content := identity(plainHeader, goodClaims()), identity(plainHeader, bare)
	for _, test := range []struct {
		name string
		got  [32]byte
		of   [32]byte
		same bool
	}{
		{"other claims, same jti", identity(plainHeader, with(goodClaims(), object{"sub": "x"})), base, true},
		{"other header, same jti", identity(`{"alg":"ES256"}`, goodClaims()), base, true},
		{"other jti", identity(plainHeader, with(goodClaims(), object{"jti": "x"})), base, false},
		{"other issuer", identity(plainHeader, with(goodClaims(), object{"iss": "x"})), base, false},
		{"no jti", content, base, false},
		{"no jti, other claims", identity(plainHeader, with(bare, object{"sub": "x"})), content, false},
		{"no jti, other header", identity(`{"alg":"ES256"}`, bare), content, false},
		{"no jti, same again", identity(plainHeader, bare), content, true},
	} {
		if (test.got == test.of) != test.same {
			t.Errorf("%s: got same %v, want %v", test.name, !test.same, test.same)
		}
	}

	// What moves between issuer and jti makes another token.
	a := identity(plainHeader, object{"iss": "ab", "jti": "c"})
	if b := identity(plainHeader, object{"iss": "a", "jti": "bc"}); a == b {
		t.Error("issuer and jti run together")
	}

	// The signature has no part in it: ECDSA makes a new one each time.
	first, second := sign(t, "ES256", bare), sign(t, "ES256", bare)
	if first == second {
		t.Fatal("two ECDSA signatures are equal")
	}
	p1, err1 := token.Parse(first, token.Limits{})
	p2, err2 := token.Parse(second, token.Limits{})
	if err1 != nil || err2 != nil || p1.Identity() != p2.Identity() {
		t.Errorf("got different identities under two signatures (%v, %v)", err1, err2)
	}
}
