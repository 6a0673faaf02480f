package issuer_test

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/issuer"
)

// states gives the states of all keys, oldest first.
func (f *fixture) states() []issuer.KeyState {
	f.t.Helper()
	var s []issuer.KeyState
	for _, k := range f.keys() {
		s = append(s, k.State)
	}
	return s
}

func (f *fixture) keys() []issuer.KeyInfo {
	f.t.Helper()
	keys, err := f.issuer.Ring().List(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return keys
}

// published are the kids of the key set.
func (f *fixture) published() []string {
	f.t.Helper()
	var set struct {
		Keys []struct {
			Kid string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.Unmarshal([]byte(f.do(request{path: "/.well-known/jwks.json"}).body), &set); err != nil {
		f.t.Fatal(err)
	}
	var kids []string
	for _, k := range set.Keys {
		kids = append(kids, k.Kid)
	}
	return kids
}

const (
	next, active, retiring, gone = issuer.KeyNext, issuer.KeyActive, issuer.KeyRetiring, issuer.KeyGone
)

func TestKeysLiveAndGo(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *issuer.Config) { c.RotateKeys = 24 * time.Hour })
	want := func(when string, states ...issuer.KeyState) {
		t.Helper()
		if diff := cmp.Diff(states, f.states()); diff != "" {
			t.Errorf("%s: states differ (-want +got):\n%s", when, diff)
		}
	}
	want("at first", active, next)
	first := f.published()
	raw := f.login("alice").access
	if header(t, raw)["kid"] != first[0] {
		t.Errorf("signed with %v, want the active key %s", header(t, raw)["kid"], first[0])
	}
	f.clock.advance(24*time.Hour - time.Second)
	want("before its time", active, next)
	raw = f.login("alice").access
	f.clock.advance(time.Second)
	want("at its time", retiring, active, next)
	if kid := header(t, f.login("alice").access)["kid"]; kid != first[1] {
		t.Errorf("signed with %v, want the key that was published before, %s", kid, first[1])
	}
	if err := f.verifies(raw); err != nil {
		t.Errorf("a token of the retiring key: %v", err)
	}
	f.clock.advance(5*time.Minute - 2*time.Second)
	if err := f.verifies(raw); err != nil {
		t.Errorf("a token of the retiring key, near its end: %v", err)
	}
	f.clock.advance(3 * time.Minute)
	want("when its last token has expired", gone, active, next)
	if kids := f.published(); slices.Contains(kids, first[0]) || len(kids) != 2 {
		t.Errorf("got %v published, want the gone key not among them", kids)
	}
	keys, _, err := f.issuer.Keys().Current()
	if err != nil || keys.Has(first[0]) || keys.Len() != 2 {
		t.Errorf("the guard's copy holds %v (%v), want what is published", keys.IDs(), err)
	}
}

// TestKeysArePublishedBeforeUse: never is a token signed with a key that was
// published for less time than verifiers keep the set.
func TestKeysArePublishedBeforeUse(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *issuer.Config) { c.RotateKeys = 6 * time.Minute }) // faster than keys can be known
	a := f.do(request{path: "/.well-known/jwks.json"})
	age, err := strconv.Atoi(strings.TrimPrefix(a.header.Get("Cache-Control"), "public, max-age="))
	if err != nil {
		t.Fatalf("got Cache-Control %q", a.header.Get("Cache-Control"))
	}
	since := map[string]time.Time{}
	for _, kid := range f.published() {
		since[kid] = f.clock.now().Add(-time.Hour) // no set without these was ever published
	}
	for i := range 200 {
		f.clock.advance(15 * time.Second)
		f.keys()
		for _, kid := range f.published() {
			if _, known := since[kid]; !known {
				since[kid] = f.clock.now()
			}
		}
		if i%20 == 3 {
			if _, err := f.issuer.Ring().Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		kid := header(t, f.do(request{path: "/auth/token", basic: billing, form: form("grant_type", "client_credentials")}).access(t))["kid"].(string)
		if known := f.clock.now().Sub(since[kid]); known <= time.Duration(age)*time.Second {
			t.Fatalf("a key signs %s after it was published, and verifiers keep the set for %d s", known, age)
		}
	}
	if len(since) < 4 {
		t.Errorf("only %d keys were seen, so that this test tells little", len(since))
	}
}

