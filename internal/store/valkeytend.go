package store

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"
)

// redialPause is the time between two attempts to reach a lost server.
const redialPause = 200 * time.Millisecond

// inspectPause is how often a server that answers is asked for its eviction
// policy, which may change while it runs.
const inspectPause = 10 * time.Second

// tend connects, looks after the server's settings, and replaces a client that
// has failed. It alone makes and closes clients: with a new client no call can
// meet a connection that died, or that leads to a server which is no longer
// the primary.
func (v *Valkey) tend() {
	defer close(v.ended)
	defer func() { v.install(nil, ErrClosed) }()
	v.connect()
	close(v.first)
	for {
		pause := inspectPause
		v.mu.RLock()
		if v.client == nil {
			pause = redialPause
		}
		v.mu.RUnlock()
		timer := time.NewTimer(pause)
		select {
		case <-v.done:
			timer.Stop()
			return
		case <-v.redial:
			timer.Stop()
			v.connect()
		case <-timer.C:
			v.look()
		}
	}
}

// look inspects the server that is in use, or tries to reach one.
func (v *Valkey) look() {
	v.mu.RLock()
	c := v.client
	v.mu.RUnlock()
	if c == nil {
		v.connect()
		return
	}
	if err := v.inspect(c); err != nil {
		v.install(nil, err)
	}
}

// connect puts a new client into service, or says why there is none.
func (v *Valkey) connect() {
	c, err := valkey.NewClient(v.options())
	if err == nil {
		err = v.inspect(c)
	} else {
		err = v.explain(err)
	}
	if err != nil && c != nil {
		c.Close()
		c = nil
	}
	v.install(c, err)
}

func (v *Valkey) options() valkey.ClientOption {
	return valkey.ClientOption{
		InitAddress:         []string{v.at.address},
		Username:            v.at.user,
		Password:            v.at.password,
		SelectDB:            v.at.database,
		TLSConfig:           v.at.tls,
		DialCtxFn:           v.connection,
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
		DisableRetry:      true, // a Replace that was sent twice would answer that it lost
	}
}

// connection makes a connection and counts it. The client makes a new one
// without a word when it finds the last one dead; a watcher has to know.
func (v *Valkey) connection(ctx context.Context, address string, d *net.Dialer, c *tls.Config) (net.Conn, error) {
	v.connections.Add(1)
	if c == nil {
		return d.DialContext(ctx, "tcp", address)
	}
	secure := tls.Dialer{NetDialer: d, Config: c}
	return secure.DialContext(ctx, "tcp", address)
}

// inspect makes sure that the server takes writes and never evicts.
func (v *Valkey) inspect(c valkey.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), v.wait)
	defer cancel()
	info, err := c.Do(ctx, c.B().Info().Section("memory").Build()).ToString()
	if err != nil {
		return v.explain(err)
	}
	if policy := infoField(info, "maxmemory_policy"); policy != "noeviction" && infoField(info, "maxmemory") != "0" {
		return fmt.Errorf("store at %s evicts records (maxmemory-policy %q), so what was used could be used again; set it to noeviction", v.at.address, policy)
	}
	err = v.probeWith(ctx, c)
	if answer, ok := valkey.IsValkeyErr(err); ok && !isReadOnly(answer) {
		return nil // it answers, and says to each call what it cannot do
	}
	if err != nil {
		return v.explain(err)
	}
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
func (v *Valkey) fail(c valkey.Client, cause error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.client != c || v.down != nil {
		return // another call was first
	}
	v.down = v.explain(cause)
	select {
	case v.redial <- struct{}{}:
	default:
	}
}

// install changes the client in service and closes the last one.
func (v *Valkey) install(c valkey.Client, down error) {
	v.mu.Lock()
	last := v.client
	v.client, v.down = c, down
	v.mu.Unlock()
	if last != nil {
		last.Close()
	}
}
