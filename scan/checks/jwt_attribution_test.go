package checks

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/scan"
)

// TestJWTRootCause runs all checks of tokens at once. One weakness is one finding:
// what follows from it is subsumed, or passes.
func TestJWTRootCause(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		api  tokenAPI
		want []string
		// under is subsumed by the first of want.
		under []string
		// undecided says that other checks cannot tell their weakness from it.
		undecided bool
	}{
		"no signature matters":  {tokenAPI{signature: anything}, []string{"jwt.signature-unverified"}, []string{"jwt.null-signature", "jwt.alg-none", "jwt.blank-secret", "jwt.kid-injection", "jwt.weak-secret", "jwt.expired-accepted"}, false},
		"other algorithms pass": {tokenAPI{signature: byOther("ES256", "none")}, []string{"jwt.signature-unverified"}, []string{"jwt.embedded-key", "jwt.psychic-signature"}, false},
		"all but its own pass":  {tokenAPI{signature: byOther("ES256")}, []string{"jwt.alg-none"}, nil, true},
		"empty signatures pass": {tokenAPI{signature: func(_ *tokenAPI, s sent) bool { return len(s.signature) == 0 }}, []string{"jwt.null-signature"}, []string{"jwt.alg-none"}, false},
		"none passes":           {tokenAPI{signature: byNone}, []string{"jwt.alg-none"}, nil, false},
		"the secret is empty":   {tokenAPI{secret: []byte{}}, []string{"jwt.blank-secret"}, []string{"jwt.kid-injection", "jwt.weak-secret"}, false},
		"kid reaches a file":    {tokenAPI{signature: byFile}, []string{"jwt.kid-injection"}, nil, false},
		"kid reaches a query":   {tokenAPI{signature: byQuery}, []string{"jwt.kid-injection"}, nil, false},
		"zeros pass":            {tokenAPI{alg: "ES256", signature: byZeros}, []string{"jwt.psychic-signature"}, nil, false},
		"public key as secret":  {tokenAPI{alg: "RS256", signature: byPublicKey}, []string{"jwt.alg-confusion"}, nil, false},
		"jwk is trusted":        {tokenAPI{alg: "ES256", signature: byOwnKey}, []string{"jwt.embedded-key"}, nil, false},
		"jku is trusted":        {tokenAPI{alg: "ES256", signature: byURL}, []string{"jwt.embedded-key", "jwt.key-fetch"}, nil, false},
		"a guessable secret":    {tokenAPI{secret: []byte("changethis")}, []string{"jwt.weak-secret"}, nil, false},
		"nothing":               {tokenAPI{}, nil, nil, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := tt.api
			api.publish = api.secret == nil
			f := api.start(t)
			r, err := scan.Run(t.Context(), f.Config, jwtChecks())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, x := range r.Findings {
				got = append(got, x.ID)
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			for _, id := range tt.under {
				if !slices.Contains(r.Subsumed, scan.SubsumedCheck{ID: id, By: tt.want[0]}) {
					t.Errorf("%s: got subsumed %v, want it by %s", id, r.Subsumed, tt.want[0])
				}
			}
			if undecided := len(r.Inconclusive) > 0; undecided != tt.undecided {
				t.Errorf("got inconclusive %v, want some: %v", r.Inconclusive, tt.undecided)
			}
			if r.Requests > 220 && !tt.undecided {
				t.Errorf("got %d requests for the checks of tokens, want at most 220 of 600", r.Requests)
			}
		})
	}
}

// A service may answer with 500 to all that it refuses. What it takes is found all
// the same: its answer to a control is the one that it gives to a random signature.
func TestJWTFoundAmongErrors(t *testing.T) {
	t.Parallel()
	f := (&tokenAPI{signature: byNone, sick: true}).start(t)
	mustFind(t, f, jwtAlgNone, "alg none", "control that must be refused", "500")
	mustBeUnsure(t, f, jwtBlankSecret)
}

// TestJWTUndecided has services whose answers say nothing: no check may pass there
// that would need them.
func TestJWTUndecided(t *testing.T) {
	t.Parallel()
	for name, api := range map[string]tokenAPI{
		"500 to every bad token": {sick: true},
		"a bad token locks out":  {locked: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := api
			a.secret = []byte("0123456789-0123456789-0123456789-x")
			f := a.start(t)
			f.Config.Secret = text(string(a.secret))
			online := []scan.Check{jwtNullSignature, jwtBlankSecret, jwtNotBeforeIgnored, jwtIssuerUnchecked}
			r, err := scan.Run(t.Context(), f.Config, online)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Inconclusive) != len(online) {
				t.Errorf("got passed %v, found %v, inconclusive %v, want all inconclusive", r.Passed, r.Findings, r.Inconclusive)
			}
		})
	}
}
