package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/wiretight/wiretight/internal/store"
)

func TestBoltIsExclusive(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := store.OpenBolt(path, nil)
	opened(t, s, err)
	began := time.Now()
	if _, err = store.OpenBolt(path, nil); err == nil || !strings.Contains(err.Error(), "is another wiretight running?") {
		t.Errorf("second OpenBolt: got %v, want the question whether another one is running", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("second OpenBolt took %v, want about 1 s", took)
	}
}

func TestBoltPermissions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a", "b", "state.db")
	mode := func(path string) os.FileMode {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	for _, before := range []os.FileMode{0, 0o644, 0o666} {
		if before != 0 {
			if err := os.Chmod(path, before); err != nil {
				t.Fatal(err)
			}
		}
		s, err := store.OpenBolt(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := mode(path); got != 0o600 {
			t.Errorf("file that had mode %o: got %o, want 600", before, got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(filepath.Dir(path))} {
		if got := mode(dir); got != 0o700 {
			t.Errorf("directory %s: got mode %o, want 700", dir, got)
		}
	}
}

func TestBoltRefusesForeignFiles(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		make func(path string) error
		want string
	}{
		{"text", func(path string) error { return os.WriteFile(path, []byte("hello"), 0o600) }, "open store"},
		{"noise", func(path string) error { return os.WriteFile(path, noise(1<<16), 0o600) }, "open store"},
		{"zeros", func(path string) error { return os.WriteFile(path, make([]byte, 1<<16), 0o600) }, "open store"},
		{"a directory", func(path string) error { return os.Mkdir(path, 0o700) }, "not a regular file"},
		{"another program's", func(path string) error { return writeBolt(path, "theirs", "", "") }, "another program"},
		{"a later version", func(path string) error { return writeBolt(path, "meta", "version", "2") }, `version "2"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "state.db")
			if err := test.make(path); err != nil {
				t.Fatal(err)
			}
			s, err := store.OpenBolt(path, nil)
			if err == nil {
				s.Close()
				t.Fatal("OpenBolt: got nil, want an error")
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("OpenBolt: got %q, want %q and the path", err, test.want)
			}
		})
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

// writeBolt makes a bbolt file with our buckets, if the first is meta, and one entry.
func writeBolt(path, bucket, key, value string) error {
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	return errors.Join(db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket([]byte(bucket))
		if err != nil || key == "" {
			return err
		}
		for _, name := range []string{"records", "expiry"} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return b.Put([]byte(key), []byte(value))
	}), db.Close())
}

// TestBoltDamaged spoils a good file in many places. Whatever happens, the
// process lives, and a call answers or refuses.
func TestBoltDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := filepath.Join(dir, "good.db")
	s, err := store.OpenBolt(good, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if err := s.Replace(t.Context(), fmt.Sprintf("k:%d", i), nil, bytes.Repeat([]byte("v"), 300), time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 60 {
		spoilt := bytes.Clone(content)
		if round%10 == 0 {
			spoilt = spoilt[:r.IntN(len(spoilt))]
		}
		for range 1 + r.IntN(4) {
			if len(spoilt) > 64 {
				at := r.IntN(len(spoilt) - 64)
				copy(spoilt[at:at+64], noise(64))
			}
		}
		path := filepath.Join(dir, fmt.Sprintf("%d.db", round))
		if err := os.WriteFile(path, spoilt, 0o600); err != nil {
			t.Fatal(err)
		}
		if exercise(t, path) != nil {
			refused++
		}
	}
	if refused == 0 {
		t.Error("no damage was noticed in 60 rounds, which is not believable")
	}
}

// exercise opens and uses a store that may be damaged, and returns the first error.
func exercise(t *testing.T, path string) error {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := store.OpenBolt(path, nil)
	if err != nil {
		return err
	}
	err = s.List(ctx, "", func(store.Record) bool { return true })
	for i := range 50 {
		if e := s.Replace(ctx, fmt.Sprintf("k:new:%d", i), nil, []byte("v"), time.Time{}); e != nil {
			err = errors.Join(err, e)
		}
	}
	if ctx.Err() != nil {
		t.Errorf("%s: a damaged store made a call hang", path)
	}
	return errors.Join(err, s.Close())
}

// TestBoltTruncated takes the file away from under an open store, which makes
// its memory map fault. The process lives, and calls refuse.
func TestBoltTruncated(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := store.OpenBolt(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := s.Replace(t.Context(), fmt.Sprint(i), nil, make([]byte, 1000), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "1"); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get: got %v, want an error that is not %v", err, store.ErrNotFound)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i := range 3 {
		if err := s.Replace(ctx, fmt.Sprint("new", i), nil, []byte("v"), time.Time{}); err == nil || ctx.Err() != nil {
			t.Errorf("Replace: got %v, want a refusal in time", err)
		}
	}
	if err := s.Ping(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("Ping: got %v, want a refusal in time", err)
	}
	closed := make(chan struct{})
	go func() { _ = s.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(time.Minute):
		t.Error("Close hangs")
	}
}

// TestBoltSweeps wants expired records to leave the file as others are written.
func TestBoltSweeps(t *testing.T) {
	t.Parallel()
	c, path := newClock(), filepath.Join(t.TempDir(), "state.db")
	s, err := store.OpenBolt(path, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	write := func(prefix string, n int, life time.Duration) {
		for i := range n {
			if err := s.Replace(t.Context(), fmt.Sprintf("%s:%d", prefix, i), nil, []byte("v"), c.Now().Add(life)); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("short", 100, time.Minute)
	write("renewed", 1, time.Minute)
	if err := s.Replace(t.Context(), "renewed:0", []byte("v"), []byte("w"), c.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	c.Advance(2 * time.Minute)
	write("long", 10, time.Hour)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(tx *bolt.Tx) error {
		for _, bucket := range []string{"records", "expiry"} {
			if got := tx.Bucket([]byte(bucket)).Stats().KeyN; got != 11 {
				t.Errorf("entries in bucket %s after a sweep: got %d, want 11", bucket, got)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
