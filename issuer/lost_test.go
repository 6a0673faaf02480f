package issuer_test

import (
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
)

// forget deletes all that the store holds, as an accident does, and has it tell
// of that.
func (s *faultyStore) forget(t testing.TB, at time.Time) {
	t.Helper()
	var all []store.Record
	if err := s.Store.List(t.Context(), "", func(r store.Record) bool { all = append(all, r); return true }); err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if err := s.Store.Replace(t.Context(), r.Key, r.Value, nil, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	s.lost.Store(&at)
}

// TestLostSessionsTakeTheirTokens has the store lose everything. Nobody can end
// the sessions that went with it, nor know which users were locked out, so
// their access tokens must be worth nothing on any instance.
func TestLostSessionsTakeTheirTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	other, _ := f.start()
	s := f.login("alice")
	if err := f.verifies(s.access); err != nil {
		t.Fatalf("got %v for a good token, want nil", err)
	}
	kids := f.published()
	f.clock.advance(time.Second)
	f.store.forget(t, f.clock.now())
	if a := f.do(request{path: "/auth/token", basic: "billing:billing-secret-0123456789", form: map[string][]string{"grant_type": {"client_credentials"}}}); a.status == 200 {
		for _, kid := range kids {
			if header(t, a.access(t))["kid"] == kid {
				t.Error("got a token signed with a key that the store has lost, want none")
			}
		}
	}
	eventually(t, "the access token is refused", func() bool { return f.verifies(s.access) != nil })
	for _, kid := range f.published() {
		for _, old := range kids {
			if kid == old {
				t.Errorf("got the lost key %q published, want new ones alone", kid)
			}
		}
	}
	f.addUser("alice", "read")
	again := f.login("alice")
	if err := f.verifies(again.access); err != nil {
		t.Errorf("got %v for a token from after the loss, want nil", err)
	}
	f.issuer = other
	eventually(t, "the other instance has the same keys", func() bool { return f.verifies(again.access) == nil })
	if err := f.verifies(s.access); err == nil {
		t.Error("got nil of the other instance for a token from before the loss, want an error")
	}
}

// TestLossThatSparesTheKeys keeps those that are in the store.
func TestLossThatSparesTheKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	s := f.login("alice")
	at := f.clock.now()
	f.store.lost.Store(&at)
	eventually(t, "tokens are signed again", func() bool {
		return f.do(request{path: "/auth/refresh", method: "POST", cookies: s.cookies}).status == 200
	})
	if err := f.verifies(s.access); err != nil {
		t.Errorf("got %v for a token from before, want nil", err)
	}
}
