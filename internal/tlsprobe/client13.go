package tlsprobe

import (
	"crypto/hmac"
	"crypto/rand"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// goal is where a client13 stops.
type goal int

const (
	goalHello       goal = iota // ServerHello or HelloRetryRequest
	goalCertificate             // the server's certificates
	goalTicket                  // a session ticket
	goalAnswer                  // application data, or the refusal of early data
)

// client13 is a TLS 1.3 client (RFC 8446) for one question. It proves to itself
// by the server's Finished that both hold the same keys, and does not care whose
// they are: it is made to look at certificates, not to trust them.
type client13 struct {
	goal    goal
	hello   ClientHello
	resume  *ticket
	request []byte // sent as early data with resume, else after the handshake
	now     func() time.Time

	keys       map[uint16]keyPair
	records    recordReader
	messages   messageReader
	transcript []byte
	suite      suite13
	state      func(typ byte, body, raw []byte) error
	out        []byte
	held       []byte // the last flight behind early data, until hurry
	done       bool

	secret        []byte // of the current stage of the schedule
	clientSecret  []byte
	serverSecret  []byte
	resumption    []byte
	early         *half
	read, write   *half
	certRequested bool

	server       ServerHello
	retried      bool
	certificates [][]byte
	earlyTaken   bool
	tickets      []ticket
	answer       []byte
	unconfirmed  bool // the answer came while the last flight was held
}

func newClient13(goal goal, name string, list []Suite, now func() time.Time) *client13 {
	c := &client13{goal: goal, hello: newHello(TLS13, name, list), keys: make(map[uint16]keyPair), now: now}
	c.hello.Groups = namedGroups13
	c.hello.SessionID = make([]byte, 32) // middlebox compatibility, RFC 8446 §D.4
	rand.Read(c.hello.SessionID)
	return c
}

func (c *client13) start() ([]byte, error) {
	groups := firstShares13
	if c.resume != nil {
		groups = []uint16{c.resume.group}
	}
	for _, g := range groups {
		pair, share, err := newKeyPair(g)
		if err != nil {
			return nil, err
		}
		c.keys[g] = pair
		c.hello.KeyShares = append(c.hello.KeyShares, share)
	}
	c.state = c.onServerHello
	if c.resume != nil {
		return c.startEarly()
	}
	msg, err := c.hello.Marshal()
	if err != nil {
		return nil, err
	}
	c.transcript = msg
	return frame(recordHandshake, TLS10, msg), nil
}

func (c *client13) feed(p []byte) (send []byte, done bool, err error) {
	c.out = nil
	if err := c.records.write(p); err != nil {
		return nil, false, err
	}
	for !c.done {
		rec, ok, err := c.records.next()
		if err != nil || !ok {
			return c.out, false, err
		}
		if err := c.record(rec); err != nil {
			return c.out, false, err
		}
	}
	return c.out, true, nil
}

func (c *client13) record(rec record) error {
	typ, payload := rec.typ, rec.payload
	if typ == recordChangeCipherSpec && !c.connected() {
		return nil
	}
	if c.read != nil {
		if typ != recordApplicationData {
			if typ == recordAlert { // in clear: the server could not read ours
				return parseAlert(payload)
			}
			return malformed("record of type %d in clear", typ)
		}
		var err error
		if typ, payload, err = c.read.open(rec); err != nil {
			return err
		}
	}
	switch typ {
	case recordAlert:
		return parseAlert(payload)
	case recordHandshake:
		c.messages.write(payload)
		return c.handshake()
	case recordApplicationData:
		if !c.connected() {
			return malformed("application data before the end of the handshake")
		}
		c.answer = append(c.answer, payload...)
		c.unconfirmed = c.unconfirmed || c.held != nil
		// Tickets come before the first answer or, in practice, not at all.
		c.done = c.goal == goalTicket || len(c.answer) >= len("HTTP/1.1 200")
		return nil
	}
	return malformed("record of type %d", typ)
}

func (c *client13) connected() bool { return c.resumption != nil }

func (c *client13) handshake() error {
	for !c.done {
		typ, body, raw, ok, err := c.messages.next()
		if err != nil || !ok {
			return err
		}
		if err := c.state(typ, body, raw); err != nil {
			return err
		}
	}
	return nil
}

func outOfOrder(typ byte) error { return malformed("handshake message of type %d out of order", typ) }

func (c *client13) onServerHello(typ byte, body, raw []byte) error {
	if typ != typeServerHello {
		return outOfOrder(typ)
	}
	h, err := ParseServerHello(body)
	if err != nil {
		return err
	}
	c.server = h
	if h.Version != TLS13 {
		return malformed("the server chose %v, which was not offered", h.Version)
	}
	if !slices.Contains(c.hello.Suites, h.Suite) {
		return malformed("the server chose suite %v, which was not offered", h.Suite)
	}
	if c.goal == goalHello {
		c.done = true
		return nil
	}
	c.suite = suites13[h.Suite]
	if h.Retry {
		return c.retry(raw)
	}
	if c.resume != nil && !h.PSK {
		c.done = true // neither the ticket nor early data was taken
		return nil
	}
	if len(c.messages.buf) > 0 {
		return malformed("data in clear behind the server hello")
	}
	c.transcript = append(c.transcript, raw...)
	return c.handshakeKeys()
}

// retry answers a HelloRetryRequest (RFC 8446 §4.1.4, §4.4.1).
func (c *client13) retry(raw []byte) error {
	if c.retried || c.resume != nil { // a retry refuses early data
		if c.done = c.resume != nil; c.done {
			return nil
		}
		return malformed("two hello retry requests")
	}
	c.retried = true
	if c.server.Group != 0 {
		pair, share, err := newKeyPair(c.server.Group)
		if err != nil {
			return err
		}
		c.keys = map[uint16]keyPair{c.server.Group: pair}
		c.hello.KeyShares = []KeyShare{share}
	}
	c.hello.Cookie = c.server.Cookie
	msg, err := c.hello.Marshal()
	if err != nil {
		return err
	}
	sum := c.suite.sum(c.transcript)
	c.transcript = append([]byte{typeMessageHash, 0, 0, byte(len(sum))}, sum...)
	c.transcript = append(append(c.transcript, raw...), msg...)
	c.out = append(c.out, frame(recordHandshake, TLS12, msg)...)
	return nil
}

func (c *client13) handshakeKeys() error {
	pair, ok := c.keys[c.server.Group]
	if !ok {
		return malformed("the server chose group %d, which was not offered", c.server.Group)
	}
	shared, err := pair.shared(c.server.Share)
	if err != nil {
		return err
	}
	if c.resume == nil {
		if c.secret, err = c.suite.next(nil, nil); err != nil {
			return err
		}
	}
	if c.secret, err = c.suite.next(c.secret, shared); err != nil {
		return err
	}
	if err := c.trafficKeys("c hs traffic", "s hs traffic"); err != nil {
		return err
	}
	c.state = c.onEncryptedExtensions
	return nil
}

// trafficKeys moves both directions to the secrets of the current stage.
func (c *client13) trafficKeys(client, server string) (err error) {
	if c.clientSecret, err = c.suite.derive(c.secret, client, c.transcript); err != nil {
		return err
	}
	if c.serverSecret, err = c.suite.derive(c.secret, server, c.transcript); err != nil {
		return err
	}
	if c.write, err = c.suite.half(c.clientSecret); err != nil {
		return err
	}
	c.read, err = c.suite.half(c.serverSecret)
	return err
}

func (c *client13) onEncryptedExtensions(typ byte, body, raw []byte) error {
	if typ != typeEncryptedExtensions {
		return outOfOrder(typ)
	}
	early, err := parseEncryptedExtensions(body)
	if err != nil {
		return err
	}
	c.transcript = append(c.transcript, raw...)
	c.earlyTaken = early
	if early && c.resume == nil {
		return malformed("early data taken that was not offered")
	}
	c.state = c.onCertificate
	if c.resume != nil {
		c.done = !early
		c.state = c.onFinished
	}
	return nil
}

func (c *client13) onCertificate(typ byte, body, raw []byte) error {
	switch typ {
	case typeCertificateRequest:
		s := cryptobyte.String(body)
		var ctx cryptobyte.String
		// The context is empty within a handshake (RFC 8446 §4.3.2).
		if c.certRequested || !s.ReadUint8LengthPrefixed(&ctx) || len(ctx) > 0 {
			return malformed("malformed certificate request")
		}
		c.certRequested = true
	case typeCertificate:
		list, err := ParseCertificates(TLS13, body)
		if err != nil {
			return err
		}
		c.certificates = list
		c.done = c.goal == goalCertificate
		c.state = c.onCertificateVerify
	default:
		return outOfOrder(typ)
	}
	c.transcript = append(c.transcript, raw...)
	return nil
}

func (c *client13) onCertificateVerify(typ byte, _, raw []byte) error {
	if typ != typeCertificateVerify {
		return outOfOrder(typ)
	}
	c.transcript = append(c.transcript, raw...)
	c.state = c.onFinished
	return nil
}

func (c *client13) onFinished(typ byte, body, raw []byte) error {
	if typ != typeFinished {
		return outOfOrder(typ)
	}
	want, err := c.suite.finished(c.serverSecret, c.transcript)
	if err != nil {
		return err
	}
	if !hmac.Equal(want, body) {
		return malformed("the server's Finished is wrong")
	}
	c.transcript = append(c.transcript, raw...)
	master, err := c.suite.next(c.secret, nil)
	if err != nil {
		return err
	}
	c.secret = master
	return c.finish()
}

// finish makes the client's last flight and moves to the application's keys.
// Behind early data the flight is held back: whoever replays a first flight
// cannot make it, and the answer to just that is wanted.
func (c *client13) finish() error {
	server := c.transcript // the traffic keys end at the server's Finished
	var flight []byte
	if c.early == nil {
		flight = frame(recordChangeCipherSpec, TLS12, []byte{1})
	} else {
		end := []byte{typeEndOfEarlyData, 0, 0, 0}
		flight = c.early.seal(recordHandshake, end)
		c.transcript = append(slices.Clip(c.transcript), end...)
	}
	var last []byte
	if c.certRequested {
		last = []byte{typeCertificate, 0, 0, 4, 0, 0, 0, 0} // none
	}
	verify, err := c.suite.finished(c.clientSecret, slices.Concat(c.transcript, last))
	if err != nil {
		return err
	}
	last = append(last, typeFinished, 0, 0, byte(len(verify)))
	last = append(last, verify...)
	flight = append(flight, c.write.seal(recordHandshake, last)...)
	whole := slices.Concat(c.transcript, last)
	if c.resumption, err = c.suite.derive(c.secret, "res master", whole); err != nil {
		return err
	}
	c.transcript = server
	if err := c.trafficKeys("c ap traffic", "s ap traffic"); err != nil {
		return err
	}
	c.state = c.onPostHandshake
	if c.early != nil {
		c.held = flight
		return nil
	}
	c.out = append(c.out, flight...)
	if len(c.request) > 0 {
		c.out = append(c.out, c.write.seal(recordApplicationData, c.request)...)
	}
	return nil
}

// parseEncryptedExtensions reports whether early data was taken.
func parseEncryptedExtensions(body []byte) (early bool, err error) {
	s := cryptobyte.String(body)
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) || !s.Empty() {
		return false, malformed("malformed encrypted extensions")
	}
	for !list.Empty() {
		var id uint16
		var ext cryptobyte.String
		if !list.ReadUint16(&id) || !list.ReadUint16LengthPrefixed(&ext) {
			return false, malformed("malformed encrypted extensions")
		}
		early = early || id == extEarlyData
	}
	return early, nil
}
