package issuer_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/issuer"
)

func TestUsers(t *testing.T) {
	t.Parallel()
	f := newEmptyFixture(t, nil)
	u := f.issuer.Users()
	for _, tc := range []struct {
		name, user, password string
		scopes               []string
		ok                   bool
	}{
		{"plain", "alice", testPassword, []string{"write", "read", "read"}, true},
		{"not ASCII", "jürgen müller", "пароль12", nil, true},
		{"exists", "alice", testPassword, nil, false},
		{"no name", "", testPassword, nil, false},
		{"space before", " bob", testPassword, nil, false},
		{"newline", "bob\n", testPassword, nil, false},
		{"escape", "bob\x1b[31m", testPassword, nil, false},
		{"direction override", "bob\u202e", testPassword, nil, false},
		{"not UTF-8", "bob\xff", testPassword, nil, false},
		{"long name", strings.Repeat("a", 129), testPassword, nil, false},
		{"short password", "bob", "1234567", nil, false},
		{"long password", "bob", strings.Repeat("a", 1025), nil, false},
		{"password with a newline", "bob", "12345678\n", nil, false},
		{"scope with a space", "bob", testPassword, []string{"a b"}, false},
		{"empty scope", "bob", testPassword, []string{""}, false},
	} {
		if err := u.Add(t.Context(), tc.user, tc.password, tc.scopes); (err == nil) != tc.ok {
			t.Errorf("%s: got %v, want success %v", tc.name, err, tc.ok)
		} else if err != nil && tc.password != "" && strings.Contains(err.Error(), tc.password) {
			t.Errorf("%s: the error holds the password", tc.name)
		}
	}
	now := f.clock.now().UTC()
	list, err := u.List(t.Context())
	want := []issuer.User{{Name: "alice", Scopes: []string{"read", "write"}, Created: now, Changed: now}, {Name: "jürgen müller", Created: now, Changed: now}}
	if diff := cmp.Diff(want, list); err != nil || diff != "" {
		t.Errorf("%v; list differs (-want +got):\n%s", err, diff)
	}
	for _, err := range []error{u.SetPassword(t.Context(), "nobody", testPassword), u.SetDisabled(t.Context(), "nobody", true)} {
		if !errors.Is(err, issuer.ErrUnknownUser) {
			t.Errorf("got %v, want ErrUnknownUser", err)
		}
	}
	if err := u.Add(t.Context(), "alice", testPassword, nil); !errors.Is(err, issuer.ErrUserExists) {
		t.Errorf("got %v, want ErrUserExists", err)
	}
}

func TestPasswordsChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	u := f.issuer.Users()
	if err := u.SetPassword(t.Context(), "alice", "short"); err == nil {
		t.Error("a short password is taken")
	}
	if err := u.SetPassword(t.Context(), "alice", "another password"); err != nil {
		t.Fatal(err)
	}
	if a := f.do(loginJSON("alice", testPassword)); a.status != 401 {
		t.Errorf("the old password: got %d, want 401", a.status)
	}
	// In the same second as the change: nothing of it may hit the new session.
	a := f.do(loginJSON("alice", "another password"))
	if !f.active(a.access(t)) {
		t.Error("a login right after the change is revoked with the sessions before")
	}
	if err := u.SetDisabled(t.Context(), "alice", true); err != nil {
		t.Fatal(err)
	}
	if a := f.do(loginJSON("alice", "another password")); a.status != 401 {
		t.Errorf("disabled: got %d, want 401", a.status)
	}
	if err := u.SetDisabled(t.Context(), "alice", false); err != nil {
		t.Fatal(err)
	}
	if a := f.do(loginJSON("alice", "another password")); a.status != 200 {
		t.Errorf("enabled again: got %d, want 200", a.status)
	}
}

func TestOneOfManyAdds(t *testing.T) {
	t.Parallel()
	f := newEmptyFixture(t, nil)
	var won atomic.Int64
	each(4, func(int) {
		if err := f.issuer.Users().Add(t.Context(), "alice", testPassword, nil); err == nil {
			won.Add(1)
		} else if !errors.Is(err, issuer.ErrUserExists) {
			t.Error(err)
		}
	})
	if won.Load() != 1 {
		t.Errorf("%d of 4 made the user, want 1", won.Load())
	}
}

// TestPasswordHashes: what is stored is argon2id of the documented cost, salted.
func TestPasswordHashes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.addUser("bob")
	seen := map[string]bool{}
	for key, value := range f.store.all(t) {
		if !strings.HasPrefix(key, "issuer/user/") {
			continue
		}
		if strings.Contains(key, "alice") || strings.Contains(key, "bob") {
			t.Error("a key holds a user's name")
		}
		_, hash, ok := strings.Cut(value, "$argon2id$v=19$m=19456,t=2,p=1$")
		if !ok || seen[hash] {
			t.Errorf("got %s, want a salted argon2id hash", value)
		}
		seen[hash] = true
	}
	if len(seen) != 2 {
		t.Errorf("got %d hashes, want 2", len(seen))
	}
	for i, damaged := range []string{"", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA", "$2b$12$x"} {
		name := fmt.Sprintf("damaged%d", i)
		f.addUser(name)
		for key, value := range f.store.all(t) {
			if strings.HasPrefix(key, "issuer/user/") && strings.Contains(value, name) {
				at := strings.Index(value, "$argon2id")
				end := at + strings.IndexByte(value[at:], '"')
				if err := f.store.Replace(t.Context(), key, []byte(value), []byte(value[:at]+damaged+value[end:]), noExpiry); err != nil {
					t.Fatal(err)
				}
			}
		}
		if a := f.do(loginJSON(name, testPassword)); a.status == 200 {
			t.Errorf("a damaged hash %q lets in", damaged)
		}
	}
}
