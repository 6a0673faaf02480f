package port_test

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"testing"

	"github.com/wiretight/wiretight/internal/port"
)

// TestKept has many ask for any port, which is how a port that was only free a
// moment ago gets lost, while the kept one is listened on, left and taken again.
func TestKept(t *testing.T) {
	t.Parallel()
	kept := port.Keep(t)
	refused := func() {
		t.Helper()
		c, err := net.Dial("tcp", kept)
		if err == nil {
			_ = c.Close()
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("connecting while nobody listens: got %v, want %v", err, syscall.ECONNREFUSED)
		}
	}
	refused()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 500 {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Error(err)
					return
				}
				if l.Addr().String() == kept {
					t.Errorf("%s was given away", kept)
				}
				_ = l.Close()
			}
		})
	}
	for range 20 {
		l, err := net.Listen("tcp", kept)
		if err != nil {
			t.Fatalf("listen on the kept port: %v", err)
		}
		c, err := net.Dial("tcp", kept)
		if err != nil {
			t.Fatalf("connect to the kept port: %v", err)
		}
		_, _ = c.Close(), l.Close()
		refused()
	}
	all.Wait()
	if other := port.Keep(t); other == kept {
		t.Errorf("got %s twice", other)
	}
}
