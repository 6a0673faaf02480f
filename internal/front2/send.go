package front2

import (
	"bytes"
	"encoding/binary"
	"os"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"
)

// output is what waits to be written. conn.mu guards it.
type output struct {
	bytes   []byte
	spare   []byte    // to take the place of bytes while they are written
	busy    bool      // somebody writes
	kicked  bool      // a goroutine is on its way to do so
	final   bool      // nothing may follow
	idle    sync.Cond // busy has become false
	until   time.Time // the deadline in force, of who has set busy
	waiting int       // streams that wait for room or for a window

	encoder *hpack.Encoder
	block   bytes.Buffer
}

func (o *output) init(mu *sync.Mutex) {
	o.idle.L = mu
	o.encoder = hpack.NewEncoder(&o.block)
	o.encoder.SetMaxDynamicTableSizeLimit(4 << 10)
}

// largeBuffers lends space for answers that do not fit into a small one.
var largeBuffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}

const largeBuffer = maxQueued + 2*maxFrame

// reserve makes room for n more bytes.
func (o *output) reserve(n int) {
	if len(o.bytes)+n <= cap(o.bytes) || cap(o.bytes) >= largeBuffer {
		return
	}
	if len(o.bytes)+n <= firstBuffer {
		o.bytes = append(make([]byte, 0, firstBuffer), o.bytes...)
		return
	}
	large := largeBuffers.Get().(*[largeBuffer]byte)
	o.bytes = append(large[:0], o.bytes...)
}

// recycle takes back what has been written.
func (o *output) recycle(b []byte) {
	switch {
	case cap(b) == largeBuffer:
		largeBuffers.Put((*[largeBuffer]byte)(b[:largeBuffer]))
	case cap(b) <= firstBuffer:
		o.spare = b[:0]
	}
}

// flush writes what waits, on the caller's goroutine, unless another is at it.
// The caller holds c.mu, which flush lets go while it writes.
func (c *conn) flush() {
	if c.out.busy {
		return
	}
	c.out.busy = true
	for len(c.out.bytes) > 0 && (c.dead == nil || c.out.final) {
		b := c.out.bytes
		c.out.bytes, c.out.spare = c.out.spare, nil
		final := c.out.final
		c.mu.Unlock()
		err := c.write(b, final)
		c.mu.Lock()
		c.out.recycle(b)
		if err != nil {
			c.kill(err)
		}
		c.wake()
	}
	c.out.busy = false
	c.out.idle.Broadcast()
}

// write sends b in parts, each of which the client may take its time for. final
// says that there is a deadline for all of it. Only who has set busy may call it.
func (c *conn) write(b []byte, final bool) error {
	for len(b) > 0 {
		now := time.Now()
		if c.out.until.Sub(now) < writeTimeout && !final {
			c.out.until = now.Add(writeTimeout + writeTimeout/8)
			if err := c.tls.SetWriteDeadline(c.out.until); err != nil {
				return err
			}
		}
		n, err := c.tls.Write(b[:min(len(b), maxFrame)])
		if err != nil {
			return err
		}
		b = b[n:]
		c.moved.Store(true)
	}
	return nil
}

// kick has what waits written without waiting for it.
func (c *conn) kick() {
	if c.out.busy || c.out.kicked || len(c.out.bytes) == 0 {
		return
	}
	c.out.kicked = true
	c.ended.Go(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.out.kicked = false
		c.flush()
	})
}

// kill ends everything after a write has failed. The reading goroutine clears up.
func (c *conn) kill(err error) {
	if c.dead == nil {
		c.dead = err
	}
	c.out.bytes, c.out.final = nil, false
	for _, st := range c.streams {
		st.abandon(err)
	}
	_ = c.tls.NetConn().Close() // what reads notices
}

// wake has streams look again that wait for room or for a window.
func (c *conn) wake() {
	if c.out.waiting == 0 {
		return
	}
	for _, st := range c.streams {
		st.cond.Broadcast()
	}
}

