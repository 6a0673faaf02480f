package extauthz_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/extauthz"
	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/internal/token"
)

const (
	testHost     = "api.example.com"
	testIssuer   = "https://id.example.com/"
	testAudience = "api.example.com"
	appOrigin    = "https://app.example.com"
	// patience is how long a test waits for what should come at once. The
	// machine may be busy.
	patience = 20 * time.Second
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bed is a guard that carries requests itself and decides for other proxies.
type bed struct {
	t        testing.TB
	guard    *guard.Guard
	signer   *token.Signer
	log      *records
	registry *prometheus.Registry
	// reached counts what the upstream got.
	reached  atomic.Int64
	upstream *httptest.Server
	proxy    *httptest.Server // the guard's own carrying, TLS
	asked    *httptest.Server // the authorizer over HTTP
	envoy    *grpc.ClientConn // the authorizer over gRPC
	served   *extauthz.Authorizer
	client   *http.Client
}

// newBed starts everything. change may alter the configuration.
func newBed(t testing.TB, change func(*guard.Config)) *bed {
	t.Helper()
	b := &bed{t: t, log: &records{byID: map[string][]map[string]any{}}, registry: prometheus.NewRegistry(), signer: newSigner(t, "key-1")}
	b.upstream = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		b.reached.Add(1)
		_, _ = io.WriteString(w, "hello")
	}))
	t.Cleanup(b.upstream.Close)
	metrics, err := guard.NewMetrics(b.registry)
	if err != nil {
		t.Fatal(err)
	}
	cfg := guard.Config{
		Hosts:        []string{testHost},
		TrustedPeers: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		Tokens: guard.Tokens{
			Cache: 1000, Leeway: 30 * time.Second,
			Issuers: []guard.Issuer{{
				Issuer: testIssuer, Audiences: []string{testAudience}, Algorithms: []string{"ES256"}, JWKS: jwks(t, b.signer),
			}},
		},
		Upstreams: []guard.Upstream{{Name: "app", URL: b.upstream.URL}},
		RateLimit: guard.RateLimit{AuthFailures: guard.Rate{Count: 1 << 20, Per: time.Minute}},
		Logger:    b.log.logger(),
		Metrics:   metrics,
	}
	if change != nil {
		change(&cfg)
	}
	if b.guard, err = guard.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.guard.Close() })
	b.listen()
	return b
}

func (b *bed) listen() {
	quiet := log.New(io.Discard, "", 0)
	b.proxy = httptest.NewUnstartedServer(b.guard.Handler())
	b.proxy.Config.ErrorLog, b.proxy.Config.DisableGeneralOptionsHandler = quiet, true
	b.proxy.StartTLS()
	b.t.Cleanup(b.proxy.Close)
	b.served = extauthz.New(b.guard)
	b.serveGRPC()
	b.asked = httptest.NewUnstartedServer(b.served.HTTP())
	b.asked.Config.ErrorLog = quiet
	b.asked.Start()
	b.t.Cleanup(b.asked.Close)
	tr := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 8}
	b.t.Cleanup(tr.CloseIdleConnections)
	b.client = &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// serveGRPC starts the authorizer over gRPC, in clear, and a real client of it.
func (b *bed) serveGRPC() {
	b.t.Helper()
	server := httptest.NewUnstartedServer(b.served.GRPC())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	b.t.Cleanup(server.Close)
	var err error
	b.envoy, err = grpc.NewClient(server.Listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = b.envoy.Close() })
}

// ask is a request as the client has sent it to the proxy that asks.
type ask struct {
	method, scheme, host, target string
	header                       []string // name, value, name, value
	client                       string   // X-Forwarded-For
	bare                         bool     // none of the proxy's headers
	path                         string   // where the proxy asks
	with                         string   // the method it asks with
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) detail() string {
	var p struct{ Detail string }
	if r.header.Get("Content-Type") == "application/problem+json" {
		_ = json.Unmarshal([]byte(r.body), &p)
	}
	return p.Detail
}

