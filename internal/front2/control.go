package front2

import "encoding/binary"

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
