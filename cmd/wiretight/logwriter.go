package main

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// logWriter hands log lines on to a writer, on a goroutine of its own: many
// lines take one system call, and who logs does not wait for who reads.
//
// A line waits a few milliseconds for others, all of them keep their order, and
// Close writes what is left. A reader that is behind has logQueue to catch up,
// and then whoever logs waits for it: up to logPatience, no longer, and not
// again before it has read on. Lines that still find no room are lost; a line
// in their place says how many, and Lost counts them. A write that fails, to a
// disk that is full, is tried again from the byte at which it ended.
type logWriter struct {
	w io.Writer
	// told makes the line that says how many others are lost, and why the last
	// write has failed, if one has.
	told func(lost int, why error) []byte

	mu      sync.Mutex
	waiting []byte        // whole lines
	taken   []byte        // what waiting was made of before
	missing int           // lines lost since told said so
	failed  error         // of the last write, since then
	behind  bool          // nobody waits for room, since that was in vain
	closed  bool          // no line is taken any more
	moved   chan struct{} // closed when something has happened to waiting
	// in and out are how many bytes were taken in, and what of them was written.
	in, out uint64

	lost   atomic.Uint64
	wake   chan struct{} // something waits
	enough chan struct{} // it is worth a write, or wanted at once
	stop   chan struct{}
	ended  chan struct{}
}

const (
	// logGather is how long a line may wait for others.
	logGather = 5 * time.Millisecond
	// logBatch is worth a write at once.
	logBatch = 32 << 10
	// logQueue is how much may wait, in bytes.
	logQueue = 1 << 20
	// logPatience is how long somebody waits for a reader that is behind.
	logPatience = time.Second
	// logFarewell is how long the end of the program waits for such a reader.
	logFarewell = 5 * time.Second
	// logRetry is when a write that failed is tried again.
	logRetry = 250 * time.Millisecond
)

var errLogBehind = errors.New("the reader of the log is too far behind")

// newLogWriter starts the goroutine. The caller closes.
func newLogWriter(w io.Writer, told func(lost int, why error) []byte) *logWriter {
	l := &logWriter{
		w: w, told: told, moved: make(chan struct{}),
		wake: make(chan struct{}, 1), enough: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	go l.run()
	return l
}

// Lost is how many lines were lost since the start.
func (l *logWriter) Lost() uint64 { return l.lost.Load() }

// Write takes one line, or several, to be written soon.
func (l *logWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.room(len(p)) {
		l.missing++
		l.lost.Add(1)
		return 0, errLogBehind
	}
	before := len(l.waiting)
	l.waiting = append(l.waiting, p...)
	l.in += uint64(len(p))
	if before == 0 {
		notify(l.wake)
	}
	if before < logBatch && len(l.waiting) >= logBatch {
		notify(l.enough)
	}
	return len(p), nil
}

// room reports whether there is room for n bytes. It waits for it, within
// bounds, without the lock.
func (l *logWriter) room(n int) bool {
	var patience <-chan time.Time
	for len(l.waiting) > 0 && len(l.waiting)+n > logQueue && !l.behind && !l.closed {
		if patience == nil {
			patience = time.After(logPatience)
		}
		moved := l.moved
		l.mu.Unlock()
		select {
		case <-moved:
			l.mu.Lock()
		case <-patience:
			l.mu.Lock()
			if len(l.waiting)+n > logQueue {
				l.behind = true
				l.move()
			}
		}
	}
	return !l.closed && (len(l.waiting) == 0 || len(l.waiting)+n <= logQueue)
}

func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run writes until Close.
func (l *logWriter) run() {
	defer close(l.ended)
	gather := time.NewTimer(logGather)
	defer gather.Stop()
	for {
		select {
		case <-l.wake:
			gather.Reset(logGather)
			select {
			case <-l.enough:
			case <-gather.C:
			case <-l.stop:
			}
			if !l.write(l.take()) {
				return
			}
		case <-l.stop:
			l.write(l.take())
			return
		}
	}
}

// take is what waits, and the line that tells of lost ones.
func (l *logWriter) take() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.waiting
	l.waiting, l.taken = l.taken[:0], b
	if l.missing > 0 {
		line := l.told(l.missing, l.failed)
		l.in += uint64(len(line))
		b = append(b, line...)
		l.missing = 0
	}
	l.failed, l.behind = nil, false
	l.move()
	return b
}

// move tells whoever waits that something has happened.
func (l *logWriter) move() {
	close(l.moved)
	l.moved = make(chan struct{})
}

// write writes b, again and again while that fails. Only at the end it gives up.
func (l *logWriter) write(b []byte) (whole bool) {
	for len(b) > 0 {
		n, err := l.w.Write(b)
		b = b[n:]
		l.wrote(n, err)
		if err == nil {
			continue
		}
		select {
		case <-l.stop:
			return false
		case <-time.After(logRetry):
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if cap(l.taken) > 2*logBatch {
		l.taken = nil // as large as that only after a hold-up
	}
	return true
}

func (l *logWriter) wrote(n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out += uint64(n)
	if err != nil {
		l.failed = err
	}
	l.move()
}

// Flush returns when all lines so far are written, or with an error after
// logPatience.
func (l *logWriter) Flush() error {
	late := time.After(logPatience)
	l.mu.Lock()
	defer l.mu.Unlock()
	for want := l.in; l.out < want; {
		moved := l.moved
		l.mu.Unlock()
		notify(l.enough)
		select {
		case <-moved:
			l.mu.Lock()
		case <-late:
			l.mu.Lock()
			return errLogBehind
		}
	}
	return nil
}

// Close writes what waits and ends the goroutine. It gives up, with an error, on
// a reader that takes nothing for logFarewell. Lines that come later are lost.
func (l *logWriter) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.stop)
		l.move()
	}
	for {
		moved, late := l.moved, time.After(logFarewell)
		l.mu.Unlock()
		select {
		case <-l.ended:
			l.mu.Lock()
			if l.out < l.in {
				return l.failed
			}
			return nil
		case <-moved:
			l.mu.Lock()
		case <-late:
			l.mu.Lock()
			return errLogBehind
		}
	}
}
