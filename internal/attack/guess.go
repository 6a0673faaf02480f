package attack

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Guessed is the outcome of Guess.
type Guessed struct {
	// Secret is what the token was signed with. Nil: no candidate fits. It is
	// the target's secret: it must not be shown.
	Secret []byte
	// Tried is how many candidates were compared.
	Tried int
}

// guesser compares candidates with one token's signature. What HMAC hashes is
// laid out once, so that a candidate costs two hashes and no allocation.
type guesser struct {
	text  []byte
	want  []byte
	block int // of the hash
	inner []byte
	outer []byte
	// result keeps the last sum, so that none is allocated.
	result []byte
	sum    func([]byte, []byte) []byte
}

func newGuesser(raw string) (*guesser, error) {
	g, err := read(Material{Token: raw})
	if err != nil {
		return nil, fmt.Errorf("guess the secret: %w", err)
	}
	n := &guesser{want: g.signature, text: []byte(g.headerText + "." + g.payloadText)}
	switch g.alg {
	case "HS256":
		n.block, n.sum = sha256.BlockSize, func(to, b []byte) []byte { s := sha256.Sum256(b); return append(to, s[:]...) }
	case "HS384":
		n.block, n.sum = sha512.BlockSize, func(to, b []byte) []byte { s := sha512.Sum384(b); return append(to, s[:]...) }
	case "HS512":
		n.block, n.sum = sha512.BlockSize, func(to, b []byte) []byte { s := sha512.Sum512(b); return append(to, s[:]...) }
	default:
		return nil, errors.New("guess the secret: the token's algorithm is not HMAC")
	}
	return n.clone(), nil
}

// clone returns a guesser of its own for another goroutine.
func (n *guesser) clone() *guesser {
	c := *n
	c.inner = append(make([]byte, n.block), n.text...)
	c.outer = make([]byte, n.block, n.block+sha512.Size)
	c.result = make([]byte, 0, sha512.Size)
	return &c
}

// fits tells whether the token was signed with secret (RFC 2104 §2).
func (n *guesser) fits(secret []byte) bool {
	if len(secret) > n.block {
		secret = n.sum(nil, secret)
	}
	inner, outer := n.inner[:n.block], n.outer[:n.block]
	for i, b := range secret {
		inner[i], outer[i] = b^0x36, b^0x5c
	}
	for i := len(secret); i < n.block; i++ {
		inner[i], outer[i] = 0x36, 0x5c
	}
	n.outer = n.sum(outer, n.inner)
	n.result = n.sum(n.result[:0], n.outer)
	return string(n.result) == string(n.want)
}

// A batch is as many candidates as a worker takes at once, end to end.
type batch struct {
	bytes []byte
	ends  []int
}

const batchSize = 1024

// Guess compares each candidate with the signature of a token under HS256,
// HS384 or HS512, on all cores, without asking anybody. A match is exact: it
// has no false positive. It ends early when ctx does and returns its error with
// the count so far. A candidate's bytes may be reused once it was yielded.
func Guess(ctx context.Context, raw string, candidates iter.Seq[[]byte]) (Guessed, error) {
	first, err := newGuesser(raw)
	if err != nil {
		return Guessed{}, err
	}
	inner, stop := context.WithCancel(ctx)
	defer stop()
	var (
		found   atomic.Pointer[[]byte]
		tried   atomic.Int64
		workers sync.WaitGroup
		batches = make(chan batch, runtime.GOMAXPROCS(0))
	)
	for range runtime.GOMAXPROCS(0) {
		n := first.clone()
		workers.Go(func() {
			for b := range batches {
				if secret := n.tryAll(b, &tried); secret != nil {
					found.CompareAndSwap(nil, &secret)
					stop()
				}
			}
		})
	}
	send(inner, candidates, batches)
	close(batches)
	workers.Wait()
	result := Guessed{Tried: int(tried.Load())}
	if secret := found.Load(); secret != nil {
		result.Secret = *secret
		return result, nil
	}
	return result, ctx.Err()
}

func (n *guesser) tryAll(b batch, tried *atomic.Int64) []byte {
	start := 0
	for i, end := range b.ends {
		if n.fits(b.bytes[start:end]) {
			tried.Add(int64(i + 1))
			secret := make([]byte, end-start) // not nil for the empty secret
			copy(secret, b.bytes[start:end])
			return secret
		}
		start = end
	}
	tried.Add(int64(len(b.ends)))
	return nil
}

func send(ctx context.Context, candidates iter.Seq[[]byte], batches chan<- batch) {
	var b batch
	flush := func() bool {
		if len(b.ends) == 0 {
			return ctx.Err() == nil
		}
		select {
		case batches <- b:
			b = batch{make([]byte, 0, len(b.bytes)), make([]int, 0, batchSize)}
			return true
		case <-ctx.Done():
			return false
		}
	}
	for c := range candidates {
		b.bytes = append(b.bytes, c...)
		b.ends = append(b.ends, len(b.bytes))
		if len(b.ends) == batchSize && !flush() {
			return
		}
	}
	flush()
}

// Hint shows enough of a guessed secret to recognise it, and no more.
func Hint(secret []byte) string {
	if len(secret) == 0 {
		return "the empty string"
	}
	shown := 0
	if len(secret) >= 8 {
		shown = 2
	}
	plain := slices.IndexFunc(secret[:shown], func(c byte) bool { return c < ' ' || c > '~' }) < 0
	if !plain {
		shown = 0
	}
	return fmt.Sprintf("%s%s (%d bytes)", secret[:shown], strings.Repeat("•", min(len(secret)-shown, 8)), len(secret))
}
