package attack_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/token"
)

// The strict verifier refuses every forged token, and every control, under
// every algorithm, and accepts what the attacks call genuine.
func TestStrictVerifierRefusesAll(t *testing.T) {
	t.Parallel()
	for _, alg := range token.Algorithms() {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			p := newParty(t, alg)
			if err := p.verify(p.material.Token); err != nil {
				t.Fatalf("the genuine token: got %v, want nil", err)
			}
			all := attack.All(p.material)
			if len(all) < 100 {
				t.Errorf("got %d forged tokens, want at least 100", len(all))
			}
			for _, f := range all {
				if p.verify(f.Token) == nil {
					t.Errorf("%s (%s) was accepted", f.Name, f.Title)
				}
				if f.Control != "" && p.verify(f.Control) == nil {
					t.Errorf("the control of %s was accepted", f.Name)
				}
				if f.Genuine != "" {
					if err := p.verify(f.Genuine); err != nil {
						t.Errorf("the genuine token of %s: got %v, want nil", f.Name, err)
					}
				}
			}
		})
	}
}

// An allowlist of everything must not help an attacker: keys stay bound to
// their families.
func TestStrictVerifierRefusesAllUnderAnyAlgorithm(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"RS256", "ES256", "EdDSA", "HS256"} {
		p := newParty(t, alg)
		policy := p.policy()
		policy.Algorithms = token.Algorithms()
		for _, f := range attack.All(p.material) {
			parsed, err := token.Parse(f.Token, token.Limits{})
			if err == nil && parsed.Verify(policy, p.keys, now) == nil {
				t.Errorf("%s: %s was accepted", alg, f.Name)
			}
		}
	}
}

func TestForgedAreDescribed(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^[a-z0-9-]+/[A-Za-z0-9-]+$`)
	for _, alg := range []string{"RS256", "ES384", "EdDSA", "HS256"} {
		seen, tokens := map[string]bool{}, map[string]string{}
		p := newParty(t, alg)
		for _, f := range attack.All(p.material) {
			if !name.MatchString(f.Name) || f.Title == "" || f.Why == "" || f.Token == "" {
				t.Errorf("%s: incomplete: %+v", alg, f)
			}
			if seen[f.Name] {
				t.Errorf("%s: two are called %s", alg, f.Name)
			}
			seen[f.Name] = true
			if other := tokens[f.Token]; other != "" {
				t.Errorf("%s: %s and %s are the same token", alg, other, f.Name)
			}
			tokens[f.Token] = f.Name
			if f.Token == p.material.Token || f.Token == f.Genuine || f.Token == f.Control {
				t.Errorf("%s: %s is no forgery", alg, f.Name)
			}
			if !strings.Contains(f.Why, "CWE-") {
				t.Errorf("%s: %s names no CWE: %q", alg, f.Name, f.Why)
			}
		}
	}
}

// Nothing that is forged asks for more than the genuine token had.
func TestForgedNeverEscalate(t *testing.T) {
	t.Parallel()
	p := newParty(t, "RS256")
	for _, f := range attack.All(p.material) {
		parts := strings.Split(f.Token, ".")
		if len(parts) != 3 || strings.HasPrefix(f.Name, "duplicate/") || strings.HasPrefix(f.Name, "json/") {
			continue
		}
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			continue
		}
		var claims object
		d := json.NewDecoder(bytes.NewReader(payload))
		d.UseNumber()
		if err := d.Decode(&claims); err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		if claims["sub"] != "alice" || claims["scope"] != "read" {
			t.Errorf("%s: has subject %v, scope %v", f.Name, claims["sub"], claims["scope"])
		}
	}
}

// With a token alone the attacks that need more are left out.
func TestAllWithTheTokenAlone(t *testing.T) {
	t.Parallel()
	p := newParty(t, "RS256")
	for _, f := range attack.All(attack.Material{Token: p.material.Token, Now: now}) {
		if p.verify(f.Token) == nil {
			t.Errorf("%s was accepted", f.Name)
		}
		for _, needs := range []string{"expired/", "issuer/", "duplicate/", "alg-confusion/", "psychic-signature/"} {
			if strings.HasPrefix(f.Name, needs) {
				t.Errorf("%s was made from a token alone", f.Name)
			}
		}
	}
}

func TestForgeRefusesWhatIsNoToken(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", "opaque", "a.b", "a.b.c", "e30.e30", "e30.!.c2ln", "bnVsbA.e30.c2ln", "e30.W10.c2ln", "e30.e30.e30.e30"} {
		m := attack.Material{Token: raw, Now: now}
		if all := attack.All(m); all != nil {
			t.Errorf("%q: got %d tokens, want none", raw, len(all))
		}
		if _, err := attack.Attacks()[0].Forge(m); err == nil || raw != "" && strings.Contains(err.Error(), raw) && len(raw) > 4 {
			t.Errorf("%q: got error %v, want one without the token", raw, err)
		}
	}
}

// A token of odd claims must not make the forging fail.
func TestAllOfOddTokens(t *testing.T) {
	t.Parallel()
	p := newParty(t, "HS256")
	for _, claims := range []string{`{}`, `{"iss":1,"aud":[],"sub":null}`, `{"iss":"x","aud":["",1]}`, `{"exp":1e999}`} {
		for _, header := range []string{`{}`, `{"alg":1}`, `{"alg":"H"}`, `{"alg":"RS257","kid":7}`, `{"alg":"HS999"}`, `{"alg":"Ed25519"}`} {
			m := p.material
			m.Token = encode([]byte(header)) + "." + encode([]byte(claims)) + "."
			if all := attack.All(m); len(all) < 50 {
				t.Errorf("header %s, claims %s: got %d tokens", header, claims, len(all))
			}
		}
	}
}

func TestChecksAreWidestFirst(t *testing.T) {
	t.Parallel()
	var names []string
	for _, a := range attack.Attacks() {
		if a.Name == "" || a.Title == "" || a.Why == "" {
			t.Errorf("incomplete: %+v", a.Name)
		}
		names = append(names, a.Name)
	}
	want := "signature null-signature alg-none other-algorithm blank-secret alg-confusion"
	if got := strings.Join(names, " "); !strings.HasPrefix(got, want) {
		t.Errorf("got order %s, want it to begin with %s", got, want)
	}
}
