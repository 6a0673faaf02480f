package scan

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// What an answer may be at most.
const (
	maxHeader   = 64 << 10
	maxBody     = 1 << 20
	maxIdle     = 16 // connections kept for the next request
	maxOverhead = 1 << 20
)

var errHeaderSize = errors.New("the answer's header is over 64 KiB")

// endpoint is all that a connection depends on. Connections that have carried a
// genuine credential are kept apart from those that have not: some servers
// remember who has authenticated.
type endpoint struct {
	addr       string
	tls        bool
	sni        string
	credential bool
}

// wire makes and keeps connections.
type wire struct {
	dial  func(ctx context.Context, network, addr string) (net.Conn, error)
	roots *x509.CertPool
	now   func() time.Time
	name  string // certificates are verified for it
	cache tls.ClientSessionCache

	mu   sync.Mutex
	idle map[endpoint][]*connection
	kept int
}

// connection is one connection, used by one request at a time.
type connection struct {
	net.Conn
	end    endpoint
	limit  *io.LimitedReader
	reader *bufio.Reader
	state  *tls.ConnectionState
	// private says that nobody on the path can read along: the peer is on
	// loopback, or it is TLS with a certificate that verifies.
	private bool
	reused  bool
}

// get returns an idle connection, or a new one.
func (w *wire) get(ctx context.Context, e endpoint, fresh bool) (*connection, error) {
	if !fresh {
		w.mu.Lock()
		if list := w.idle[e]; len(list) > 0 {
			c := list[len(list)-1]
			w.idle[e] = list[:len(list)-1]
			w.kept--
			w.mu.Unlock()
			c.reused = true
			return c, nil
		}
		w.mu.Unlock()
	}
	return w.connect(ctx, e)
}

func (w *wire) connect(ctx context.Context, e endpoint) (*connection, error) {
	raw, err := w.dial(ctx, "tcp", e.addr)
	if err != nil {
		return nil, err
	}
	c := &connection{Conn: raw, end: e, private: onLoopback(raw)}
	if e.tls {
		if err := w.handshake(ctx, c); err != nil {
			raw.Close()
			return nil, err
		}
	}
	c.limit = &io.LimitedReader{R: c.Conn}
	c.reader = bufio.NewReader(c.limit)
	return c, nil
}

func (w *wire) handshake(ctx context.Context, c *connection) error {
	name := c.end.sni
	if name == "-" {
		name = ""
	}
	t := tls.Client(c.Conn, &tls.Config{
		ServerName: name,
		// What the certificate is worth is found out below, and by the checks.
		InsecureSkipVerify: true,
		// Weak servers have to be reached to be judged.
		MinVersion:         tls.VersionTLS10,
		CipherSuites:       everySuite(),
		NextProtos:         []string{"http/1.1"},
		ClientSessionCache: w.cache,
	})
	if err := t.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("make TLS: %w", err)
	}
	state := t.ConnectionState()
	c.Conn, c.state = t, &state
	c.private = c.private || w.verified(state.PeerCertificates)
	return nil
}

func everySuite() []uint16 {
	var ids []uint16
	for _, list := range [][]*tls.CipherSuite{tls.CipherSuites(), tls.InsecureCipherSuites()} {
		for _, s := range list {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// verified tells whether the chain leads to a root of the system's or the user's.
func (w *wire) verified(chain []*x509.Certificate) bool {
	if len(chain) == 0 {
		return false
	}
	o := x509.VerifyOptions{DNSName: w.name, Intermediates: x509.NewCertPool(), CurrentTime: w.now()}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(o); err == nil {
		return true
	}
	if w.roots == nil {
		return false
	}
	o.Roots = w.roots
	_, err := chain[0].Verify(o)
	return err == nil
}

// put keeps a connection for the next request.
func (w *wire) put(c *connection) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kept >= maxIdle || w.idle == nil {
		c.Close()
		return
	}
	w.idle[c.end] = append(w.idle[c.end], c)
	w.kept++
}

// close ends all idle connections and keeps none from now on.
func (w *wire) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, list := range w.idle {
		for _, c := range list {
			c.Close()
		}
	}
	w.idle, w.kept = nil, 0
}

// peer is the address at the other end. ok is false where it is none of the
// Internet protocol.
func peer(a net.Addr) (netip.Addr, bool) {
	if a == nil {
		return netip.Addr{}, false
	}
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}, false
	}
	return p.Addr().Unmap(), true
}

func onLoopback(c net.Conn) bool {
	a, ok := peer(c.RemoteAddr())
	return ok && a.IsLoopback()
}

// loopbackName tells whether a host means loopback by itself.
func loopbackName(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
