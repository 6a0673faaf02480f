package serve

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watch calls changed whenever the content of a watched file is another than
// before, until ctx ends. It is Watcher.Run with the usual times.
func Watch(ctx context.Context, files func() []string, changed func()) {
	Watcher{Files: files, Changed: changed}.Run(ctx)
}

// Watcher looks after files. It goes by their content: a file that is touched,
// or replaced by an equal one, has not changed; one that is replaced by rename,
// or through a symbolic link somewhere in its path, has.
type Watcher struct {
	// Files lists the paths. It is asked anew at every look.
	Files func() []string
	// Changed is called from Run, never twice at a time.
	Changed func()
	// Ready is called when the first look is over: every change after it is
	// reported, so what is read from then on does not go stale unnoticed. May
	// be nil.
	Ready func()
	// Settle is how long no file may change before Changed is called, so that
	// certificate and key are both there. Zero: 200 ms. A change is reported
	// after at most ten times this.
	Settle time.Duration
	// Poll is the time between two looks without any notice from the system,
	// as on network file systems. Zero: 5 s.
	Poll time.Duration
}

// maxWatched bounds what is read of a watched file.
const maxWatched = 16 << 20

// Run watches until ctx ends.
func (w Watcher) Run(ctx context.Context) {
	if w.Settle == 0 {
		w.Settle = 200 * time.Millisecond
	}
	if w.Poll == 0 {
		w.Poll = 5 * time.Second
	}
	events, failures, attend := w.notices()
	defer attend(nil)
	poll := time.NewTicker(w.Poll)
	defer poll.Stop()
	attend(w.directories())
	known := w.look()
	if w.Ready != nil {
		w.Ready()
	}
	var due <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
			if due == nil { // a busy directory must not make us read all the time
				due = time.After(w.Settle / 4)
			}
			continue
		case <-failures:
		case <-poll.C:
		case <-due:
			due = nil
		}
		now := w.look()
		if maps.Equal(now, known) {
			continue
		}
		if now = w.settled(ctx, now); now == nil {
			return
		}
		if !maps.Equal(now, known) {
			known = now
			w.Changed()
			attend(w.directories())
		}
	}
}

// notices asks the system to tell of changes in the directories that attend is
// given, until attend is given nil. Where that cannot be had, the poll remains.
func (w Watcher) notices() (<-chan fsnotify.Event, <-chan error, func(map[string]bool)) {
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, nil, func(map[string]bool) {}
	}
	return n.Events, n.Errors, func(want map[string]bool) {
		if want == nil {
			_ = n.Close()
			return
		}
		have := n.WatchList()
		for _, dir := range have {
			if !want[dir] {
				_ = n.Remove(dir)
			}
		}
		for dir := range want {
			if !slices.Contains(have, dir) {
				_ = n.Add(dir)
			}
		}
	}
}

// settled waits until two looks in a row see the same, or nil when ctx ends.
func (w Watcher) settled(ctx context.Context, now map[string][32]byte) map[string][32]byte {
	for range 10 {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(w.Settle):
		}
		next := w.look()
		if maps.Equal(next, now) {
			break
		}
		now = next
	}
	return now
}

// directories are those in which the files lie by their path, and those to
// which symbolic links lead.
func (w Watcher) directories() map[string]bool {
	dirs := make(map[string]bool)
	for _, f := range w.Files() {
		dirs[filepath.Dir(f)] = true
		if real, err := filepath.EvalSymlinks(f); err == nil {
			dirs[filepath.Dir(real)] = true
		}
	}
	return dirs
}

// look is the hash of each file's content. One that cannot be read stands with
// the hash of the reason, so that this changing is a change too.
func (w Watcher) look() map[string][32]byte {
	seen := make(map[string][32]byte)
	for _, path := range w.Files() {
		seen[path] = contentHash(path)
	}
	return seen
}

func contentHash(path string) [32]byte {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return sha256.Sum256([]byte("no file")) // reading a pipe could wait for ever
	}
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return sha256.Sum256([]byte("absent"))
		}
		return sha256.Sum256([]byte("unreadable"))
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, maxWatched)); err != nil {
		return sha256.Sum256([]byte("unreadable"))
	}
	return [32]byte(h.Sum(nil))
}
