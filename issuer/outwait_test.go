package issuer_test

import (
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/revocation"
	"github.com/wiretight/wiretight/issuer"
)

var asBilling = url.Values{
	"grant_type": {"client_credentials"}, "client_id": {"billing"}, "client_secret": {"billing-secret-0123456789"},
}

// TestLoginAfterRevocation revokes what a subject has, in the middle of a
// second, and has the subject come back at once: the new token must not look
// as if it were older than the revocation.
func TestLoginAfterRevocation(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		subject string
		request request
	}{
		"login":              {"alice", request{path: "/auth/login", json: map[string]string{"username": "alice", "password": testPassword}}},
		"client credentials": {"billing", request{path: "/auth/token", form: asBilling}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The issuer's clock stands at 0.3 s of a second, and then runs.
			var began atomic.Pointer[time.Time]
			f := newFixture(t, func(c *issuer.Config) {
				base := c.Now().Truncate(time.Second).Add(300 * time.Millisecond)
				c.Now = func() time.Time {
					if at := began.Load(); at != nil {
						return base.Add(time.Since(*at))
					}
					return base
				}
				c.Clients = append(c.Clients[1:], issuer.Client{
					ID: "billing", Secret: c.Clients[0].Secret, Scopes: []string{"read"}, Grants: []string{"client_credentials"},
				})
			})
			start := time.Now()
			began.Store(&start)
			revoked := f.config.Now()
			if err := revocation.Put(t.Context(), f.store, revocation.Revocation{Subject: tc.subject}, revoked, time.Hour); err != nil {
				t.Fatal(err)
			}
			raw := f.do(tc.request).access(t)
			iat := claims(t, raw)["iat"].(float64)
			if issued := time.Unix(int64(iat), 0); !issued.After(revoked) {
				t.Errorf("got iat %v for a token that was asked for after the revocation at %v", issued, revoked)
			}
			if iat != float64(int64(iat)) {
				t.Errorf("got iat %v, want whole seconds, which everybody can read", iat)
			}
		})
	}
}

// TestLoginDuringRevocation holds that nobody waits for a revocation that
// reaches into the time to come, or lies behind.
func TestLoginDuringRevocation(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.clock.advance(500 * time.Millisecond)
	for _, before := range []time.Duration{-2 * time.Second, -500 * time.Millisecond, time.Hour} {
		r := revocation.Revocation{Subject: "alice", Before: f.clock.now().Add(before)}
		if err := revocation.Put(t.Context(), f.store, r, f.clock.now(), time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := claims(t, f.login("alice").access)["iat"].(float64); int64(got) != f.clock.now().Unix() {
			t.Errorf("got iat %v with a revocation before %v, want this second", got, before)
		}
	}
}
