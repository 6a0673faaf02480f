// Package cluster runs several guards on one store, as real processes under
// load, lets the store fail, and judges whether they keep their promises. It
// knows nothing of their code: what clients were told is compared with what
// reached the upstream.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/wiretight/wiretight/internal/testpki"
)

// The names under which the guards and their issuers are known.
const (
	host     = "api.test"
	foreign  = "https://id.test/" // issuer of the tokens that are minted here
	password = "correct horse battery staple"
)

// users are the accounts that the sessions belong to.
var users = []string{"alice", "bob"}

// Config says what runs. Zero fields take the values named here.
type Config struct {
	// Program is the wiretight binary. It must be set.
	Program string
	// Guards is how many share the store; 2.
	Guards int
	// Staleness is their store_staleness; 2 s.
	Staleness time.Duration
	// Grace is their refresh_grace; 10 s.
	Grace time.Duration
	// Within is how soon an acknowledged revocation must hold everywhere; 1 s.
	Within time.Duration
	// Relays puts a Relay between each guard and the store.
	Relays bool
	// StoreURL takes the place of the store that Start would run.
	StoreURL string
}

func (c *Config) fill() {
	c.Guards = orElse(c.Guards, 2)
	c.Staleness = orElse(c.Staleness, 2*time.Second)
	c.Grace = orElse(c.Grace, 10*time.Second)
	c.Within = orElse(c.Within, time.Second)
}

func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Cluster is what Start started.
type Cluster struct {
	Store  *Server // nil where Config.StoreURL names another
	Guards []*Guard
	Judge  *Judge

	cfg      Config
	dir      string
	server   *testpki.Identity // what every guard shows
	mint     *minter
	upstream *upstream
	storeURL string
}

// Start runs a store, an upstream and the guards, and makes the users. What it
// has started when it fails, it ends.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	cfg.fill()
	dir, err := os.MkdirTemp("", "wt") // short, since sockets' paths are bounded
	if err != nil {
		return nil, fmt.Errorf("make a folder for the cluster: %w", err)
	}
	c := &Cluster{cfg: cfg, dir: dir, Judge: newJudge(cfg)}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) (err error) {
	if c.server, err = testpki.SelfSigned(host); err != nil {
		return err
	}
	if c.mint, err = newMinter(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.dir, "jwks.json"), c.mint.jwks(), 0o600); err != nil {
		return fmt.Errorf("write key set: %w", err)
	}
	if c.upstream, err = newUpstream(ctx, c.Judge); err != nil {
		return err
	}
	c.storeURL = c.cfg.StoreURL
	if c.storeURL == "" {
		if c.Store, err = NewServer(ctx, filepath.Join(c.dir, "store")); err != nil {
			return err
		}
		if err := c.Store.Start(ctx); err != nil {
			return err
		}
		c.storeURL = "redis://" + c.Store.Addr()
	}
	for range c.cfg.Guards {
		if _, err := c.AddGuard(ctx); err != nil {
			return err
		}
	}
	for _, name := range users {
		if err := c.Guards[0].verb(ctx, password, "users", "add", name, "--password-stdin"); err != nil {
			return err
		}
	}
	return c.awaitService(ctx, 20*time.Second)
}

// AddGuard starts one more guard and waits until it listens.
func (c *Cluster) AddGuard(ctx context.Context) (*Guard, error) {
	g, err := c.newGuard(ctx)
	if err != nil {
		return nil, err
	}
	c.Guards = append(c.Guards, g)
	return g, g.start(ctx)
}

// AddUsers makes the users again, in a store that has lost them.
func (c *Cluster) AddUsers(ctx context.Context) error {
	for _, name := range users {
		if err := c.Guards[0].verb(ctx, password, "users", "add", name, "--password-stdin"); err != nil {
			return err
		}
	}
	return nil
}

// Close ends every process and removes the folder.
func (c *Cluster) Close() error {
	var errs []error
	for _, g := range c.Guards {
		errs = append(errs, g.close())
	}
	if c.Store != nil {
		c.Store.Kill()
	}
	if c.upstream != nil {
		errs = append(errs, c.upstream.close())
	}
	return errors.Join(append(errs, os.RemoveAll(c.dir))...)
}

// poll asks every few milliseconds until ok, or says what did not come.
func poll(ctx context.Context, limit time.Duration, what string, ok func() bool) (time.Duration, error) {
	begin := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Since(begin) > limit {
			return limit, fmt.Errorf("after %v it is still not so that %s", limit, what)
		}
		select {
		case <-ctx.Done():
			return time.Since(begin), ctx.Err()
		case <-tick.C:
		}
	}
	return time.Since(begin), nil
}
