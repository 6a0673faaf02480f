package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valkey-io/valkey-go"
)

// answerWait bounds one exchange with the server, and connecting to it.
const answerWait = 900 * time.Millisecond

// Valkey keeps records in a Valkey or Redis server (6 or later, not in cluster
// mode) that several instances share. What Replace has confirmed is as durable
// as the server makes it: give it appendonly, and a maxmemory-policy of
// noeviction, without which the store refuses to work. Expiry follows the
// server's clock or the writer's, whichever keeps the record longer.
//
// A user of the server needs no more than
//
//	~wiretight:* &wiretight:changed +get +mget +set +del +exists +scan +time
//	+xadd +xrange +xrevrange +eval +evalsha +publish +subscribe +unsubscribe
//	+hello +ping +info +select +client
//
// While the server does not answer, calls fail at once and it is asked again
// several times a second.
type Valkey struct {
	at      endpoint
	now     func() time.Time
	wait    time.Duration // answerWait
	replace *valkey.Lua
	probe   *valkey.Lua

	first  chan struct{} // closed when the server was asked for the first time
	redial chan struct{} // holds one: the client has failed
	done   chan struct{} // closed by Close
	ended  chan struct{} // closed when tend has ended
	close  sync.Once

	connections atomic.Int64 // made so far
	water       watermark

	mu     sync.RWMutex
	client valkey.Client // nil: down
	down   error         // why
}

// OpenValkey returns a store on the server that a redis:// or rediss:// URL
// names, see Open. It does not wait for the server. A nil now is time.Now.
func OpenValkey(ctx context.Context, rawURL string, now func() time.Time) (*Valkey, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	at, err := parseRedisURL(rawURL)
	if err != nil {
		return nil, err
	}
	return dial(at, now, answerWait), nil
}

func dial(at endpoint, now func() time.Time, wait time.Duration) *Valkey {
	if now == nil {
		now = time.Now
	}
	v := &Valkey{
		at: at, now: now, wait: wait,
		replace: valkey.NewLuaScript(replaceScript),
		probe:   valkey.NewLuaScript(probeScript),
		first:   make(chan struct{}), redial: make(chan struct{}, 1),
		done: make(chan struct{}), ended: make(chan struct{}),
	}
	go v.tend()
	return v
}

// Ping implements Store.
func (v *Valkey) Ping(ctx context.Context) error {
	return v.ask(ctx, v.probeWith)
}

func (v *Valkey) probeWith(ctx context.Context, c valkey.Client) error {
	before := v.water.mark()
	last, err := v.probe.Exec(ctx, c, []string{probeKey, logKey}, nil).ToString()
	if err == nil {
		v.water.saw(before, last, false, v.now())
	}
	return err
}

// Lost implements Store. The server has lost records when its log is another
// one than the one that is known, or has gone back. That is noticed by every
// Replace, before it returns, and by whatever else reads the log.
func (v *Valkey) Lost() time.Time { return v.water.lostAt() }

// Close implements Store.
func (v *Valkey) Close() error {
	v.close.Do(func() { close(v.done) })
	<-v.ended
	return nil
}

// ask runs one exchange. It waits for the first connection, but not for a lost
// one to come back.
func (v *Valkey) ask(ctx context.Context, exchange func(context.Context, valkey.Client) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, v.wait)
	defer cancel()
	c, err := v.connected(limited)
	if err != nil {
		return err
	}
	err = exchange(limited, c)
	if err == nil || valkey.IsValkeyNil(err) {
		return err
	}
	if v.isClosed() {
		return ErrClosed
	}
	answer, answered := valkey.IsValkeyErr(err)
	if ctx.Err() == nil && (!answered || isReadOnly(answer)) {
		v.fail(c, err)
	}
	return v.explain(err)
}

func (v *Valkey) connected(ctx context.Context) (valkey.Client, error) {
	select {
	case <-v.first:
	case <-v.done:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, v.explain(ctx.Err())
	}
	if v.isClosed() {
		return nil, ErrClosed
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.client, v.down
}

func (v *Valkey) isClosed() bool {
	select {
	case <-v.done:
		return true
	default:
		return false
	}
}

// explain puts the server's address before an error, and knows the answers of
// a server that has no room.
func (v *Valkey) explain(err error) error {
	if answer, ok := valkey.IsValkeyErr(err); ok && strings.Contains(answer.Error(), "OOM command not allowed") {
		return fmt.Errorf("store at %s: %w: %w; raise its maxmemory", v.at.address, ErrFull, err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("store at %s does not answer: %w", v.at.address, err)
	}
	return fmt.Errorf("store at %s: %w", v.at.address, err)
}

// isReadOnly says whether the server is a replica. Up to version 6 the answer
// of a script has the code in its middle.
func isReadOnly(answer *valkey.ValkeyError) bool {
	return strings.Contains(answer.Error(), "READONLY You can't write")
}
