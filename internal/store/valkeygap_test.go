package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/internal/store/storetest"
)

// TestValkeyLosesMessages has a server that drops messages, and listeners, in
// the middle of a stream of changes. The pull behind the push finds each.
func TestValkeyLosesMessages(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	server.must("ACL SETUSER w on >pw resetchannels ~* +@all &wiretight:changed")
	url := fmt.Sprintf("redis://w:pw@%s/1", server.Address())
	s, other := openPatient(t, url), openPatient(t, url)
	c := storetest.Watch(t, other, "r:")
	storetest.Eventually(t, back, func() bool { return c.Synced() > 0 && subscribed(server) })

	stop := make(chan struct{})
	var saboteur sync.WaitGroup
	saboteur.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			switch i % 3 {
			case 0: // nobody may publish, and whoever listens is thrown out
				_, _ = server.command("ACL SETUSER w resetchannels")
			case 1:
				_, _ = server.command("ACL SETUSER w &wiretight:changed")
			default: // an error only says that nobody listens just now
				_, _ = server.command("CLIENT KILL TYPE pubsub")
			}
		}
	})
	want := make(map[string]string)
	for i := range 300 {
		key := fmt.Sprintf("r:%d", i)
		storetest.Eventually(t, 4*back, func() bool { return consumeOnce(s, key) == nil || recorded(t, s, key) })
		want[key] = ""
	}
	close(stop)
	saboteur.Wait()
	server.must("ACL SETUSER w resetchannels") // and from now on no message at all
	c.Reaches(t, back, want)
	for i := range 5 {
		key := fmt.Sprintf("r:last:%d", i)
		storetest.Eventually(t, back, func() bool { return consumeOnce(s, key) == nil || recorded(t, s, key) })
		want[key] = ""
	}
	c.Reaches(t, back, want)
	if got := c.Deleted(); got != 0 {
		t.Errorf("got %d deletions, want none: nothing was lost but messages", got)
	}
}

// recorded says whether a change whose answer was lost has been made.
func recorded(t *testing.T, s store.Store, key string) bool {
	_, err := s.Get(t.Context(), key)
	return err == nil
}
