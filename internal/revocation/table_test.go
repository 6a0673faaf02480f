package revocation_test

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/revocation"
)

func TestTableReaches(t *testing.T) {
	t.Parallel()
	table := revocation.NewTable()
	table.Put(1, revocation.Entry{})
	table.Put(2, revocation.Entry{Before: 100})
	for _, tc := range []struct {
		name     string
		id       revocation.ID
		issuedAt int64
		want     bool
	}{
		{"whatever the time", 1, 1 << 62, true},
		{"before", 2, 99, true},
		{"without a time", 2, 0, true},
		{"at that time", 2, 100, false},
		{"unknown", 3, 0, false},
	} {
		if got := table.Revoked(tc.id, tc.issuedAt); got != tc.want {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
	}
	table.Delete(1)
	table.Delete(3)
	if table.Revoked(1, 0) || table.Len() != 1 {
		t.Errorf("after a deletion: got revoked %v and %d entries, want false and 1", table.Revoked(1, 0), table.Len())
	}
	table.Put(1, revocation.Entry{Before: 7})
	if !table.Revoked(1, 6) || table.Revoked(1, 7) {
		t.Error("what was deleted and comes back reaches as far as it did, not as far as it says")
	}
}

// TestTableOnlyWidens holds that two revocations which share an ID, as two
// hashes may that begin alike, never take back what either of them said.
func TestTableOnlyWidens(t *testing.T) {
	t.Parallel()
	at := time.Unix(1000, 0)
	for _, tc := range []struct {
		name        string
		first, then revocation.Entry
		reaches     int64 // the latest time of issue that is revoked
		lasts       time.Time
	}{
		{"all, then some", revocation.Entry{}, revocation.Entry{Before: 5}, 1 << 62, time.Time{}},
		{"some, then all", revocation.Entry{Before: 5}, revocation.Entry{}, 1 << 62, time.Time{}},
		{"later, then earlier", revocation.Entry{Before: 9}, revocation.Entry{Before: 5}, 8, time.Time{}},
		{"earlier, then later", revocation.Entry{Before: 5}, revocation.Entry{Before: 9}, 8, time.Time{}},
		{"long, then short", revocation.Entry{Expires: at.Add(time.Hour)}, revocation.Entry{Expires: at}, 1, at.Add(time.Hour)},
		{"for ever, then short", revocation.Entry{}, revocation.Entry{Expires: at}, 1, time.Time{}},
		{"half a second more", revocation.Entry{Expires: at}, revocation.Entry{Expires: at.Add(time.Millisecond)}, 1, at.Add(time.Second)},
		{"beyond all numbers", revocation.Entry{Expires: at}, revocation.Entry{Expires: time.Unix(1<<40, 0)}, 1, time.Time{}},
	} {
		table := revocation.NewTable()
		table.Put(1, tc.first)
		table.Put(1, tc.then)
		if !table.Revoked(1, tc.reaches) || tc.reaches != 1<<62 && tc.reaches != 1 && table.Revoked(1, tc.reaches+1) {
			t.Errorf("%s: got another reach than up to %d", tc.name, tc.reaches)
		}
		if table.Len() != 1 {
			t.Errorf("%s: got %d entries, want 1", tc.name, table.Len())
		}
		last := tc.lasts
		if last.IsZero() {
			last = time.Unix(1<<41, 0)
		}
		table.Sweep(last.Add(-time.Millisecond))
		if !table.Revoked(1, 0) {
			t.Errorf("%s: forgotten before %v", tc.name, last)
		}
		table.Sweep(last)
		if got, want := table.Revoked(1, 0), tc.lasts.IsZero(); got != want {
			t.Errorf("%s: revoked at the end is %v, want %v", tc.name, got, want)
		}
	}
}

// TestTablePass holds what a pass over the store may take away.
func TestTablePass(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		run   func(*revocation.Table)
		stays bool // of entry 1, which no whole pass shows to its end
	}{
		{"nothing before the end", func(t *revocation.Table) { t.Begin(true); t.Put(2, revocation.Entry{}) }, true},
		{"what is missing", func(t *revocation.Table) { t.Begin(true); t.Put(2, revocation.Entry{}); t.End() }, false},
		{"nothing of a store that lost its state", func(t *revocation.Table) { t.Begin(false); t.Put(2, revocation.Entry{}); t.End() }, true},
		{"nothing by a pass that was broken off", func(t *revocation.Table) {
			t.Begin(true)
			t.Begin(false)
			t.Put(2, revocation.Entry{})
			t.End()
			t.End()
		}, true},
		{"what only a broken pass has shown", func(t *revocation.Table) {
			t.Begin(true)
			t.Put(1, revocation.Entry{})
			t.Begin(true)
			t.Put(2, revocation.Entry{})
			t.End()
		}, false},
		{"not what comes between", func(t *revocation.Table) {
			t.Begin(true)
			t.Put(2, revocation.Entry{})
			t.Put(1, revocation.Entry{})
			t.End()
		}, true},
	} {
		table := revocation.NewTable()
		table.Put(1, revocation.Entry{})
		tc.run(table)
		if got := table.Revoked(1, 0); got != tc.stays {
			t.Errorf("%s: got revoked %v, want %v", tc.name, got, tc.stays)
		}
		if !table.Revoked(2, 0) {
			t.Errorf("%s: what was told is not there", tc.name)
		}
	}
}

