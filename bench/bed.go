package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// bed is everything that the cells share: the upstream, the certificate, the
// tokens and the built proxies, in a folder that goes away with it.
type bed struct {
	opts     Options
	dir      string
	rows     []row
	proxies  []proxy
	missing  []string // proxies that are not installed, and what to do
	cert     certificate
	upstream *process
	upAddr   string
	stock    map[string]*stock // by algorithm
	progress io.Writer
	cells    int // started so far, for the names of their folders
}

// stock is one key and what it signed.
type stock struct {
	signer   *signer
	verifier verifierFiles
	good     []string
	forged   []string
}

// newBed has the proxies and rows that opts ask for.
func newBed(ctx context.Context, opts Options, progress io.Writer) (*bed, error) {
	return newBedWith(ctx, opts, progress, func(b *bed) (err error) {
		if b.rows, err = chosenRows(opts.Rows); err != nil {
			return err
		}
		b.proxies, b.missing, err = proxies(opts, b.dir)
		return err
	})
}

// newBedWith makes a bed; choose sets its rows and proxies.
func newBedWith(ctx context.Context, opts Options, progress io.Writer, choose func(*bed) error) (*bed, error) {
	dir, err := os.MkdirTemp("", "wiretight-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder to work in: %w", err)
	}
	b := &bed{opts: opts, dir: dir, progress: progress, stock: map[string]*stock{}}
	err = choose(b)
	if err == nil {
		err = b.fill(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bed) fill(ctx context.Context) (err error) {
	now := time.Now()
	for _, m := range b.missing {
		fmt.Fprintf(b.progress, "left out: %s\n", m)
	}
	if b.cert, err = newCertificate(b.dir, now); err != nil {
		return err
	}
	for alg, n := range b.needs() {
		fmt.Fprintf(b.progress, "signing %s tokens\n", alg)
		if b.stock[alg], err = b.stockUp(alg, n, now); err != nil {
			return err
		}
	}
	b.upstream, b.upAddr, err = startUpstream(ctx, b.dir)
	return err
}

// needs says how many tokens of each algorithm the cells take.
func (b *bed) needs() map[string]int {
	n := map[string]int{}
	for _, r := range b.rows {
		for _, p := range b.proxies {
			if p.cannot(r) == "" {
				alg := p.algFor(r)
				n[alg] = max(n[alg], b.tokensFor(r.kind))
			}
		}
	}
	return n
}

// stockUp makes that many tokens of alg.
func (b *bed) stockUp(alg string, need int, now time.Time) (*stock, error) {
	s := &stock{}
	var err error
	if alg == "RS256" && need > 1 {
		var cache string
		if cache, err = os.UserCacheDir(); err != nil {
			return nil, fmt.Errorf("find a folder for tokens: %w", err)
		}
		file := filepath.Join(cache, "wiretight-bench", "rs256.json")
		s.signer, s.good, err = savedTokens(file, need, now)
	} else if s.signer, err = newSigner(alg); err == nil {
		s.good, err = s.signer.tokens(need, now)
	}
	if err != nil {
		return nil, err
	}
	s.forged = s.signer.forgeries(manyTokens, now)
	s.verifier, err = s.signer.writeVerifier(b.dir, now)
	return s, err
}

func (b *bed) tokensFor(k kind) int {
	n := 1
	switch k {
	case many:
		return manyTokens
	case eachNew:
		n = newTokens
	case everMore:
		n = memoryTokens
	}
	if b.opts.Quick && n > manyTokens {
		n /= quickPart
	}
	return n
}

func (b *bed) close() error {
	if b.upstream != nil {
		b.upstream.stop()
	}
	return os.RemoveAll(b.dir)
}

// measureAll takes every row in every round.
func (b *bed) measureAll(ctx context.Context) (*results, error) {
	res := &results{
		Rounds: b.opts.Rounds, Seconds: b.opts.Cell.Seconds(), Conns: b.opts.Conns,
		Started: time.Now().UTC(), Missing: b.missing, Machine: seeMachine(b.proxies, b.opts.Source),
	}
	for _, r := range b.rows {
		res.Rows = append(res.Rows, r.name)
	}
	for _, p := range b.proxies {
		res.Proxies = append(res.Proxies, p.name)
		if p.guard {
			res.Guards = append(res.Guards, p.name)
		}
	}
	for round := range b.opts.Rounds {
		for _, r := range b.rows {
			if err := b.measureRow(ctx, res, round, r); err != nil {
				return nil, fmt.Errorf("row %s: %w", r.name, err)
			}
		}
	}
	res.Machine.LoadAfter = loadAverage()
	res.Took = time.Since(res.Started).Round(time.Second).String()
	return res, nil
}

// measureRow adds a sample of each proxy to res, or the reason why it has none.
func (b *bed) measureRow(ctx context.Context, res *results, round int, r row) error {
	var in []proxy
	for _, p := range b.proxies {
		if why := p.cannot(r); why != "" {
			res.dash(r.name, p.name, why)
		} else if round == 0 || !r.kind.onceARun() {
			in = append(in, p)
		}
	}
	if r.figure == cpuMultiple || r.figure == cpuMicros {
		return b.measureRace(ctx, res, round, r, in)
	}
	for _, p := range in {
		s, err := b.measure(ctx, r, p)
		if err := b.keep(ctx, res, round, r, p, s, err); err != nil {
			return err
		}
	}
	return nil
}

// measureRace has all proxies of a row run at the same time, loaded in turn.
func (b *bed) measureRace(ctx context.Context, res *results, round int, r row, in []proxy) error {
	var all []*racer
	defer func() {
		for _, c := range all {
			c.leave()
		}
	}()
	for _, p := range in {
		all = append(all, b.enter(ctx, r, p, variant{}))
	}
	b.race(ctx, r, all, turns, b.opts.Cell/turns)
	for _, c := range all {
		s, err := c.sample()
		if err := b.keep(ctx, res, round, r, c.proxy, s, err); err != nil {
			return err
		}
	}
	return nil
}

// keep adds a sample to res. A peer that breaks down shall not cost all other
// cells; with a guard, or the baseline, that is an error.
func (b *bed) keep(ctx context.Context, res *results, round int, r row, p proxy, s sample, err error) error {
	at := fmt.Sprintf("%d/%d %-7s %-12s", round+1, b.opts.Rounds, r.name, p.name)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		s.Round, s.Row, s.Proxy = round+1, r.name, p.name
		res.Samples = append(res.Samples, s)
		fmt.Fprintf(b.progress, "%s %s\n", at, s)
		return nil
	case p.guard || p.name == baseline:
		return fmt.Errorf("proxy %s: %w", p.name, err)
	default:
		fmt.Fprintf(b.progress, "%s %v\n", at, err)
		res.dash(r.name, p.name, fmt.Sprintf("broke down in round %d: %.200q", round+1, err.Error()))
		return nil
	}
}
