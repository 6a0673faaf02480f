package store_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/internal/store/storetest"
)

// logName is in the slot of all that may be watched.
const logName = "wiretight:{wiretight}:log"

func TestCluster(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, 0, calm)
	storetest.Run(t, shared(addresses(c.nodes)))
}

// TestClusterSlots compares our slots with the server's.
func TestClusterSlots(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 0, calm)
	for _, name := range []string{
		"123456789", "a", logName, "wiretight:{17}:probe", "wiretight:{3}:r:once/0123", "{}a", "a{}", "{a}{b}", "{{a}}", "a}{b}", "}{", "x{y",
	} {
		if got, want := int(store.Slot(name)), c.slotOf(name); got != want {
			t.Errorf("slot of %q: got %d, want %d", name, got, want)
		}
	}
}

// TestClusterSpreads wants the records that nobody watches to lie on every
// node, and List to find them all.
func TestClusterSpreads(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, 0, calm)
	s := openPatient(t, "redis://"+c.nodes[1].Address()) // one node tells of the others
	var want []string
	for i := range 60 {
		key := fmt.Sprintf("issuer/session/%02d", i)
		if err := consumeOnce(s, key); err != nil {
			t.Fatal(err)
		}
		want = append(want, key)
	}
	for i, node := range c.nodes {
		var n int
		if _, err := fmt.Sscanf(node.must("DBSIZE"), ":%d", &n); err != nil || n < 5 {
			t.Errorf("node %d has %d records, %v, want its part of 60", i, n, err)
		}
	}
	var got []string
	err := s.List(t.Context(), "issuer/session/", func(r store.Record) bool { got = append(got, r.Key); return true })
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("List: got %d records, %v, want %d in order", len(got), err, len(want))
	}
	if err := consumeOnce(s, "revoked/a"); err != nil {
		t.Fatal(err)
	}
	if got := c.nodes[c.holder(c.slotOf(logName), 3)].must("EXISTS " + store.Name("revoked/a")); got != ":1" {
		t.Errorf("revocation beside the log: got %s, want :1", got)
	}
}

// TestClusterWatchesUnlogged watches records of which the log tells nothing,
// whose changes must be noticed all the same.
func TestClusterWatchesUnlogged(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, 0, calm)
	s := openPatient(t, addresses(c.nodes))
	all, some := storetest.Watch(t, s, ""), storetest.Watch(t, s, "once/")
	storetest.Eventually(t, back, func() bool { return all.Synced() > 0 && some.Synced() > 0 })
	want := map[string]string{}
	for i := range 20 {
		want[fmt.Sprintf("once/%d", i)] = ""
	}
	for key := range want {
		if err := consumeOnce(s, key); err != nil {
			t.Fatal(err)
		}
	}
	if err := consumeOnce(s, "revoked/a"); err != nil {
		t.Fatal(err)
	}
	if err := s.Replace(t.Context(), "once/short", nil, []byte{}, time.Now().Add(3*time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := s.Replace(t.Context(), "once/1", []byte{}, []byte("new"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Replace(t.Context(), "once/2", []byte{}, nil, time.Time{}); err != nil {
		t.Fatal(err)
	}
	want["once/1"] = "new"
	delete(want, "once/2")
	for _, c := range []*storetest.Copy{all, some} {
		storetest.Eventually(t, back, func() bool {
			known := c.Records()
			delete(known, "once/short") // which may have been seen or not
			delete(known, "revoked/a")
			return maps.Equal(known, want)
		})
		n := c.Synced()
		storetest.Eventually(t, back, func() bool { return c.Synced() > n+2 })
		if c.Deleted() > 1 {
			t.Errorf("deletions reported: got %d, want at most 1", c.Deleted())
		}
	}
	if _, ok := all.Records()["revoked/a"]; !ok {
		t.Error("a record that is logged was not told to who watches all")
	}
}

// TestClusterMovesSlots moves slots under load: that of the log, with calls
// made while its keys are half here and half there, and one of a family.
func TestClusterMovesSlots(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, 0, calm)
	l := startLoad(t, addresses(c.nodes))
	l.grows(50)
	for _, slot := range []int{c.slotOf(logName), c.slotOf(store.Name("issuer/session/0"))} {
		from := c.holder(slot, 3)
		to := (from + 1) % 3
		c.begin(slot, from, to)
		l.grows(20)
		c.carry(slot, from, to, 2)
		l.grows(5)
		c.finish(slot, from, to)
		l.grows(50)
	}
	l.verify()
	if l.refused > 0 {
		t.Logf("%d calls were refused while slots moved", l.refused)
	}
}

// TestClusterFailover kills the node that has the log, under load. Each
// change is confirmed only when the replica has it too.
func TestClusterFailover(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, 1, time.Second)
	l := startLoad(t, addresses(c.nodes)+"wait=1")
	l.grows(100)
	dead := c.nodes[c.holder(c.slotOf(logName), 3)]
	dead.kill()
	began := time.Now()
	s := l.handles[0]
	storetest.Eventually(t, formed, func() bool { return s.Ping(t.Context()) != nil })
	storetest.Eventually(t, formed, func() bool {
		_, err := s.Get(t.Context(), "revoked/0/0")
		return err == nil || errors.Is(err, store.ErrNotFound)
	})
	t.Logf("the log's slot came back %v after its primary was killed", time.Since(began).Round(time.Millisecond))
	// The promoted one has no replica until the dead one comes back as such.
	dead.start()
	storetest.Eventually(t, formed, func() bool { return s.Ping(t.Context()) == nil })
	l.grows(100)
	l.verify()
}

// TestClusterPartlyDown has one node die for good: others serve on.
func TestClusterPartlyDown(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, 0, calm, "--cluster-require-full-coverage", "no")
	s := openPatient(t, addresses(c.nodes))
	returns(t, s)
	c.nodes[0].kill()
	var down, up int
	for i := range 40 {
		began := time.Now()
		switch err := consumeOnce(s, fmt.Sprintf("once/%d", i)); err {
		case nil:
			up++
		default:
			down++
		}
		if took := time.Since(began); took > patience {
			t.Errorf("a call with one node down took %v, want at most %v", took, patience)
		}
	}
	if up < 10 || down < 3 {
		t.Errorf("calls with one of three nodes down: got %d served and %d refused, want about 27 and 13", up, down)
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("Ping with one node down: got nil, want an error")
	}
	c.nodes[0].start()
	returns(t, s)
}

