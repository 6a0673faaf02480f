package main

import (
	"context"
	"fmt"
	"maps"
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
		case overH2:
			c[i] = &h2{dialer: newDialer(addr, cert, "h2")}
		default:
			c[i] = &h1{dialer: newDialer(addr, cert, "http/1.1"), fresh: how == overFresh}
		}
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
	// Slowest is the longest that an answer took.
	Slowest time.Duration
}

func (o *outcome) failures() int {
	n := 0
	for _, v := range o.Errors {
		n += v
	}
	return n
}

func (o *outcome) add(other outcome) {
	o.Requests += other.Requests
	o.Dials += other.Dials
	o.Slowest = max(o.Slowest, other.Slowest)
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
// between two requests of a client, and wants each answer to have that status.
func (c crowd) run(ctx context.Context, f feed, want int, pause time.Duration) outcome {
	before := c.dials()
	each := make([]outcome, len(c))
	var wg sync.WaitGroup
	for i := range c {
		wg.Go(func() { each[i] = work(ctx, c[i], f, want, pause) })
	}
	wg.Wait()
	var sum outcome
	for _, o := range each {
		sum.add(o)
	}
	sum.Dials = c.dials() - before
	return sum
}

func work(ctx context.Context, c client, f feed, want int, pause time.Duration) outcome {
	var o outcome
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
		o.Slowest = max(o.Slowest, time.Since(begin))
		switch {
		case err != nil:
			o.note(err.Error(), 1)
		case status != want:
			o.note(fmt.Sprintf("status %d instead of %d", status, want), 1)
		}
		if pause > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}
	return o
}
