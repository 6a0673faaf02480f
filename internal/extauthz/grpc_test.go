package extauthz_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/store"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	b := newBed(t, nil)
	health := healthv1.NewHealthClient(b.envoy)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for service, want := range map[string]codes.Code{"": codes.OK, "envoy.service.auth.v3.Authorization": codes.OK, "other": codes.NotFound} {
		got, err := health.Check(ctx, &healthv1.HealthCheckRequest{Service: service})
		if status.Code(err) != want || err == nil && got.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("%q: got %v, %v, want %v and SERVING", service, got, err, want)
		}
	}
	unknown, err := health.Watch(ctx, &healthv1.HealthCheckRequest{Service: "other"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := unknown.Recv(); err != nil || got.GetStatus() != healthv1.HealthCheckResponse_SERVICE_UNKNOWN {
		t.Errorf("watch of an unknown service: got %v, %v", got, err)
	}
	watch, err := health.Watch(ctx, &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := watch.Recv(); err != nil || got.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("watch: got %v, %v, want SERVING", got, err)
	}
	b.served.Drain()
	if got, err := watch.Recv(); err != nil || got.GetStatus() != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("watch: got %v, %v, want NOT_SERVING at the end", got, err)
	}
	if _, err := watch.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("watch: got %v, want its end", err)
	}
	if got, err := health.Check(ctx, &healthv1.HealthCheckRequest{}); err != nil || got.GetStatus() != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("got %v, %v, want NOT_SERVING", got, err)
	}
}

// brokenStore answers nobody any more once it is broken.
type brokenStore struct{ store.Store }

func (brokenStore) Ping(context.Context) error { return errLost }

// TestHealthOfAGuardThatCannotDecide follows the guard's readiness.
func TestHealthOfAGuardThatCannotDecide(t *testing.T) {
	t.Parallel()
	memory := store.NewMemory(time.Now, 1000)
	t.Cleanup(func() { _ = memory.Close() })
	b := newBed(t, func(c *guard.Config) { c.Store = brokenStore{memory} })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	watch, err := healthv1.NewHealthClient(b.envoy).Watch(ctx, &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		got, err := watch.Recv()
		if err != nil {
			t.Fatalf("got %v before NOT_SERVING", err)
		}
		if got.GetStatus() == healthv1.HealthCheckResponse_NOT_SERVING {
			return
		}
	}
}

// TestWatchesAreBounded refuses one more than there may be.
func TestWatchesAreBounded(t *testing.T) {
	t.Parallel()
	b := newBed(t, nil)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	health := healthv1.NewHealthClient(b.envoy)
	for i := range 65 {
		watch, err := health.Watch(ctx, &healthv1.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = watch.Recv()
		if want := map[bool]codes.Code{true: codes.OK, false: codes.ResourceExhausted}[i < 64]; status.Code(err) != want {
			t.Fatalf("watch %d: got %v, want %v", i+1, err, want)
		}
	}
}

func TestCallsThatAreNotServed(t *testing.T) {
	t.Parallel()
	b := newBed(t, nil)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	q := question(ask{header: []string{"Authorization", "Bearer " + b.mint(nil)}}, merged)
	for name, tc := range map[string]struct {
		method string
		opts   []grpc.CallOption
		header []string
		want   codes.Code
	}{
		"served":             {"/envoy.service.auth.v3.Authorization/Check", nil, nil, codes.OK},
		"the version before": {"/envoy.service.auth.v2.Authorization/Check", nil, nil, codes.Unimplemented},
		"another service":    {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", nil, nil, codes.Unimplemented},
		"another method":     {"/envoy.service.auth.v3.Authorization/check", nil, nil, codes.Unimplemented},
		"compressed":         {"/envoy.service.auth.v3.Authorization/Check", []grpc.CallOption{grpc.UseCompressor(gzip.Name)}, nil, codes.Unimplemented},
	} {
		err := b.envoy.Invoke(metadata.AppendToOutgoingContext(ctx, tc.header...), tc.method, q, new(authv3.CheckResponse), tc.opts...)
		if status.Code(err) != tc.want {
			t.Errorf("%s: got %v, want %v", name, err, tc.want)
		}
	}
}

// slowStore takes its time, until it is told that it may answer.
type slowStore struct{ store.Store }

func (slowStore) Replace(ctx context.Context, _ string, _, _ []byte, _ time.Time) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestDeadline ends a call at the caller's deadline.
func TestDeadline(t *testing.T) {
	t.Parallel()
	memory := store.NewMemory(time.Now, 1000)
	t.Cleanup(func() { _ = memory.Close() })
	b := newBed(t, func(c *guard.Config) {
		c.Store = slowStore{memory}
		c.Routes = []guard.Route{{Path: "/pay", Once: true}}
	})
	q, err := proto.Marshal(question(ask{target: "/pay", header: []string{"Authorization", "Bearer " + b.mint(nil)}}, merged))
	if err != nil {
		t.Fatal(err)
	}
	// By hand, since a real client would end the call by itself.
	for value, want := range map[string]string{"50m": "4", "1": "13", "m": "13", "x1S": "13", "123456789S": "13", "-1S": "13"} {
		res := b.call("/envoy.service.auth.v3.Authorization/Check", frame(0, q), "Grpc-Timeout", value)
		if got := res.trailer.Get("Grpc-Status"); got != want || len(res.body) != 0 {
			t.Errorf("grpc-timeout %q: got status %q, want %s", value, got, want)
		}
	}
}

// frame is a message of gRPC.
func frame(flag byte, m []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(m))), m...)
}

