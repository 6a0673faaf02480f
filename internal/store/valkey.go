package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valkey-io/valkey-go"
)

// answerWait bounds one call of the servers, and connecting to one.
const answerWait = 900 * time.Millisecond

// maxHops is how often one call follows a Cluster's word that another node
// has the record.
const maxHops = 5

// againPause is how long a call waits while the slot of its keys is half moved.
const againPause = 20 * time.Millisecond

// Valkey keeps records in Valkey or Redis, 6.2 or later, that several instances
// share: one server, a primary that Sentinels name, or a Cluster. What Replace
// has confirmed is as durable as the servers make it: give them appendonly, a
// maxmemory-policy of noeviction, without which the store refuses to work, and
// where replicas take over, wait. Expiry follows the server's clock or the
// writer's, whichever keeps the record longer.
//
// A user of the servers needs no more than (with another prefix, the same with
// that)
//
//	~wiretight:* &wiretight:changed +get +mget +set +del +exists +scan +time
//	+zadd +zrem +zrangebylex +xadd +xrange +xrevrange +eval +evalsha
//	+publish +subscribe +unsubscribe +hello +ping +info +select +client
//	+wait +cluster|slots +cluster|info +asking
//
// and one of the Sentinels
//
//	+sentinel|get-master-addr-by-name +sentinel|master +hello +ping +client
//
// While a server does not answer, calls fail at once and it is asked again
// several times a second. In a Cluster the others serve on.
type Valkey struct {
	at    endpoint
	names layout
	now   func() time.Time
	wait  time.Duration // answerWait

	tasks sync.WaitGroup
	close sync.Once
	done  chan struct{} // closed by Close
	first chan struct{} // closed when it was first known, or not, who has which record
	again chan struct{} // holds one: it may have changed who has which record

	dials  atomic.Int64 // connections made to all nodes
	water  watermark
	charts atomic.Pointer[chart]

	mu     sync.Mutex
	closed bool
	lost   error            // why there is no chart
	nodes  map[string]*node // by address
}

// OpenValkey returns a store on the servers that a redis:// or rediss:// URL
// names, see Open. It does not wait for them. A nil now is time.Now.
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
		at: at, names: newLayout(at.prefix), now: now, wait: wait, done: make(chan struct{}), first: make(chan struct{}),
		again: make(chan struct{}, 1), nodes: make(map[string]*node),
	}
	if at.master != "" {
		v.mu.Lock()
		defer v.mu.Unlock()
		s := &sentinels{v: v, clients: make([]valkey.Client, len(at.addresses))}
		v.charts.Store(&chart{only: v.newNode(s.primary, sentinelPause, s.close), probes: []int{logGroup}})
		close(v.first)
		return v
	}
	v.tasks.Go(v.survey)
	return v
}

// Close implements Store.
func (v *Valkey) Close() error {
	v.close.Do(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.closed = true
		close(v.done)
	})
	v.tasks.Wait()
	return nil
}

func (v *Valkey) isClosed() bool {
	select {
	case <-v.done:
		return true
	default:
		return false
	}
}

// Ping implements Store. In a Cluster it asks every primary.
func (v *Valkey) Ping(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ch, err := v.chart(ctx)
	if err != nil {
		return err
	}
	if err := ch.whole(); err != nil {
		return err
	}
	errs := make([]error, len(ch.probes))
	var asked sync.WaitGroup
	for i, g := range ch.probes {
		asked.Go(func() { errs[i] = v.probe(ctx, g) })
	}
	asked.Wait()
	return errors.Join(errs...)
}

// probe does what a Replace does, in a group.
func (v *Valkey) probe(ctx context.Context, group int) error {
	before := v.water.mark(group)
	names := []string{v.names.tagged(group, "probe"), v.names.count(group)}
	answer, err := v.eval(ctx, true, probeScript, names, []string{newMark()})
	if err != nil {
		return err
	}
	is, err := answer.ToString()
	if err != nil {
		return fmt.Errorf("answer of store: %w", err)
	}
	v.water.saw(group, before, is, false, v.now())
	return nil
}

