package cluster_test

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/cluster"
)

// emptied is what a store that loses all of its data must not bring back.
type emptied struct {
	spent, revoked, plain cluster.Token
	session               cluster.Session
}

// before makes what the store is about to forget.
func before(t *testing.T, c *cluster.Cluster) emptied {
	t.Helper()
	e := emptied{spent: c.Token(), revoked: c.Token(), plain: c.Token()}
	var status int
	if e.session, status = c.Guards[0].Login(t.Context()); status != http.StatusOK {
		t.Fatalf("got %d for a login, want 200", status)
	}
	if err := c.Guards[0].Revoke(t.Context(), e.revoked.ID); err != nil {
		t.Fatal(err)
	}
	for _, g := range c.Guards {
		eventually(t, "the revocation is known", func() bool { return g.Items(t.Context(), e.revoked.Raw) == http.StatusUnauthorized })
		if got := g.ItemsOf(t.Context(), e.session); got != http.StatusOK {
			t.Errorf("got %d for the session's token, want 200", got)
		}
		if got := g.Items(t.Context(), e.plain.Raw); got != http.StatusOK {
			t.Errorf("got %d for a good token, want 200", got)
		}
	}
	if got := c.Guards[0].Pay(t.Context(), e.spent.Raw); got != http.StatusOK {
		t.Errorf("got %d for the first use of a token, want 200", got)
	}
	return e
}

// after wants what was forgotten to be refused all the same by guards that
// have been there all the time.
func after(t *testing.T, c *cluster.Cluster, e emptied) {
	t.Helper()
	for _, g := range c.Guards {
		if got := g.Pay(t.Context(), e.spent.Raw); got != http.StatusUnauthorized {
			t.Errorf("got %d for a token that was used before the store lost its data, want 401", got)
		}
		if got := g.Items(t.Context(), e.revoked.Raw); got != http.StatusUnauthorized {
			t.Errorf("got %d for a token that was revoked before the store lost its data, want 401", got)
		}
		if got := g.Items(t.Context(), e.plain.Raw); got != http.StatusOK {
			t.Errorf("got %d for a good token, want 200", got)
		}
		eventually(t, "the access token of a session that is lost is refused", func() bool {
			return g.ItemsOf(t.Context(), e.session) == http.StatusUnauthorized
		})
		if _, got := g.Refresh(t.Context(), e.session); got != http.StatusUnauthorized {
			t.Errorf("got %d for the refresh of a session that is lost, want 401", got)
		}
	}
}

// TestEmptiedStore has the server come back without its data, and later lose
// them while it runs. What was used up or revoked must not be good again.
func TestEmptiedStore(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Config{})
	load := c.Load(cluster.Mix{Visitors: -1, Payers: 2, Readers: 1})
	lasts(t, 500*time.Millisecond)
	first := before(t, c)
	c.Judge.FaultBegins()
	c.Store.Kill()
	if err := c.Store.Forget(); err != nil {
		t.Fatal(err)
	}
	if err := c.Store.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	returned(t, c)
	after(t, c, first)
	if _, got := c.Guards[0].Login(t.Context()); got != http.StatusUnauthorized {
		t.Errorf("got %d for a login of a user who is lost, want 401", got)
	}
	if err := c.AddUsers(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := before(t, c)
	c.Judge.FaultBegins()
	told(t, c, "FLUSHALL")
	lasts(t, time.Second) // as long as guards may take to hear of it
	returned(t, c)
	after(t, c, first)
	after(t, c, second)
	load.Stop()
	kept(t, c)
	newcomer(t, c, second)
}

// newcomer wants a guard that starts after a loss, and so never heard of what
// was revoked before, to take no token from before.
func newcomer(t *testing.T, c *cluster.Cluster, e emptied) {
	t.Helper()
	g, err := c.AddGuard(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fresh := c.Token()
	eventually(t, "the new guard serves", func() bool { return g.Items(t.Context(), fresh.Raw) == http.StatusOK })
	for name, got := range map[string]int{
		"revoked": g.Items(t.Context(), e.revoked.Raw), "spent": g.Pay(t.Context(), e.spent.Raw),
		"good": g.Items(t.Context(), e.plain.Raw), "session's": g.ItemsOf(t.Context(), e.session),
	} {
		if got != http.StatusUnauthorized {
			t.Errorf("got %d of a new guard for a %s token from before the loss, want 401", got, name)
		}
	}
	if got := g.Pay(t.Context(), fresh.Raw); got != http.StatusOK {
		t.Errorf("got %d of a new guard for the first use of a fresh token, want 200", got)
	}
}

// TestOlderCopy brings a copy of the data back. What was used since must not be
// good again, and who refreshed since is not logged out.
func TestOlderCopy(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Config{})
	first, second := c.Guards[0], c.Guards[1]
	s, status := first.Login(t.Context())
	if status != http.StatusOK {
		t.Fatalf("got %d for a login, want 200", status)
	}
	spent, plain := c.Token(), c.Token()
	restart := func(meanwhile func(string) error, dir string) {
		t.Helper()
		c.Judge.FaultBegins()
		c.Store.Kill()
		if err := meanwhile(dir); err != nil {
			t.Fatal(err)
		}
		if err := c.Store.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		returned(t, c)
	}
	dir := filepath.Join(t.TempDir(), "copy")
	restart(c.Store.Copy, dir)
	if got := first.Pay(t.Context(), spent.Raw); got != http.StatusOK {
		t.Errorf("got %d for the first use of a token, want 200: a store that kept its data has lost nothing", got)
	}
	for range 3 {
		if s, status = first.Refresh(t.Context(), s); status != http.StatusOK {
			t.Errorf("got %d for a refresh, want 200", status)
		}
	}
	restart(c.Store.Restore, dir)
	for _, g := range c.Guards {
		if got := g.Pay(t.Context(), spent.Raw); got != http.StatusUnauthorized {
			t.Errorf("got %d for a token that was used after the copy was made, want 401", got)
		}
		if got := g.Items(t.Context(), plain.Raw); got != http.StatusOK {
			t.Errorf("got %d for a good token, want 200", got)
		}
		if got := g.ItemsOf(t.Context(), s); got != http.StatusOK {
			t.Errorf("got %d for the token of a session that the copy has, want 200", got)
		}
	}
	got := http.StatusServiceUnavailable
	eventually(t, "the store answers in time, which a busy machine may delay", func() bool {
		_, got = second.Refresh(t.Context(), s)
		return got != http.StatusServiceUnavailable
	})
	if got != http.StatusOK {
		t.Errorf("got %d for the refresh of a session that the copy has, want 200", got)
	}
	kept(t, c)
}
