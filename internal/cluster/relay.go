package cluster

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Relay is a wire between one guard and the store that can be slow, or cut.
type Relay struct {
	target   string
	listener net.Listener
	ctx      context.Context
	cancel   context.CancelFunc
	tasks    sync.WaitGroup

	mu    sync.Mutex
	delay time.Duration
	words [][]byte      // of the question that is waited for
	trap  func()        // what happens when it passes, under mu
	whole chan struct{} // closed while the wire is whole
}

// maxChunks bounds what one direction of a connection holds back.
const maxChunks = 4096

func newRelay(ctx context.Context, target string) (*Relay, error) {
	l, err := listen(ctx)
	if err != nil {
		return nil, err
	}
	r := &Relay{target: target, listener: l, whole: make(chan struct{})}
	close(r.whole)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.tasks.Go(r.accept)
	return r, nil
}

// Delay holds every answer of the store back for d.
func (r *Relay) Delay(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delay, r.words = d, nil
}

// MuteAfter holds every answer of the store back from the moment on at which a
// question with all of words has passed. Delay(0) ends that.
func (r *Relay) MuteAfter(words ...string) {
	r.await(words, func() { r.delay = time.Hour })
}

// CutBefore is a Cut at the moment at which a question with all of words is
// about to pass. It is still on its way then.
func (r *Relay) CutBefore(words ...string) {
	r.await(words, func() { r.whole = make(chan struct{}) })
}

func (r *Relay) await(words []string, trap func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.words, r.trap = nil, trap
	for _, w := range words {
		r.words = append(r.words, []byte(w))
	}
}

// asked looks at a question that is about to pass.
func (r *Relay) asked(question []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.words) == 0 {
		return
	}
	for _, w := range r.words {
		if !bytes.Contains(question, w) {
			return
		}
	}
	r.words = nil
	r.trap()
}

// Cut lets nothing through any more. As in a network that has broken, no
// connection is closed, and what was sent meanwhile arrives after Heal, unless
// its sender has taken it back by a reset.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.whole = make(chan struct{})
}

// Heal ends a Cut.
func (r *Relay) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.whole)
}

func (r *Relay) state() (delay time.Duration, whole <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.delay, r.whole
}

func (r *Relay) close() {
	r.cancel()
	_ = r.listener.Close() // ends accept
	r.tasks.Wait()
}

func (r *Relay) accept() {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.tasks.Go(func() { r.carry(c) })
	}
}

// carry joins a connection to one of the store's, until either ends.
func (r *Relay) carry(client net.Conn) {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	defer func() { _ = client.Close() }() // the other end knows by then
	_, whole := r.state()
	select {
	case <-whole:
	case <-ctx.Done():
		return
	}
	d := net.Dialer{Timeout: time.Second}
	server, err := d.DialContext(ctx, "tcp", r.target)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }() // likewise
	defer context.AfterFunc(ctx, func() {
		_ = client.Close()
		_ = server.Close()
	})()
	var both sync.WaitGroup
	both.Go(func() { defer cancel(); r.pump(ctx, cancel, client, server, false) })
	both.Go(func() { defer cancel(); r.pump(ctx, cancel, server, client, true) })
	both.Wait()
}

// chunk is something on its way.
type chunk struct {
	due  time.Time
	data []byte
}

// pump carries one direction. After a reset, drop throws away what is held.
func (r *Relay) pump(ctx context.Context, drop func(), from, to net.Conn, slow bool) {
	on := make(chan chunk, maxChunks)
	var writer sync.WaitGroup
	writer.Go(func() { r.deliver(ctx, on, to) })
	defer writer.Wait()
	defer close(on)
	for {
		buf := make([]byte, 32<<10)
		n, err := from.Read(buf)
		if n > 0 {
			due := time.Now()
			if delay, _ := r.state(); slow {
				due = due.Add(delay)
			} else {
				r.asked(buf[:n])
			}
			select {
			case on <- chunk{due, buf[:n]}:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				drop()
			}
			return
		}
	}
}

// deliver writes what is due, in order, while the wire is whole.
func (r *Relay) deliver(ctx context.Context, on <-chan chunk, to net.Conn) {
	for c := range on {
		timer := time.NewTimer(time.Until(c.due))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		_, whole := r.state()
		select {
		case <-whole:
		case <-ctx.Done():
			return
		}
		if _, err := to.Write(c.data); err != nil {
			return
		}
	}
}
