package extauthz_test

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/wiretight/wiretight/guard"
)

// TestStrangersAreNotHeard is a peer that may not ask and begins a message. It
// is refused before it has said anything: what it could send on a thousand
// streams would have to be kept.
func TestStrangersAreNotHeard(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *guard.Config) { c.TrustedPeers = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	b.served.WaitForMessages(time.Hour)
	body, never := io.Pipe()
	defer never.Close()
	tr := &http.Transport{Protocols: new(http.Protocols)}
	tr.Protocols.SetUnencryptedHTTP2(true)
	defer tr.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+b.envoy.Target()+"/envoy.service.auth.v3.Authorization/Check", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/grpc")
	res, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	var denied authv3.CheckResponse
	if err != nil || len(got) < 5 || proto.Unmarshal(got[5:], &denied) != nil || b.read(&denied).status != 403 {
		t.Errorf("got %q, %v, want a refusal", got, err)
	}
}
