package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wiretight/wiretight/internal/cluster"
	"github.com/wiretight/wiretight/internal/revocation"
	"github.com/wiretight/wiretight/internal/store"
)

// callers is how many changes are on their way at once.
const callers = 128

// each calls change with the numbers from first to last-1, from many goroutines.
func each(ctx context.Context, first, last, callers int, change func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	next.Store(int64(first))
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= last {
					return
				}
				if err := retried(ctx, func() error { return change(ctx, i) }); err != nil {
					cancel(fmt.Errorf("change %d: %w", i, err))
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// What comes late is tried again so often, after such a pause.
const (
	tries = 100
	again = 100 * time.Millisecond
)

// retried makes a change again whose answer was late: the machine is busy on
// purpose. A conflict then says that it had been made.
func retried(ctx context.Context, change func() error) error {
	for try := 0; ; try++ {
		err := change()
		if err == nil || try > 0 && errors.Is(err, store.ErrConflict) {
			return nil
		}
		if try == tries || pause(ctx, again) != nil {
			return err
		}
	}
}

// lasts is how long what is written here is kept.
const lasts = 6 * time.Hour

// revoke writes the i-th revocation, as the end of a session does.
func revoke(s store.Store) func(context.Context, int) error {
	return func(ctx context.Context, i int) error {
		key := revocation.Key(revocation.SID, revocation.Hash(revocation.SID, "scale-"+strconv.Itoa(i)))
		return s.Replace(ctx, key, nil, []byte("{}"), time.Now().Add(lasts))
	}
}

// pattern is a session as the issuer stores one.
type pattern struct {
	key   string
	value []byte
}

const sessionPrefix = "issuer/session/"

// learn logs in once, and looks at what that has stored.
func learn(ctx context.Context, c *cluster.Cluster, s store.Store) (p pattern, err error) {
	if err := answered(ctx, func() int { _, status := c.Guards[0].Login(ctx); return status }); err != nil {
		return p, fmt.Errorf("log in: %w", err)
	}
	err = s.List(ctx, sessionPrefix, func(r store.Record) bool {
		p = pattern{r.Key, r.Value}
		return false
	})
	if err == nil && p.value == nil {
		err = errors.New("a login has stored no session")
	}
	return p, err
}

// session is the key of the i-th one: as long as a real one.
func (p *pattern) session(i int) string {
	n := strconv.Itoa(i)
	rest := strings.TrimPrefix(p.key, sessionPrefix)
	subject, id, _ := strings.Cut(rest, "/")
	pad := func(text string) string { return strings.Repeat("0", max(0, len(text)-len(n))) + n }
	return sessionPrefix + pad(subject) + "/" + pad(id)
}

// open stores the i-th session.
func (p *pattern) open(s store.Store) func(context.Context, int) error {
	return func(ctx context.Context, i int) error {
		return s.Replace(ctx, p.session(i), nil, p.value, time.Now().Add(lasts))
	}
}

// swap changes the i-th session as a refresh does, there or back.
func (p *pattern) swap(s store.Store, back bool) func(context.Context, int) error {
	old, next := p.value, append([]byte(nil), p.value...)
	next[len(next)-1] ^= 1
	if back {
		old, next = next, old
	}
	return func(ctx context.Context, i int) error {
		return s.Replace(ctx, p.session(i), old, next, time.Now().Add(lasts))
	}
}
