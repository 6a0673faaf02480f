//go:build unix

package origin

import (
	"net"
	"syscall"
)

// silence looks whether the other end of an idle connection has said anything,
// its end included. The zero value says that it has.
type silence struct {
	raw   syscall.RawConn
	peek  func(fd uintptr) bool
	quiet bool
	byte  [1]byte
}

// watch prepares to look at c. What is no socket is never silent, and so never
// used twice.
func (s *silence) watch(c net.Conn) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	s.raw = raw
	s.peek = func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), s.byte[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		s.quiet = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK //nolint:errorlint // an errno, and this runs for every request
		return true
	}
}

// silent reports whether nothing has come.
func (s *silence) silent() bool {
	if s.raw == nil {
		return false
	}
	s.quiet = false
	return s.raw.Read(s.peek) == nil && s.quiet
}
