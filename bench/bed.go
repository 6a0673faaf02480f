package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// bed is everything that the cells share: the upstream, the certificate, the
// tokens and the built proxies, in a folder that goes away with it.
type bed struct {
	opts     Options
	dir      string
	rows     []row
	proxies  []proxy
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

func newBed(ctx context.Context, opts Options, progress io.Writer) (*bed, error) {
	dir, err := os.MkdirTemp("", "wiretight-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder to work in: %w", err)
	}
	b := &bed{opts: opts, dir: dir, progress: progress, stock: map[string]*stock{}}
	if err := b.fill(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bed) fill(ctx context.Context) (err error) {
	now := time.Now()
	if b.rows, err = chosenRows(b.opts.Rows); err != nil {
		return err
	}
	if b.proxies, err = proxies(b.opts, b.dir); err != nil {
		return err
	}
	if b.cert, err = newCertificate(b.dir, now); err != nil {
		return err
	}
	for _, r := range b.rows {
		if b.stock[r.alg] != nil {
			continue
		}
		fmt.Fprintf(b.progress, "signing %s tokens\n", r.alg)
		if b.stock[r.alg], err = b.stockUp(r.alg, now); err != nil {
			return err
		}
	}
	b.upstream, b.upAddr, err = startUpstream(ctx, b.dir)
	return err
}

// stockUp makes as many tokens of alg as the chosen rows need.
func (b *bed) stockUp(alg string, now time.Time) (*stock, error) {
	need := 1
	for _, r := range b.rows {
		if r.alg == alg {
			need = max(need, b.tokensFor(r.kind))
		}
	}
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
	s.verifier, err = s.signer.writeVerifier(b.dir)
	return s, err
}

func (b *bed) tokensFor(k kind) int {
	n := map[kind]int{hot: 1, many: manyTokens, eachNew: newTokens, bad: 1, everMore: memoryTokens, none: 1}[k]
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

// measureAll takes every cell in turn: rounds, then rows, then proxies, so that
// a proxy and its baseline are never more than a row apart.
func (b *bed) measureAll(ctx context.Context) (*results, error) {
	res := &results{
		Rounds: b.opts.Rounds, Seconds: b.opts.Cell.Seconds(), Conns: b.opts.Conns,
		Started: time.Now().UTC(), rows: b.rows,
	}
	for _, p := range b.proxies {
		res.Proxies = append(res.Proxies, p.name)
		if p.guard {
			res.guards = append(res.guards, p.name)
		}
	}
	for round := range b.opts.Rounds {
		for _, r := range b.rows {
			for _, p := range b.proxies {
				if slices.Contains(p.without, r.alg) || r.figure == logPercent && !p.logs {
					continue
				}
				s, err := b.measure(ctx, r, p)
				if err != nil {
					return nil, fmt.Errorf("row %s, proxy %s: %w", r.name, p.name, err)
				}
				s.Round, s.Row, s.Proxy = round+1, r.name, p.name
				res.Samples = append(res.Samples, s)
				fmt.Fprintf(b.progress, "%d/%d %-7s %-12s %s\n", round+1, b.opts.Rounds, r.name, p.name, s)
			}
		}
	}
	return res, nil
}
