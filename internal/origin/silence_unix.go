//go:build unix

package origin

import (
	"io"
	"net"
	"syscall"
)

// silence looks whether the other end of an idle connection has said anything,
// its end included. What is no socket is never silent, and so never used twice.
type silence struct {
	raw  syscall.RawConn // nil: not a socket
	peek func(fd uintptr) bool
	read func(fd uintptr) bool
	byte [1]byte
	into []byte
	n    int
	err  error
}

// watch prepares to look at c.
func watch(c net.Conn) *silence {
	s := new(silence)
	sc, ok := c.(syscall.Conn)
	if !ok {
		return s
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return s
	}
	s.raw = raw
	s.peek = func(fd uintptr) bool {
		s.n, _, s.err = syscall.Recvfrom(int(fd), s.byte[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	}
	s.read = func(fd uintptr) bool {
		s.n, _, s.err = syscall.Recvfrom(int(fd), s.into, syscall.MSG_DONTWAIT)
		return true
	}
	return s
}

// silent reports whether nothing has come.
func (s *silence) silent() bool {
	return s.raw != nil && s.raw.Read(s.peek) == nil && s.none()
}

// take reads what has come into p, or says errNothing.
func (s *silence) take(p []byte) (int, error) {
	if s.raw == nil {
		return 0, io.ErrClosedPipe
	}
	s.into = p
	err := s.raw.Read(s.read)
	s.into = nil
	switch {
	case err != nil:
		return 0, err
	case s.none():
		return 0, errNothing
	case s.err != nil:
		return 0, s.err
	case s.n == 0:
		return 0, io.EOF
	}
	return s.n, nil
}

func (s *silence) none() bool {
	return s.err == syscall.EAGAIN || s.err == syscall.EWOULDBLOCK //nolint:errorlint // an errno, and this runs for every request
}
