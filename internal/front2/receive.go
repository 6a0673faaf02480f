package front2

import (
	"encoding/binary"
	"net/http"
	"net/url"
)

// readFrame reads one frame and does what it asks for.
func (c *conn) readFrame() error {
	if err := c.need(headLen); err != nil {
		return err
	}
	f := parseFrame(c.buf[c.r:])
	switch {
	case f.length > maxFrame:
		return fail(frameSizeError, "frame is too long")
	case c.header.open() && (f.kind != frameContinuation || f.stream != c.header.id):
		return fail(protocolError, "header block is interrupted")
	case f.kind == frameData:
		return c.readData(f)
	}
	if err := c.need(headLen + f.length); err != nil {
		return err
	}
	payload := c.buf[c.r+headLen : c.r+headLen+f.length]
	c.r += headLen + f.length
	err := c.process(f, payload)
	if err == nil && !c.header.open() {
		err = c.calm()
	}
	return err
}

// process does what a frame other than DATA asks for.
func (c *conn) process(f frame, p []byte) error {
	switch f.kind {
	case frameHeaders:
		return c.onHeaders(f, p)
	case frameContinuation:
		if !c.header.open() {
			return fail(protocolError, "CONTINUATION continues nothing")
		}
		return c.onBlock(f, p)
	case frameSettings:
		return c.onSettings(f, p)
	case framePing:
		return c.onPing(f, p)
	case frameReset:
		return c.onReset(f, p)
	case frameWindow:
		return c.onWindow(f, p)
	case framePriority:
		return c.onPriority(f, p)
	case framePush:
		return fail(protocolError, "PUSH_PROMISE from a client")
	case frameGoAway:
		if f.stream != 0 {
			return fail(protocolError, "GOAWAY on a stream")
		}
		if len(p) < 8 {
			return fail(frameSizeError, "GOAWAY is too short")
		}
		c.mu.Lock()
		c.leaving = true
		c.finishIfIdle()
		c.mu.Unlock()
		return c.strange()
	}
	return c.strange() // unknown types mean nothing (RFC 9113 §5.5)
}

// unpad takes the padding off (RFC 9113 §6.1).
func unpad(f frame, p []byte) ([]byte, error) {
	if !f.has(flagPadded) {
		return p, nil
	}
	if len(p) == 0 {
		return nil, fail(frameSizeError, "padded frame without a length of padding")
	}
	pad := int(p[0])
	if p = p[1:]; pad > len(p) {
		return nil, fail(protocolError, "padding is longer than its frame")
	}
	return p[:len(p)-pad], nil
}

func (c *conn) onHeaders(f frame, p []byte) error {
	if f.stream%2 == 0 {
		return fail(protocolError, "HEADERS on a stream that is not the client's")
	}
	p, err := unpad(f, p)
	if err != nil {
		return err
	}
	if f.has(flagPriority) {
		if len(p) < 5 {
			return fail(frameSizeError, "HEADERS is too short for its priority")
		}
		if binary.BigEndian.Uint32(p)&maxWindow == f.stream {
			return fail(protocolError, "stream depends on itself")
		}
		p = p[5:]
	}
	c.header.id, c.header.flags = f.stream, f.flags
	return c.onBlock(f, p)
}

// onBlock reads a part of a header block.
func (c *conn) onBlock(f frame, p []byte) error {
	h := &c.header
	if h.parts++; h.parts > maxParts || len(h.block)+len(p) > maxBlock(c.server.config.MaxHeader) {
		return fail(enhanceYourCalm, "header block without end")
	}
	if !f.has(flagEndHeaders) {
		h.block = append(h.block, p...)
		return nil
	}
	if len(h.block) > 0 {
		h.block = append(h.block, p...)
		p = h.block
	}
	defer h.reset()
	if err := h.decode(p); err != nil {
		return err
	}
	err := c.onBlockEnd(h)
	if h.wrong != "" {
		c.tell(h.wrong)
	}
	return err
}

// tell says why a request was none, or why there will be no more. A reset or a
// GOAWAY is all of an answer that it has.
func (c *conn) tell(reason string) {
	r := &http.Request{
		Method: http.MethodGet, URL: &url.URL{}, Header: make(http.Header), Body: http.NoBody,
		Proto: "HTTP/2.0", ProtoMajor: 2, RemoteAddr: c.remote, TLS: c.state,
	}
	c.server.config.Refuse(nowhere{}, r.WithContext(c.base), http.StatusBadRequest, reason)
}

// nowhere is where an answer goes that nobody gets.
type nowhere http.Header

func (n nowhere) Header() http.Header       { return http.Header(n) }
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) WriteHeader(int)             {}

