package issuer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/wiretight/wiretight/internal/store"
)

// limiter bounds failures by the generic cell rate algorithm: each failure
// moves a name's theoretical arrival time ahead by one interval, and who is a
// whole window ahead waits. The times lie in the store, so that all instances
// count together. Attempts under way count as failures until they are over:
// guesses that come at once cannot all pass before the first is counted.
type limiter struct {
	store    store.Store
	now      func() time.Time
	interval time.Duration
	window   time.Duration

	mu      sync.Mutex
	running map[string]int // attempts under way here, by key
}

// maxRunning bounds the attempts under way in one instance.
const maxRunning = 4096

func newLimiter(s store.Store, r Rate, now func() time.Time) *limiter {
	return &limiter{store: s, now: now, interval: r.Per / time.Duration(r.Count), window: r.Per, running: map[string]int{}}
}

// limitKey hashes a name, so that keys are short whatever a client sends.
func limitKey(kind, name string) string {
	sum := sha256.Sum256([]byte(name))
	return "issuer/limit/" + kind + "/" + hex.EncodeToString(sum[:16])
}

// attempt is one try under way.
type attempt struct {
	l    *limiter
	keys []string
}

// errBusy says that too many attempts are under way here.
var errBusy = errors.New("too many attempts are under way")

// begin starts an attempt that counts under every key. If one of them is at its
// limit it returns how long to wait. The caller must call over on the attempt.
func (l *limiter) begin(ctx context.Context, keys ...string) (*attempt, time.Duration, error) {
	a := &attempt{l: l, keys: keys}
	l.mu.Lock()
	if len(l.running) >= maxRunning {
		l.mu.Unlock()
		return nil, 0, errBusy
	}
	for _, k := range keys {
		l.running[k]++
	}
	l.mu.Unlock()
	for _, k := range keys {
		at, _, err := l.arrival(ctx, k)
		if err != nil {
			a.over()
			return nil, 0, err
		}
		l.mu.Lock()
		running := l.running[k]
		l.mu.Unlock()
		// The last of those that run must fit into the window too.
		ahead := at.Add(time.Duration(running) * l.interval).Sub(l.now())
		if ahead > l.window {
			a.over()
			return nil, ahead - l.window, nil
		}
	}
	return a, 0, nil
}

// over ends the attempt.
func (a *attempt) over() {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	for _, k := range a.keys {
		if a.l.running[k]--; a.l.running[k] <= 0 {
			delete(a.l.running, k)
		}
	}
}

// failed counts a failure under every key of the attempt.
func (a *attempt) failed(ctx context.Context) error {
	for _, k := range a.keys {
		if err := a.l.add(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// arrival is the stored time of a key, or now if that is later. A clock that
// was set back makes nobody wait longer than a window.
func (l *limiter) arrival(ctx context.Context, key string) (at time.Time, raw []byte, err error) {
	now := l.now()
	rec, err := l.store.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return now, nil, nil
	}
	if err != nil {
		return now, nil, fmt.Errorf("read login limit: %w", err)
	}
	if len(rec.Value) != 8 {
		return now, nil, errors.New("decode login limit: record is of unknown form")
	}
	at = time.Unix(0, int64(binary.BigEndian.Uint64(rec.Value)))
	if limit := now.Add(l.window); at.After(limit) {
		at = limit
	}
	if at.Before(now) {
		at = now
	}
	return at, rec.Value, nil
}

func (l *limiter) add(ctx context.Context, key string) error {
	for {
		at, raw, err := l.arrival(ctx, key)
		if err != nil {
			return err
		}
		at = at.Add(l.interval)
		// Kept for longer than it counts: a limit of many failures has intervals
		// that are over before the store is asked, which must not be an error.
		err = l.store.Replace(ctx, key, raw, binary.BigEndian.AppendUint64(nil, uint64(at.UnixNano())), at.Add(2*storeTimeout))
		if err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrConflict) || ctx.Err() != nil {
			return fmt.Errorf("write login limit: %w", err)
		}
	}
}
