package front2

import (
	"context"
	"sync"
)

// workers lends goroutines whose stacks have grown to what a handler needs.
type workers struct {
	mu     sync.Mutex
	idle   []*worker
	alive  int
	closed bool
	none   chan struct{} // closed when none is alive, once closed is set
}

// maxIdle bounds the goroutines that are kept for later.
const maxIdle = 128

type worker struct{ next chan *stream }

// run has st served by another goroutine.
func (p *workers) run(st *stream) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		w.next <- st
		return
	}
	p.alive++
	p.mu.Unlock()
	w := &worker{next: make(chan *stream, 1)}
	go p.work(w, st)
}

// work serves one stream after the other until there is no need for it.
func (p *workers) work(w *worker, st *stream) {
	for st != nil {
		st.serve()
		p.mu.Lock()
		if p.closed || len(p.idle) >= maxIdle {
			p.mu.Unlock()
			break
		}
		p.idle = append(p.idle, w)
		p.mu.Unlock()
		st = <-w.next
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.alive--; p.alive == 0 && p.closed {
		close(p.none)
	}
}

// close ends the idle ones, and the others when their handlers return, for
// which it waits until ctx ends.
func (p *workers) close(ctx context.Context) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	idle, none := p.idle, make(chan struct{})
	p.idle, p.closed, p.none = nil, true, none
	if p.alive == 0 {
		close(none)
	}
	p.mu.Unlock()
	for _, w := range idle {
		w.next <- nil
	}
	select {
	case <-none:
	case <-ctx.Done():
	}
}
