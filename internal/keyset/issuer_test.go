package keyset_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/wiretight/wiretight/internal/keyset"
	"github.com/wiretight/wiretight/internal/token"
)

// issuer is a server whose behaviour a test changes as it goes.
type issuer struct {
	*httptest.Server
	requests atomic.Int64
	handler  atomic.Pointer[http.HandlerFunc]
}

func newIssuer(t testing.TB, h http.HandlerFunc) *issuer {
	t.Helper()
	i := &issuer{}
	i.set(h)
	i.Server = httptest.NewServer(i.serve())
	t.Cleanup(i.Close)
	return i
}

func newTLSIssuer(t *testing.T, h http.HandlerFunc, config ...*tls.Config) *issuer {
	t.Helper()
	i := &issuer{}
	i.set(h)
	i.Server = httptest.NewUnstartedServer(i.serve())
	i.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // failing handshakes are the point
	if len(config) > 0 {
		i.TLS = config[0]
	}
	i.StartTLS()
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) set(h http.HandlerFunc) { i.handler.Store(&h) }

func (i *issuer) serve() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.requests.Add(1)
		(*i.handler.Load())(w, r)
	})
}

func (i *issuer) ca() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(i.Certificate())
	return pool
}

func (i *issuer) port() string {
	_, port, _ := strings.Cut(i.Listener.Addr().String(), ":")
	return port
}

// clock is a time that stands until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// jwk makes a key of its own for each kid.
func jwk(t testing.TB, kid string) string {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(jose.JSONWebKey{Key: &k.PublicKey, KeyID: kid, Algorithm: "ES256", Use: "sig"})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func jwks(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

func parsed(t *testing.T, set string) *token.KeySet {
	t.Helper()
	ks, _, err := token.ParseJWKS([]byte(set))
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

// body answers 200 with a body and headers given as pairs.
func body(text string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		_, _ = w.Write([]byte(text))
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	}
}

func source(t *testing.T, r keyset.Remote) *keyset.Source {
	t.Helper()
	s, err := keyset.NewRemote(r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var unknown atomic.Int64

// fetch makes s fetch by a kid that was never asked for, once its clock has
// left the last refetch behind.
func fetch(t *testing.T, s *keyset.Source, c *clock) {
	t.Helper()
	c.advance(11 * time.Second)
	_, _, err := s.Refetch(t.Context(), fmt.Sprintf("unknown-%d", unknown.Add(1)))
	if err != nil && !errors.Is(err, keyset.ErrUnavailable) {
		t.Fatalf("Refetch: got %v, want nil or %v", err, keyset.ErrUnavailable)
	}
}

// mustHave checks which kids are served, and returns the generation.
func mustHave(t *testing.T, s *keyset.Source, kids ...string) uint64 {
	t.Helper()
	ks, generation, err := s.Current()
	if err != nil {
		t.Fatalf("Current: got %v, want keys %v", err, kids)
	}
	if got, want := strings.Join(ks.IDs(), " "), strings.Join(kids, " "); got != want {
		t.Fatalf("kids: got %q, want %q", got, want)
	}
	if generation == 0 {
		t.Fatal("generation: got 0, want more")
	}
	return generation
}

func mustBeUnavailable(t *testing.T, s *keyset.Source) {
	t.Helper()
	ks, generation, err := s.Current()
	if ks != nil || generation != 0 || !errors.Is(err, keyset.ErrUnavailable) {
		t.Fatalf("Current: got %v, %d, %v, want nil, 0, %v", ks, generation, err, keyset.ErrUnavailable)
	}
}

// mustFail checks that the last fetch failed, and for the reason.
func mustFail(t *testing.T, s *keyset.Source, reason string) {
	t.Helper()
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), reason) {
		t.Fatalf("Err: got %v, want one with %q", err, reason)
	}
}

// running starts Run and returns what ends it and waits for its end.
func running(t *testing.T, s *keyset.Source) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// slow is how many times longer than promised things may take on a busy machine.
const slow = 5

// until waits for a condition of the outside world.
func until(t *testing.T, what string, most time.Duration, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(most)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, most)
		}
		<-tick.C
	}
}

// record is a log that tests read.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

func (r *record) logger() *slog.Logger { return slog.New(slog.NewTextHandler(r, nil)) }