func TestRotateByCommand(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	before := f.keys()
	old := f.login("alice").access
	k, err := f.issuer.Ring().Rotate(t.Context())
	if err != nil || k.ID != before[1].ID || k.State != active {
		t.Fatalf("got %v %v, want the next key active", k, err)
	}
	if got := header(t, f.login("alice").access)["kid"]; got != before[1].ID {
		t.Errorf("signed with %v, want %s", got, before[1].ID)
	}
	if err := f.verifies(old); err != nil {
		t.Errorf("a token of the key before: %v", err)
	}
	k, err = f.issuer.Ring().Rotate(t.Context())
	if err != nil || k.State != next || !k.From.After(f.clock.now()) {
		t.Fatalf("got %v %v, want the newest key to wait until all know it", k, err)
	}
	f.clock.advance(k.From.Sub(f.clock.now()))
	if got := header(t, f.login("alice").access)["kid"]; got != k.ID {
		t.Errorf("signed with %v when its time had come, want %s", got, k.ID)
	}
}

func TestRetire(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	before := f.keys()
	old := f.login("alice").access
	k, err := f.issuer.Ring().Retire(t.Context(), before[0].ID, false)
	if err != nil || k.State != retiring || k.Gone.IsZero() {
		t.Fatalf("got %v %v, want it retiring", k, err)
	}
	if err := f.verifies(old); err != nil {
		t.Errorf("a token of the retired key: %v", err)
	}
	if got := header(t, f.login("alice").access)["kid"]; got != before[1].ID {
		t.Errorf("signed with %v, want the next key", got)
	}
	k, err = f.issuer.Ring().Retire(t.Context(), before[0].ID, true)
	if err != nil || k.State != gone {
		t.Fatalf("got %v %v, want it gone", k, err)
	}
	if err := f.verifies(old); err == nil {
		t.Error("a token of a key that is gone is accepted")
	}
	if f.active(old) {
		t.Error("a token of a key that is gone is active")
	}
	// Now the active one, at once: the one after it must take over.
	current := f.login("alice").access
	if _, err := f.issuer.Ring().Retire(t.Context(), before[1].ID, true); err != nil {
		t.Fatal(err)
	}
	if err := f.verifies(current); err == nil {
		t.Error("a token of a key that is gone is accepted")
	}
	if err := f.verifies(f.login("alice").access); err != nil {
		t.Errorf("after it: %v", err)
	}
	if _, err := f.issuer.Ring().Retire(t.Context(), "nonsense", true); !errors.Is(err, issuer.ErrUnknownKey) {
		t.Errorf("unknown: got %v, want ErrUnknownKey", err)
	}
}

// TestRetireTheNextKey: a key that has signed nothing goes at once.
func TestRetireTheNextKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	id := f.keys()[1].ID
	if k, err := f.issuer.Ring().Retire(t.Context(), id, false); err != nil || k.State != gone {
		t.Errorf("got %v %v, want it gone", k, err)
	}
	if slices.Contains(f.published(), id) {
		t.Error("it is published still")
	}
	if got := f.states(); got[0] != active || got[len(got)-1] != next {
		t.Errorf("got %v, want an active and a next key", got)
	}
}

// TestInstancesAgree: instances that share a store sign and publish the same,
// whoever rotates, and however many start at once.
func TestInstancesAgree(t *testing.T) {
	t.Parallel()
	f := newEmptyFixture(t, nil)
	var rings []*issuer.Issuer
	for range 4 {
		is, _ := f.start()
		rings = append(rings, is)
	}
	agree := func(when string) {
		t.Helper()
		eventually(t, when, func() bool {
			want, _, err := f.issuer.Keys().Current()
			if err != nil {
				return false
			}
			for _, is := range rings {
				if got, _, err := is.Keys().Current(); err != nil || !got.Equal(want) {
					return false
				}
			}
			return true
		})
	}
	agree("one set at the start")
	each(len(rings), func(i int) {
		if _, err := rings[i].Ring().Rotate(t.Context()); err != nil {
			t.Error(err)
		}
	})
	agree("one set after all have rotated at once")
	f.clock.advance(721 * time.Hour)
	agree("one set after its time")
	if got := f.states(); !slices.Equal(got[len(got)-2:], []issuer.KeyState{active, next}) || len(got) > 6 {
		t.Errorf("got %v, want one active and one next key", got)
	}
}

func TestAlgorithmChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	old := f.login("alice").access
	f.config.Algorithm = "EdDSA"
	if err := f.issuer.Close(); err != nil {
		t.Fatal(err)
	}
	f.issuer, f.server = f.start()
	if got := header(t, f.login("alice").access)["alg"]; got != "EdDSA" {
		t.Errorf("signed with %v, want EdDSA", got)
	}
	if !slices.Contains(f.published(), header(t, old)["kid"].(string)) {
		t.Error("the key before it is gone although its tokens live")
	}
}

