package issuer_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/store"
)

// TestNamesOfWhatIsUsedUp holds that what each login and refresh leaves in the
// store has names that a shared store spreads and does not log, and that what
// others watch, or list, has not.
func TestNamesOfWhatIsUsedUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	p := newProver(t)
	if a := f.dpopToken(p, nil, "grant_type", "password", "username", "alice", "password", "wrong"); a.status == 200 {
		t.Fatalf("wrong password: got %d, want a refusal", a.status)
	}
	f.dpopToken(p, nil, "grant_type", "password", "username", "alice", "password", testPassword).access(t)
	f.login("alice")
	spread := map[string]bool{}
	for key := range f.store.all(t) {
		parts := strings.SplitAfter(key, "/")
		kind := parts[0]
		if kind == "issuer/" {
			kind += parts[1]
		}
		spread[kind] = store.Spreads(key)
	}
	want := map[string]bool{
		"proof/": true, "issuer/session/": true, "issuer/limit/": true,
		"issuer/user/": false, "issuer/keys": false,
	}
	for kind, is := range want {
		if got, ok := spread[kind]; !ok || got != is {
			t.Errorf("%s: got spread %v, there %v; want %v", kind, got, ok, is)
		}
	}
	for kind := range spread {
		if _, ok := want[kind]; !ok {
			t.Errorf("%s is new: say here whether it is to be spread", kind)
		}
	}
}

// TestRevocationsAreWatched: their names must not be among those that spread.
func TestRevocationsAreWatched(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	before := f.store.all(t)
	f.do(request{path: "/auth/logout", cookies: f.login("alice").cookies})
	var revoked []string
	for key := range f.store.all(t) {
		if _, was := before[key]; !was && strings.HasPrefix(key, "revoked/") {
			revoked = append(revoked, key)
		}
	}
	if len(revoked) == 0 || slices.ContainsFunc(revoked, store.Spreads) {
		t.Errorf("a logout left the revocations %q, want some, and none spread", revoked)
	}
}
