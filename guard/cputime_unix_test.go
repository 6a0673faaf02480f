//go:build unix

package guard_test

import (
	"syscall"
	"time"
)

// cpuTime is the processor time that this process has used, its collector's
// included, and not what other processes used meanwhile.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