// orElse is s, or where that is empty, def.
func orElse(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// http asks over HTTP.
func (b *bed) http(a ask) reply {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, orElse(a.with, "GET"), b.asked.URL+orElse(a.path, "/authorize"), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if !a.bare {
		r.Header.Set("X-Forwarded-Method", orElse(a.method, "GET"))
		r.Header.Set("X-Forwarded-Proto", orElse(a.scheme, "https"))
		r.Header.Set("X-Forwarded-Host", orElse(a.host, testHost))
		r.Header.Set("X-Forwarded-Uri", orElse(a.target, "/items"))
	}
	if a.client != "" {
		r.Header.Set("X-Forwarded-For", a.client)
	}
	for i := 0; i+1 < len(a.header); i += 2 {
		r.Header[a.header[i]] = append(r.Header[a.header[i]], a.header[i+1])
	}
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	return read(b.t, res)
}

// carry sends the same request through the guard's own proxy.
func (b *bed) carry(a ask) reply {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, orElse(a.method, "GET"), "https://"+orElse(a.host, testHost)+"/", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r.URL.Path, r.URL.Opaque = "", orElse(a.target, "/items")
	for i := 0; i+1 < len(a.header); i += 2 {
		r.Header[a.header[i]] = append(r.Header[a.header[i]], a.header[i+1])
	}
	tr := &http.Transport{
		TLSClientConfig:    &tls.Config{InsecureSkipVerify: true}, // the test's own server
		DisableCompression: true, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", b.proxy.Listener.Addr().String())
		},
	}
	res, err := tr.RoundTrip(r)
	if err != nil {
		b.t.Fatal(err)
	}
	return read(b.t, res)
}

func read(t testing.TB, res *http.Response) reply {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, string(body)}
}

// mint signs a token that is good for five minutes. A nil claim is left out.
func (b *bed) mint(claims map[string]any) string {
	b.t.Helper()
	raw, err := b.signer.Sign("at+jwt", withClaims(claims))
	if err != nil {
		b.t.Fatal(err)
	}
	return raw
}

func withClaims(changes map[string]any) map[string]any {
	now := time.Now()
	all := map[string]any{
		"iss": testIssuer, "aud": testAudience, "sub": "alice", "jti": randomID(),
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	for k, v := range changes {
		all[k] = v
		if v == nil {
			delete(all, k)
		}
	}
	return all
}

// record is what the log has of a decision, once it is written.
func (b *bed) record(id string) map[string]any {
	b.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		switch found := b.log.of(id); {
		case len(found) > 1:
			b.t.Fatalf("got %d records of one decision", len(found))
		case len(found) == 1:
			return found[0]
		}
		select {
		case <-deadline:
			b.t.Fatalf("the log has no record of %q", id)
		case <-tick.C:
		}
	}
}

// records is a log by request that can be read while it is written.
type records struct {
	mu   sync.Mutex
	all  bytes.Buffer
	byID map[string][]map[string]any // the records of whole requests
}

// Write takes one record, as slog hands them over.
func (r *records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var m map[string]any
	if json.Unmarshal(p, &m) == nil && m["msg"] == "request" {
		id, _ := m["request_id"].(string)
		r.byID[id] = append(r.byID[id], m)
	}
	return r.all.Write(p)
}

func (r *records) of(id string) []map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byID[id]
}

func (r *records) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all.String()
}

func (r *records) logger() *slog.Logger {
	return slog.New(redact.NewHandler(slog.NewJSONHandler(r, nil)))
}

func newSigner(t testing.TB, kid string) *token.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := token.NewSigner("ES256", kid, key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func jwks(t testing.TB, signers ...*token.Signer) []byte {
	t.Helper()
	keys := []json.RawMessage{}
	for _, s := range signers {
		keys = append(keys, s.JWK())
	}
	raw, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func randomID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
