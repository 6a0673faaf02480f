package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
)

// TestBoltFullDisk fills the disk under a store: a tiny tmpfs where the
// machine lets us mount one, else a limit of the file's size.
func TestBoltFullDisk(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, limit string
	}{
		{"file size limit", "rlimit"},
		{"tmpfs", "tmpfs"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cmd := child("fill", filepath.Join(t.TempDir(), "disk", "state.db"))
			cmd.Env = append(cmd.Env, "STORE_TEST_LIMIT="+test.limit)
			if test.limit == "tmpfs" {
				cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
				if os.Getuid() != 0 {
					cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
					cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
				}
			}
			out, err := cmd.CombinedOutput()
			if test.limit == "tmpfs" && (errors.Is(err, syscall.EPERM) || strings.Contains(string(out), "mount tmpfs")) {
				t.Logf("no tmpfs may be mounted here, the file size limit must do: %v %s", err, out)
				return
			}
			if err != nil {
				t.Fatalf("filling process: %v\n%s", err, out)
			}
			t.Logf("%s", out)
		})
	}
}

// fill writes until the disk is full, and then looks whether what was
// confirmed is there, what was refused is not, reading goes on, and writing
// too as soon as there is room.
func fill(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	makeRoom, err := limitDisk(dir)
	if err != nil {
		return err
	}
	s, err := store.OpenBolt(path, nil)
	if err != nil {
		return err
	}
	ctx, value := context.Background(), bytes.Repeat([]byte("v"), 2000)
	confirmed := 0
	key := func(i int) string { return fmt.Sprintf("k:%05d", i) }
	for ; confirmed < 100000; confirmed++ {
		if err = s.Replace(ctx, key(confirmed), nil, value, time.Time{}); err != nil {
			break
		}
	}
	fmt.Printf("%d confirmed, then: %v\n", confirmed, err)
	if !errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "free space") {
		return fmt.Errorf("on a full disk: got %w, want %w with the path and what to do", err, store.ErrFull)
	}
	if confirmed == 0 {
		return errors.New("nothing was confirmed before the disk was full")
	}
	if err := look(s, key, confirmed); err != nil {
		return fmt.Errorf("while the disk is full: %w", err)
	}
	if err := s.Replace(ctx, key(confirmed), nil, value, time.Time{}); !errors.Is(err, store.ErrFull) {
		return fmt.Errorf("second try on a full disk: got %w, want %w", err, store.ErrFull)
	}
	if err := makeRoom(); err != nil {
		return err
	}
	if err := s.Ping(ctx); err != nil {
		return fmt.Errorf("with room again: Ping: %w", err)
	}
	if err := s.Replace(ctx, key(confirmed), nil, value, time.Time{}); err != nil {
		return fmt.Errorf("with room again: Replace: %w", err)
	}
	if err := s.Close(); err != nil {
		return err
	}
	if s, err = store.OpenBolt(path, nil); err != nil {
		return err
	}
	if err := look(s, key, confirmed+1); err != nil {
		return fmt.Errorf("after reopening: %w", err)
	}
	return s.Close()
}

// look wants the first n keys and no others.
func look(s store.Store, key func(int) string, n int) error {
	next := 0
	err := s.List(context.Background(), "", func(r store.Record) bool {
		if r.Key != key(next) || len(r.Value) != 2000 {
			return false
		}
		next++
		return true
	})
	if err != nil || next != n {
		return fmt.Errorf("List: got %d good records, %v, want %d", next, err, n)
	}
	return nil
}

// limitDisk makes the disk small, and returns what makes it large again.
func limitDisk(dir string) (makeRoom func() error, err error) {
	if os.Getenv("STORE_TEST_LIMIT") == "rlimit" {
		signal.Ignore(syscall.SIGXFSZ)
		var was syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			return nil, err
		}
		small := syscall.Rlimit{Cur: 1 << 20, Max: was.Max}
		makeRoom := func() error { return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was) }
		return makeRoom, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small)
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("mount tmpfs: %w", err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		return nil, fmt.Errorf("mount tmpfs: %w", err)
	}
	makeRoom = func() error { return syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=64m") }
	return makeRoom, nil
}
