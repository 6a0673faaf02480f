package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// BenchmarkAuthorizer measures the processor time of the guard's process for a
// decision with a remembered token, in cpu-µs/op (targets: 60 over HTTP, 80 over
// gRPC). The time and the memory that Go reports are the caller's. The log is
// on. Run it with a count that takes a few seconds:
//
//	go test -run '^$' -bench Authorizer -benchtime 50000x ./cmd/wiretight
func BenchmarkAuthorizer(b *testing.B) {
	bd := newBed(b)
	bd.config("store: \"memory:\"\nauthorizer: {http: \"127.0.0.1:0\", grpc: \"127.0.0.1:0\", trusted_peers: [127.0.0.0/8]}")
	g := bd.start("-c", "wiretight.yaml")
	raw := bd.mint(nil)
	b.Run("http", func(b *testing.B) {
		url := "http://" + g.listening(authorizerHTTP) + "/authorize"
		tr := &http.Transport{MaxIdleConnsPerHost: callers, DisableCompression: true}
		defer tr.CloseIdleConnections()
		g.measure(b, func(ctx context.Context) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			r.Header = http.Header{
				"X-Forwarded-Method": {"GET"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {testHost}, "X-Forwarded-Uri": {"/items?page=2"},
				"X-Forwarded-For": {"203.0.113.7"}, "Authorization": {"Bearer " + raw}, "Accept": {"application/json"}, "User-Agent": {"bench/1.0"},
			}
			res, err := tr.RoundTrip(r)
			if err != nil {
				return err
			}
			_, _ = io.Copy(io.Discard, res.Body) // empty
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				return fmt.Errorf("status %d", res.StatusCode)
			}
			return nil
		})
	})
	b.Run("grpc", func(b *testing.B) {
		conn, err := grpc.NewClient(g.listening(authorizerGRPC), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		q := envoysQuestion(raw)
		g.measure(b, func(ctx context.Context) error {
			res, err := authv3.NewAuthorizationClient(conn).Check(ctx, q)
			if err == nil && res.GetStatus().GetCode() != 0 {
				err = fmt.Errorf("denied: %v", res.GetDeniedResponse().GetStatus())
			}
			return err
		})
	})
}

// envoysQuestion is what an Envoy at the edge sends about a request.
func envoysQuestion(raw string) *authv3.CheckRequest {
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
			SocketAddress: &corev3.SocketAddress{Address: "203.0.113.7", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 4711}},
		}}},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Id: "17", Method: "GET", Scheme: "https", Host: testHost, Path: "/items?page=2", Protocol: "HTTP/2",
			Headers: map[string]string{
				":method": "GET", ":path": "/items?page=2", ":authority": testHost, ":scheme": "https", "authorization": "Bearer " + raw,
				"accept": "application/json", "user-agent": "bench/1.0", "x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.7",
				"x-request-id": "0e3c5b2c-7b1d-4f0e-9d3a-2f4f3c1f3a11",
			},
		}},
	}}
}

// callers ask at the same time.
const callers = 16

// measure asks b.N times and reports what that cost the guard.
func (g *instance) measure(b *testing.B, ask func(context.Context) error) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := ask(ctx); err != nil {
		b.Fatal(err)
	}
	before := g.cpuMicros(b)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for n := i; n < b.N; n += callers {
				if err := ask(ctx); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(g.cpuMicros(b)-before)/float64(b.N), "cpu-µs/op")
}

// cpuMicros is the processor time of the guard's process so far, in clock ticks
// of 10 ms.
func (g *instance) cpuMicros(b *testing.B) int64 {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", g.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	var ticks int64
	for _, f := range fields[11:13] { // utime and stime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return ticks * 10_000
}
