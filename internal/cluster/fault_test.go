package cluster_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/cluster"
)

// TestKilledStore is the soak's short form. WIRETIGHT_SOAK=60s makes it longer,
// with a kill each 20 s.
func TestKilledStore(t *testing.T) {
	t.Parallel()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	s := cluster.Soak{
		Config: cluster.Config{Program: path, Within: slack * time.Second}, Mix: light,
		Duration: 8 * time.Second, Kills: 1, Down: 3 * time.Second, Slack: slack,
	}
	if text := os.Getenv("WIRETIGHT_SOAK"); text != "" {
		if s.Duration, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		s.Kills = max(1, int(s.Duration/(20*time.Second)))
	}
	r, err := s.Run(t.Context())
	if r != nil {
		var text strings.Builder
		_ = r.Text(&text) // a strings.Builder takes everything
		t.Log("\n" + text.String())
	}
	if err != nil {
		t.Fatal(err)
	}
	if !r.Kept() {
		t.Error("got broken promises, want none")
	}
	for _, want := range []struct {
		kind   string
		status int
	}{
		{"once", 200},
		{"once", 401},
		{"once", 503},
		{"replay", 401},
		{"refresh", 200},
		{"login", 200},
		{"ordinary", 200},
		{"ordinary", 503},
		{"public", 200},
		{"forged", 401},
		{"no token", 401},
	} {
		if r.Answers[want.kind][want.status] == 0 {
			t.Errorf("got no %s answered %d, want some: else this test tells little", want.kind, want.status)
		}
	}
}

// TestSlowStore has a store that answers after two seconds. Nobody may wait for
// it but the few who are the first to notice.
func TestSlowStore(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Config{Relays: true, Staleness: time.Minute})
	mine, status := c.Guards[0].Login(t.Context())
	if status != http.StatusOK {
		t.Fatalf("got %d for a login, want 200", status)
	}
	load := c.Load(light)
	lasts(t, time.Second)
	c.Judge.FaultBegins()
	for _, g := range c.Guards {
		g.Relay.Delay(2 * time.Second)
	}
	unready(t, c, c.Guards...)
	kinds := []string{"ordinary", "public", "forged", "once"}
	for _, kind := range kinds {
		c.Judge.Took(kind) // forget how fast it was
	}
	var admin, login, refresh []time.Duration
	for begin := time.Now(); time.Since(begin) < 2*time.Second; lasts(t, 50*time.Millisecond) {
		asked := time.Now()
		if status, body, err := c.Guards[0].Ready(t.Context()); err != nil || status != http.StatusServiceUnavailable {
			t.Errorf("got readiness %d %s %v with a slow store, want 503", status, body, err)
		}
		admin = append(admin, time.Since(asked))
		asked = time.Now()
		if _, got := c.Guards[1].Login(t.Context()); got != http.StatusServiceUnavailable {
			t.Errorf("got %d for a login with a slow store, want 503", got)
		}
		login = append(login, time.Since(asked))
		asked = time.Now()
		if _, got := c.Guards[1].Refresh(t.Context(), mine); got != http.StatusServiceUnavailable {
			t.Errorf("got %d for a refresh with a slow store, want 503", got)
		}
		refresh = append(refresh, time.Since(asked))
	}
	soon(t, "readyz", admin, atOnce)
	soon(t, "login", login, atOnce)
	soon(t, "refresh", refresh, atOnce)
	for _, kind := range kinds {
		soon(t, kind, c.Judge.Took(kind), atOnce)
	}
	if c.Judge.Answers("once", http.StatusServiceUnavailable) == 0 {
		t.Error("got no once answered 503, want some")
	}
	if n := c.Judge.Answers("ordinary", http.StatusServiceUnavailable); n > 0 {
		t.Errorf("got %d ordinary requests answered 503 while the copy was young enough, want none", n)
	}
	for _, g := range c.Guards {
		g.Relay.Delay(0)
	}
	returned(t, c)
	lasts(t, time.Second)
	load.Stop()
	kept(t, c)
}

// TestReadOnlyStore makes the server a replica of nobody, as a failover may.
func TestReadOnlyStore(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Config{})
	load := c.Load(light)
	lasts(t, time.Second)
	c.Judge.FaultBegins()
	told(t, c, "REPLICAOF 127.0.0.1 1")
	unready(t, c, c.Guards...)
	c.Judge.Took("once")
	lasts(t, time.Second)
	soon(t, "once", c.Judge.Took("once"), atOnce)
	told(t, c, "REPLICAOF NO ONE")
	returned(t, c)
	lasts(t, time.Second)
	load.Stop()
	kept(t, c)
}

// TestFullStore leaves the server without memory. What is to be written is
// refused; what is only read lives on.
func TestFullStore(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Config{})
	load := c.Load(light)
	lasts(t, time.Second)
	c.Judge.FaultBegins()
	told(t, c, "CONFIG SET maxmemory 1mb")
	unready(t, c, c.Guards...)
	lasts(t, 3*time.Second) // longer than the copy of the revocations is believed
	if n := c.Judge.Answers("ordinary", http.StatusServiceUnavailable); n > 0 {
		t.Errorf("got %d ordinary requests answered 503 by a store that can be read, want none", n)
	}
	if c.Judge.Answers("once", http.StatusServiceUnavailable) == 0 {
		t.Error("got no once answered 503, want some")
	}
	told(t, c, "CONFIG SET maxmemory 0")
	returned(t, c)
	lasts(t, time.Second)
	load.Stop()
	kept(t, c)
}

