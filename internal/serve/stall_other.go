//go:build !linux

package serve

import (
	"net"
	"time"
)

// boundStalls leaves it to the system's own bound, of a few minutes to a few
// hours, when a peer that does not read is given up.
func boundStalls(net.Listener, time.Duration) error { return nil }
