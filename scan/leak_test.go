package scan_test

import (
	"context"
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/scan"
)

// TestNothingIsLeftRunning looks for goroutines after a scan that had a listener,
// a search for a secret, and idle connections.
func TestNothingIsLeftRunning(t *testing.T) {
	before := goleak.IgnoreCurrent()
	a := &api{}
	c, s := a.start(t)
	c.Secret = redact.Text{}
	look(t, c, func(ctx context.Context, target *scan.Target) {
		cb, err := target.Callback()
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.Get(cb.Trap().URL())
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		target.Accepted(ctx, target.Protected()[0], "x.y.z")
	})
	http.DefaultClient.CloseIdleConnections()
	s.Close()
	goleak.VerifyNone(t, before)
}
