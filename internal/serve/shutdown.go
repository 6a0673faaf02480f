package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// settle is how long handlers get to return once their connection is cut.
const settle = 5 * time.Second

// handlers counts the handlers that run, those of hijacked connections too, for
// which http.Server does not wait.
type handlers struct {
	mu      sync.Mutex
	n       int
	waiting chan struct{} // closed at n == 0
}

func (h *handlers) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.n++
		h.mu.Unlock()
		defer h.done()
		next.ServeHTTP(w, r)
	})
}

func (h *handlers) done() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n--
	if h.n == 0 && h.waiting != nil {
		close(h.waiting)
		h.waiting = nil
	}
}

// wait returns when no handler runs, or with how many still do when ctx ends.
func (h *handlers) wait(ctx context.Context) int {
	for {
		h.mu.Lock()
		n, ch := h.n, h.waiting
		if n > 0 && ch == nil {
			ch = make(chan struct{})
			h.waiting = ch
		}
		h.mu.Unlock()
		if n == 0 {
			return 0
		}
		select {
		case <-ch:
		case <-ctx.Done():
			return n
		}
	}
}

// Shutdown stops accepting, lets running requests end for at most grace, cuts
// what is left, and returns when no connection and no goroutine of the server
// remains. Connections between two requests are closed at once (HTTP/2 peers
// get GOAWAY first); WebSockets and other hijacked connections count as running
// requests. Listeners marked Last go through the same after all others.
//
// An error says how much had to be cut. A grace of zero cuts at once.
func (s *Server) Shutdown(grace time.Duration) error {
	s.drain.Do(func() { close(s.draining) })
	defer func() {
		for _, r := range s.running {
			r.cut()
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), max(0, grace))
	defer cancel()
	if !s.started.Swap(true) {
		return nil
	}
	first := s.drainAll(ctx, false)
	last := s.drainAll(ctx, true)
	s.accept.Wait()
	return errors.Join(first, last)
}

// drainAll takes down the listeners whose Last is last, all at the same time.
func (s *Server) drainAll(ctx context.Context, last bool) error {
	var (
		wg   sync.WaitGroup
		errs = make([]error, len(s.running))
	)
	for i, r := range s.running {
		if r.Last == last && r.gate != nil {
			wg.Go(func() { errs[i] = s.down(ctx, r) })
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// shut stops accepting and waits until the last connection has ended, or ctx.
func (r *running) shut(ctx context.Context) error {
	if r.front == nil {
		return r.server.Shutdown(ctx)
	}
	var first error
	var wg sync.WaitGroup
	wg.Go(func() { first = r.front.Shutdown(ctx) })
	err := r.server.Shutdown(ctx) // HTTP/2 peers hear of the end at the same time
	wg.Wait()
	return errors.Join(first, err)
}

func (s *Server) down(ctx context.Context, r *running) error {
	err := r.shut(ctx)
	if err != nil && !errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("close listener %q: %w", r.Name, err)
	} else {
		err = nil
	}
	if ctx.Err() == nil && r.handlers.wait(ctx) == 0 {
		r.gate.cut()
		r.h2.Close(ctx)
		return err
	}
	// First the connections: a handler that returns because its request has
	// ended must not get to send what would pass for a whole answer.
	open := r.gate.cut()
	r.cut()
	_ = r.server.Close()
	late, cancel := context.WithTimeout(context.Background(), settle)
	defer cancel()
	if r.front != nil {
		_ = r.front.Close(late) // handlers that do not end are counted below
	}
	defer r.h2.Close(late)
	if n := r.handlers.wait(late); n > 0 {
		return errors.Join(err, fmt.Errorf("shut down listener %q: %d handlers ignore the end of their connection", r.Name, n))
	}
	if open > 0 {
		return errors.Join(err, fmt.Errorf("shut down listener %q: cut %d connections that had not ended in time", r.Name, open))
	}
	return err
}