// Lost implements Store. The servers have lost records when a group's count of
// changes is another one than the one that is known, or has gone back. That is
// noticed by each Replace in its own group, before it returns, and twice a
// second in all groups. A primary that died with changes of other instances
// which no replica had, and whose successor has counted on meanwhile, is not
// noticed: that takes wait.
func (v *Valkey) Lost() time.Time { return v.water.lostAt() }

// command builds what is asked of a server. It may be called several times.
type command func(valkey.Builder) valkey.Completed

// errNoScript says that the server has not seen a script yet.
var errNoScript = errors.New("script is not known")

// eval runs a script where its keys are. durable: the change is to reach
// replicas as the URL demands; an unconfirmed error comes with the answer.
func (v *Valkey) eval(ctx context.Context, durable bool, s *script, keys, args []string) (valkey.ValkeyResult, error) {
	answer, err := v.do(ctx, keys[0], durable, func(b valkey.Builder) valkey.Completed {
		return b.Evalsha().Sha1(s.sha).Numkeys(int64(len(keys))).Key(keys...).Arg(args...).Build()
	})
	if errors.Is(err, errNoScript) {
		answer, err = v.do(ctx, keys[0], durable, func(b valkey.Builder) valkey.Completed {
			return b.Eval().Script(s.text).Numkeys(int64(len(keys))).Key(keys...).Arg(args...).Build()
		})
	}
	return answer, err
}

// do asks the server that has the record of this name. What it sends again is
// only what a server has refused because another one has the record.
func (v *Valkey) do(ctx context.Context, name string, durable bool, cmd command) (valkey.ValkeyResult, error) {
	if err := ctx.Err(); err != nil {
		return valkey.ValkeyResult{}, err
	}
	limited, cancel := context.WithTimeout(ctx, v.wait)
	defer cancel()
	ch, err := v.chart(limited)
	if err != nil {
		return valkey.ValkeyResult{}, err
	}
	n, err := ch.holder(name)
	asking := false
	for hops := 0; err == nil; {
		var answer valkey.ValkeyResult
		answer, err = n.do(limited, ctx, cmd, asking, durable)
		var r *redirect
		if !errors.As(err, &r) {
			return answer, err
		}
		if r.again {
			err = v.pause(limited, againPause)
			continue
		}
		if hops++; hops > maxHops {
			return answer, err
		}
		asking = r.asking
		n, err = v.node(r.address)
	}
	return valkey.ValkeyResult{}, err
}

func (v *Valkey) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-v.done:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("store has not finished moving a slot: %w", ctx.Err())
	}
}

// do asks this server. ctx is the caller's; limited ends earlier.
func (n *node) do(limited, ctx context.Context, cmd command, asking, durable bool) (answer valkey.ValkeyResult, err error) {
	c, address, err := n.connected(limited)
	if err != nil {
		return answer, err
	}
	var unsure error
	switch {
	case durable && n.v.at.replicas > 0:
		answer, unsure = n.commit(limited, cmd, asking)
	case asking:
		answer = c.DoMulti(limited, c.B().Asking().Build(), cmd(c.B()))[1]
	default:
		answer = c.Do(limited, cmd(c.B()))
	}
	err = answer.Error()
	if err == nil || valkey.IsValkeyNil(err) {
		if unsure != nil {
			return answer, explain(address, unsure)
		}
		return answer, nil
	}
	if n.v.isClosed() {
		return answer, ErrClosed
	}
	refusal, answered := valkey.IsValkeyErr(err)
	if ctx.Err() == nil && (!answered || isReadOnly(refusal)) {
		n.fail(c, explain(address, err))
		n.v.lookAgain()
	}
	if answered {
		if refusal.IsNoScript() {
			return answer, errNoScript
		}
		if r := readRedirect(refusal.Error(), address); r != nil {
			if !r.asking && !r.again {
				n.v.lookAgain()
			}
			return answer, r
		}
	}
	return answer, explain(address, err)
}
