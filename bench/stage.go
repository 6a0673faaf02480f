package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// variant is how a stage differs from the row's usual one.
type variant struct {
	accessLog bool
	limited   bool
	store     string
	env       []string // NAME=VALUE, for the process
}

// start runs p for r in dir, and returns where its clients connect. The caller
// stops it.
func (b *bed) start(ctx context.Context, r row, p proxy, dir string, v variant) (*process, string, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", fmt.Errorf("make a folder for %s: %w", p.name, err)
	}
	clients, authorize := addr, ""
	if r.how == overAuthorizer || r.how == overEnvoy {
		if authorize, err = freeAddr(); err != nil {
			return nil, "", err
		}
		clients = authorize
	}
	args, err := p.configure(setup{
		authorize: authorize, envoy: r.how == overEnvoy, dir: dir, listen: addr, upstream: b.upAddr, cert: b.cert,
		alg: p.algFor(r), verifier: b.stock[p.algFor(r)].verifier,
		accessLog: v.accessLog, limited: v.limited, store: v.store,
	})
	if err != nil {
		return nil, "", err
	}
	proc, err := startProcess(ctx, addr, p.line, v.env, p.bin, args...)
	return proc, clients, err
}

// folder names a new one for a proxy.
func (b *bed) folder() string {
	b.cells++
	return filepath.Join(b.dir, fmt.Sprintf("cell-%d", b.cells))
}

// stage is a running proxy and the clients that are connected to it.
type stage struct {
	proc    *process
	addr    string
	clients crowd
	warm    *outcome // what they saw before it counted
}

func (s *stage) close() {
	s.clients.close()
	s.proc.stop()
}

// stage starts p and keeps it busy for a while: neither connecting nor the
// first requests shall count. Wrong answers meanwhile are the proxy's all the
// same; one that mostly gives such does not work.
func (b *bed) stage(ctx context.Context, r row, p proxy, v variant) (*stage, error) {
	proc, addr, err := b.start(ctx, r, p, b.folder(), v)
	if err != nil {
		return nil, err
	}
	s := &stage{proc: proc, addr: addr, clients: newCrowd(b.opts.Conns, addr, b.cert, r.how)}
	good := b.stock[p.algFor(r)].good
	timed, cancel := context.WithTimeout(ctx, b.opts.Warm)
	defer cancel()
	warm := s.clients.run(timed, cycle(good[:1]), 0, 200)
	if r.kind == many { // the row is about tokens that were seen before
		warm.add(s.clients.run(ctx, once(good[:manyTokens]), 0, 200))
	}
	if 2*warm.failures() > warm.Requests {
		s.close()
		return nil, fmt.Errorf("while warming up: %v; it wrote: %s", warm, proc.tail)
	}
	s.warm = warm
	return s, nil
}