// onBlockEnd begins a request, or ends one with a trailer.
func (c *conn) onBlockEnd(h *header) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := h.flags&flagEndStream != 0
	if h.id > c.last {
		return c.open(h, end)
	}
	st := c.streams[h.id]
	if st == nil {
		switch known, ours := c.done.find(h.id); {
		case ours:
			return c.strange() // it was on its way
		case known:
			return fail(streamClosed, "HEADERS on a closed stream")
		}
		return fail(protocolError, "stream is older than others")
	}
	switch {
	case st.gotEnd:
		return c.refuse(st, streamClosed, "HEADERS after the end of the request")
	case !end || h.large || !validTrailer(h.fields):
		return c.refuse(st, protocolError, "trailer is malformed")
	}
	return c.endBody(st)
}

// broken is what a client does on a stream that must not be done. It is what a
// handler gets that reads the body.
type broken string

// Error implements error.
func (b broken) Error() string { return string(b) }

// Malformed says, by being there, that it is not the client that went away.
func (broken) Malformed() {}

// refuse resets a stream for what the client does on it.
func (c *conn) refuse(st *stream, why code, what broken) error {
	if len(c.out.bytes) > maxStuck {
		return errStuck
	}
	st.reset(why, what)
	c.kick()
	return c.strange()
}

// open begins a request. The caller holds mu.
func (c *conn) open(h *header, end bool) error {
	if c.leaving {
		return c.strange() // GOAWAY has said so
	}
	c.last = h.id
	st := streams.Get().(*stream)
	st.begin(c, h.id, end)
	why := noError
	switch {
	case len(c.streams) >= maxStreams || c.running >= maxRunning:
		why = refusedStream
	case h.large:
		st.blankRequest()
	default:
		if h.wrong = st.fill(h.fields); h.wrong != "" {
			why = protocolError
		}
	}
	if why != noError {
		c.done.add(h.id, true)
		err := c.strange()
		if err == nil {
			err = c.queueControl(func(b []byte) []byte { return appendReset(b, h.id, why) })
		}
		return err
	}
	st.answer.head = st.request.Method == http.MethodHead
	c.streams[h.id] = st
	if c.running++; c.running == 1 {
		c.server.config.State(c.tls, http.StateActive)
	}
	c.ended.Add(1)
	c.server.workers.run(st)
	return nil
}

// endBody ends what the client sends on a stream. The caller holds mu.
func (c *conn) endBody(st *stream) error {
	if st.left > 0 {
		return c.refuse(st, protocolError, "body is shorter than its Content-Length") // RFC 9113 §8.1.1
	}
	st.gotEnd = true
	st.cond.Broadcast()
	if st.sentEnd {
		c.close(st, false)
	}
	return nil
}

// readData reads a DATA frame as it comes.
func (c *conn) readData(f frame) error {
	pad, read := 0, headLen
	if f.has(flagPadded) {
		if f.length == 0 {
			return fail(frameSizeError, "padded frame without a length of padding")
		}
		if err := c.need(headLen + 1); err != nil {
			return err
		}
		read++
		pad = int(c.buf[c.r+headLen])
		if pad >= f.length {
			return fail(protocolError, "padding is longer than its frame")
		}
	}
	c.r += read
	left := f.length - (read - headLen)
	if err := c.calm(); err != nil {
		return err
	}
	if err := c.beginData(f, f.length-(left-pad)); err != nil {
		return err
	}
	for left > 0 {
		if c.buffered() == 0 {
			if err := c.fill(1); err != nil {
				return err
			}
		}
		n := min(left, c.buffered())
		p := c.buf[c.r : c.r+n]
		c.r += n
		if left -= n; left < pad {
			p = p[:max(0, n-(pad-left))]
		}
		if len(p) > 0 {
			if err := c.takeData(f.stream, p); err != nil {
				return err
			}
		}
	}
	return c.endData(f)
}

// beginData looks whether DATA may come, of which waste bytes are padding.
func (c *conn) beginData(f frame, waste int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.stream == 0 || f.stream > c.last {
		if c.leaving && f.stream%2 == 1 {
			c.credit -= f.length // of a stream that GOAWAY refused
			c.giveBack(waste)
			return c.strange()
		}
		return fail(protocolError, "DATA on a stream that is not open")
	}
	if c.credit -= f.length; c.credit < 0 {
		return fail(flowError, "more DATA than the connection's window allows")
	}
	c.giveBack(waste)
	st := c.streams[f.stream]
	switch {
	case st == nil:
		if _, ours := c.done.find(f.stream); !ours {
			if err := c.queueControl(func(b []byte) []byte { return appendReset(b, f.stream, streamClosed) }); err != nil {
				return err
			}
		}
		return c.strange()
	case st.gotEnd:
		return c.refuse(st, streamClosed, "DATA after the end of the request")
	}
	if st.credit -= f.length; st.credit < 0 {
		return c.refuse(st, flowError, "more DATA than the stream's window allows")
	}
	st.giveBack(waste)
	if f.length == waste && !f.has(flagEndStream) {
		return c.strange()
	}
	return nil
}

