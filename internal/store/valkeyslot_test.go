package store_test

import (
	"net"
	"testing"

	"github.com/wiretight/wiretight/internal/store"
)

// FuzzRedirect reads answers of a Cluster that send elsewhere, whole and
// broken: whatever is followed must be an address.
func FuzzRedirect(f *testing.F) {
	for _, text := range []string{
		"MOVED 3999 127.0.0.1:6381", "ASK 3999 [::1]:6381", "MOVED 1 ::1:6381", "MOVED 1 :6381", "MOVED", "ASK 1", "MOVED 1 h",
		"TRYAGAIN Multiple keys", "MOVED 1 h:0", "MOVED 1 h:99999", "ERR MOVED 1 h:1", "MOVED 1 ]:1", "MOVED 1 a b:1",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		address, again, ok := store.Redirected(text, "from:1")
		if !ok || again {
			return
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil || host == "" || port == "" {
			t.Errorf("Redirected(%q): got address %q, want host and port", text, address)
		}
	})
}

// FuzzRecordName wants the key of a spread record's name to be the one that
// has it, and foreign names to have none.
func FuzzRecordName(f *testing.F) {
	for _, s := range []string{"once/a", "issuer/session/x", "revoked/a", "once/}:r:once/", "{", "", "wiretight:{5}:r:once/a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, name := range []string{s, store.Name(s), "wiretight:{7}:r:" + s} {
			if key, ok := store.KeyOf(name); ok && store.Name(key) != name {
				t.Errorf("KeyOf(%q): got %q, which lies at %q", name, key, store.Name(key))
			}
		}
		if key, ok := store.KeyOf(store.Name("once/" + s)); !ok || key != "once/"+s {
			t.Errorf("KeyOf(Name(%q)): got %q, %v", "once/"+s, key, ok)
		}
	})
}
