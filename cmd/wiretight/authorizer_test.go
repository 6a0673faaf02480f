package main

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// authorize asks the authorizer at addr about GET /items and gives the status.
// A nil conf asks in clear.
func (b *bed) authorize(addr string, conf *tls.Config, raw string) (int, error) {
	b.t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		b.t.Fatal(err)
	}
	scheme := "http"
	if conf != nil {
		scheme = "https"
	}
	tr := &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://127.0.0.1:"+port+"/authorize", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header = http.Header{
		"X-Forwarded-Method": {"GET"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {testHost}, "X-Forwarded-Uri": {"/items"},
		"Authorization": {"Bearer " + raw},
	}
	res, err := tr.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	_ = res.Body.Close()
	return res.StatusCode, nil
}

func TestAuthorizerListens(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.config("store: \"memory:\"\nauthorizer: {http: \"127.0.0.1:0\", trusted_peers: [127.0.0.0/8]}")
	g := b.start("-c", "wiretight.yaml")
	addr := g.listening(authorizerHTTP)
	for raw, want := range map[string]int{b.mint(nil): 200, b.mint(map[string]any{"aud": "else"}): 401, "x": 401} {
		if got, err := b.authorize(addr, nil, raw); got != want || err != nil {
			t.Errorf("got %d, %v, want %d", got, err, want)
		}
	}
	// Who may ask can change while the guard runs.
	b.config("store: \"memory:\"\nauthorizer: {http: \"127.0.0.1:0\", trusted_peers: [192.0.2.0/24]}")
	raw := b.mint(nil)
	eventually(t, "the proxy is no longer trusted", func() bool {
		got, err := b.authorize(addr, nil, raw)
		return err == nil && got == 403
	})
	g.stop()
}

func TestAuthorizerListensForEnvoy(t *testing.T) {
	t.Parallel()
	for name, host := range map[string]string{"in clear": "127.0.0.1", "TLS": "0.0.0.0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.config("store: \"memory:\"\nauthorizer: {grpc: \"" + host + ":0\", trusted_peers: [127.0.0.0/8]}")
			g := b.start("-c", "wiretight.yaml")
			secure := insecure.NewCredentials()
			if name == "TLS" {
				secure = credentials.NewClientTLSFromCert(b.ca.Pool(), testHost)
			}
			_, port, err := net.SplitHostPort(g.listening(authorizerGRPC))
			if err != nil {
				t.Fatal(err)
			}
			envoy, err := grpc.NewClient("127.0.0.1:"+port, grpc.WithTransportCredentials(secure))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = envoy.Close() })
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			for raw, want := range map[string]codes.Code{b.mint(nil): codes.OK, "x": codes.Unauthenticated} {
				got, err := authv3.NewAuthorizationClient(envoy).Check(ctx, &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
					Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
						Method: "GET", Scheme: "https", Host: testHost, Path: "/items", Headers: map[string]string{"authorization": "Bearer " + raw},
					}},
				}})
				if err != nil || codes.Code(got.GetStatus().GetCode()) != want {
					t.Errorf("got %v, %v, want %v", got, err, want)
				}
			}
			// Whoever watches the health must not hold up the shutdown.
			watch, err := healthv1.NewHealthClient(envoy).Watch(ctx, &healthv1.HealthCheckRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := watch.Recv(); err != nil || got.GetStatus() != healthv1.HealthCheckResponse_SERVING {
				t.Errorf("got %v, %v, want SERVING", got, err)
			}
			began := time.Now()
			g.stop()
			if took := time.Since(began); took > grace/2 {
				t.Errorf("the shutdown took %v while a watch was open", took)
			}
		})
	}
}

func TestAuthorizerOffLoopback(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, more string
		tls        bool
		says       string
	}{
		{"TLS", "", true, "speaks TLS"},
		{"accepted risk", "accept_risk: [transport.token-over-http]\n", false, "in clear over the network"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.config("store: \"memory:\"\n" + tc.more + "authorizer: {http: \"0.0.0.0:0\", trusted_peers: [127.0.0.0/8]}")
			g := b.start("-c", "wiretight.yaml")
			addr := g.listening(authorizerHTTP)
			var conf *tls.Config
			if tc.tls {
				conf = &tls.Config{RootCAs: b.ca.Pool(), ServerName: testHost}
				if got, err := b.authorize(addr, nil, b.mint(nil)); err == nil && got == 200 {
					t.Error("got 200 in clear, want none")
				}
			}
			if got, err := b.authorize(addr, conf, b.mint(nil)); got != 200 || err != nil {
				t.Errorf("got %d, %v, want 200", got, err)
			}
			if !strings.Contains(g.log.String(), tc.says) {
				t.Errorf("got %q, want %q in the log", g.log.String(), tc.says)
			}
			g.stop()
		})
	}
}

// writeRoot writes the authority's own certificate.
func (a *authority) writeRoot(t testing.TB, file string) {
	t.Helper()
	if err := os.WriteFile(file, a.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
}
