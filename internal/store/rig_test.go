package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store/storetest"
)

// formed is how long servers may take to find each other on a busy machine.
const formed = 30 * time.Second

// startReplica starts a server that follows primary, and waits until it has all.
func startReplica(t testing.TB, primary *server, args ...string) *server {
	s := startServer(t, append([]string{"--replicaof", fmt.Sprintf("127.0.0.1 %d", primary.port)}, args...)...)
	storetest.Eventually(t, formed, func() bool {
		info, err := s.whole("INFO replication")
		return err == nil && strings.Contains(info, "master_link_status:up")
	})
	return s
}

// startSentinel starts a Sentinel that watches primary under the name main.
// More lines of its configuration may follow.
func startSentinel(t testing.TB, primary *server, lines ...string) *server {
	s := &server{t: t, port: freePort(t), sentinel: filepath.Join(t.TempDir(), "sentinel.conf")}
	s.watches(primary, lines...)
	s.start()
	return s
}

// watches writes the configuration of a Sentinel.
func (s *server) watches(primary *server, lines ...string) {
	s.t.Helper()
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor main 127.0.0.1 %d 2\n%s\n",
		s.port, filepath.Dir(s.sentinel), primary.port, strings.Join(lines, "\n"))
	if err := os.WriteFile(s.sentinel, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// startSentinels starts three that know each other and the replicas of primary.
func startSentinels(t testing.TB, primary *server, replicas int, down time.Duration) []*server {
	all := make([]*server, 3)
	for i := range all {
		all[i] = startSentinel(t, primary,
			fmt.Sprintf("sentinel down-after-milliseconds main %d", down.Milliseconds()), "sentinel failover-timeout main 4000")
	}
	for _, s := range all {
		storetest.Eventually(t, formed, func() bool {
			info, err := s.whole("INFO sentinel")
			return err == nil && strings.Contains(info, fmt.Sprintf("status=ok,address=127.0.0.1:%d,slaves=%d,sentinels=3", primary.port, replicas))
		})
	}
	return all
}

// addresses are of servers, in the form of a URL that begins with scheme.
func addresses(servers []*server) string {
	var b strings.Builder
	for i, s := range servers {
		if i == 0 {
			fmt.Fprintf(&b, "redis://%s?", s.Address())
		} else {
			fmt.Fprintf(&b, "addr=%s&", s.Address())
		}
	}
	return b.String()
}

// cluster is a Redis Cluster of the test's own.
type cluster struct {
	t     testing.TB
	nodes []*server // primaries first
	ids   []string
}

// startCluster makes a Cluster whose primaries share the slots evenly. Each
// has so many replicas, and is given up when it is silent for so long.
func startCluster(t testing.TB, primaries, replicas int, silent time.Duration, args ...string) *cluster {
	c := &cluster{t: t}
	var buses []int
	for i := range primaries * (1 + replicas) {
		buses = append(buses, freePort(t))
		s := startServer(t, append([]string{
			"--cluster-enabled", "yes", "--cluster-port", fmt.Sprint(buses[i]),
			"--cluster-node-timeout", fmt.Sprint(silent.Milliseconds()),
		}, args...)...)
		c.nodes = append(c.nodes, s)
		id, err := s.whole("CLUSTER MYID")
		if err != nil {
			t.Fatal(err)
		}
		c.ids = append(c.ids, strings.Split(id, "\r\n")[1])
		s.must(fmt.Sprintf("CLUSTER SET-CONFIG-EPOCH %d", i+1))
		if i < primaries {
			s.must(fmt.Sprintf("CLUSTER ADDSLOTSRANGE %d %d", i*16384/primaries, (i+1)*16384/primaries-1))
		}
		if i > 0 {
			s.must(fmt.Sprintf("CLUSTER MEET 127.0.0.1 %d %d", c.nodes[0].port, buses[0]))
		}
	}
	c.agrees()
	for i := primaries; i < len(c.nodes); i++ {
		c.nodes[i].must("CLUSTER REPLICATE " + c.ids[i%primaries])
		storetest.Eventually(t, formed, func() bool {
			info, err := c.nodes[i].whole("INFO replication")
			return err == nil && strings.Contains(info, "master_link_status:up")
		})
	}
	return c
}

// agrees waits until every node says that all is well with all nodes.
func (c *cluster) agrees() {
	c.t.Helper()
	for _, s := range c.nodes {
		storetest.Eventually(c.t, formed, func() bool {
			info, err := s.whole("CLUSTER INFO")
			return err == nil && strings.Contains(info, "cluster_state:ok") &&
				strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d\r", len(c.nodes)))
		})
	}
}

// slotOf asks a node for the slot of a name.
func (c *cluster) slotOf(name string) int {
	c.t.Helper()
	var n int
	if _, err := fmt.Sscanf(c.nodes[0].must("CLUSTER KEYSLOT "+name), ":%d", &n); err != nil {
		c.t.Fatal(err)
	}
	return n
}

// holder is the index of the primary that has a slot of the first layout.
func (c *cluster) holder(slot, primaries int) int { return slot * primaries / 16384 }

// begin, carry and finish move a slot in the three steps of an administrator.
func (c *cluster) begin(slot, from, to int) {
	c.t.Helper()
	c.nodes[to].must(fmt.Sprintf("CLUSTER SETSLOT %d IMPORTING %s", slot, c.ids[from]))
	c.nodes[from].must(fmt.Sprintf("CLUSTER SETSLOT %d MIGRATING %s", slot, c.ids[to]))
}

// carry moves at most so many keys, and returns how many there were.
func (c *cluster) carry(slot, from, to, count int) int {
	c.t.Helper()
	answer, err := c.nodes[from].whole(fmt.Sprintf("CLUSTER GETKEYSINSLOT %d %d", slot, count))
	if err != nil {
		c.t.Fatal(err)
	}
	var names []string
	for i, line := range strings.Split(answer, "\r\n") {
		if i > 0 && i%2 == 0 && line != "" {
			names = append(names, line)
		}
	}
	if len(names) > 0 {
		c.nodes[from].must(fmt.Sprintf(`MIGRATE 127.0.0.1 %d "" 0 5000 KEYS %s`, c.nodes[to].port, strings.Join(names, " ")))
	}
	return len(names)
}

func (c *cluster) finish(slot, from, to int) {
	c.t.Helper()
	for c.carry(slot, from, to, 100) > 0 {
	}
	for _, i := range []int{to, from} {
		c.nodes[i].must(fmt.Sprintf("CLUSTER SETSLOT %d NODE %s", slot, c.ids[to]))
	}
}
