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
