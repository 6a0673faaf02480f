package guard_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/wiretight/wiretight/guard"
)

// plainCodec sends strings as they are, so that no generated code is needed.
type plainCodec struct{}

func (plainCodec) Marshal(v any) ([]byte, error) { return []byte(*v.(*string)), nil }

func (plainCodec) Unmarshal(data []byte, v any) error { *v.(*string) = string(data); return nil }

func (plainCodec) Name() string { return "plain" }

// serveGRPC is a gRPC service: /test/Echo sends every message back, with a
// trailer; /test/Fail fails; /test/Wait says one thing and then nothing;
// /test/Silent says nothing at all, not even a header.
func serveGRPC(t testing.TB, options ...grpc.ServerOption) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(append(options, grpc.ForceServerCodec(plainCodec{}), grpc.UnknownServiceHandler(answerGRPC))...)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ln) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return ln.Addr().String()
}

func answerGRPC(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	stream.SetTrailer(metadata.Pairs("x-sum", "42"))
	switch method {
	case "/test/Fail":
		return status.Error(codes.FailedPrecondition, "not today")
	case "/test/Wait":
		said := "once"
		if err := stream.SendMsg(&said); err != nil {
			return err
		}
		fallthrough
	case "/test/Silent":
		<-stream.Context().Done()
		return stream.Context().Err()
	}
	for {
		var m string
		if err := stream.RecvMsg(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		m = "echo " + m
		if err := stream.SendMsg(&m); err != nil {
			return err
		}
	}
}

// grpcFixture is a guard before a gRPC service, and a client.
func grpcFixture(t testing.TB, change func(*guard.Config)) (*fixture, *grpc.ClientConn) {
	t.Helper()
	f := newFixture(t, func(c *guard.Config) {
		c.Limits.IdleStream = time.Hour
		change(c)
	})
	conn, err := grpc.NewClient("passthrough:///"+f.addr, grpc.WithAuthority(testHost),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(plainCodec{})),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, ServerName: testHost, NextProtos: []string{"h2"}})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return f, conn
}

// call opens a stream with the caller's token.
func (f *fixture) call(conn *grpc.ClientConn, method string) grpc.ClientStream {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(context.Background(), "authorization", f.bearer()), patience)
	f.t.Cleanup(cancel)
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// grpcUpstreams are the ways in which a gRPC service is reached.
func grpcUpstreams(t testing.TB) map[string]func(*guard.Config) {
	t.Helper()
	cert, pool := serverCertificate(t), serverPool(t)
	secure := serveGRPC(t, grpc.Creds(credentials.NewServerTLSFromCert(&cert)))
	clear := serveGRPC(t)
	return map[string]func(*guard.Config){
		"http":  func(c *guard.Config) { c.Upstreams[0].URL = "http://" + clear },
		"h2c":   func(c *guard.Config) { c.Upstreams[0].URL = "h2c://" + clear },
		"https": func(c *guard.Config) { c.Upstreams[0].URL, c.Upstreams[0].CA = "https://"+secure, pool },
	}
}

func TestGRPC(t *testing.T) {
	t.Parallel()
	for name, upstream := range grpcUpstreams(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, conn := grpcFixture(t, upstream)
			t.Run("both directions", func(t *testing.T) {
				s := f.call(conn, "/test/Echo")
				for i := range 5 {
					m := fmt.Sprintf("message %d %s", i, strings.Repeat("x", i*100000))
					if err := s.SendMsg(&m); err != nil {
						t.Fatal(err)
					}
					var got string
					if err := s.RecvMsg(&got); err != nil || got != "echo "+m {
						t.Fatalf("got %.20q, %v; want the echo of message %d before the next is sent", got, err, i)
					}
				}
				if err := s.CloseSend(); err != nil {
					t.Fatal(err)
				}
				var got string
				if err := s.RecvMsg(&got); !errors.Is(err, io.EOF) || s.Trailer().Get("x-sum")[0] != "42" {
					t.Errorf("got %q, %v, trailer %v; want the end with x-sum", got, err, s.Trailer())
				}
			})
			t.Run("unary", func(t *testing.T) {
				ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", f.bearer())
				in, out, trailer := "hello", "", metadata.MD{}
				if err := conn.Invoke(ctx, "/test/Echo", &in, &out, grpc.Trailer(&trailer)); err != nil || out != "echo hello" {
					t.Errorf("got %q, %v", out, err)
				}
				if len(trailer.Get("x-sum")) != 1 {
					t.Errorf("got the trailer %v, want x-sum", trailer)
				}
			})
			t.Run("failure", func(t *testing.T) {
				ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", f.bearer())
				in, out := "", ""
				err := conn.Invoke(ctx, "/test/Fail", &in, &out)
				if s := status.Convert(err); s.Code() != codes.FailedPrecondition || s.Message() != "not today" {
					t.Errorf("got %v, want the service's own status", err)
				}
			})
			t.Run("no token", func(t *testing.T) {
				in, out := "", ""
				if err := conn.Invoke(t.Context(), "/test/Echo", &in, &out); status.Code(err) != codes.Unauthenticated {
					t.Errorf("got %v, want Unauthenticated", err)
				}
			})
		})
	}
}

// TestGRPCEndsWithItsToken cuts calls that wait, also those to which the
// service has not said anything yet.
func TestGRPCEndsWithItsToken(t *testing.T) {
	t.Parallel()
	for name, upstream := range grpcUpstreams(t) {
		for _, method := range []string{"/test/Wait", "/test/Silent"} {
			for _, end := range []string{"expired", "revoked"} {
				t.Run(name+method+" "+end, func(t *testing.T) {
					t.Parallel()
					f, conn := grpcFixture(t, upstream)
					s := f.call(conn, method)
					var m string
					if method == "/test/Wait" {
						if err := s.RecvMsg(&m); err != nil || m != "once" {
							t.Fatalf("got %q, %v", m, err)
						}
					} else {
						eventually(t, "the call to be under way", func() bool { return f.metric("wiretight_requests_in_flight") == 1 })
					}
					begin := f.endTokens(end)
					err := s.RecvMsg(&m)
					if took := time.Since(begin); err == nil || errors.Is(err, io.EOF) || status.Code(err) == codes.DeadlineExceeded || took > patience/2 {
						t.Errorf("got %v after %v, want a cut within 1 s", err, took)
					}
				})
			}
		}
	}
}
