//go:build !unix

package port

import (
	"fmt"
	"net"
)

func hold() (number int, release func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, nil, fmt.Errorf("find a free loopback port: %w", err)
	}
	return l.Addr().(*net.TCPAddr).Port, func() {}, l.Close()
}
