package tlsprobe

import (
	"time"
)

// FeedFlight feeds data to the talk of a classic version, as the peer's answer.
func FeedFlight(v Version, data []byte) (err error) {
	f := &flight{hello: newHello(v, "probe.test", suitesFor(v, anySuite)), until: typeServerHelloDone}
	if _, err := f.start(); err != nil {
		return err
	}
	_, _, err = f.feed(data)
	return err
}

// FeedFlight2 is FeedFlight for SSL 2.
func FeedFlight2(data []byte) error {
	f := &flight2{}
	_, _, err := f.feed(data)
	return err
}

// FeedClear feeds data to a TLS 1.3 client that waits for the server hello.
func FeedClear(data []byte) error {
	c := newClient13(goalTicket, "probe.test", handshakeSuites(), time.Now)
	if _, err := c.start(); err != nil {
		return err
	}
	_, _, err := c.feed(data)
	return err
}

// FeedProtected feeds handshake messages to a TLS 1.3 client as if they had
// been decrypted, from the encrypted extensions on, or after the handshake.
func FeedProtected(after bool, data []byte) error {
	c := newClient13(goalAnswer, "probe.test", handshakeSuites(), time.Now)
	c.suite = suites13[0x1301]
	c.secret, c.serverSecret, c.clientSecret = make([]byte, 32), make([]byte, 32), make([]byte, 32)
	c.resumption = make([]byte, 32)
	c.state = c.onEncryptedExtensions
	if after {
		c.state = c.onPostHandshake
	}
	c.messages.write(data)
	return c.handshake()
}

// SignedBy reports whether issuer's key made child's signature.
func SignedBy(child, issuer Certificate) bool { return child.signedBy(issuer) == signedYes }
