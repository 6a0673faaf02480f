package scan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wiretight/wiretight/internal/attack"
)

const (
	maxHits  = 20  // remembered of one trap
	maxTraps = 200 // of one scan
	trapWait = time.Second
)

// Callback is a listener of the scan's own. It serves the keys of package attack
// and remembers who came.
type Callback struct {
	base   string // http://host:port
	server *http.Server
	alg    string
	shared *Trap

	mu    sync.Mutex
	traps map[string]*Trap
}

// Trap is one URL of a Callback.
type Trap struct {
	url  string
	mu   sync.Mutex
	hits []string
	came chan struct{} // closed at the first hit
}

// URL is for Material.CallbackURL, or for a claim.
func (p *Trap) URL() string { return p.url }

// Wait tells whether somebody fetched the URL, or anything below it. It waits for
// at most a second.
func (p *Trap) Wait(ctx context.Context) bool {
	timer := time.NewTimer(trapWait)
	defer timer.Stop()
	select {
	case <-p.came:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return len(p.Hits()) > 0
}

// Hits are the requests so far, as "GET /path", at most 20.
func (p *Trap) Hits() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.hits)
}

func (p *Trap) hit(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.hits) == 0 {
		close(p.came)
	}
	if len(p.hits) < maxHits {
		p.hits = append(p.hits, what)
	}
}

// Callback is the listener to which tokens may point. It is started at the first
// call. The error says why there is none: the target could not reach it, or the
// scan is passive.
func (t *Target) Callback() (*Callback, error) {
	if t.config.Passive {
		return nil, errors.New("a passive scan does not listen")
	}
	t.listening.Lock()
	defer t.listening.Unlock()
	if t.callback != nil {
		return t.callback, nil
	}
	if t.life.Err() != nil {
		return nil, t.life.Err()
	}
	listen, public := t.config.Callback, t.config.Callback
	if listen == "" {
		if t.surface.local == "" {
			return nil, fmt.Errorf("the target is public and could not reach a listener here; name an address that it can reach with --callback HOST:PORT: %w", ErrAbsent)
		}
		listen = net.JoinHostPort(t.surface.local, "0")
	} else if _, port, err := net.SplitHostPort(listen); err == nil {
		listen = net.JoinHostPort("", port) // the public name may be that of a router
	}
	var lc net.ListenConfig
	l, err := lc.Listen(t.life, "tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("listen for callbacks: %w", err)
	}
	if public == "" {
		public = l.Addr().String()
	}
	token, _ := t.Token()
	c := &Callback{base: "http://" + public, alg: token.Alg, traps: map[string]*Trap{}}
	c.server = &http.Server{
		Handler: c, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, IdleTimeout: 5 * time.Second,
		MaxHeaderBytes: 16 << 10, ErrorLog: log.New(io.Discard, "", 0),
	}
	c.shared = c.Trap()
	t.done.Go(func() { _ = c.server.Serve(l) }) // ends with Close
	t.callback = c
	return c, nil
}

// Trap makes a new URL that nobody can guess.
func (c *Callback) Trap() *Trap {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := Random(12)
	p := &Trap{url: c.base + "/" + name, came: make(chan struct{})}
	if len(c.traps) < maxTraps {
		c.traps[name] = p
	}
	return p
}

// ServeHTTP implements http.Handler.
func (c *Callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	c.mu.Lock()
	p := c.traps[name]
	c.mu.Unlock()
	if p == nil {
		http.NotFound(w, r)
		return
	}
	p.hit(r.Method + " /" + rest)
	var body []byte
	media := "application/json"
	switch rest = "/" + rest; {
	case strings.HasSuffix(rest, attack.CallbackCertPath):
		body, media = attack.CallbackCert(c.alg), "application/x-pem-file"
	case strings.HasSuffix(rest, attack.CallbackKeyPath):
		body = attack.CallbackJWK(c.alg)
	case strings.Contains(rest, "/.well-known/") && !strings.HasSuffix(rest, "jwks.json"):
		issuer, _, _ := strings.Cut(p.url+rest, "/.well-known/")
		body, _ = json.Marshal(map[string]string{"issuer": issuer, "jwks_uri": p.url + attack.CallbackSetPath}) // strings always marshal
	default:
		body = attack.CallbackJWKS(c.alg)
	}
	w.Header().Set("Content-Type", media)
	_, _ = w.Write(body) // whoever came is remembered already
}
