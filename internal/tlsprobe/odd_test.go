package tlsprobe_test

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/tlsprobe"
)

// A peer that takes a suite which was not offered does not take what was.
func TestForeignSuite(t *testing.T) {
	t.Parallel()
	p := probe(peer(t, func(c net.Conn) {
		readHello(c)
		c.Write(record(22, serverHello(tlsprobe.TLS12, 0xC02F)))
	}))
	s := p.Survey(t.Context())
	if got := s.Classes.Accepted(); got != nil {
		t.Errorf("got %v accepted, want none", got)
	}
	if s.Connections > tlsprobe.MaxConnections {
		t.Errorf("got %d connections, want at most %d", s.Connections, tlsprobe.MaxConnections)
	}
}

// A peer that falls over an offer of many classes is asked for each.
func TestStumblingPeer(t *testing.T) {
	t.Parallel()
	p := probe(picky(t, func(version tlsprobe.Version, suites []tlsprobe.Suite) []byte {
		switch {
		case version != tlsprobe.TLS12:
			return nil
		case slices.Contains(suites, 0xC02F):
			return record(22, serverHello(version, 0xC02F))
		case len(suites) > 30:
			return []byte{21, 3, 3, 0, 2, 2, 80} // internal_error
		case slices.Contains(suites, 0x0005):
			return record(22, serverHello(version, 0x0005))
		}
		return []byte{21, 3, 3, 0, 2, 2, 40}
	}))
	p.Timeout = 2 * time.Second
	s := p.Survey(t.Context())
	if got := s.Classes[tlsprobe.ClassRC4]; got.Verdict != acc || got.Suite != 0x0005 {
		t.Errorf("RC4: got %v, want accepted with 0x0005", got.Outcome)
	}
	if got := s.Classes[tlsprobe.ClassNULL]; got.Verdict != ref {
		t.Errorf("NULL: got %v, want refused", got.Outcome)
	}
}

// A peer that hangs up on what it does not like is not asked for everything
// at every version.
func TestRudePeer(t *testing.T) {
	t.Parallel()
	p := probe(picky(t, func(version tlsprobe.Version, suites []tlsprobe.Suite) []byte {
		for _, fine := range []tlsprobe.Suite{0xC02F, 0xC013} {
			if version >= tlsprobe.SSL3 && slices.Contains(suites, fine) {
				return record(22, serverHello(version, fine))
			}
		}
		return nil
	}))
	s := p.Survey(t.Context())
	if got, want := len(s.Versions.Accepted()), 4; got != want {
		t.Fatalf("got %d versions, want %d", got, want)
	}
	for _, c := range tlsprobe.WeakClasses() {
		if got := s.Classes[c]; got.Verdict != ref {
			t.Errorf("%v: got %v, want refused", c, got.Outcome)
		}
	}
	if s.Connections >= tlsprobe.MaxConnections {
		t.Errorf("got %d connections, want less than %d", s.Connections, tlsprobe.MaxConnections)
	}
	t.Logf("%d connections", s.Connections)
}

// A peer that takes the first of every offer costs the most connections.
func TestGreedyPeer(t *testing.T) {
	t.Parallel()
	p := probe(picky(t, func(version tlsprobe.Version, suites []tlsprobe.Suite) []byte {
		return record(22, serverHello(version, suites[0]))
	}))
	p.Timeout = 2 * time.Second
	s := p.Survey(t.Context())
	want := slices.DeleteFunc(tlsprobe.AllClasses(), func(c tlsprobe.Class) bool { return c == tlsprobe.ClassWeakDH })
	if diff := cmp.Diff(want, s.Classes.Accepted()); diff != "" {
		t.Errorf("classes (-want +got):\n%s", diff)
	}
	if s.Connections >= tlsprobe.MaxConnections {
		t.Errorf("got %d connections, want less than %d", s.Connections, tlsprobe.MaxConnections)
	}
	t.Logf("%d connections", s.Connections)
}

// picky is a peer of SSL 3 to TLS 1.2 that answers as choose says, and hangs up
// on all else.
func picky(t *testing.T, choose func(tlsprobe.Version, []tlsprobe.Suite) []byte) string {
	return peer(t, func(c net.Conn) {
		h := readHello(c)
		if len(h) < 46 || h[0] != 22 || h[43] != 0 { // TLS 1.3 brings a session id
			return
		}
		var suites []tlsprobe.Suite
		for list := h[46:][:int(h[44])<<8|int(h[45])]; len(list) >= 2; list = list[2:] {
			suites = append(suites, tlsprobe.Suite(list[0])<<8|tlsprobe.Suite(list[1]))
		}
		c.Write(choose(tlsprobe.Version(h[9])<<8|tlsprobe.Version(h[10]), suites))
	})
}
