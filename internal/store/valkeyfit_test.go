package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store/storetest"
)

// rights are those that the documentation of Valkey names, less the channel.
const rights = "~wiretight:* +get +mget +set +del +exists +scan +time +zadd +zrem +zrangebylex +xadd +xrange +xrevrange " +
	"+eval +evalsha +publish +subscribe +unsubscribe +hello +ping +info +select +client +wait +cluster|slots +cluster|info +asking"

// TestValkeyUser has a user with only the rights that the documentation names,
// and one that may not use channels, whose watchers must still be in time.
func TestValkeyUser(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		channels string
		limit    time.Duration
	}{
		"push":         {"&wiretight:changed", 250 * time.Millisecond},
		"without push": {"", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			server.must("ACL SETUSER least on >pw resetchannels " + rights + " " + test.channels)
			url := fmt.Sprintf("redis://least:pw@%s/1", server.Address())
			s, other := openPatient(t, url), openPatient(t, url)
			c := storetest.Watch(t, other, "r:")
			storetest.Eventually(t, back, func() bool { return c.Synced() > 0 })
			if test.channels != "" {
				storetest.Eventually(t, back, func() bool { return subscribed(server) })
			}
			best := time.Hour // of several, as the machine may be busy
			for i := 0; i < 5 || best > test.limit && i < 30; i++ {
				key := fmt.Sprintf("r:%d", i)
				began := time.Now()
				if err := consumeOnce(s, key); err != nil {
					t.Fatal(err)
				}
				storetest.Eventually(t, back, func() bool { _, ok := c.Records()[key]; return ok })
				best = min(best, time.Since(began))
				if err := s.Replace(t.Context(), key, []byte{}, nil, time.Time{}); err != nil {
					t.Fatal(err)
				}
			}
			c.Reaches(t, back, map[string]string{})
			if best > test.limit {
				t.Errorf("a change took %v to reach a watcher, want at most %v", best, test.limit)
			}
		})
	}
}

// subscribed says whether anybody listens to our channel.
func subscribed(s *server) bool {
	return s.must(`EVAL "return redis.call('PUBSUB','NUMSUB','wiretight:changed')[2]" 0`) != ":0"
}

// TestValkeyUnfit has servers that must not hold our records.
func TestValkeyUnfit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		args []string
		user string
		want string
	}{
		{"evicts", []string{"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"}, "", "noeviction"},
		{"evicts what expires", []string{"--maxmemory", "100mb", "--maxmemory-policy", "volatile-ttl"}, "", "noeviction"},
		{"replica", []string{"--replicaof", "127.0.0.1 1"}, "", "READONLY"},
		{"password missing", []string{"--requirepass", "right"}, "", "NOAUTH"},
		{"password wrong", []string{"--requirepass", "right"}, ":hunter2@", "WRONGPASS"},
		{"no such database", nil, "", "out of range"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t, test.args...)
			url := fmt.Sprintf("redis://%s%s/0", test.user, server.Address())
			if test.want == "out of range" {
				url = fmt.Sprintf("redis://%s/60000", server.Address())
			}
			s := openPatient(t, url)
			err := consumeOnce(s, "jti")
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("Replace: got %v, want an error with %q and no password", err, test.want)
			}
			if err := s.Ping(t.Context()); err == nil {
				t.Error("Ping: got nil, want an error")
			}
		})
	}
}
