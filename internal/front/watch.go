package front

import (
	"errors"
	"os"
	"sync"
	"time"
)

// watch looks whether the client goes away while it waits for an answer. Few
// requests take so long that it matters: the timer is set once for all requests
// of a busy connection, and only when one is still under way at the second look
// does a read wait for the end of the connection.
type watch struct {
	timer   *time.Timer
	armed   bool   // timer will call look
	request uint64 // number of the request under way
	looked  uint64 // the one that was under way at the last look
	open    bool   // nobody else reads: the body has ended
	begun   bool   // a read was begun for this request
	reading bool   // and waits
	gone    bool
	ended   sync.Cond   // reading has become false
	grace   *time.Timer // of a shutdown
}

// lookEvery is the time between two looks.
const lookEvery = 100 * time.Millisecond

// stop ends the timers. The caller holds conn.mu.
func (w *watch) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.grace != nil {
		w.grace.Stop()
	}
}

// startWatching begins a request. open says that it has no body.
func (c *conn) startWatching(open bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &c.watch
	w.request++
	w.open = open
	if w.armed {
		return
	}
	w.armed = true
	if w.timer == nil {
		w.timer = time.AfterFunc(lookEvery, c.look)
	} else {
		w.timer.Reset(lookEvery)
	}
}

// stopWatching ends a request and reports whether the client has gone away.
// Afterwards nobody but the connection's own goroutine reads.
func (c *conn) stopWatching() (gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watch.open = false
	if c.watch.begun {
		c.watch.begun = false
		c.interrupt()
		for c.watch.reading {
			c.watch.ended.Wait()
		}
	}
	return c.watch.gone
}

// bodyEnded says that nobody reads the request's body any more.
func (c *conn) bodyEnded() {
	c.mu.Lock()
	c.watch.open = true
	c.mu.Unlock()
}

// look runs on the timer's goroutine.
func (c *conn) look() {
	c.mu.Lock()
	w := &c.watch
	switch {
	case c.phase != active:
		w.armed = false
		c.mu.Unlock()
		return
	case w.looked != w.request || !w.open:
		w.looked = w.request
		w.timer.Reset(lookEvery)
		c.mu.Unlock()
		return
	}
	w.armed, w.begun, w.reading = false, true, true
	if !c.turn.answer.touched.Load() {
		_ = c.raw.SetReadDeadline(time.Time{})
	}
	c.mu.Unlock()
	c.readAhead()
}

// readAhead reads what the client sends before it has its answer, until the
// buffer is full, the client has gone, or the answer is out.
func (c *conn) readAhead() {
	var err error
	for err == nil && c.end-c.start < readBuffer {
		err = c.fill()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.watch.gone = true
		c.turn.life.end()
	}
	c.watch.reading = false
	c.watch.ended.Broadcast()
}
