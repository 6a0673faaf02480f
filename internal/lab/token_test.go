package lab_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/lab"
)

func TestMendedLabRefusesEveryForgedToken(t *testing.T) {
	t.Parallel()
	l := lab.New(lab.Options{})
	m := material(t, l, callback(t))
	if got := take(l, m.Token); got != 200 {
		t.Fatalf("genuine token: got %d, want 200", got)
	}
	all := attack.All(m)
	if len(all) < 150 {
		t.Fatalf("got %d attacks, want more: is the material right?", len(all))
	}
	for _, f := range all {
		if got := take(l, f.Token); got != 401 {
			t.Errorf("%s (%s): got %d, want 401", f.Name, f.Title, got)
		}
		if f.Genuine != "" {
			if got := take(l, f.Genuine); got != 200 {
				t.Errorf("genuine token beside %s: got %d, want 200", f.Name, got)
			}
		}
	}
}

// forgeries says which attack shows a flaw of the verifier.
var forgeries = map[lab.Flaw]string{
	lab.AlgNone: "alg-none", lab.SignatureUnverified: "signature", lab.NullSignature: "null-signature",
	lab.BlankSecret: "blank-secret", lab.PsychicSignature: "psychic-signature", lab.AlgConfusion: "alg-confusion",
	lab.EmbeddedKey: "embedded-key", lab.KeyFetch: "key-url", lab.KidInjection: "kid-injection",
	lab.ExpiredAccepted: "expired", lab.NotBeforeIgnored: "not-before", lab.NoExpiry: "no-expiry", lab.LongLived: "long-lived",
	lab.IssuerUnchecked: "issuer", lab.AudienceUnchecked: "audience", lab.TypeConfusion: "type",
	lab.BindingIgnored: "binding", lab.UnknownAlgorithm: "other-algorithm", lab.LenientForm: "spelling",
}

// widens lists the attacks that a flaw lets through beside its own, as far as
// it must.
var widens = map[lab.Flaw][]string{
	lab.BlankSecret:      {"kid-injection"},                 // some of its keys are empty
	lab.PsychicSignature: {"signature"},                     // of which one is all zeros
	lab.LongLived:        {"no-expiry"},                     // of which one is in milliseconds
	lab.UnknownAlgorithm: {"alg-none", "psychic-signature"}, // an array, and ES384, are none that it knows
	lab.LenientForm:      {"extension", "duplicate", "json", "type"},
	lab.NullSignature:    {"json-form"},
}

func TestEachFlawOfTheVerifierAlone(t *testing.T) {
	t.Parallel()
	for flaw, name := range forgeries {
		t.Run(string(flaw), func(t *testing.T) {
			t.Parallel()
			l := lab.New(lab.Options{Flaws: lab.Flaws{flaw}})
			fell := map[string]int{}
			for _, f := range attack.All(material(t, l, callback(t))) {
				kind, _, _ := strings.Cut(f.Name, "/")
				if take(l, f.Token) == 200 {
					fell[kind]++
					if f.Control != "" && kind == name && flaw != lab.SignatureUnverified && flaw != lab.UnknownAlgorithm && take(l, f.Control) == 200 {
						t.Errorf("%s: its control passes too, so it proves nothing", f.Name)
					}
				}
			}
			if fell[name] == 0 {
				t.Errorf("no token of attack %s passes", name)
			}
			if flaw == lab.SignatureUnverified {
				return // everything passes
			}
			expected := map[string]bool{name: true}
			for _, w := range widens[flaw] {
				expected[w] = true
			}
			for kind, n := range fell {
				if !expected[kind] {
					t.Errorf("%d tokens of attack %s pass, want none", n, kind)
				}
			}
		})
	}
}

func TestWeakLabFallsForMostAttacks(t *testing.T) {
	t.Parallel()
	l := lab.New(lab.Options{Flaws: lab.Weak()})
	m := material(t, l, callback(t))
	for _, a := range attack.Attacks() {
		forged, err := a.Forge(m)
		if err != nil {
			t.Fatal(err)
		}
		fell := 0
		for _, f := range forged {
			if take(l, f.Token) == 200 {
				fell++
			}
		}
		t.Logf("%-18s %d of %d pass", a.Name, fell, len(forged))
		immune := map[string]bool{"null-signature": true, "encrypted": true, "json-form": true}
		if len(forged) > 0 && (fell == 0) != immune[a.Name] {
			t.Errorf("attack %s: %d of %d tokens pass", a.Name, fell, len(forged))
		}
	}
}

func TestLabFetchesFromLoopbackOnly(t *testing.T) {
	t.Parallel()
	l := lab.New(lab.Options{Flaws: lab.Flaws{lab.KeyFetch}})
	for _, f := range attack.All(material(t, l, "http://192.0.2.1:9")) {
		if strings.HasPrefix(f.Name, "key-url/") && take(l, f.Token) != 401 {
			t.Errorf("%s: a token with a key from elsewhere passes", f.Name)
		}
	}
}

// FuzzMendedLab looks for a text other than the genuine token that passes.
func FuzzMendedLab(f *testing.F) {
	l := lab.New(lab.Options{})
	m := material(f, l, "https://attacker.invalid")
	f.Add(m.Token)
	for _, forged := range attack.All(m) {
		f.Add(forged.Token)
	}
	weak := lab.New(lab.Options{Flaws: lab.Weak().Without(lab.KeyFetch)})
	f.Fuzz(func(t *testing.T, raw string) {
		if got := take(l, raw); got == 200 && raw != m.Token {
			t.Errorf("%q: got 200, want a refusal", raw)
		}
		r := httptest.NewRequest("GET", "https://localhost/profile", nil)
		r.Header["Authorization"] = []string{"Bearer " + raw}
		weak.ServeHTTP(httptest.NewRecorder(), r) // must not panic
	})
}
