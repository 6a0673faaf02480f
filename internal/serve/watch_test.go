package serve_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/serve"
)

// watching counts what a Watcher reports.
type watching struct {
	mu   sync.Mutex
	n    int
	note chan struct{}
}

// watch runs a Watcher until the end of the test, and returns when it has looked
// at the files for the first time.
func watch(t *testing.T, poll time.Duration, files ...string) *watching {
	t.Helper()
	w := &watching{note: make(chan struct{}, 64)}
	ctx, cancel := context.WithCancel(t.Context())
	done, looked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		serve.Watcher{
			Files: func() []string { return files },
			Ready: func() { close(looked) },
			Changed: func() {
				w.mu.Lock()
				w.n++
				w.mu.Unlock()
				w.note <- struct{}{}
			},
			Settle: 50 * time.Millisecond, Poll: poll,
		}.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	<-looked
	return w
}

func (w *watching) wait(t *testing.T) {
	t.Helper()
	select {
	case <-w.note:
	case <-time.After(patience):
		t.Fatal("the change was not noticed")
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWatchNotices(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		before func(t *testing.T, dir string) (file string)
		change func(t *testing.T, dir string)
	}{
		{
			"written in place", func(t *testing.T, dir string) string { write(t, dir+"/f", []byte("1")); return dir + "/f" },
			func(t *testing.T, dir string) { write(t, dir+"/f", []byte("2")) },
		},
		{
			"renamed over, as editors do", func(t *testing.T, dir string) string { write(t, dir+"/f", []byte("1")); return dir + "/f" },
			func(t *testing.T, dir string) { write(t, dir+"/f~", []byte("2")); rename(t, dir+"/f~", dir+"/f") },
		},
		{
			"removed", func(t *testing.T, dir string) string { write(t, dir+"/f", []byte("1")); return dir + "/f" },
			func(t *testing.T, dir string) { remove("f")(t, dir) },
		},
		{
			"made", func(t *testing.T, dir string) string { return dir + "/f" },
			func(t *testing.T, dir string) { write(t, dir+"/f", []byte("1")) },
		},
		{
			"directory made", func(t *testing.T, dir string) string { return dir + "/new/f" },
			func(t *testing.T, dir string) { mkdir(t, dir+"/new"); write(t, dir+"/new/f", []byte("1")) },
		},
		{"Kubernetes swaps ..data", func(t *testing.T, dir string) string {
			write(t, mkdir(t, dir+"/..1")+"/f", []byte("1"))
			symlink(t, "..1", dir+"/..data")
			symlink(t, "..data/f", dir+"/f")
			return dir + "/f"
		}, func(t *testing.T, dir string) {
			write(t, mkdir(t, dir+"/..2")+"/f", []byte("2"))
			symlink(t, "..2", dir+"/..data_tmp")
			rename(t, dir+"/..data_tmp", dir+"/..data")
			if err := os.RemoveAll(dir + "/..1"); err != nil {
				t.Fatal(err)
			}
		}},
		{"certbot turns live to a new file of archive", func(t *testing.T, dir string) string {
			write(t, mkdir(t, dir+"/archive")+"/f1", []byte("1"))
			symlink(t, "../archive/f1", mkdir(t, dir+"/live")+"/f")
			return dir + "/live/f"
		}, func(t *testing.T, dir string) {
			write(t, dir+"/archive/f2", []byte("2"))
			symlink(t, "../archive/f2", dir+"/live/f.new")
			rename(t, dir+"/live/f.new", dir+"/live/f")
		}},
		{"where the link leads", func(t *testing.T, dir string) string {
			write(t, mkdir(t, dir+"/far")+"/f", []byte("1"))
			symlink(t, "../far/f", mkdir(t, dir+"/near")+"/f")
			return dir + "/near/f"
		}, func(t *testing.T, dir string) { write(t, dir+"/far/f", []byte("2")) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			w := watch(t, 200*time.Millisecond, tc.before(t, dir))
			tc.change(t, dir)
			w.wait(t)
		})
	}
}

// TestWatchByNotice has a poll so rare that only the system's notices can tell.
func TestWatchByNotice(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "f")
	write(t, file, []byte("0"))
	w := watch(t, time.Hour, file)
	for _, content := range []string{"1", "2", "3"} {
		write(t, file+"~", []byte(content))
		rename(t, file+"~", file)
		w.wait(t)
	}
}

// TestWatchByPoll changes a link in the middle of the path, in a directory of
// which no notice comes.
func TestWatchByPoll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, mkdir(t, dir+"/a")+"/f", []byte("1"))
	write(t, mkdir(t, dir+"/b")+"/f", []byte("2"))
	symlink(t, "a", mkdir(t, dir+"/x")+"/now")
	w := watch(t, 50*time.Millisecond, dir+"/x/now/f")
	symlink(t, "../b", dir+"/x/next")
	rename(t, dir+"/x/next", dir+"/x/now")
	w.wait(t)
}

func TestWatchIgnoresWhatIsNoChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, other := dir+"/f", dir+"/other"
	write(t, file, []byte("1"))
	write(t, other, []byte("1"))
	w := watch(t, 20*time.Millisecond, file)
	write(t, file, []byte("1")) // the same again
	write(t, file+"~", []byte("1"))
	rename(t, file+"~", file)
	if err := os.Chtimes(file, time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		write(t, other, []byte{byte(i)})
	}
	// The change that comes last must be the only one that is reported.
	write(t, file, []byte("2"))
	w.wait(t)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n != 1 {
		t.Errorf("got %d reports, want 1", w.n)
	}
}

func TestWatchWaitsForBothFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := dir+"/cert", dir+"/key"
	write(t, cert, []byte("1"))
	write(t, key, []byte("1"))
	w := watch(t, time.Hour, cert, key)
	write(t, cert, []byte("2"))
	write(t, key, []byte("2"))
	w.wait(t)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n != 1 {
		t.Errorf("got %d reports, want one for both files", w.n)
	}
}

func TestWatchSurvivesAPipe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := mkfifo(dir + "/pipe"); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/f", []byte("1"))
	w := watch(t, 50*time.Millisecond, dir+"/pipe", dir+"/f")
	write(t, dir+"/f", []byte("2"))
	w.wait(t)
}
