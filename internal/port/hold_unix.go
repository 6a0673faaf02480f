//go:build unix

package port

import (
	"fmt"
	"syscall"
)

// hold binds a socket and does not listen on it.
func hold() (number int, release func(), err error) {
	fd, err := open()
	if err != nil {
		return 0, nil, fmt.Errorf("make a socket to hold a port with: %w", err)
	}
	release = func() { _ = syscall.Close(fd) }
	if number, err = bind(fd); err != nil {
		release()
		return 0, nil, fmt.Errorf("hold a loopback port: %w", err)
	}
	return number, release, nil
}

func bind(fd int) (number int, err error) {
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	// Only now: to be chosen a port must be free, to be listened on shared.
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, err
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	return name.(*syscall.SockaddrInet4).Port, nil
}

// open makes a socket that other programs do not inherit.
func open() (fd int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	return fd, err
}
