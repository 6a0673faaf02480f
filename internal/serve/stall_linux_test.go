package serve_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestPeersThatDoNotRead sends requests and reads no answer: the connection,
// which is neither idle nor half-open, must not be held for ever.
func TestPeersThatDoNotRead(t *testing.T) {
	t.Parallel()
	conf := plain(text(strings.Repeat("x", 64<<10)))
	conf.IdleTimeout = time.Second
	s := start(t, conf)
	addr := s.Addr("plain").String()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		for {
			if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"); err != nil {
				return
			}
		}
	}()
	eventually(t, "the connection is there", func() bool { return s.Load("plain").Open == 1 })
	eventually(t, "it is given up", func() bool { return s.Load("plain").Open == 0 })
}