// takeData puts data where the handler reads it.
func (c *conn) takeData(id uint32, p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := c.streams[id]
	if st != nil && st.left >= 0 {
		if st.left -= int64(len(p)); st.left < 0 {
			c.giveBack(len(p))
			return c.refuse(st, protocolError, "body is longer than its Content-Length")
		}
	}
	if st == nil || st.unread {
		c.giveBack(len(p))
		if st != nil {
			st.giveBack(len(p))
		}
		return nil
	}
	if st.read > len(st.data)/2 { // who never reads all must not keep what was read
		st.data = st.data[:copy(st.data, st.data[st.read:])]
		st.read = 0
	}
	st.data = append(st.data, p...)
	st.cond.Broadcast()
	return nil
}

func (c *conn) endData(f frame) error {
	if !f.has(flagEndStream) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if st := c.streams[f.stream]; st != nil {
		return c.endBody(st)
	}
	return nil
}

func (c *conn) onSettings(f frame, p []byte) error {
	switch {
	case f.stream != 0:
		return fail(protocolError, "SETTINGS on a stream")
	case f.has(flagAck) && len(p) > 0, len(p)%6 != 0:
		return fail(frameSizeError, "SETTINGS of a wrong length")
	case f.has(flagAck):
		return c.strange()
	}
	if err := c.settings(p); err != nil {
		return err
	}
	return c.strange()
}

func (c *conn) onPing(f frame, p []byte) error {
	switch {
	case f.stream != 0:
		return fail(protocolError, "PING on a stream")
	case len(p) != 8:
		return fail(frameSizeError, "PING of a wrong length")
	case f.has(flagAck):
		return c.strange()
	}
	c.mu.Lock()
	err := c.queueControl(func(b []byte) []byte { return append(appendFrame(b, 8, framePing, flagAck, 0), p...) })
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.strange()
}

func (c *conn) onReset(f frame, p []byte) error {
	if len(p) != 4 {
		return fail(frameSizeError, "RST_STREAM of a wrong length")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.stream == 0 || f.stream > c.last && !c.leaving {
		return fail(protocolError, "RST_STREAM on a stream that is not open")
	}
	if st := c.streams[f.stream]; st != nil {
		st.abandon(errReset)
		c.close(st, false)
	}
	return c.strange()
}

func (c *conn) onWindow(f frame, p []byte) error {
	if len(p) != 4 {
		return fail(frameSizeError, "WINDOW_UPDATE of a wrong length")
	}
	n := int(binary.BigEndian.Uint32(p) & maxWindow)
	c.mu.Lock()
	defer c.mu.Unlock()
	st := c.streams[f.stream]
	switch {
	case f.stream == 0 && n == 0:
		return fail(protocolError, "WINDOW_UPDATE of nothing")
	case f.stream == 0:
		shut := c.window <= 0
		if c.window += n; c.window > maxWindow {
			return fail(flowError, "WINDOW_UPDATE makes the window too large")
		}
		if shut { // else it is not what anybody waits for
			c.wake()
		}
	case f.stream > c.last && !c.leaving:
		return fail(protocolError, "WINDOW_UPDATE on a stream that is not open")
	case st == nil:
		return c.strange()
	case n == 0:
		return c.refuse(st, protocolError, "WINDOW_UPDATE of nothing")
	default:
		if st.window += n; st.window > maxWindow {
			return c.refuse(st, flowError, "WINDOW_UPDATE makes a window too large")
		}
		st.cond.Broadcast()
	}
	if n < smallUpdate || len(c.streams) == 0 {
		return c.strange()
	}
	return nil
}

// smallUpdate is how much a WINDOW_UPDATE should be worth.
const smallUpdate = 1 << 10

// onPriority reads what is deprecated and has no effect (RFC 9113 §5.3).
func (c *conn) onPriority(f frame, p []byte) error {
	switch {
	case f.stream == 0:
		return fail(protocolError, "PRIORITY of no stream")
	case len(p) != 5:
		c.mu.Lock()
		defer c.mu.Unlock()
		if st := c.streams[f.stream]; st != nil {
			return c.refuse(st, frameSizeError, "PRIORITY of a wrong length")
		}
		return fail(frameSizeError, "PRIORITY of a wrong length")
	case binary.BigEndian.Uint32(p)&maxWindow == f.stream:
		return fail(protocolError, "stream depends on itself")
	}
	return c.strange()
}
