package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// start runs p for r in dir. The caller stops it.
func (b *bed) start(ctx context.Context, r row, p proxy, dir string, accessLog bool) (*process, string, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", fmt.Errorf("make a folder for %s: %w", p.name, err)
	}
	args, err := p.configure(setup{
		dir: dir, listen: addr, upstream: b.upAddr, cert: b.cert,
		alg: r.alg, verifier: b.stock[r.alg].verifier, accessLog: accessLog,
	})
	if err != nil {
		return nil, "", err
	}
	proc, err := startProcess(ctx, addr, p.line, p.bin, args...)
	return proc, addr, err
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
}

func (s *stage) close() {
	s.clients.close()
	s.proc.stop()
}

// stage starts p and keeps it busy for a while: neither connecting nor the
// first requests shall count.
func (b *bed) stage(ctx context.Context, r row, p proxy, accessLog bool) (*stage, error) {
	proc, addr, err := b.start(ctx, r, p, b.folder(), accessLog)
	if err != nil {
		return nil, err
	}
	s := &stage{proc, addr, newCrowd(b.opts.Conns, addr, b.cert, r.how)}
	good := b.stock[r.alg].good
	timed, cancel := context.WithTimeout(ctx, b.opts.Warm)
	defer cancel()
	warm := s.clients.run(timed, cycle(good[:1]), 200, 0)
	if r.kind == many { // the row is about tokens that were seen before
		warm.add(s.clients.run(ctx, once(good[:manyTokens]), 200, 0))
	}
	if warm.failures() > 0 {
		s.close()
		return nil, fmt.Errorf("while warming up: %v; it wrote: %s", &warm, proc.tail)
	}
	return s, nil
}
