package scan_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/scan"
)

// TestOracle asks about a forged token that servers of every odd kind refuse or
// accept in their own way.
func TestOracle(t *testing.T) {
	t.Parallel()
	page := func(status int, body string) func(w http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			if status != http.StatusNoContent {
				w.Header().Set("Content-Type", "application/json")
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	strict := signed
	lax := func(token string) bool { return strings.Count(token, ".") == 2 && token != "wt.garbage.x" }
	tests := []struct {
		name       string
		takes      func(token string) bool
		yes, no    func(w http.ResponseWriter)
		eligible   bool
		accepted   bool
		wantReason string
	}{
		{"sound", strict, page(200, `{"user":"alice"}`), page(401, `{"detail":"no"}`), true, false, ""},
		{"403 instead of 401", strict, page(200, `{"user":"alice"}`), page(403, `{"detail":"no"}`), true, false, ""},
		{"200 with an error body", strict, page(200, `{"user":"alice"}`), page(200, `{"error":"no"}`), true, false, ""},
		{"200 with the same keys", strict, page(200, `{"ok":true,"data":"alice"}`), page(200, `{"ok":false,"data":null}`), true, false, ""},
		{"204 for success", strict, page(204, ``), page(401, `{"detail":"no"}`), true, false, ""},
		{"200 text both ways", strict, page(200, `welcome alice`), page(200, `go away`), true, false, ""},
		{"the same for all", strict, page(200, `{"a":1}`), page(200, `{"a":1}`), false, false, "alike"},
		{"422 for everything", strict, page(422, `{"detail":"missing"}`), page(422, `{"detail":"missing"}`), false, false, "refuses the token"},
		{"a proof is wanted", strict, page(401, `{"detail":"no proof"}`), page(401, `{"detail":"no"}`), false, false, "DPoP"},
		{"server error on success", strict, page(500, `{}`), page(401, `{}`), false, false, "server error"},
		{"server error on refusal", strict, page(200, `{"user":"alice"}`), page(500, `{"detail":"boom"}`), true, false, "500"},
		{"429 on refusal", strict, page(200, `{"user":"alice"}`), page(429, `{"detail":"slow"}`), true, false, "limits attempts"},
		{"redirect on refusal", strict, page(200, `{"user":"alice"}`), page(302, ``), true, false, ""},
		{"any JWT", lax, page(200, `{"user":"alice"}`), page(401, `{"detail":"no"}`), false, false, "random signature"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := &api{items: func(w http.ResponseWriter, r *http.Request) {
				if test.wantReason == "DPoP" {
					w.Header().Set("WWW-Authenticate", `DPoP algs="ES256", error="invalid_token"`)
				}
				if test.takes(bearer(r)) {
					test.yes(w)
				} else {
					test.no(w)
				}
			}}
			c, _ := a.start(t)
			look(t, c, func(ctx context.Context, target *scan.Target) {
				p := itemsOf(t, ctx, target)
				if p.Eligible != test.eligible {
					t.Fatalf("got eligible %v, want %v; reason %q", p.Eligible, test.eligible, p.Reason)
				}
				if !p.Eligible {
					if !strings.Contains(p.Reason, test.wantReason) {
						t.Errorf("got reason %q, want %q in it", p.Reason, test.wantReason)
					}
					return
				}
				got, err := target.Accepted(ctx, p, mint("another secret", map[string]any{"sub": "alice"}))
				if err != nil {
					t.Fatal(err)
				}
				if got.Accepted != test.accepted || (got.Inconclusive != "") != (test.wantReason != "") || !strings.Contains(got.Inconclusive, test.wantReason) {
					t.Errorf("got accepted %v, inconclusive %q, want %v, %q", got.Accepted, got.Inconclusive, test.accepted, test.wantReason)
				}
				good, err := target.Accepted(ctx, p, aliceToken())
				if err != nil || !good.Accepted {
					t.Errorf("another genuine token: got %+v, %v, want it accepted", good, err)
				}
				for _, want := range []string{"no credential", "garbage", "random signature", "genuine token", "genuine token afterwards"} {
					if !strings.Contains(good.Evidence, want) {
						t.Errorf("got evidence %q, want %q in it", good.Evidence, want)
					}
				}
			})
		})
	}
}

func itemsOf(t *testing.T, ctx context.Context, target *scan.Target) scan.Protected {
	t.Helper()
	for _, o := range target.Operations() {
		if o.Path == "/items" && o.Method == "GET" {
			p, err := target.Baseline(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
	}
	t.Fatal("got no operation /items")
	return scan.Protected{}
}

// TestLockOut has a server that refuses everybody after five bad tokens: their
// refusal proves nothing.
func TestLockOut(t *testing.T) {
	t.Parallel()
	var bad atomic.Int64
	a := &api{items: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if token := bearer(r); token != "" && !signed(token) {
			bad.Add(1)
		}
		if bad.Load() > 5 || !signed(bearer(r)) {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"detail":"no"}`)
			return
		}
		fmt.Fprint(w, `{"user":"alice"}`)
	}}
	c, _ := a.start(t)
	r := within(t, c, func(ctx context.Context, target *scan.Target) scan.Verdict {
		p := itemsOf(t, ctx, target)
		for range 6 {
			if got, err := target.Accepted(ctx, p, mint("another", nil)); err != nil || got.Accepted {
				t.Errorf("got %+v, %v, want a refusal", got, err)
			}
		}
		return scan.Pass()
	})
	if len(r.Passed) != 0 || len(r.Inconclusive) != 1 || !strings.Contains(r.Inconclusive[0].Reason, "genuine token itself") {
		t.Errorf("got passed %v, inconclusive %v, want the lock-out noticed", r.Passed, r.Inconclusive)
	}
}

// TestFlapping has a server that takes a forged token every second time.
func TestFlapping(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	a := &api{items: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		forged := strings.Contains(bearer(r), "flap")
		if signed(bearer(r)) || forged && n.Add(1)%2 == 1 {
			fmt.Fprint(w, `{"user":"alice"}`)
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	}}
	c, _ := a.start(t)
	look(t, c, func(ctx context.Context, target *scan.Target) {
		got, err := target.Accepted(ctx, itemsOf(t, ctx, target), "flap.flap.flap")
		if err != nil || got.Accepted || !strings.Contains(got.Inconclusive, "taken once") {
			t.Errorf("got %+v, %v, want it inconclusive", got, err)
		}
	})
}

// A token that is bound to its client is of no use without the client's key. Every
// check that needs it says so.
func TestOracleBoundToken(t *testing.T) {
	t.Parallel()
	for confirmation, want := range map[string]string{"jkt": "DPoP", "x5t#S256": "certificate", "kid": "cnf"} {
		a := &api{items: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }}
		c, _ := a.start(t)
		c.Token = redact.NewText(mint("a secret", map[string]any{"sub": "alice", "cnf": map[string]any{confirmation: "x"}}))
		look(t, c, func(ctx context.Context, target *scan.Target) {
			p := itemsOf(t, ctx, target)
			if p.Eligible || !strings.Contains(p.Reason, want) || !strings.Contains(p.Reason, "not bound") {
				t.Errorf("%s: got eligible %v, reason %q, want %q in it", confirmation, p.Eligible, p.Reason, want)
			}
		})
	}
}
