package cluster_test

import (
	"context"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/cluster"
)

// slack is how many times longer than promised things may take. The machine
// may do other things as well.
const slack = 5

// program builds the real binary once, without the race detector and whatever
// else the tests run under.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "wiretight-cluster")
	if err != nil {
		return "", err
	}
	programDir.Store(&dir)
	return cluster.Build(context.Background(), "../..", dir)
})

// programDir is to be removed at the end, if anything was built.
var programDir atomic.Pointer[string]

func TestMain(m *testing.M) {
	code := m.Run()
	if dir := programDir.Load(); dir != nil {
		_ = os.RemoveAll(*dir)
	}
	os.Exit(code)
}

// start runs a cluster that is gone when the test ends.
func start(t *testing.T, cfg cluster.Config) *cluster.Cluster {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Program = path
	cfg.Within = slack * time.Second
	c, err := cluster.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// light is a load that leaves something of the machine to others.
var light = cluster.Mix{Visitors: 3, Payers: 1, Readers: 2, Pause: 10 * time.Millisecond}

// kept wants every promise to have been kept.
func kept(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	broken, examples := c.Judge.Broken()
	for p, n := range broken {
		t.Errorf("%s: got broken %d times, want never", p, n)
	}
	for _, e := range examples {
		t.Log(e)
	}
}

// told runs a command of the server.
func told(t *testing.T, c *cluster.Cluster, line string) {
	t.Helper()
	if said, err := c.Store.Command(line); err != nil {
		t.Fatalf("%s: got %q, %v", line, said, err)
	}
}

// returned waits until every guard does all its work again.
func returned(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	took, err := c.AwaitReturn(t.Context(), slack)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("whole again after %v", took)
}

// unready waits until guards say that they are not ready.
func unready(t *testing.T, c *cluster.Cluster, guards ...*cluster.Guard) {
	t.Helper()
	if err := c.AwaitUnready(t.Context(), slack*3*time.Second, guards...); err != nil {
		t.Fatal(err)
	}
}

// lasts lets the load go on for a while.
func lasts(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}

// atOnce is without waiting for the store, which is given a second, however busy
// the machine is.
const atOnce = 900 * time.Millisecond

// soon wants nearly all of what took some time to have taken less than limit.
func soon(t *testing.T, what string, took []time.Duration, limit time.Duration) {
	t.Helper()
	if len(took) == 0 {
		t.Errorf("%s: got no answer at all, want some", what)
		return
	}
	slices.Sort(took)
	high := took[len(took)*9/10]
	t.Logf("%s: %d answers, median %v, nine of ten within %v, slowest %v", what, len(took), took[len(took)/2], high, took[len(took)-1])
	if high > limit {
		t.Errorf("%s: nine of ten took up to %v, want less than %v", what, high, limit)
	}
}