// called is the end of a call that was made by hand.
type called struct {
	status  int
	body    []byte
	trailer http.Header
}

// call speaks gRPC by hand.
func (b *bed) call(path string, body []byte, header ...string) called {
	b.t.Helper()
	tr := &http.Transport{Protocols: new(http.Protocols)}
	tr.Protocols.SetUnencryptedHTTP2(true)
	defer tr.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+b.envoy.Target()+path, bytes.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Te", "trailers")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := tr.RoundTrip(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		b.t.Fatal(err)
	}
	return called{res.StatusCode, got, res.Trailer}
}

// TestMalformedQuestions are denied, all of them.
func TestMalformedQuestions(t *testing.T) {
	t.Parallel()
	b := newBed(t, nil)
	good, err := proto.Marshal(question(ask{header: []string{"Authorization", "Bearer " + b.mint(nil)}}, merged))
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string][]byte{
		"nothing":              nil,
		"half a head":          {0, 0, 0},
		"shorter than it says": frame(0, good)[:20],
		"longer than it says":  append(frame(0, good), 0),
		"two messages":         append(frame(0, good), frame(0, good)...),
		"unknown flag":         frame(2, good),
		"no message":           frame(0, []byte("garbage")),
		"a text of bytes":      frame(0, []byte("\x0a\x0a\x22\x08\x12\x06\x12\x04\xff\xff\xff\xff")),
		"4 GiB announced":      {0, 0xff, 0xff, 0xff, 0xff},
		"more than 1 MiB":      frame(0, bytes.Repeat([]byte{0}, 1<<20+1)),
	} {
		got := b.call("/envoy.service.auth.v3.Authorization/Check", body)
		var res authv3.CheckResponse
		if got.trailer.Get("Grpc-Status") != "0" || len(got.body) < 5 || proto.Unmarshal(got.body[5:], &res) != nil {
			t.Errorf("%s: got %+v, want a decision", name, got)
			continue
		}
		if d := b.read(&res); d.status != 400 {
			t.Errorf("%s: got %+v, want 400", name, d)
		}
	}
	for name, header := range map[string]string{"JSON": "application/json", "gRPC web": "application/grpc-web", "gRPC in JSON": "application/grpc+json"} {
		if got := b.call("/envoy.service.auth.v3.Authorization/Check", frame(0, good), "Content-Type", header); got.status != 415 {
			t.Errorf("%s: got %d, want 415", name, got.status)
		}
	}
	if got := b.call("/"+strings.Repeat("é", 300), frame(0, good)); got.trailer.Get("Grpc-Status") != "12" {
		t.Errorf("got %+v, want UNIMPLEMENTED", got)
	}
}

// TestSlowQuestion is refused before it has come whole, if ever it would.
func TestSlowQuestion(t *testing.T) {
	t.Parallel()
	b := newBed(t, nil)
	b.served.WaitForMessages(50 * time.Millisecond)
	b.refusesUnfinished(t, 400)
}

// refusesUnfinished asks with a message that never comes, and wants a refusal
// of that status all the same.
func (b *bed) refusesUnfinished(t *testing.T, status int) {
	t.Helper()
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
	if err != nil || len(got) < 5 || proto.Unmarshal(got[5:], &denied) != nil || b.read(&denied).status != status {
		t.Errorf("got %q, %v, want a refusal", got, err)
	}
}
