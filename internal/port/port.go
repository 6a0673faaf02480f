// Package port keeps loopback ports for programs that must be told their port
// before they start, and for tests that need a port on which nobody listens.
// Who closes a listener to use its port a moment later can find it taken: the
// kernel gives it to the next who asks for any.
package port

import (
	"net"
	"strconv"
	"testing"
)

// Hold reserves an address 127.0.0.1:PORT until release is called. A program
// that is given the address can listen there, as often as it likes, if it sets
// SO_REUSEADDR, as servers do; nobody who asks for any free port gets it, and no
// outgoing connection comes from it. While nothing listens there, connections
// are refused at once.
//
// Where the system has no such ports (not unix), it is one that was free a
// moment ago.
func Hold() (addr string, release func(), err error) {
	number, release, err := hold()
	if err != nil {
		return "", nil, err
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(number)), release, nil
}

// Keep is Hold until the end of a test.
func Keep(t testing.TB) string {
	t.Helper()
	addr, release, err := Hold()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return addr
}
