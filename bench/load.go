package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// transport is how clients connect.
type transport string

const (
	overH1    transport = "HTTP/1.1"
	overH2    transport = "HTTP/2"
	overFresh transport = "HTTP/1.1, new connections"
	// overLength and overChunks send a body along, with its length or in a chunk.
	overLength transport = "HTTP/1.1, a body with its length"
	overChunks transport = "HTTP/1.1, a body in a chunk"
	// overAuthorizer is a proxy that asks for decisions, over plain HTTP/1.1.
	overAuthorizer transport = "authorizer"
	// overEnvoy is Envoy, which asks over gRPC.
	overEnvoy transport = "authorizer, gRPC"
)

// feed hands out the tokens to send; ok is false when there are no more. It
// is called from many goroutines.
type feed func() (token string, ok bool)

// cycle hands out tokens again and again.
func cycle(tokens []string) feed {
	var next atomic.Uint64
	n := uint64(len(tokens))
	return func() (string, bool) { return tokens[(next.Add(1)-1)%n], true }
}

// once hands out each token one time.
func once(tokens []string) feed {
	var next atomic.Int64
	return func() (string, bool) {
		i := int(next.Add(1)) - 1
		if i >= len(tokens) {
			return "", false
		}
		return tokens[i], true
	}
}

// crowd is a set of clients that keep their connections between runs.
type crowd []client

func newCrowd(n int, addr string, cert certificate, how transport) crowd {
	c := make(crowd, n)
	for i := range c {
		switch how {
		case overAuthorizer:
			c[i] = &h1{dialer: &dialer{addr: addr}, ask: asksToDecide, tail: "\r\n\r\n", empty: true}
		case overEnvoy:
			c[i] = &envoy{addr: addr}
		case overH2:
			c[i] = &h2{dialer: newDialer(addr, cert, "h2")}
		default:
			one := newH1(newDialer(addr, cert, "http/1.1"))
			one.fresh = how == overFresh
			if tail, sends := tails[how]; sends {
				one.ask, one.tail = questionSent, tail
			}
			c[i] = one
		}
	}
	return c
}

// crowdFrom is a crowd with an address of its own, over HTTP/1.1.
func crowdFrom(ip net.IP, n int, addr string, cert certificate) crowd {
	c := make(crowd, n)
	for i := range c {
		d := newDialer(addr, cert, "http/1.1")
		d.from = &net.TCPAddr{IP: ip}
		c[i] = newH1(d)
	}
	return c
}

func (c crowd) close() {
	for _, cl := range c {
		cl.close()
	}
}

func (c crowd) dials() int {
	n := 0
	for _, cl := range c {
		n += cl.dials()
	}
	return n
}

// outcome is what a crowd saw.
type outcome struct {
	Requests int
	Dials    int
	// Errors are answers that were not as wanted, by what was wrong.
	Errors map[string]int
	// took is how long the answers took, wrong ones too.
	took latencies
}

func (o *outcome) failures() int {
	n := 0
	for _, v := range o.Errors {
		n += v
	}
	return n
}

func (o *outcome) add(other *outcome) {
	o.Requests += other.Requests
	o.Dials += other.Dials
	o.took.merge(&other.took)
	for what, n := range other.Errors {
		o.note(what, n)
	}
}

// note keeps few different texts: a broken proxy can think of many.
func (o *outcome) note(what string, n int) {
	if o.Errors == nil {
		o.Errors = map[string]int{}
	}
	if _, known := o.Errors[what]; !known && len(o.Errors) >= 8 {
		what = "other errors"
	}
	o.Errors[what] += n
}

func (o *outcome) String() string {
	text := ""
	for _, what := range slices.Sorted(maps.Keys(o.Errors)) {
		text += fmt.Sprintf("; %d × %s", o.Errors[what], what)
	}
	return fmt.Sprintf("%d requests, %d failed%s", o.Requests, o.failures(), text)
}

// run keeps every client busy until ctx ends or the feed is empty, one pause
// between two requests of a client, and wants each answer to have one of those
// statuses.
func (c crowd) run(ctx context.Context, f feed, pause time.Duration, want ...int) *outcome {
	before := c.dials()
	each := make([]outcome, len(c))
	var wg sync.WaitGroup
	for i := range c {
		wg.Go(func() { each[i].work(ctx, c[i], f, pause, want) })
	}
	wg.Wait()
	sum := &outcome{}
	for i := range each {
		sum.add(&each[i])
	}
	sum.Dials = c.dials() - before
	return sum
}

func (o *outcome) work(ctx context.Context, c client, f feed, pause time.Duration, want []int) {
	for ctx.Err() == nil {
		token, ok := f()
		if !ok {
			break
		}
		begin := time.Now()
		// The request that is under way when time is up is let through, or
		// it would count as the proxy's error.
		status, err := c.do(context.WithoutCancel(ctx), token)
		o.Requests++
		o.took.add(time.Since(begin))
		switch {
		case err != nil:
			o.note(err.Error(), 1)
		case !slices.Contains(want, status):
			o.note(fmt.Sprintf("status %d instead of %d", status, want[0]), 1)
		}
		if pause > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}
}
