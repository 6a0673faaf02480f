package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// upkeep is how often the development certificate's age is looked at.
const upkeep = time.Hour

// Certificates hands out certificates and the rest of the TLS policy, and can
// exchange all of it at once while connections come in. Its methods may be
// called from many goroutines.
type Certificates struct {
	logger *slog.Logger
	now    func() time.Time
	state  atomic.Pointer[generation]

	mu     sync.Mutex // for Reload, Manage and Close
	addrs  *challengeAddrs
	closed bool
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// generation is everything that one Reload puts in place of another.
type generation struct {
	from    TLS
	config  *tls.Config
	tickets tickets
	names   names
	acme    *acme // nil: no ACME
}

// NewCertificates loads what t describes. All mistakes are reported at once.
// What is legal but unwise (an expired certificate, a key file that others can
// read) is logged as a warning. ctx ends the upkeep in the background, as Close
// does. A nil logger logs nothing.
func NewCertificates(ctx context.Context, t TLS, logger *slog.Logger) (*Certificates, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	if t.Now == nil {
		t.Now = time.Now
	}
	c := &Certificates{logger: logger, now: t.Now}
	g, err := c.load(ctx, t, nil)
	if err != nil {
		return nil, err
	}
	c.state.Store(g)
	ctx, c.cancel = context.WithCancel(ctx)
	c.done.Go(func() { c.upkeep(ctx) })
	return c, nil
}

// load makes a generation of t, taking over from old what need not change.
func (c *Certificates) load(ctx context.Context, t TLS, old *generation) (*generation, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	g := &generation{from: t, config: t.policy()}
	pairs, loadErr := loadPairs(t, c.warn)
	authErr := t.authenticate(g.config, c.warn)
	if err := errors.Join(loadErr, authErr); err != nil {
		return nil, err
	}
	g.names = newNames(pairs)
	if err := g.tickets.renew(g.config, c.now()); err != nil {
		return nil, err
	}
	if t.ACME != nil {
		var err error
		if g.acme, err = c.acmeFor(ctx, t, old); err != nil {
			return nil, err
		}
	}
	g.config.GetCertificate = g.certificate
	return g, nil
}

func (c *Certificates) warn(what string, file string) {
	c.logger.Warn(what, slog.String("file", file))
}

// Config is the tls.Config for a listener. It asks for the state of the last
// Reload at every handshake, so it need not be exchanged. Sessions made before a
// Reload are not resumed after it: a client that the new state would refuse
// cannot slip in by an old ticket.
func (c *Certificates) Config() *tls.Config {
	config := c.state.Load().from.policy()
	config.GetConfigForClient = c.configFor
	return config
}

func (c *Certificates) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	g := c.state.Load()
	if err := g.tickets.renewIfOld(g.config, c.now()); err != nil {
		return nil, err
	}
	if g.acme != nil {
		return g.acme.configFor(hello, g.config), nil
	}
	return g.config, nil
}

func (g *generation) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if g.acme == nil {
		return g.names.choose(hello), nil
	}
	if c := g.acme.find(hello); c != nil {
		return c, nil
	}
	return nil, errors.New("no certificate for that name")
}

// Reload puts t in place of what was loaded before. If anything in it is wrong
// the error says what, and everything stays as it was. The clock stays.
func (c *Certificates) Reload(t TLS) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errors.New("certificates are closed")
	}
	t.Now = c.now
	old := c.state.Load()
	g, err := c.load(context.Background(), t, old)
	if err != nil {
		return err
	}
	c.state.Store(g)
	if g.acme == old.acme {
		return nil
	}
	if g.acme != nil && c.addrs != nil {
		if err := g.acme.manage(*c.addrs); err != nil {
			c.state.Store(old)
			g.acme.stop()
			return err
		}
	}
	if old.acme != nil {
		old.acme.stop()
	}
	return nil
}

// Manage begins to obtain and renew certificates by ACME. Call it when the
// listeners accept: secure is the address of the TLS listener, to which the CA
// must come by port 443, and plain that of the plaintext listener (port 80) or
// nil. Obtaining goes on in the background, for Reload's new hosts too; until
// a host has its certificate handshakes for it fail. Without ACME it does nothing.
func (c *Certificates) Manage(secure, plain net.Addr) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addrs = &challengeAddrs{secure: secure, plain: plain}
	if g := c.state.Load(); g.acme != nil && !c.closed {
		return g.acme.manage(*c.addrs)
	}
	return nil
}

// ACMEHandler answers the CA's HTTP challenges (RFC 8555 §8.3) and passes every
// other request to next. It belongs on the plaintext listener.
func (c *Certificates) ACMEHandler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g := c.state.Load(); g.acme == nil || !g.acme.answer(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}

// NotAfter says until when the certificate of each name is good. A host that
// has no certificate yet is not in it.
func (c *Certificates) NotAfter() map[string]time.Time {
	g := c.state.Load()
	if g.acme != nil {
		return g.acme.notAfter()
	}
	return g.names.notAfter()
}

// Hosts lists, sorted, the exact names and addresses that the certificates
// carry, or that ACME gets certificates for. Wildcards are left out.
func (c *Certificates) Hosts() []string {
	g := c.state.Load()
	if g.acme != nil {
		return slices.Sorted(slices.Values(g.acme.hosts))
	}
	return slices.Sorted(maps.Keys(g.names.exact))
}

// upkeep renews the development certificate in time.
func (c *Certificates) upkeep(ctx context.Context) {
	tick := time.NewTicker(upkeep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		g := c.state.Load()
		if g.from.Dev == nil || !g.names.dueForRenewal(c.now()) {
			continue
		}
		if err := c.Reload(g.from); err != nil {
			c.logger.Error("renew development certificate", slog.Any("error", err))
		}
	}
}

// Close ends the upkeep and the renewal by ACME. Handshakes go on.
func (c *Certificates) Close() {
	c.cancel()
	c.done.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.state.Load(); g.acme != nil && !c.closed {
		g.acme.stop()
	}
	c.closed = true
}
