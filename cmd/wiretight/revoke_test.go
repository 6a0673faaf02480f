package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// soon is the second in which a revocation holds everywhere, five times over for
// a machine that is busy.
const soon = 5 * time.Second

// refusedWithin waits until a token is refused, at most for limit.
func (g *instance) refusedWithin(limit time.Duration, raw string) {
	g.bed.t.Helper()
	took := within(g.bed.t, limit, "the token is refused", func() bool { s, _ := g.get("/", raw); return s == 401 })
	g.bed.t.Logf("refused %v after the revocation", took)
}

func (b *bed) revoke(args ...string) {
	b.t.Helper()
	if code, out := b.verb(append([]string{"revoke"}, args...)...); code != 0 || out != "revoked\n" {
		b.t.Fatalf("got exit %d, %q for %v, want 0 and revoked", code, out, args)
	}
}

func TestRevokeAtTheRunningGuard(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.config("")
	g := b.start("-c", "wiretight.yaml")
	past := func(d time.Duration) int64 { return time.Now().Add(-d).Unix() }
	byJTI, other := b.mint(map[string]any{"jti": "j1"}), b.mint(map[string]any{"jti": "j2"})
	bySID, otherSID := b.mint(map[string]any{"sid": "s1"}), b.mint(map[string]any{"sid": "s2"})
	bySub := b.mint(map[string]any{"sub": "bob"})
	old, young := b.mint(map[string]any{"sub": "carol", "iat": past(10 * time.Minute)}), b.mint(map[string]any{"sub": "carol", "iat": past(time.Minute)})
	ancient := b.mint(map[string]any{"sub": "dave", "iat": past(30 * time.Minute)})
	for _, raw := range []string{byJTI, other, bySID, otherSID, bySub, old, young, ancient} {
		g.want(200, "/", raw)
	}

	b.revoke("--jti", "j1", "-c", "wiretight.yaml")
	g.refusedWithin(soon, byJTI)
	g.want(200, "/", other)

	b.revoke("--sid", "s1") // nothing says where: the guard that runs here is meant
	g.refusedWithin(soon, bySID)
	g.want(200, "/", otherSID)

	b.revoke("--sub", "bob", "--store", "bolt://wiretight-data/state.db")
	g.refusedWithin(soon, bySub)
	g.want(200, "/", other)
	eventually(t, "bob's later tokens are good", func() bool { s, _ := g.get("/", b.mint(map[string]any{"sub": "bob"})); return s == 200 })

	at := time.Now().Add(-5 * time.Minute).Format(time.RFC3339)
	b.revoke("--sub", "carol", "--before", at)
	g.refusedWithin(soon, old)
	g.want(200, "/", young)
	g.want(200, "/", ancient)

	b.revoke("--before", time.Now().Add(-20*time.Minute).Format(time.RFC3339))
	g.refusedWithin(soon, ancient)
	g.want(200, "/", young)
	if _, body := g.ops("/metrics"); !strings.Contains(body, "wiretight_revocations ") {
		t.Error("metrics lack wiretight_revocations")
	}
	g.stop()
}

func TestRevokedStaysRevoked(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.config("")
	g := b.start("-c", "wiretight.yaml")
	online, killed, offline, good := b.mint(map[string]any{"jti": "online"}), b.mint(map[string]any{"sub": "killed"}), b.mint(map[string]any{"sid": "offline"}), b.mint(nil)
	g.want(200, "/", online)
	b.revoke("--jti", "online")
	g.stop()

	g = b.start("-c", "wiretight.yaml") // the first answer must already know it
	g.want(401, "/", online)
	g.want(200, "/", killed)
	b.revoke("--sub", "killed")
	g.signal(syscall.SIGKILL)
	<-g.ended
	if info, err := os.Lstat(b.path("wiretight-data/admin.sock")); err != nil || info.Mode()&os.ModeSocket == 0 {
		t.Fatalf("got %v, %v, want a socket that the killed guard left", info, err)
	}

	b.revoke("--sid", "offline", "-c", "wiretight.yaml") // nobody runs: into the store
	g = b.start("-c", "wiretight.yaml")
	g.want(401, "/", online)
	g.want(401, "/", killed)
	g.want(401, "/", offline)
	g.want(200, "/", good)
	b.revoke("--sub", "alice", "-c", "wiretight.yaml") // the stale socket was taken over
	g.refusedWithin(soon, good)
	if info, err := os.Lstat(b.path("wiretight-data/admin.sock")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want a socket of mode 0600", info, err)
	}
	g.stop()
}

func TestRevokeFindsTheRightStore(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	// Not wiretight.yaml, which would be found without a word.
	if err := os.Rename(b.config("store: bolt://data/a.db"), b.path("guard.yaml")); err != nil {
		t.Fatal(err)
	}
	g := b.start("-c", "guard.yaml")
	raw := b.mint(map[string]any{"jti": "j"})

	// A store that does not exist is no place for a revocation.
	code, out := b.verb("revoke", "--jti", "j")
	if code != exitFailed || !strings.Contains(out, "no guard is running here") || !strings.Contains(out, "-c FILE") {
		t.Errorf("got exit %d, %q, want 3 and what to name", code, out)
	}
	code, out = b.verb("revoke", "--jti", "j", "--store", "bolt://data/b.db") // beside the guard's socket
	if code != exitFailed || !strings.Contains(out, "b.db") {
		t.Errorf("got exit %d, %q, want 3: the guard that runs has another store", code, out)
	}
	if _, err := os.Stat(b.path("wiretight-data")); err == nil {
		t.Error("a failed revoke has made a data directory")
	}
	code, out = b.verb("revoke", "--jti", "j", "--store", "memory:")
	if code != exitFailed || !strings.Contains(out, "memory") {
		t.Errorf("got exit %d, %q, want 3: nobody shares that memory", code, out)
	}
	g.want(200, "/", raw)

	// The same file by another path is the same store.
	b.revoke("--jti", "j", "--store", "bolt://"+b.path("data/a.db"))
	g.refusedWithin(soon, raw)
	g.stop()
}

func TestRevokeInMemory(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.config("store: \"memory:\"")
	g := b.start("-c", "wiretight.yaml")
	raw := b.mint(map[string]any{"jti": "j"})
	g.want(200, "/", raw)
	b.revoke("--jti", "j", "-c", "wiretight.yaml")
	g.refusedWithin(soon, raw)
	g.stop()
	code, out := b.verb("revoke", "--jti", "j", "-c", "wiretight.yaml")
	if code != exitFailed || !strings.Contains(out, "no guard is running here") {
		t.Errorf("got exit %d, %q, want 3: nobody is there to hear it", code, out)
	}
}
