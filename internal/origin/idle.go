package origin

import "time"

func (c *Client) takeFree() *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.free)
	if n == 0 {
		return nil
	}
	pc := c.free[n-1]
	c.free[n-1] = nil
	c.free = c.free[:n-1]
	return pc
}

// put keeps pc for the next request.
func (c *Client) put(pc *conn, now time.Time) {
	pc.rest(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.free) >= c.max {
		_ = pc.Close() // not needed any more
		return
	}
	c.free = append(c.free, pc)
	if c.sweep == nil {
		c.sweep = time.AfterFunc(c.idle, c.expire)
	}
}

// expire closes what was idle for too long.
func (c *Client) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	n := 0
	for n < len(c.free) && now.Sub(c.free[n].since) >= c.idle {
		_ = c.free[n].Close() // not needed any more
		n++
	}
	c.free = append(c.free[:0], c.free[n:]...)
	clear(c.free[len(c.free):cap(c.free)])
	if len(c.free) == 0 || c.closed {
		c.sweep = nil
		return
	}
	c.sweep.Reset(max(c.idle-now.Sub(c.free[0].since), 10*time.Millisecond))
}

// CloseIdle closes the connections that nobody uses, and those in use as soon
// as they are given back.
func (c *Client) CloseIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, pc := range c.free {
		_ = pc.Close() // not needed any more
	}
	c.free = nil
	if c.sweep != nil {
		c.sweep.Stop()
		c.sweep = nil
	}
}