// TestTableModel compares a table with a map, through growth and shrinkage.
func TestTableModel(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	table, model := revocation.NewTable(), map[revocation.ID]int64{}
	for step := range 100_000 {
		id := revocation.ID(rng.IntN(10_000)+1) << (rng.IntN(2) * 40)
		grows := step%40_000 < 25_000
		if rng.IntN(4) == 0 == grows {
			table.Delete(id)
			delete(model, id)
			continue
		}
		before := int64(rng.IntN(1000) + 1)
		table.Put(id, revocation.Entry{Before: before})
		model[id] = max(model[id], before)
	}
	check := func() {
		t.Helper()
		if table.Len() != len(model) {
			t.Fatalf("got %d entries, want %d", table.Len(), len(model))
		}
		for i := range revocation.ID(10_000) {
			for _, id := range []revocation.ID{i + 1, (i + 1) << 40} {
				before, ok := model[id]
				if got := table.Revoked(id, before-1); got != ok {
					t.Fatalf("%d: got revoked %v before %d, want %v", id, got, before, ok)
				}
				if ok && table.Revoked(id, before) {
					t.Fatalf("%d: got revoked at %d, want only before", id, before)
				}
			}
		}
	}
	check()
	for id := range model {
		table.Delete(id)
	}
	clear(model)
	check()
}

// TestTableUnderLoad has readers look for entries that are always there while
// the table grows, shrinks and is gone through. The race detector looks on.
func TestTableUnderLoad(t *testing.T) {
	t.Parallel()
	table := revocation.NewTable()
	const fixed = 1000
	for id := range revocation.ID(fixed) {
		table.Put(id+1, revocation.Entry{Before: int64(id) + 10})
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := revocation.ID(i%fixed + 1)
				if !table.Revoked(id, int64(id)+8) || table.Revoked(id, int64(id)+9) {
					t.Errorf("entry %d was not to be found as it is", id)
					return
				}
			}
		})
	}
	for range 3 {
		for i := range revocation.ID(5_000) {
			table.Put(fixed+1+i, revocation.Entry{Expires: time.Unix(1, 0)})
		}
		table.Begin(true)
		for id := range revocation.ID(fixed) {
			table.Put(id+1, revocation.Entry{Before: int64(id) + 10})
		}
		table.End()
		table.Sweep(time.Unix(2, 0))
		if got := table.Len(); got != fixed {
			t.Errorf("got %d entries, want %d", got, fixed)
		}
	}
	close(stop)
	readers.Wait()
}

// million is a table as a large site has it, with the IDs that hashes give.
func million(n int, expires time.Time) *revocation.Table {
	table := revocation.NewTable()
	rng := rand.New(rand.NewPCG(3, 4))
	for range n {
		table.Put(revocation.ID(rng.Uint64()|1), revocation.Entry{Expires: expires})
	}
	return table
}

// TestTableMemory holds what an entry costs, and that memory comes back when
// entries expire. It does not run beside others, whose memory it would count.
func TestTableMemory(t *testing.T) {
	const n = 100_000
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	table := million(n, time.Unix(1000, 0))
	perEntry := float64(heap()-before) / n
	if perEntry > 48 {
		t.Errorf("got %.1f bytes an entry, want at most 48", perEntry)
	}
	for range 8 {
		table.Sweep(time.Unix(1000, 0))
	}
	if left := heap() - before; table.Len() != 0 || left > 1<<20 {
		t.Errorf("after the end of all: got %d entries and %d bytes, want none and at most 1 MiB", table.Len(), left)
	}
	runtime.KeepAlive(table)
	t.Logf("%.1f bytes an entry", perEntry)
}

func BenchmarkTableRevoked(b *testing.B) {
	for name, n := range map[string]int{"entries=0": 0, "entries=1000000": 1_000_000} {
		b.Run(name, func(b *testing.B) {
			table := million(n, time.Time{})
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				var at uint64
				for pb.Next() {
					at += 0x9e3779b97f4a7c15
					if table.Revoked(revocation.ID(at&^1), 1) {
						b.Error("got revoked, want not")
						return
					}
				}
			})
		})
	}
}

func TestShort(t *testing.T) {
	t.Parallel()
	if got := revocation.Short([32]byte{}); got == 0 {
		t.Error("got 0 for a hash, want any other number: 0 is none")
	}
	sum := revocation.Hash(revocation.JTI, "a")
	if got, want := uint64(revocation.Short(sum)), binary.BigEndian.Uint64(sum[:]); got != want {
		t.Errorf("got %x, want %x", got, want)
	}
}
