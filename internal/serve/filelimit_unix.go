//go:build unix

package serve

import "syscall"

// fileLimit is how many file descriptors the process may have. The runtime has
// raised it as far as it may.
func fileLimit() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 1024
	}
	return int(min(l.Cur, 1<<20))
}