// TestPartition cuts the wire between one guard and the store. The other goes
// on, and what it revokes holds at the one that cannot hear of it: at first
// because it refuses everything, and afterwards because it has heard.
func TestPartition(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Config{Relays: true})
	away, well := c.Guards[0], c.Guards[1]
	load := c.Load(light)
	lasts(t, time.Second)
	c.Judge.FaultBegins()
	away.Relay.Cut()
	unready(t, c, away)
	if status, body, err := well.Ready(t.Context()); err != nil || status != http.StatusOK {
		t.Errorf("got readiness %d %s %v of the guard that is not cut off, want 200", status, body, err)
	}
	revoked := c.Token()
	if got := well.Items(t.Context(), revoked.Raw); got != http.StatusOK {
		t.Errorf("got %d of the guard that is not cut off, want 200", got)
	}
	if err := well.Revoke(t.Context(), revoked.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the revocation holds at the guard that took it", func() bool {
		return well.Items(t.Context(), revoked.Raw) == http.StatusUnauthorized
	})
	eventually(t, "the guard that is cut off refuses every token", func() bool {
		return away.Items(t.Context(), revoked.Raw) == http.StatusServiceUnavailable
	})
	away.Relay.Heal()
	eventually(t, "the revocation holds by its content", func() bool {
		got := away.Items(t.Context(), revoked.Raw)
		if got != http.StatusServiceUnavailable && got != http.StatusUnauthorized {
			t.Fatalf("got %d for a token that was revoked while the guard was cut off, want 503 and then 401", got)
		}
		return got == http.StatusUnauthorized
	})
	returned(t, c)
	lasts(t, time.Second)
	load.Stop()
	kept(t, c)
}

// eventually polls until ok, or fails the test.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for begin := time.Now(); !ok(); lasts(t, 10*time.Millisecond) {
		if time.Since(begin) > slack*3*time.Second {
			t.Fatalf("it is still not so that %s", what)
		}
	}
}

// TestLostAnswer has the store take a refresh whose answer never arrives, and
// come back when the grace for repeats is long over. The user must not pay for
// that, wherever the refresh is repeated.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	const grace = time.Second
	c := start(t, cluster.Config{Relays: true, Grace: grace})
	first, second := c.Guards[0], c.Guards[1]
	s, status := first.Login(t.Context())
	if status != http.StatusOK {
		t.Fatalf("got %d for a login, want 200", status)
	}
	c.Judge.FaultBegins()
	first.Relay.MuteAfter("EVALSHA", "issuer/session/")
	if _, got := first.Refresh(t.Context(), s); got != http.StatusServiceUnavailable {
		t.Errorf("got %d for a refresh whose answer was lost, want 503", got)
	}
	for _, g := range c.Guards {
		g.Relay.Delay(time.Hour)
	}
	unready(t, c, c.Guards...)
	lasts(t, 2*grace)
	for _, g := range c.Guards {
		g.Relay.Delay(0)
	}
	returned(t, c)
	if _, got := second.Refresh(t.Context(), s); got != http.StatusOK {
		t.Errorf("got %d for the repeat elsewhere, want 200", got)
	}
	next, got := first.Refresh(t.Context(), s)
	if got != http.StatusOK {
		t.Fatalf("got %d for the repeat, want 200", got)
	}
	if _, got := second.Refresh(t.Context(), next); got != http.StatusOK {
		t.Errorf("got %d for the next refresh, want 200", got)
	}
	if _, got := first.Refresh(t.Context(), s); got != http.StatusUnauthorized {
		t.Errorf("got %d for a token whose successor was used, want 401", got)
	}
	kept(t, c)
}

// TestLateWrite has a refresh on its way when the wire is cut. It was answered
// 503, so it must not be made when the wire is whole again: a user who asks
// elsewhere, later than the grace, would be taken for a thief.
func TestLateWrite(t *testing.T) {
	t.Parallel()
	const grace = time.Second
	c := start(t, cluster.Config{Relays: true, Grace: grace})
	away, well := c.Guards[0], c.Guards[1]
	s, status := well.Login(t.Context())
	if status != http.StatusOK {
		t.Fatalf("got %d for a login, want 200", status)
	}
	c.Judge.FaultBegins()
	away.Relay.CutBefore("EVALSHA", "issuer/session/")
	if _, got := away.Refresh(t.Context(), s); got != http.StatusServiceUnavailable {
		t.Errorf("got %d for a refresh that could not be stored, want 503", got)
	}
	unready(t, c, away)
	lasts(t, 3*time.Second) // until the guard has given the connection up
	away.Relay.Heal()
	returned(t, c)
	if _, got := well.Refresh(t.Context(), s); got != http.StatusOK {
		t.Errorf("got %d at the other guard, want 200", got)
	}
	kept(t, c)
}
