package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valkey-io/valkey-go"
)

// redialPause is the time between two attempts to reach a lost server.
const redialPause = 200 * time.Millisecond

// lookPause is how often a server that answers is asked whether it has lost
// something, and inspectPause for its eviction policy, which may change while
// it runs.
const (
	lookPause    = 500 * time.Millisecond
	inspectPause = 10 * time.Second
)

var errRetired = errors.New("server is no part of the store's Cluster any more")

// node is one server in use. It has one goroutine, tend, which alone makes and
// closes clients: with a new client no call can meet a connection that died,
// or that leads to a server which is no longer the primary.
type node struct {
	v *Valkey
	// find says where the server is: at an address, or where Sentinel says.
	find func(context.Context) (address string, err error)
	// inspectPause is how often find and the server are asked while all is well.
	inspectPause time.Duration
	inspected    time.Time // last
	close        func()    // of find; may be nil

	first  chan struct{} // closed when the server was asked for the first time
	redial chan struct{} // holds one: the client has failed
	retire chan struct{} // closed when the server is of no use any more
	gone   sync.Once
	dials  atomic.Int64 // connections made so far
	needed atomic.Int64 // when it was last asked for, in Unix seconds
	group  commits
	wires  wires

	mu      sync.RWMutex
	client  valkey.Client // nil: down
	address string        // of client
	cluster bool          // it is a node of a Cluster
	down    error         // why
}

// newNode puts a node into use. The caller holds v.mu.
func (v *Valkey) newNode(find func(context.Context) (string, error), inspectPause time.Duration, end func()) *node {
	n := &node{
		v: v, find: find, inspectPause: inspectPause, close: end, first: make(chan struct{}),
		redial: make(chan struct{}, 1), retire: make(chan struct{}),
	}
	v.tasks.Go(n.tend)
	return n
}

// tend connects, looks after the server's settings, and replaces a client that
// has failed.
func (n *node) tend() {
	defer func() {
		n.install(nil, "", errRetired)
		if n.close != nil {
			n.close()
		}
	}()
	n.connect()
	close(n.first)
	for {
		pause := lookPause
		if c, _ := n.inUse(); c == nil {
			pause = redialPause
		}
		timer := time.NewTimer(pause)
		select {
		case <-n.v.done:
			timer.Stop()
			return
		case <-n.retire:
			timer.Stop()
			return
		case <-n.redial:
			timer.Stop()
			n.connect()
		case <-timer.C:
			n.look()
		}
	}
}

func (n *node) inUse() (c valkey.Client, address string) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.client, n.address
}

// leave ends the node's goroutine.
func (n *node) leave() { n.gone.Do(func() { close(n.retire) }) }

// look makes sure that the server has lost nothing, and now and then that it
// is still the right one, or tries to reach one. It moves when another one has
// become the primary.
func (n *node) look() {
	c, address := n.inUse()
	if c == nil {
		n.connect()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), n.v.wait)
	defer cancel()
	err := n.callRoll(ctx, c, address)
	if err == nil && time.Since(n.inspected) >= n.inspectPause {
		if now, err := n.find(ctx); err == nil && now != address {
			n.connect()
			return
		}
		err = n.inspect(ctx, c, address)
	}
	if err != nil {
		n.install(nil, "", err)
		n.v.lookAgain()
	}
}

// connect puts a new client into service, or says why there is none.
func (n *node) connect() {
	ctx, cancel := context.WithTimeout(context.Background(), n.v.wait)
	defer cancel()
	address, err := n.find(ctx)
	if err != nil {
		n.install(nil, "", err)
		return
	}
	c, err := valkey.NewClient(n.v.options(address, n.dial))
	if err == nil {
		err = n.inspect(ctx, c, address)
	} else {
		err = explain(address, err)
	}
	if err == nil {
		err = n.callRoll(ctx, c, address)
	}
	if err != nil && c != nil {
		c.Close()
		c = nil
	}
	n.install(c, address, err)
}

// options are how each server is spoken to, Sentinels too.
func (v *Valkey) options(address string, dial func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error)) valkey.ClientOption {
	return valkey.ClientOption{
		InitAddress:         []string{address},
		Username:            v.at.user,
		Password:            v.at.password,
		SelectDB:            v.at.database,
		TLSConfig:           v.at.tls,
		DialCtxFn:           dial,
		Dialer:              net.Dialer{Timeout: v.wait, KeepAlive: time.Second},
		ConnWriteTimeout:    v.wait,
		ClientName:          "wiretight",
		ClientSetInfo:       valkey.DisableClientSetInfo,
		ReadBufferEachConn:  64 << 10,
		WriteBufferEachConn: 64 << 10,
		ForceSingleClient:   true,
		DisableCache:        true,
		// Else a caller's deadline becomes the connection's, and ends the calls
		// of others. A second connection would be dialled within it, too.
		AlwaysPipelining:  true,
		PipelineMultiplex: -1,
		BlockingPoolSize:  1,    // for WAIT, which one caller asks for all
		DisableRetry:      true, // a Replace that was sent twice would answer that it lost
	}
}

// fail takes a client out of service, so that the calls after this one fail at
// once instead of each waiting for a server that does not answer. What it has
// not delivered is never delivered.
func (n *node) fail(c valkey.Client, cause error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.client != c || n.down != nil {
		return // another call was first
	}
	n.down = cause
	n.wires.cut()
	select {
	case n.redial <- struct{}{}:
	default:
	}
}

// install changes the client in service and closes the last one.
func (n *node) install(c valkey.Client, address string, down error) {
	n.mu.Lock()
	last := n.client
	n.client, n.address, n.down = c, address, down
	n.mu.Unlock()
	if last != nil {
		last.Close()
	}
}

// connected gives the client in service. It waits for the first connection,
// but not for a lost one to come back.
func (n *node) connected(ctx context.Context) (c valkey.Client, address string, err error) {
	select {
	case <-n.first:
	case <-n.v.done:
		return nil, "", ErrClosed
	case <-ctx.Done():
		return nil, "", fmt.Errorf("store does not answer: %w", ctx.Err())
	}
	if n.v.isClosed() {
		return nil, "", ErrClosed
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.client, n.address, n.down
}

// explain puts the server's address before an error, and knows the answers of
// a server that has no room.
func explain(address string, err error) error {
	if answer, ok := valkey.IsValkeyErr(err); ok && strings.Contains(answer.Error(), "OOM command not allowed") {
		return fmt.Errorf("store at %s: %w: %w; raise its maxmemory", address, ErrFull, err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("store at %s does not answer: %w", address, err)
	}
	return fmt.Errorf("store at %s: %w", address, err)
}

// isReadOnly says whether the server is a replica. Up to version 6 the answer
// of a script has the code in its middle.
func isReadOnly(answer *valkey.ValkeyError) bool {
	return strings.Contains(answer.Error(), "READONLY You can't write")
}
