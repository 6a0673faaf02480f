package main

import (
	"bufio"
	be "encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/wiretight/wiretight/internal/revocation"
	"github.com/wiretight/wiretight/internal/store"
)

// many is how many revocations a new instance has to read in these tests.
// WIRETIGHT_TEST_REVOCATIONS asks for more.
func many() int {
	if n, err := strconv.Atoi(os.Getenv("WIRETIGHT_TEST_REVOCATIONS")); err == nil && n > 0 {
		return n
	}
	return 100_000
}

// stored is the i-th revocation as the engines keep it: expiry in milliseconds,
// then the value. That one can be read back through the store is looked at below.
func stored(i int, expires time.Time) (key string, value []byte) {
	jti := "r" + strconv.Itoa(i)
	return revocation.Key(revocation.JTI, revocation.Hash(revocation.JTI, jti)),
		append(be.BigEndian.AppendUint64(nil, uint64(expires.UnixMilli())), "{}"...)
}

// fillRedis writes n revocations, faster than one after the other.
func fillRedis(t *testing.T, r *redis, n int, expires time.Time) {
	t.Helper()
	c, err := net.Dial("tcp", "127.0.0.1:"+r.port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		w := bufio.NewWriterSize(c, 1<<20)
		for i := range n {
			key, value := stored(i, expires)
			name := "wiretight:{wiretight}:r:" + key
			fmt.Fprintf(w, "*5\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n$4\r\nPXAT\r\n$13\r\n%d\r\n", len(name), name, len(value), value, expires.UnixMilli())
			fmt.Fprintf(w, "*4\r\n$4\r\nZADD\r\n$27\r\nwiretight:{wiretight}:index\r\n$1\r\n0\r\n$%d\r\n%s\r\n", len(key), key)
		}
		_ = w.Flush() // the reader of the answers will notice
	}()
	_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
	answers := bufio.NewReaderSize(c, 1<<20)
	want := []byte("+OK\r\n:1\r\n")
	got := make([]byte, len(want))
	for i := range n {
		if _, err := io.ReadFull(answers, got); err != nil || string(got) != string(want) {
			t.Fatalf("SET %d: got %q, %v", i, got, err)
		}
	}
}

// fillBolt writes n revocations in one transaction, in the order of their keys,
// which is much faster than any other.
func fillBolt(t *testing.T, path string, n int, expires time.Time) {
	t.Helper()
	s, err := store.OpenBolt(path, nil) // makes the buckets
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	keys := make([]string, n)
	var value []byte
	for i := range n {
		keys[i], value = stored(i, expires)
	}
	slices.Sort(keys)
	err = db.Update(func(tx *bolt.Tx) error {
		for _, key := range keys {
			if err := tx.Bucket([]byte("records")).Put([]byte(key), value); err != nil {
				return err
			}
			if err := tx.Bucket([]byte("expiry")).Put(append(value[:8:8], key...), nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestReadyWithAllRevocations starts guards on stores that hold 100,000
// revocations. Until one is ready it lets no token pass, and from then on it
// knows every revocation.
func TestReadyWithAllRevocations(t *testing.T) {
	t.Parallel()
	expires := time.Now().Add(time.Hour)
	for name, fill := range map[string]func(t *testing.T, b *bed) (url string){
		"bolt": func(t *testing.T, b *bed) string {
			fillBolt(t, b.path("state.db"), many(), expires)
			return "bolt://state.db"
		},
		"redis": func(t *testing.T, b *bed) string {
			r := newRedis(t)
			r.start()
			fillRedis(t, r, many(), expires)
			return r.url()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.config("store: " + fill(t, b))
			readyWithAll(t, b, name)
		})
	}
}

func readyWithAll(t *testing.T, b *bed, name string) {
	n := many()
	revoked := func(i int) string { return b.mint(map[string]any{"jti": "r" + strconv.Itoa(i)}) }
	good, probe := b.mint(nil), revoked(n-1)
	g := b.start("-c", "wiretight.yaml")
	early := 0
	took := within(t, time.Minute, "the guard is ready", func() bool {
		ready, r := g.readiness()
		if ready == 200 {
			return true
		}
		early++
		if len(r.Reasons) == 0 {
			t.Errorf("got %d without a reason", ready)
		}
		if status, _ := g.get("/", probe); status == 200 {
			t.Errorf("a revoked token passed while the guard was not ready (%q)", r.Reasons)
		}
		return false
	})
	for i := 0; i < n; i += n / 97 {
		if status, _ := g.get("/", revoked(i)); status != 401 {
			t.Errorf("got %d for revoked token %d of a guard that is ready, want 401", status, i)
		}
	}
	g.want(200, "/", good)
	within(t, patience, "the metric counts all", func() bool {
		_, metrics := g.ops("/metrics")
		m := regexp.MustCompile(`(?m)^wiretight_revocations (\S+)$`).FindStringSubmatch(metrics)
		if m == nil {
			return false
		}
		got, err := strconv.ParseFloat(m[1], 64)
		return err == nil && int(got) == n
	})
	t.Logf("%s: %d revocations, ready after %v (%d times not yet), %s resident", name, n, g.took+took, early, resident(t, g.cmd.Process.Pid))
	g.stop()
}

// resident is how much memory a process has, as Linux says it.
func resident(t *testing.T, pid int) string {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "unknown"
	}
	var all []string
	for line := range strings.Lines(string(status)) {
		for _, field := range []string{"VmRSS", "VmHWM", "RssAnon", "RssFile"} {
			if strings.HasPrefix(line, field+":") {
				all = append(all, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	return strings.Join(all, ", ")
}
