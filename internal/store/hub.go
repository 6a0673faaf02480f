package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"
)

// pulse is how often a watcher makes sure that nothing is missing. The
// contract demands once a second.
const pulse = 400 * time.Millisecond

// maxDirty bounds the keys that wait for one slow watcher. Beyond it the
// watcher reads everything again.
const maxDirty = 1 << 16

// hub tells the watchers in this process which keys to look at again. It
// carries keys, not records: a watcher reads the present state itself, so that
// what it is told never goes backwards. The zero value is ready.
type hub struct {
	mu       sync.Mutex
	watchers map[*watcher]struct{}
}

type watcher struct {
	prefix string
	wake   chan struct{} // holds one

	mu    sync.Mutex
	dirty map[string]struct{}
	all   bool // dirty has overflowed
}

// touch is called after a change of key has become visible.
func (h *hub) touch(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		if strings.HasPrefix(key, w.prefix) {
			w.touch(key)
		}
	}
}

func (h *hub) add(prefix string) *watcher {
	w := &watcher{prefix: prefix, wake: make(chan struct{}, 1), all: true}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers == nil {
		h.watchers = make(map[*watcher]struct{})
	}
	h.watchers[w] = struct{}{}
	return w
}

func (h *hub) remove(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watchers, w)
}

func (w *watcher) touch(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.all:
	case len(w.dirty) >= maxDirty:
		w.all, w.dirty = true, nil
	case w.dirty == nil:
		w.dirty = map[string]struct{}{key: {}}
	default:
		w.dirty[key] = struct{}{}
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// take hands over what has been touched since the last take.
func (w *watcher) take() (keys map[string]struct{}, all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	keys, all = w.dirty, w.all
	w.dirty, w.all = nil, false
	return keys, all
}

// watch is Store.Watch for an engine in this process. done ends with the
// store; alive answers nil while the store can be read.
func (h *hub) watch(ctx context.Context, s Store, m *mirror, prefix string,
	done <-chan struct{}, alive func() error, synced func(),
) error {
	w := h.add(prefix)
	defer h.remove(w)
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	for {
		if err := w.catchUp(ctx, s, m); err != nil {
			w.mu.Lock()
			w.all, w.dirty = true, nil // what was taken is not reported yet
			w.mu.Unlock()
		} else if alive() == nil {
			synced()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-done:
			return ErrClosed
		case <-tick.C:
		case <-w.wake:
		}
	}
}

// catchUp reports what has changed since the last call.
func (w *watcher) catchUp(ctx context.Context, s Store, m *mirror) error {
	keys, all := w.take()
	if all {
		return m.sync(func(yield func(Record)) error {
			return s.List(ctx, w.prefix, func(r Record) bool { yield(r); return true })
		}, false)
	}
	for key := range keys {
		r, err := s.Get(ctx, key)
		switch {
		case err == nil:
			m.tell(r)
		case errors.Is(err, ErrNotFound):
			m.gone(key)
		default:
			return err
		}
	}
	return nil
}
