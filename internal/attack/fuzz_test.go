package attack_test

import (
	"testing"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/token"
)

// FuzzAll: whatever a target hands out as a token, forging from it neither
// fails nor makes something that the strict verifier accepts.
func FuzzAll(f *testing.F) {
	p := newParty(f, "HS256")
	f.Add(`{"alg":"HS256"}`, `{"iss":"https://id.example.com/","aud":["a"]}`, "c2ln")
	f.Add(`{"alg":"ES256","kid":"k"}`, `{"iss":"x","aud":"y","sub":1}`, "")
	f.Add(`{}`, `{}`, "AA")
	f.Add(`{"alg":null}`, `[]`, "!")
	f.Fuzz(func(t *testing.T, header, claims, signature string) {
		raw := encode([]byte(header)) + "." + encode([]byte(claims)) + "." + signature
		for _, forged := range attack.All(attack.Material{Token: raw, CallbackURL: header, Now: now}) {
			parsed, err := token.Parse(forged.Token, token.Limits{})
			if err == nil && parsed.Verify(p.policy(), p.keys, now) == nil {
				t.Fatalf("%s was accepted", forged.Name)
			}
		}
	})
}
