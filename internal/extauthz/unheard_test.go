package extauthz_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
)

// TestStrangersAreNotHeard is a peer that may not ask and begins a message. It
// is refused before it has said anything: what it could send on a thousand
// streams would have to be kept.
func TestStrangersAreNotHeard(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *guard.Config) { c.TrustedPeers = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	b.served.WaitForMessages(time.Hour)
	b.refusesUnfinished(t, 403)
}
