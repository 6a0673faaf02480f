package front2

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
