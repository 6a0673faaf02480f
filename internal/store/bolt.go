package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// lockWait is how long OpenBolt waits for another process to let go of the file.
const lockWait = time.Second

// maxFile bounds the file in bytes. A store that has grown to it answers ErrFull.
const maxFile = min(16<<30, math.MaxInt)

// errDamaged says that bbolt gave up in the middle. It may have left locks
// behind, so the database must not be touched again, not even to close it.
var errDamaged = errors.New("damaged file")

// Bolt keeps records in one file, for one process. What Replace has confirmed
// is on disk. Concurrent Replaces share one commit, see boltwrite.go. The file
// never shrinks: the room of expired records is used again.
type Bolt struct {
	path  string
	now   func() time.Time
	hub   hub
	queue chan *write

	closing sync.Once
	done    chan struct{} // closed by Close
	ended   chan struct{} // closed when the writer has ended
	closed  error         // of the file; to be read after ended

	damage atomic.Pointer[error] // an errDamaged; final

	mu     sync.RWMutex // held for reading while db is in use, for writing by writer
	db     *bolt.DB     // nil: closed, or broken by cause
	broken error
}

// OpenBolt opens the file at path or makes it, with mode 0600 in a directory
// of mode 0700. A file with wider permissions is narrowed. If another process
// holds it, OpenBolt fails after one second. A nil now is time.Now.
func OpenBolt(path string, now func() time.Time) (*Bolt, error) {
	if now == nil {
		now = time.Now
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make directory of store: %w", err)
	}
	if err := narrow(path); err != nil {
		return nil, err
	}
	db, err := openFile(path)
	if err != nil {
		return nil, err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	b := &Bolt{
		path: path, now: now, db: db, queue: make(chan *write),
		done: make(chan struct{}), ended: make(chan struct{}),
	}
	go b.writer()
	return b, nil
}

// narrow takes an existing file from everybody but its owner. It holds keys
// and sessions.
func narrow(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at store: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("store %q is not a regular file; give the path of one, or of none", path)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return fmt.Errorf("narrow permissions of store: %w", err)
	}
	return nil
}

// syncDir makes a file's name outlive a loss of power.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory of store: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory of store: %w", err)
	}
	return nil
}

// openFile opens the database and makes sure that it is one of ours.
func openFile(path string) (db *bolt.DB, err error) {
	err = guarded(func() error {
		db, err = bolt.Open(path, 0o600, &bolt.Options{
			Timeout: lockWait, FreelistType: bolt.FreelistMapType, NoStatistics: true, MaxSize: maxFile,
		})
		return err
	})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("open store %q: the file is locked; is another wiretight running?", path)
	case err != nil:
		return nil, fmt.Errorf("open store %q: %w; if the file is damaged, move it away and restore a copy", path, err)
	}
	if err := guarded(func() error { return prepare(db) }); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %q: %w", path, err), db.Close())
	}
	return db, nil
}

// guarded runs f and makes an error of a panic, which is what bbolt and a
// mapped file that has lost its end answer to damage.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	return f()
}

// view runs f in a read transaction. f must be quick and must not call the
// store: a transaction that lasts keeps the file from growing.
func (b *Bolt) view(ctx context.Context, f func(*bolt.Tx) error) error {
	if err := b.check(ctx); err != nil {
		return err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.db == nil {
		return b.broken
	}
	return b.guarded(func() error { return b.db.View(f) })
}

// guarded is the function of that name, and remembers damage.
func (b *Bolt) guarded(f func() error) error {
	err := guarded(f)
	if errors.Is(err, errDamaged) {
		err = fmt.Errorf("store %q: %w; stop, restore a copy and start again", b.path, err)
		b.damage.CompareAndSwap(nil, &err)
	}
	return err
}

func (b *Bolt) check(ctx context.Context) error {
	select {
	case <-b.done:
		return ErrClosed
	default:
	}
	if damage := b.damage.Load(); damage != nil {
		return *damage
	}
	return ctx.Err()
}

// Get implements Store.
func (b *Bolt) Get(ctx context.Context, key string) (r Record, err error) {
	if err := checkKey(key); err != nil {
		return Record{}, err
	}
	now := b.now()
	err = b.view(ctx, func(tx *bolt.Tx) error {
		v := tx.Bucket(recordsBucket).Get([]byte(key))
		if v == nil {
			return ErrNotFound
		}
		found, err := unpack(key, v)
		if err != nil {
			return err
		}
		if !live(found.ms(), now) {
			return ErrNotFound
		}
		r = found
		return nil
	})
	return r, err
}

// Replace implements Store.
func (b *Bolt) Replace(ctx context.Context, key string, old, value []byte, expires time.Time) error {
	if err := b.check(ctx); err != nil {
		return err
	}
	c, err := newChange(key, old, value, expires, b.now())
	if err != nil {
		return err
	}
	// A replay is told so by a read, so that a storm of them costs no commit.
	now := b.now()
	err = b.view(ctx, func(tx *bolt.Tx) error { return c.fits(tx, now) })
	if err != nil {
		return err
	}
	return b.write(ctx, c)
}

// Ping implements Store. It commits an empty change.
func (b *Bolt) Ping(ctx context.Context) error {
	return b.write(ctx, nil)
}

// manyPages is how many pages List reads before it lets go of the file.
const manyPages = 128

// List implements Store.
func (b *Bolt) List(ctx context.Context, prefix string, yield func(Record) bool) error {
	from := []byte(prefix)
	for pages := 1; from != nil; pages++ {
		var records []Record
		err := b.view(ctx, func(tx *bolt.Tx) (err error) {
			records, from, err = readPage(tx, prefix, from, b.now())
			if pages%manyPages == 0 || pages > manyPages && from == nil {
				dropPages(tx)
			}
			return err
		})
		if err != nil {
			return err
		}
		for _, r := range records {
			if !yield(r) {
				return nil
			}
		}
	}
	return nil
}

// Watch implements Store.
func (b *Bolt) Watch(ctx context.Context, prefix string, changed func(Record), synced func()) error {
	if err := b.check(ctx); err != nil {
		return err
	}
	alive := func() error { return b.view(ctx, func(*bolt.Tx) error { return nil }) }
	return b.hub.watch(ctx, b, newMirror(changed), prefix, b.done, alive, synced)
}

// Lost implements Store. A file cannot lose records while it is open.
func (b *Bolt) Lost() time.Time { return time.Time{} }

// Close implements Store. A commit that has begun is ended first.
func (b *Bolt) Close() error {
	b.closing.Do(func() { close(b.done) })
	<-b.ended
	return b.closed
}