// TestKeysAreEncryptedAtRest looks for private keys in everything that is
// stored.
func TestKeysAreEncryptedAtRest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	var ring struct {
		Keys []struct {
			Kid    string         `json:"kid"`
			Public map[string]any `json:"public"`
			Sealed []byte         `json:"sealed"`
		} `json:"keys"`
	}
	all := f.store.all(t)
	if err := json.Unmarshal([]byte(all["issuer/keys"]), &ring); err != nil || len(ring.Keys) != 2 {
		t.Fatalf("got %d keys in the store: %v", len(ring.Keys), err)
	}
	for _, k := range ring.Keys {
		if k.Public["d"] != nil {
			t.Error("the public key has a private member")
		}
		for i := range k.Sealed {
			if _, err := x509.ParsePKCS8PrivateKey(k.Sealed[i:]); err == nil {
				t.Fatal("a private key lies in the store in clear")
			}
		}
	}
	// A sealed key cannot be put in the place of another.
	swapped := strings.Replace(strings.Replace(strings.Replace(all["issuer/keys"], ring.Keys[0].Kid, "X", 1), ring.Keys[1].Kid, ring.Keys[0].Kid, 1), "X", ring.Keys[1].Kid, 1)
	if err := f.store.Replace(t.Context(), "issuer/keys", []byte(all["issuer/keys"]), []byte(swapped), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if is, err := issuer.New(f.config); err == nil {
		_ = is.Close()
		t.Error("an issuer starts with keys that were exchanged")
	}
}

// TestNothingIsSignedWithStaleKeys: an instance that has not heard of the store
// does not know what was retired.
func TestNothingIsSignedWithoutKeys(t *testing.T) {
	t.Parallel()
	f := newEmptyFixture(t, nil)
	cfg := f.config
	broken := &faultyStore{Store: f.store.Store}
	broken.down.Store(true)
	cfg.Store = broken
	is, err := issuer.New(cfg)
	if err != nil {
		t.Fatalf("a store that is absent at the start is an error: %v", err)
	}
	defer func() { _ = is.Close() }()
	if _, _, err := is.Keys().Current(); err == nil {
		t.Error("there are keys without a store")
	}
	broken.down.Store(false)
	eventually(t, "the keys, when the store is back,", func() bool { _, _, err := is.Keys().Current(); return err == nil })
}

func TestKeySetIsCached(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/oauth-authorization-server"} {
		a := f.do(request{path: path})
		tag := a.header.Get("ETag")
		if a.status != 200 || tag == "" || !strings.HasPrefix(a.header.Get("Cache-Control"), "public, max-age=") || a.header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s: got %d %v", path, a.status, a.header)
		}
		for _, match := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			b := f.do(request{path: path, header: map[string][]string{"If-None-Match": {match}}})
			if b.status != 304 || b.body != "" || b.header.Get("ETag") != tag {
				t.Errorf("%s with %s: got %d, want 304", path, match, b.status)
			}
		}
		if b := f.do(request{path: path, header: map[string][]string{"If-None-Match": {`"other"`}}}); b.status != 200 {
			t.Errorf("%s with another tag: got %d, want 200", path, b.status)
		}
		if b := f.do(request{method: "HEAD", path: path}); b.status != 200 || b.body != "" {
			t.Errorf("HEAD %s: got %d with %d bytes", path, b.status, len(b.body))
		}
		if b := f.do(request{method: "POST", path: path}); b.status != 405 {
			t.Errorf("POST %s: got %d, want 405", path, b.status)
		}
	}
	before := f.do(request{path: "/.well-known/jwks.json"}).header.Get("ETag")
	if _, err := f.issuer.Ring().Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f.do(request{path: "/.well-known/jwks.json"}).header.Get("ETag") == before {
		t.Error("another set has the same tag")
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	a := f.do(request{path: "/.well-known/oauth-authorization-server"})
	for member, want := range map[string]any{
		"issuer": testURL, "token_endpoint": testURL + "/auth/token", "jwks_uri": testURL + "/.well-known/jwks.json",
		"revocation_endpoint": testURL + "/auth/revoke", "introspection_endpoint": testURL + "/auth/introspect",
	} {
		if a.json[member] != want {
			t.Errorf("%s: got %v, want %v", member, a.json[member], want)
		}
	}
	if _, there := a.json["response_types_supported"].([]any); !there {
		t.Error("response_types_supported is missing, which RFC 8414 §2 requires")
	}
}