// appendHeader queues a header block (RFC 9113 §6.2, §6.10). The caller holds c.mu.
func (c *conn) appendHeader(id uint32, status string, fields []hpack.HeaderField, end bool) {
	o := &c.out
	o.block.Reset()
	if status != "" {
		_ = o.encoder.WriteField(hpack.HeaderField{Name: ":status", Value: status}) // into memory
	}
	for _, f := range fields {
		_ = o.encoder.WriteField(f) // into memory
	}
	block := o.block.Bytes()
	flags := byte(0)
	if end {
		flags = flagEndStream
	}
	for kind := byte(frameHeaders); ; kind = frameContinuation {
		part := block[:min(len(block), c.frame)]
		block = block[len(part):]
		if len(block) == 0 {
			flags |= flagEndHeaders
		}
		o.reserve(headLen + len(part))
		o.bytes = appendFrame(o.bytes, len(part), kind, flags, id)
		o.bytes = append(o.bytes, part...)
		if len(block) == 0 {
			break
		}
		flags = 0
	}
	if o.block.Cap() > keepBuffer {
		o.block = bytes.Buffer{}
	}
}

// sendData queues p as DATA of st, with the stream's end behind it if end, as
// windows open and room is made. It returns when all is queued. The caller
// holds c.mu, which sendData lets go while it waits.
func (c *conn) sendData(st *stream, p []byte, end bool) error {
	for {
		if st.failure != nil {
			return st.failure
		}
		n := max(0, min(len(p), c.frame, c.window, st.window)) // a client may shrink a window below what it holds
		if n > 0 || end && len(p) == 0 {
			if len(c.out.bytes) < maxQueued {
				last := end && n == len(p)
				flags := byte(0)
				if last {
					flags = flagEndStream
				}
				c.out.reserve(headLen + n)
				c.out.bytes = appendFrame(c.out.bytes, n, frameData, flags, st.id)
				c.out.bytes = append(c.out.bytes, p[:n]...)
				if n == len(p) || n >= smallUpdate { // else it was a small window that made a small frame
					c.earned.Add(4)
				}
				c.window -= n
				st.window -= n
				if p = p[n:]; len(p) == 0 {
					return nil
				}
				continue
			}
		}
		if !c.out.busy && len(c.out.bytes) > 0 {
			c.flush()
			continue
		}
		if !st.wait(st.writeBy) {
			st.reset(internalError, os.ErrDeadlineExceeded)
			c.kick()
			return os.ErrDeadlineExceeded
		}
	}
}

// room waits until more may be queued. Windows hold back DATA alone. The caller
// holds c.mu, which room lets go while it waits.
func (c *conn) room(st *stream) error {
	for st.failure == nil && len(c.out.bytes) >= maxQueued {
		if !c.out.busy {
			c.flush()
			continue
		}
		if !st.wait(st.writeBy) {
			st.reset(internalError, os.ErrDeadlineExceeded)
			c.kick()
		}
	}
	return st.failure
}

var errStuck = fail(enhanceYourCalm, "client does not read")

// queueControl queues a frame that nobody waits for, unless the client lets too
// many of them pile up.
func (c *conn) queueControl(add func([]byte) []byte) error {
	if len(c.out.bytes) > maxStuck {
		return errStuck
	}
	c.out.bytes = add(c.out.bytes)
	c.kick()
	return nil
}

// setting reads one of the client's (RFC 9113 §6.5.2).
func (c *conn) setting(id uint16, value uint32) error {
	switch id {
	case settingTable:
		c.out.encoder.SetMaxDynamicTableSize(min(value, 4<<10))
	case settingPush:
		if value > 1 {
			return fail(protocolError, "ENABLE_PUSH is neither 0 nor 1")
		}
	case settingWindow:
		if value > maxWindow {
			return fail(flowError, "INITIAL_WINDOW_SIZE is too large")
		}
		c.first = int(value)
	case settingFrame:
		if value < maxFrame || value > 1<<24-1 {
			return fail(protocolError, "MAX_FRAME_SIZE is out of bounds")
		}
	}
	return nil
}

// maxSettings is how many settings a frame may have. There are not twenty.
const maxSettings = 64

// settings reads a whole frame of them. What streams it concerns, it concerns
// once, however often a frame repeats it.
func (c *conn) settings(p []byte) error {
	if len(p) > 6*maxSettings {
		return fail(enhanceYourCalm, "SETTINGS of too many")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.first
	for ; len(p) > 0; p = p[6:] {
		if err := c.setting(binary.BigEndian.Uint16(p), binary.BigEndian.Uint32(p[2:])); err != nil {
			return err
		}
	}
	if more := c.first - was; more != 0 {
		for _, st := range c.streams {
			if st.window += more; st.window > maxWindow {
				return fail(flowError, "INITIAL_WINDOW_SIZE makes a window too large")
			}
		}
		c.wake()
	}
	return c.queueControl(func(b []byte) []byte { return appendFrame(b, 0, frameSettings, flagAck, 0) })
}
