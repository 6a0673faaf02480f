package serve

import (
	"fmt"
	"net"
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of linux/tcp.h (RFC 5482).
const tcpUserTimeout = 18

// boundStalls has the system end connections whose peer has taken nothing of
// what was sent to it for d. A peer that never reads would else hold its
// connection, and what writes to it, for ever. Accepted connections inherit
// it, so that no write needs a deadline of its own.
func boundStalls(ln net.Listener, d time.Duration) error {
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return nil // a unix socket's peer is on this machine
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(d/time.Millisecond))
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("bound the wait for peers that do not read: %w", err)
	}
	return nil
}
