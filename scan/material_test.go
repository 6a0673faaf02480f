package scan_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/scan"
)

func TestSecretIsGuessed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, secret string
		words        []string
		known        bool
	}{
		{"published", "changethis", nil, true},
		{"six digits", "480219", nil, true},
		{"of the wordlist", "correct horse battery", []string{"nothing", "correct horse battery"}, true},
		{"unknown", "correct horse battery staple", nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, _ := (&api{}).start(t)
			c.Secret = redact.Text{}
			raw := mint(test.secret, map[string]any{"sub": "alice"})
			c.Token = redact.NewText(raw)
			c.Wordlist = func(yield func(string) bool) {
				for _, w := range test.words {
					if !yield(w) {
						return
					}
				}
			}
			look(t, c, func(ctx context.Context, target *scan.Target) {
				secret, known := target.Secret(ctx)
				if known != test.known || !secret.Guessed || secret.Tried == 0 {
					t.Fatalf("got %+v, %v, want known %v", secret, known, test.known)
				}
				m := target.Material(ctx)
				if !known {
					if m.Sign != nil {
						t.Error("got a way to sign without a secret")
					}
					return
				}
				again, err := m.Sign(map[string]any{"alg": "HS256", "typ": "JWT"}, map[string]any{"sub": "alice"})
				if err != nil || again != raw {
					t.Errorf("got %q, %v, want the genuine token again", again, err)
				}
			})
		})
	}
}

func TestPublicKeyIsFound(t *testing.T) {
	t.Parallel()
	set := attack.CallbackJWKS("ES256")
	a := &api{extra: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/keys" {
			w.Write(set)
			return true
		}
		if r.URL.Path == "/.well-known/openid-configuration" {
			fmt.Fprintf(w, `{"issuer":"http://%s","jwks_uri":"http://%s/keys"}`, r.Host, r.Host)
			return true
		}
		return false
	}}
	c, _ := a.start(t)
	look(t, c, func(ctx context.Context, target *scan.Target) {
		if len(target.JWKS()) != 1 || len(target.JWKS()[0].Keys) != 1 {
			t.Fatalf("got key sets %+v, want the one of jwks_uri", target.JWKS())
		}
		m := target.Material(ctx)
		if m.PublicKey == nil || string(m.JWKS) != string(set) {
			t.Errorf("got key %v, JWKS %s", m.PublicKey, m.JWKS)
		}
	})
}

func TestCallback(t *testing.T) {
	t.Parallel()
	c, _ := (&api{}).start(t)
	var after string
	look(t, c, func(ctx context.Context, target *scan.Target) {
		cb, err := target.Callback()
		if err != nil {
			t.Fatal(err)
		}
		trap, other := cb.Trap(), cb.Trap()
		if u, err := url.Parse(trap.URL()); err != nil || u.Hostname() != "127.0.0.1" {
			t.Errorf("got %q, want a loopback URL", trap.URL())
		}
		for path, want := range map[string]string{"/x/jwks.json": `"keys"`, "/x/jwk.json": `"kty"`, "/cert.pem": "BEGIN CERTIFICATE", "/.well-known/openid-configuration": `"jwks_uri"`} {
			res, err := http.Get(trap.URL() + path)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if !strings.Contains(string(body), want) {
				t.Errorf("%s: got %s, want %s in it", path, body, want)
			}
		}
		if !trap.Wait(ctx) || len(trap.Hits()) != 4 {
			t.Errorf("got hits %v, want four", trap.Hits())
		}
		if other.Wait(ctx) || len(other.Hits()) != 0 {
			t.Errorf("another trap got hits %v", other.Hits())
		}
		if again, _ := target.Callback(); again != cb {
			t.Error("got a second listener")
		}
		after = trap.URL()
	})
	if _, err := http.Get(after); err == nil {
		t.Error("the listener outlives the scan")
	}
}

func TestNoCallback(t *testing.T) {
	t.Parallel()
	a := &api{}
	c, s := a.start(t)
	public(&c, s.Listener.Addr().String())
	c.URL, c.Token = "http://api.test", redact.Text{}
	look(t, c, func(_ context.Context, target *scan.Target) {
		if _, err := target.Callback(); err == nil || !strings.Contains(err.Error(), "--callback") {
			t.Errorf("got %v, want the reason", err)
		}
	})
	passive, _ := a.start(t)
	passive.Passive = true
	r, err := scan.Run(t.Context(), passive, []scan.Check{{ID: "a.b", Passive: true, Run: func(ctx context.Context, target *scan.Target) scan.Verdict {
		if _, err := target.Callback(); err == nil {
			t.Error("a passive scan listens")
		}
		if got, err := target.Accepted(ctx, target.Protected()[0], "x.y.z"); err != nil || got.Accepted || got.Inconclusive == "" {
			t.Errorf("got %+v, %v, want nothing sent", got, err)
		}
		return scan.Pass()
	}}})
	if err != nil || len(r.Passed) != 1 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestReadToken(t *testing.T) {
	t.Parallel()
	raw := mint("s", map[string]any{"iss": "i", "sub": "s", "jti": "j", "aud": []string{"a", "b"}, "exp": 1800000000.5, "iat": 1700000000, "nbf": "text"})
	got := scan.ReadToken(raw)
	if !got.JWT || got.Alg != "HS256" || got.Type != "JWT" || got.Issuer != "i" || got.Subject != "s" || got.ID != "j" || len(got.Audience) != 2 || got.SignatureBytes != 32 {
		t.Errorf("got %+v", got)
	}
	if got.Expiry.UnixMilli() != 1800000000500 || got.Issued.Unix() != 1700000000 || !got.From.IsZero() {
		t.Errorf("got exp %v, iat %v, nbf %v", got.Expiry, got.Issued, got.From)
	}
	for _, opaque := range []string{"", "opaque", "a.b.c", raw + ".x", "e30.W10.", strings.Repeat("a", 1<<20)} {
		if got := scan.ReadToken(opaque); got.JWT || string(got.Raw.Reveal()) != opaque {
			t.Errorf("%.10q: got %+v, want it opaque", opaque, got)
		}
	}
}

func FuzzReadToken(f *testing.F) {
	f.Add(mint("s", map[string]any{"aud": 7, "exp": -1e300}))
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, raw string) {
		got := scan.ReadToken(raw)
		if string(got.Raw.Reveal()) != raw {
			t.Errorf("got another token back")
		}
		if got.JWT && (got.Header == nil || got.Claims == nil) {
			t.Errorf("a JWT without header or claims")
		}
		if _, err := json.Marshal(got.Claims); err != nil {
			t.Error(err)
		}
	})
}
