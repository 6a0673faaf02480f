package main

import (
	"context"
	"errors"
	"net"
)

// priceOf is by how many per cent the second variant of p costs more than the
// first, for what they differ by may be less than the machine drifts.
func (b *bed) priceOf(ctx context.Context, r row, p proxy, first, second variant) (sample, error) {
	two := []*racer{b.enter(ctx, r, p, first), b.enter(ctx, r, p, second)}
	defer two[0].leave()
	defer two[1].leave()
	b.race(ctx, r, two, turns, b.opts.Cell/turns)
	if err := errors.Join(two[0].err, two[1].err); err != nil {
		return sample{}, err
	}
	s, err := two[1].sample()
	s.Value = 100 * (median(ratios(two[0].costs, two[1].costs)) - 1)
	return s, err
}

// priceOfRedis compares the guard with its state in Redis to itself with bbolt,
// for tokens that need nothing of the store but its revocations. What Redis
// itself costs is not counted.
func (b *bed) priceOfRedis(ctx context.Context, r row, p proxy) (sample, error) {
	bin, err := find("redis-server", "redis-server")
	if err != nil {
		return sample{}, err
	}
	addr, err := freeAddr()
	if err != nil {
		return sample{}, err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return sample{}, err
	}
	redis, err := startProcess(ctx, addr, "", nil, bin, "--bind", host, "--port", port,
		"--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", b.dir)
	if err != nil {
		return sample{}, err
	}
	defer redis.stop()
	return b.priceOf(ctx, r, p, variant{}, variant{store: "redis://" + addr})
}
