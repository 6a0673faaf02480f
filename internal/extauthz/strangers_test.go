package extauthz_test

import (
	"bytes"
	"context"
	"net/netip"
	"testing"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/wiretight/wiretight/guard"
)

// TestStrangersAskForHealthInShort sends questions about health, which anybody
// may ask, that are as long as one about a request. On many streams they would
// fill the memory.
func TestStrangersAskForHealthInShort(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *guard.Config) { c.TrustedPeers = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	field := append([]byte{0x12, 0xa0, 0x1f}, make([]byte, 4000)...) // one that nobody knows
	for _, method := range []string{"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"} {
		if got := b.call(method, frame(0, bytes.Repeat(field, 2))); got.trailer.Get("Grpc-Status") != "8" {
			t.Errorf("%s: got %+v, want RESOURCE_EXHAUSTED", method, got)
		}
	}
	if got := b.call("/grpc.health.v1.Health/Check", frame(0, field)); got.trailer.Get("Grpc-Status") != "0" {
		t.Errorf("got %+v, want an answer", got)
	}
}

// TestStrangersLeaveRoomToWatch holds that there are watches left for those who
// ask for decisions.
func TestStrangersLeaveRoomToWatch(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *guard.Config) { c.TrustedPeers = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	health := healthv1.NewHealthClient(b.envoy)
	for i := range 33 {
		watch, err := health.Watch(ctx, &healthv1.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = watch.Recv()
		if want := map[bool]codes.Code{true: codes.OK, false: codes.ResourceExhausted}[i < 32]; status.Code(err) != want {
			t.Fatalf("watch %d: got %v, want %v", i+1, err, want)
		}
	}
}
