package store

import (
	"context"
	"fmt"
	"sync"

	"github.com/valkey-io/valkey-go"
)

// maxGroup bounds the changes that one WAIT confirms.
const maxGroup = 128

// commits are the changes that wait for their turn to be sent to a server and
// confirmed by its replicas. One WAIT on their connection confirms all that
// were sent before it, so whoever comes while one is under way goes together.
type commits struct {
	mu      sync.Mutex
	busy    bool
	waiting []*commit
}

type commit struct {
	cmd    command
	asking bool
	ended  chan struct{}
	answer valkey.ValkeyResult
	unsure error // an unconfirmed, or nil
}

// unconfirmed says that the server has answered, but that too few replicas
// have confirmed what it did.
type unconfirmed struct{ cause error }

func (u *unconfirmed) Error() string { return u.cause.Error() }
func (u *unconfirmed) Unwrap() error { return u.cause }

// commit sends a change and waits for the replicas.
func (n *node) commit(ctx context.Context, cmd command, asking bool) (answer valkey.ValkeyResult, unsure error) {
	m := &commit{cmd: cmd, asking: asking, ended: make(chan struct{})}
	n.group.mu.Lock()
	n.group.waiting = append(n.group.waiting, m)
	start := !n.group.busy
	if start {
		n.group.busy = n.v.spawn(n.confirm)
	}
	n.group.mu.Unlock()
	select {
	case <-m.ended:
		return m.answer, m.unsure
	case <-n.v.done:
		return failed(ErrClosed), nil
	case <-ctx.Done():
		return failed(ctx.Err()), nil
	}
}

func failed(err error) valkey.ValkeyResult { return valkey.NewErrorResult(err) }

// spawn runs a task that Close waits for, unless the store is closed.
func (v *Valkey) spawn(task func()) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return false
	}
	v.tasks.Go(task)
	return true
}

// confirm works until nobody waits.
func (n *node) confirm() {
	for {
		n.group.mu.Lock()
		count := min(maxGroup, len(n.group.waiting))
		group := n.group.waiting[:count:count]
		n.group.waiting = n.group.waiting[count:]
		n.group.busy = count > 0
		n.group.mu.Unlock()
		if count == 0 {
			return
		}
		n.send(group)
		for _, m := range group {
			close(m.ended)
		}
	}
}

func (n *node) send(group []*commit) {
	ctx, cancel := context.WithTimeout(context.Background(), n.v.wait)
	defer cancel()
	c, _, err := n.connected(ctx)
	if err != nil {
		for _, m := range group {
			m.answer = failed(err)
		}
		return
	}
	var all []valkey.Completed
	places := make([]int, len(group))
	for i, m := range group {
		if m.asking {
			all = append(all, c.B().Asking().Build())
		}
		places[i] = len(all)
		all = append(all, m.cmd(c.B()))
	}
	want := int64(n.v.at.replicas)
	patience := n.v.wait * 2 / 3
	all = append(all, c.B().Wait().Numreplicas(want).Timeout(patience.Milliseconds()).Build())
	answers := c.DoMulti(ctx, all...)
	reached, err := answers[len(answers)-1].AsInt64()
	for i, m := range group {
		m.answer = answers[places[i]]
		switch {
		case err != nil:
			m.unsure = &unconfirmed{fmt.Errorf("change may be lost with its server: no word of replicas: %w", err)}
		case reached < want:
			m.unsure = &unconfirmed{fmt.Errorf("change reached %d of %d replicas within %v and may be lost with its server", reached, want, patience)}
		}
	}
}
