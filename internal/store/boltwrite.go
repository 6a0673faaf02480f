package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"syscall"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// maxCommit bounds the changes that share a commit, and with it the time that
// the first of them waits.
const maxCommit = 512

// write is a change on its way to the writer. A nil change is a Ping.
type write struct {
	*change
	err    error
	result chan error // holds one, so that the writer never waits
}

// write hands the change to the writer. When ctx ends during a commit the
// change may still be made.
func (b *Bolt) write(ctx context.Context, c *change) error {
	w := &write{change: c, result: make(chan error, 1)}
	if err := b.check(ctx); err != nil {
		return err
	}
	select {
	case b.queue <- w:
	case <-ctx.Done():
		return ctx.Err()
	case <-b.done:
		return ErrClosed
	}
	select {
	case err := <-w.result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writer commits what is queued until the store is closed. While one commit
// waits for the disk the next changes gather, so the disk's pace sets the size
// of a commit, and a lone change does not wait for company, which it would in
// bbolt's own Batch.
func (b *Bolt) writer() {
	defer close(b.ended)
	for {
		select {
		case w := <-b.queue:
			b.commit(b.gather(w))
		case <-b.done:
			b.closed = b.release()
			return
		}
	}
}

// gather takes all that is queued. It lets go of the processor before it
// gives up, because callers of the last commit are just waking.
func (b *Bolt) gather(first *write) []*write {
	writes := []*write{first}
	for patience := 2; len(writes) < maxCommit; {
		select {
		case w := <-b.queue:
			writes = append(writes, w)
			continue
		default:
		}
		if patience--; patience < 0 {
			break
		}
		runtime.Gosched()
	}
	return writes
}

// commit makes the changes in one transaction and answers each.
func (b *Bolt) commit(writes []*write) {
	err := b.reopen()
	if err == nil {
		err = b.guarded(func() error { return b.transact(writes) })
		if err != nil {
			err = b.explain(err)
			b.discard(err)
		}
	}
	for _, w := range writes {
		if err != nil {
			w.err = err // a conflict was with a change that was not made
		} else if w.err == nil && w.change != nil {
			b.hub.touch(w.key)
		}
		w.result <- w.err
	}
}

// transact does what the transaction consists of. A refused change gets its
// own error and does not disturb the others.
func (b *Bolt) transact(writes []*write) error {
	now := b.now()
	tx, err := b.db.Begin(true)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // without effect after Commit
	made := 0
	for _, w := range writes {
		if w.change == nil {
			made++
			continue
		}
		if w.err = w.fits(tx, now); w.err != nil {
			continue
		}
		if err := w.apply(tx); err != nil {
			return err
		}
		made++
	}
	if made == 0 {
		return nil
	}
	if err := sweep(tx, now, 2*made+16); err != nil {
		return err
	}
	return tx.Commit()
}

// discard closes the file after a failed commit and opens it again. What bbolt
// holds in memory may differ from what the disk has, and only reading tells.
func (b *Bolt) discard(cause error) {
	if b.damage.Load() != nil {
		return
	}
	db := b.db
	b.replaceFile(nil, cause)
	if b.guarded(db.Close) == nil {
		_ = b.reopen() // else the next commit tries again
	}
}

// release closes the file for good.
func (b *Bolt) release() error {
	if damage := b.damage.Load(); damage != nil {
		return *damage
	}
	db := b.db
	b.replaceFile(nil, ErrClosed)
	if db == nil {
		return nil
	}
	return b.guarded(db.Close)
}

// reopen opens the file if it is not open.
func (b *Bolt) reopen() error {
	if damage := b.damage.Load(); damage != nil {
		return *damage
	}
	if b.db != nil {
		return nil
	}
	return b.guarded(func() error {
		db, err := openFile(b.path)
		b.replaceFile(db, err)
		return err
	})
}

// replaceFile waits for the readers. Only the writer calls it, which may hence
// read db without the lock.
func (b *Bolt) replaceFile(db *bolt.DB, broken error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.db, b.broken = db, broken
}

// explain says what went wrong with the commit and what to do about it.
func (b *Bolt) explain(err error) error {
	switch {
	case errors.Is(err, berrors.ErrMaxSizeReached):
		return fmt.Errorf("write store %q: %w: the file has its greatest size of %d bytes", b.path, ErrFull, maxFile)
	case noRoom(err):
		return fmt.Errorf("write store %q: %w: %w; free space on its disk, service then returns by itself", b.path, ErrFull, err)
	}
	return fmt.Errorf("write store %q: %w", b.path, err)
}

// noRoom says whether the disk, a quota or a limit of the process has no room.
// bbolt keeps only the text of some causes.
func noRoom(err error) bool {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, errno) || strings.Contains(err.Error(), errno.Error()) {
			return true
		}
	}
	return false
}
