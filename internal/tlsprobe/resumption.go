package tlsprobe

import (
	"bytes"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// ticket is a NewSessionTicket with the secret that goes with it (RFC 8446 §4.6.1).
type ticket struct {
	suite    Suite
	group    uint16 // of the session; asked for another, the server drops early data
	psk      []byte
	label    []byte
	ageAdd   uint32
	maxEarly uint32
	received time.Time
}

// startEarly offers the ticket and sends the request right behind the hello.
func (c *client13) startEarly() ([]byte, error) {
	s := suites13[c.resume.suite]
	c.hello.EarlyData = true
	c.hello.Suites = []Suite{c.resume.suite}
	c.hello.Ticket, c.hello.BinderSize = c.resume.label, s.size()
	c.hello.TicketAge = uint32(c.now().Sub(c.resume.received).Milliseconds()) + c.resume.ageAdd
	msg, err := c.hello.Marshal()
	if err != nil {
		return nil, err
	}
	if c.secret, err = s.next(nil, c.resume.psk); err != nil {
		return nil, err
	}
	binderKey, err := s.derive(c.secret, "res binder", nil)
	if err != nil {
		return nil, err
	}
	head := len(msg) - s.size() - 3 // the two lengths of the binders are not bound
	binder, err := s.finished(binderKey, msg[:head])
	if err != nil {
		return nil, err
	}
	copy(msg[head+3:], binder)
	c.transcript = msg
	earlySecret, err := s.derive(c.secret, "c e traffic", msg)
	if err != nil {
		return nil, err
	}
	if c.early, err = s.half(earlySecret); err != nil {
		return nil, err
	}
	out := frame(recordHandshake, TLS10, msg)
	out = append(out, frame(recordChangeCipherSpec, TLS12, []byte{1})...)
	return append(out, c.early.seal(recordApplicationData, c.request)...), nil
}

// hurry is called when the peer has been silent for long: it returns the flight
// that was held back, once.
func (c *client13) hurry() []byte {
	held := c.held
	c.held = nil
	return held
}

func (c *client13) onPostHandshake(typ byte, body, _ []byte) error {
	if typ != typeNewSessionTicket {
		return outOfOrder(typ)
	}
	t, nonce, err := parseTicket(body)
	if err != nil {
		return err
	}
	if len(c.tickets) == 8 { // the first are as good as any
		return nil
	}
	t.suite, t.group, t.received = c.server.Suite, c.server.Group, c.now()
	if t.psk, err = c.suite.expand(c.resumption, "resumption", nonce, c.suite.size()); err != nil {
		return err
	}
	c.tickets = append(c.tickets, t)
	c.done = c.goal == goalTicket
	return nil
}

// parseTicket reads the body of a NewSessionTicket.
func parseTicket(body []byte) (t ticket, nonce []byte, err error) {
	s := cryptobyte.String(body)
	var lifetime uint32
	var n, label, list cryptobyte.String
	if !s.ReadUint32(&lifetime) || !s.ReadUint32(&t.ageAdd) || !s.ReadUint8LengthPrefixed(&n) ||
		!s.ReadUint16LengthPrefixed(&label) || len(label) == 0 || !s.ReadUint16LengthPrefixed(&list) || !s.Empty() {
		return t, nil, malformed("malformed session ticket")
	}
	for !list.Empty() {
		var id uint16
		var ext cryptobyte.String
		if !list.ReadUint16(&id) || !list.ReadUint16LengthPrefixed(&ext) {
			return t, nil, malformed("malformed session ticket")
		}
		if id == extEarlyData && (!ext.ReadUint32(&t.maxEarly) || !ext.Empty()) {
			return t, nil, malformed("malformed session ticket")
		}
	}
	t.label = bytes.Clone(label)
	return t, n, nil
}