// TestClusterUser has a user with only the rights that the documentation
// names, over TLS with a client certificate, and a wrong one.
func TestClusterUser(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir, "server")
	client, clientKey := writeCertificate(t, dir, "client")
	port := freePort(t)
	c := startCluster(t, 1, 0, calm, "--tls-port", fmt.Sprint(port), "--tls-cert-file", cert, "--tls-key-file", key,
		"--tls-ca-cert-file", client, "--tls-auth-clients", "yes", "--tls-cluster", "yes")
	c.nodes[0].must("ACL SETUSER least on >pw resetchannels " + rights + " &wiretight:changed")
	url := fmt.Sprintf("rediss://least:pw@127.0.0.1:%d?ca=%s", port, cert)
	s := openPatient(t, url+"&cert="+client+"&key="+clientKey)
	w := storetest.Watch(t, s, "revoked/")
	for _, key := range []string{"once/a", "revoked/a"} {
		if err := consumeOnce(s, key); err != nil {
			t.Errorf("Replace(%q): got %v, want nil", key, err)
		}
	}
	w.Reaches(t, back, map[string]string{"revoked/a": ""})
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping: got %v, want nil", err)
	}
	if err := s.List(t.Context(), "", func(store.Record) bool { return true }); err != nil {
		t.Errorf("List: got %v, want nil", err)
	}
	for name, wrong := range map[string]string{
		"no certificate":    url,
		"another's":         url + "&cert=" + cert + "&key=" + key,
		"another CA":        strings.Replace(url, "ca="+cert, "ca="+client, 1) + "&cert=" + client + "&key=" + clientKey,
		"name of no server": url + "&cert=" + client + "&key=" + clientKey + "&server_name=redis.example",
	} {
		if err := consumeOnce(openPatient(t, wrong), "once/b"); err == nil || errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: got %v, want an error of the connection", name, err)
		}
	}
}

// TestWrongForm has URLs that do not fit the servers.
func TestWrongForm(t *testing.T) {
	t.Parallel()
	c, alone := startCluster(t, 1, 0, calm), startServer(t)
	sentinel := startSentinel(t, c.nodes[0])
	for name, test := range map[string]struct{ url, want string }{
		"database of a Cluster":        {"redis://" + c.nodes[0].Address() + "/1", "SELECT is not allowed in cluster mode"},
		"Sentinel before a Cluster":    {addresses([]*server{sentinel}) + "master_set=main", "leave master_set out"},
		"several that are no Cluster":  {addresses([]*server{alone, startServer(t)}), "master_set=NAME"},
		"a Sentinel without its name":  {addresses([]*server{sentinel}), "write master_set=NAME"},
		"a server that is no Sentinel": {addresses([]*server{alone}) + "master_set=main", "unknown command"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := consumeOnce(openPatient(t, test.url), "jti")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Replace: got %v, want an error with %q", err, test.want)
			}
		})
	}
}
