package serve

// queue is a list of connections in the order of arrival, linked through the
// connections: each request moves one twice, which must cost nothing. The zero
// value is empty.
type queue struct {
	first, last *conn
	n           int
}

// push puts c, which is in no queue, at the end.
func (q *queue) push(c *conn) {
	c.in, c.before, c.after = q, q.last, nil
	if q.last == nil {
		q.first = c
	} else {
		q.last.after = c
	}
	q.last = c
	q.n++
}

// remove takes c, which is in q, out.
func (q *queue) remove(c *conn) {
	if c.before == nil {
		q.first = c.after
	} else {
		c.before.after = c.after
	}
	if c.after == nil {
		q.last = c.before
	} else {
		c.after.before = c.before
	}
	c.in, c.before, c.after = nil, nil, nil
	q.n--
}
