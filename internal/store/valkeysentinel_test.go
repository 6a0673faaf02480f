package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/internal/store/storetest"
)

// calm is a down-after or a node timeout that no busy machine reaches.
const calm = 30 * time.Second

// prefixes are names that no other test on the same servers has.
var prefixes atomic.Int64

func fresh(url string) string { return fmt.Sprintf("%sprefix=t%d", url, prefixes.Add(1)) }

// shared is the suite's engine on servers that several tests use.
func shared(servers string) func(t *testing.T) storetest.Engine {
	return func(t *testing.T) storetest.Engine {
		url := fresh(servers)
		open := func() store.Store { return openPatient(t, url) }
		return storetest.Engine{Open: open, Shared: true, Persistent: true, Now: time.Now}
	}
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	primary := startServer(t)
	startReplica(t, primary)
	startReplica(t, primary)
	storetest.Run(t, shared(addresses(startSentinels(t, primary, 2, calm))+"master_set=main&"))
}

// TestSentinelNewestWord has two Sentinels of different opinions, as when one
// was cut off while the others changed the primary.
func TestSentinelNewestWord(t *testing.T) {
	t.Parallel()
	past, present := startServer(t), startServer(t)
	sentinels := []*server{
		startSentinel(t, past, "sentinel config-epoch main 3"),
		startSentinel(t, present, "sentinel config-epoch main 4"),
	}
	s := openPatient(t, addresses(sentinels)+"master_set=main")
	if err := consumeOnce(s, "once/a"); err != nil {
		t.Fatal(err)
	}
	if got := present.must("EXISTS " + store.Name("once/a")); got != ":1" {
		t.Errorf("record at the primary of the newest epoch: got %s, want :1", got)
	}
}

// TestSentinelUser has a user of the Sentinel with only the rights that the
// documentation names.
func TestSentinelUser(t *testing.T) {
	t.Parallel()
	primary := startServer(t, "--requirepass", "data")
	sentinel := startSentinel(t, primary, "sentinel auth-pass main data",
		"user default on nopass ~* &* +ping",
		"user least on >p/w +sentinel|get-master-addr-by-name +sentinel|master +hello +ping +client")
	url := addresses([]*server{sentinel}) + "master_set=main"
	url = strings.Replace(url, "redis://", "redis://:data@", 1)
	s := openPatient(t, url+"&sentinel_user=least&sentinel_password=p%2Fw")
	if err := consumeOnce(s, "jti"); err != nil {
		t.Errorf("Replace: got %v, want nil", err)
	}
	for name, options := range map[string]string{
		"no password":    "",
		"wrong password": "&sentinel_user=least&sentinel_password=hunter2",
		"wrong name":     "&sentinel_user=least&sentinel_password=p%2Fw&master_set=other",
	} {
		full := url + options
		if name == "wrong name" {
			full = strings.Replace(full, "master_set=main&", "", 1)
		}
		err := consumeOnce(openPatient(t, full), "other")
		if err == nil || errors.Is(err, store.ErrConflict) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want an error without the password", name, err)
		}
	}
}

// TestSentinelAbsent has nothing at the addresses, then something that is no
// Sentinel, and then Sentinels.
func TestSentinelAbsent(t *testing.T) {
	t.Parallel()
	primary := startServer(t)
	port := freePort(t)
	s := openURL(t, fmt.Sprintf("redis://127.0.0.1:%d?master_set=main&addr=127.0.0.1:%d", port, freePort(t)))
	refusesQuickly(t, s, patience)
	server := &server{t: t, port: port}
	server.start()
	if err := consumeOnce(s, "jti"); err == nil {
		t.Error("Replace with no Sentinel: got nil, want an error")
	}
	server.kill()
	sentinel := startSentinel(t, primary)
	sentinel.kill()
	sentinel.port = port
	sentinel.watches(primary)
	sentinel.start()
	returns(t, s)
}

// TestSentinelPromotesLaggard promotes a replica that has missed the newest
// revocation, though it has heard of others since: what was heard of stays,
// whatever the new primary's log says, and deletions are still noticed.
func TestSentinelPromotesLaggard(t *testing.T) {
	t.Parallel()
	primary, laggard := startServer(t), startServer(t)
	sentinel := startSentinel(t, primary, "sentinel config-epoch main 1")
	s := openPatient(t, addresses([]*server{sentinel})+"master_set=main")
	laggard.must(fmt.Sprintf("REPLICAOF 127.0.0.1 %d", primary.port))
	if err := consumeOnce(s, "revoked/old"); err != nil {
		t.Fatal(err)
	}
	c := storetest.Watch(t, s, "revoked/")
	c.Reaches(t, back, map[string]string{"revoked/old": ""})
	storetest.Eventually(t, formed, func() bool {
		return laggard.must("EXISTS wiretight:{wiretight}:r:revoked/old") == ":1"
	})
	laggard.must("REPLICAOF NO ONE")
	if err := consumeOnce(s, "revoked/new"); err != nil {
		t.Fatal(err)
	}
	c.Reaches(t, back, map[string]string{"revoked/old": "", "revoked/new": ""})
	// The new primary's log has grown past the watcher's place.
	other := openPatient(t, "redis://"+laggard.Address())
	want := map[string]string{"revoked/old": "", "revoked/new": ""}
	for i := range 5 {
		key := fmt.Sprintf("revoked/%d", i)
		if err := consumeOnce(other, key); err != nil {
			t.Fatal(err)
		}
		want[key] = ""
	}
	sentinel.kill()
	sentinel.watches(laggard, "sentinel config-epoch main 2")
	sentinel.start()
	c.Reaches(t, 2*back, want)
	n := c.Synced()
	storetest.Eventually(t, back, func() bool { return c.Synced() > n+2 })
	c.Reaches(t, back, want)
	if c.Deleted() != 0 {
		t.Errorf("deletions reported: got %d, want 0", c.Deleted())
	}
	if err := s.Replace(t.Context(), "revoked/3", []byte{}, nil, time.Time{}); err != nil {
		t.Fatal(err)
	}
	delete(want, "revoked/3")
	c.Reaches(t, back, want)
}

// TestSentinelFailover kills the primary under load. Each change is confirmed
// only when a replica has it too.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	primary := startServer(t)
	startReplica(t, primary)
	startReplica(t, primary)
	url := addresses(startSentinels(t, primary, 2, time.Second)) + "master_set=main&wait=1"
	l := startLoad(t, url)
	l.grows(100)
	primary.kill()
	began := time.Now()
	l.grows(0) // what was under way
	l.grows(200)
	t.Logf("service came back %v after the primary was killed", time.Since(began).Round(time.Millisecond))
	primary.start() // as the primary that it no longer is
	l.grows(100)
	l.verify()
}
