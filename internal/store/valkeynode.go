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

// callRoll reads the counts of all groups that the server has, and begins
// those that there are not: what it lost is known before it is used.
func (n *node) callRoll(ctx context.Context, c valkey.Client, address string) error {
	groups := n.groups()
	if len(groups) == 0 {
		return nil
	}
	before := make([]mark, len(groups))
	ask := make([]valkey.Completed, len(groups))
	for i, g := range groups {
		before[i] = n.v.water.mark(g)
		ask[i] = c.B().Get().Key(n.v.names.count(g)).Build()
	}
	for i, answer := range c.DoMulti(ctx, ask...) {
		err := answer.Error()
		if valkey.IsValkeyNil(err) {
			mark := newMark()
			begin := c.B().Eval().Script(countScript.text).Numkeys(1).Key(n.v.names.count(groups[i])).Arg(mark).Build()
			answer = c.Do(ctx, begin)
			err = answer.Error()
		}
		if _, answered := valkey.IsValkeyErr(err); answered {
			continue // the slot has moved, or nothing can be written: each call is told
		}
		if err != nil {
			return explain(address, err)
		}
		if is, err := answer.ToString(); err == nil {
			n.v.water.saw(groups[i], before[i], is, false, n.v.now())
		}
	}
	return nil
}

// groups are those that the server has, as far as is known.
func (n *node) groups() []int {
	if ch := n.v.charts.Load(); ch != nil && ch.only == nil {
		return ch.groups(n, &n.v.names)
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.cluster {
		return nil
	}
	all := make([]int, allGroups)
	for g := range all {
		all[g] = g
	}
	return all
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

// dial makes a connection and counts it. The client makes a new one without a
// word when it finds the last one dead; a watcher has to know.
func (n *node) dial(ctx context.Context, address string, d *net.Dialer, c *tls.Config) (net.Conn, error) {
	n.dials.Add(1)
	n.v.dials.Add(1)
	return dialServer(ctx, address, d, c)
}

// dialServer makes a connection that forgets, when it is closed, what it has
// not delivered. Callers were told by then that their changes failed; a change
// that arrives when the network is whole again would look like somebody else's.
func dialServer(ctx context.Context, address string, d *net.Dialer, c *tls.Config) (conn net.Conn, err error) {
	if c == nil {
		conn, err = d.DialContext(ctx, "tcp", address)
	} else {
		secure := tls.Dialer{NetDialer: d, Config: c}
		conn, err = secure.DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return nil, err
	}
	wire := conn
	if secure, ok := conn.(*tls.Conn); ok {
		wire = secure.NetConn()
	}
	if tcp, ok := wire.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it is only worse without
	}
	return conn, nil
}

// inspect makes sure that the server is a primary and never evicts.
func (n *node) inspect(ctx context.Context, c valkey.Client, address string) error {
	info, err := c.Do(ctx, c.B().Info().Build()).ToString()
	if err != nil {
		return explain(address, err)
	}
	cluster := infoField(info, "cluster_enabled") == "1"
	policy := infoField(info, "maxmemory_policy")
	switch {
	case infoField(info, "redis_mode") == "sentinel":
		return fmt.Errorf("store at %s is a Sentinel; write master_set=NAME, with the name that it has for the primary", address)
	case policy != "noeviction" && infoField(info, "maxmemory") != "0":
		return fmt.Errorf("store at %s evicts records (maxmemory-policy %q), so what was used could be used again; set it to noeviction", address, policy)
	case infoField(info, "role") != "master" && !cluster:
		return fmt.Errorf("store at %s is a replica (READONLY); name its primary, or the Sentinels with master_set", address)
	case cluster && n.v.at.master != "":
		return fmt.Errorf("store at %s is a node of a Cluster, which has no Sentinel; leave master_set out", address)
	case cluster && n.v.at.database != 0:
		return fmt.Errorf("store at %s is a node of a Cluster, which has only database 0; leave the database out", address)
	case !cluster && n.v.at.master == "" && len(n.v.at.addresses) > 1:
		return fmt.Errorf("store at %s is not a node of a Cluster, so several addresses need Sentinels; write master_set=NAME, or the primary's address alone", address)
	}
	if n.v.at.replicas > 0 {
		// It has a connection of its own, which is made now and not when
		// somebody waits for it.
		if err := c.Do(ctx, c.B().Wait().Numreplicas(0).Timeout(1).Build()).Error(); err != nil {
			return explain(address, err)
		}
	}
	n.inspected = time.Now()
	n.mu.Lock()
	n.cluster = cluster
	n.mu.Unlock()
	return nil
}

// infoField finds a field in the answer to INFO.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// fail takes a client out of service, so that the calls after this one fail at
// once instead of each waiting for a server that does not answer.
func (n *node) fail(c valkey.Client, cause error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.client != c || n.down != nil {
		return // another call was first
	}
	n.down = cause
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
