package guard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"

	"github.com/wiretight/wiretight/guard"
)

// TestClaimsFrom holds what a wrapped handler can learn of its caller.
func TestClaimsFrom(t *testing.T) {
	t.Parallel()
	type told struct {
		Claims guard.Claims
		OK     bool
		ID     string
		Client netip.Addr
	}
	var last told
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		last.Claims, last.OK = guard.ClaimsFrom(r.Context())
		last.ID, last.Client = guard.RequestIDFrom(r.Context()), guard.ClientFrom(r.Context())
	})
	f := newFixture(t, func(c *guard.Config) {
		c.Routes = []guard.Route{{Path: "/open", Public: true}}
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		c.Observe = []guard.Rule{guard.RuleExpired}
	})
	h := f.guard.Wrap(handler)
	ask := func(peer, path string, header ...string) told {
		t.Helper()
		last = told{}
		all := http.Header{}
		for i := 0; i < len(header); i += 2 {
			all.Add(header[i], header[i+1])
		}
		if got := unwired(h, peer, all, path); got.status != 200 {
			t.Fatalf("got %v", got)
		} else if last.ID == "" || last.ID != got.header.Get("X-Request-Id") {
			t.Errorf("got request id %q, want that of the answer, %q", last.ID, got.header.Get("X-Request-Id"))
		}
		return last
	}
	at := f.clock.now()
	raw := f.mint(map[string]any{"jti": "j", "sid": "s", "azp": "app", "aud": []string{testAudience, "other"}, "scope": "a b", "extra": 1})
	want := guard.Claims{
		Issuer: testIssuer, Subject: "alice", ID: "j", SessionID: "s", ClientID: "app",
		Audience: []string{testAudience, "other"}, Scopes: []string{"a", "b"}, IssuedAt: at, Expiry: at.Add(5 * time.Minute),
	}
	for range 2 { // verified, then remembered
		got := ask("192.0.2.1:1", "/", "Authorization", "Bearer "+raw)
		var extra struct{ Extra int }
		if err := json.Unmarshal(got.Claims.Raw, &extra); err != nil || extra.Extra != 1 {
			t.Errorf("got raw claims %s", got.Claims.Raw)
		}
		got.Claims.Raw = nil
		if diff := cmp.Diff(want, got.Claims); diff != "" || !got.OK {
			t.Errorf("claims (-want +got), ok %v:\n%s", got.OK, diff)
		}
		if got.Client.String() != "192.0.2.1" {
			t.Errorf("got client %v", got.Client)
		}
	}
	if got := ask("192.0.2.1:1", "/open", "Authorization", "Bearer "+raw); !got.OK || got.Claims.Subject != "alice" {
		t.Errorf("public with a token: got %+v", got)
	}
	expired := f.mint(map[string]any{"iat": at.Add(-time.Hour).Unix(), "exp": at.Add(-time.Minute).Unix()})
	for name, got := range map[string]told{
		"public without a token":      ask("192.0.2.1:1", "/open"),
		"public with a forged token":  ask("192.0.2.1:1", "/open", "Authorization", "Bearer "+raw[:len(raw)-4]+"AAAA"),
		"expired, which is on trial":  ask("192.0.2.1:1", "/", "Authorization", "Bearer "+expired),
		"opaque token on public path": ask("192.0.2.1:1", "/open", "Authorization", "Bearer x"),
	} {
		if got.OK || got.Claims.Subject != "" {
			t.Errorf("%s: got %+v, want no claims", name, got.Claims)
		}
	}
	if got := ask("10.0.0.1:1", "/open", "X-Forwarded-For", "203.0.113.9, 10.0.0.2"); got.Client.String() != "203.0.113.9" {
		t.Errorf("behind trusted proxies: got client %v", got.Client)
	}
	if got := ask("192.0.2.1:1", "/open", "X-Forwarded-For", "203.0.113.9"); got.Client.String() != "192.0.2.1" {
		t.Errorf("behind a stranger: got client %v", got.Client)
	}
}

// TestOutsideGuard holds that nothing is known outside of a guard.
func TestOutsideGuard(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c, ok := guard.ClaimsFrom(ctx)
	if ok || c.Subject != "" || guard.RequestIDFrom(ctx) != "" || guard.ClientFrom(ctx).IsValid() {
		t.Error("something is known of a request that no guard has seen")
	}
}

// canary is a secret that must show nowhere, in all the forms of which any is
// worth something to who reads it.
type canary struct {
	name, raw string
	parts     []string
}

func jwtCanary(name, raw string) canary {
	c := canary{name: name, raw: raw}
	for segment := range strings.SplitSeq(raw, ".") {
		if strings.HasPrefix(segment, "eyJ") {
			continue // header and payload tell nothing by their beginning
		}
		for i := 0; i+16 <= len(segment); i += 8 {
			c.parts = append(c.parts, segment[i:i+16])
		}
	}
	return c
}

// sinks is everything that somebody may read.
type sinks struct {
	*fixture
	answers strings.Builder
}

func (s *sinks) keep(got reply) {
	if got.status >= 300 {
		fmt.Fprintln(&s.answers, got)
	}
}

func (s *sinks) all() map[string]string {
	s.t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	var metrics bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&metrics, family); err != nil {
			s.t.Fatal(err)
		}
	}
	return map[string]string{
		"log": s.log.String(), "metrics": metrics.String(), "answers": s.answers.String(), "readiness": fmt.Sprint(s.guard.Ready()),
	}
}

// TestCanary sends secrets through every kind of request and failure, and looks
// for them in everything that somebody may read (T9). The log has no redacting
// handler here: the guard itself must not write them.
func TestCanary(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) {
		c.RateLimit = neverLimited
		c.Tokens.Sources = []string{"header", "cookie:session", "query:jwt"}
		c.AcceptRisk = []string{"jwt.token-in-url"}
		c.CORS = &guard.CORS{Origins: []string{"https://app.example.com"}, Methods: []string{"GET"}}
		c.Upstreams = append(c.Upstreams,
			guard.Upstream{Name: "dead", URL: "http://127.0.0.1:1"},
			guard.Upstream{Name: "liar", URL: "http://" + newLiar(t), Timeout: 5 * time.Second})
		c.Routes = []guard.Route{
			{Path: "/dead", Upstream: "dead"},
			{Path: "/dead-open", Upstream: "dead", Public: true},
			{Path: "/liar/*", Upstream: "liar"},
			{Path: "/liar-open/*", Upstream: "liar", Public: true},
			{Path: "/scoped", Scopes: []string{"x"}},
			{Path: "/get", Methods: []string{"GET"}},
			{Path: "/once", Once: true},
			{Path: "/open", Public: true},
			{Path: "/bound", Binding: guard.BindingRequired},
			{Path: "/elsewhere", Issuers: []string{testIssuer}},
		}
		c.Logger = nil // set below
	})
	f.upstream.answers(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Echo", r.Header.Get("Authorization")+r.Header.Get("Cookie"))
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintln(w, "traceback:", r.Header, r.URL)
	})
	f.relog()
	s := &sinks{fixture: f}
	good := f.mint(map[string]any{"sub": "canary-subject", "jti": "canary-jti", "email": "canary@example.com"})
	signature := good[strings.LastIndexByte(good, '.')+1:]
	forged := strings.TrimSuffix(good, signature) + "Zm9yZ2Vk" + signature[8:]
	expired := f.mint(map[string]any{"iat": f.clock.now().Add(-time.Hour).Unix(), "exp": f.clock.now().Add(-time.Minute).Unix()})
	h := newHolder(f)
	bound := h.token(nil)
	proof := h.proof(bound, "/bound", nil)
	const opaque, password = "opaque-canary-7Fh2kLq9ZxW4", "Y2FuYXJ5OnBhc3N3b3JkLWNhbmFyeQ=="
	canaries := []canary{
		jwtCanary("good token", good), jwtCanary("forged token", forged), jwtCanary("expired token", expired),
		jwtCanary("bound token", bound), jwtCanary("proof", proof),
		{"opaque token", opaque, []string{opaque, opaque[:20]}},
		{"password", password, []string{password}},
		{"subject", "", []string{"canary-subject", "canary-jti", "canary@example.com"}},
	}
	for _, raw := range []string{good, forged, expired, bound, opaque, "Basic " + password} {
		f.sprinkle(s, raw)
	}
	s.keep(f.get("/bound", "Authorization", "DPoP "+bound, "Dpop", proof))
	s.keep(f.get("/bound", "Authorization", "DPoP "+bound, "Dpop", proof))
	if err := f.guard.Revoke(t.Context(), guard.Revocation{Subject: "canary-subject", Before: f.clock.now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the revocation", func() bool { return f.get("/", "Authorization", "Bearer "+good).status == 401 })
	for place, text := range s.all() {
		if text == "" {
			t.Errorf("%s is empty: the test shows nothing", place)
		}
		for _, c := range canaries {
			for _, part := range c.parts {
				if i := strings.Index(text, part); i >= 0 {
					t.Errorf("%s holds part of the %s: …%s…", place, c.name, text[max(0, i-300):min(len(text), i+100)])
					break
				}
			}
		}
	}
}

// relog makes the guard anew with a logger that masks nothing.
func (f *fixture) relog() {
	f.t.Helper()
	f.stop()
	f.plain.Close()
	if err := f.guard.Close(); err != nil {
		f.t.Fatal(err)
	}
	f.config.Logger = slog.New(slog.NewJSONHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	g, err := guard.New(f.config)
	if err != nil {
		f.t.Fatal(err)
	}
	f.guard = g
	f.t.Cleanup(func() { _ = g.Close() })
	f.listen()
}

// sprinkle puts a secret wherever a client might. Names of hosts and origins
// are no such place: the log needs them.
func (f *fixture) sprinkle(s *sinks, raw string) {
	auth := "Bearer " + raw
	if strings.HasPrefix(raw, "Basic ") {
		auth, raw = raw, strings.TrimPrefix(raw, "Basic ")
	}
	for _, c := range []*http.Client{f.h1, f.h2} {
		for _, path := range []string{"/", "/dead", "/dead-open", "/scoped", "/once", "/once", "/open", "/bound", "/elsewhere", "/x/../y", "/liar/status", "/liar/header", "/liar/chunk", "/liar/length", "/liar-open/status", "/liar-open/header"} {
			s.keep(f.send(c, "GET", path, "", "Authorization", auth))
			s.keep(f.send(c, "GET", path, "", "Cookie", "session="+raw))
			s.keep(f.send(c, "GET", path+"?jwt="+raw, ""))
			s.keep(f.send(c, "GET", path+"?access_token="+raw, "", "Authorization", auth))
		}
		for _, header := range [][]string{
			{"Authorization", auth, "Authorization", auth},
			{"Authorization", "DPoP " + raw},
			{"Authorization", auth, "Dpop", raw},
			{"Authorization", auth, "Cookie", "session=" + raw},
			{"Proxy-Authorization", auth},
			{"Authorization", raw},
			{"Authorization", "Token " + raw},
			{"Authorization", auth, "X-Auth-Subject", raw},
			{"Cookie", "__Host-refresh=" + raw},
			{"Authorization", auth, "Content_length", raw},
			{"Authorization", auth, "Referer", "https://" + testHost + "/?t=" + raw},
			{"Authorization", auth, "User-Agent", raw},
			{"Authorization", auth, "X-Forwarded-For", raw},
			{"Authorization", auth, "X-Request-Id", raw},
			{"Cookie", "session=" + raw + "; session=" + raw},
			{"Cookie", "session=" + raw, "Origin", "https://evil.example"},
		} {
			s.keep(f.send(c, "GET", "/", "", header...))
			s.keep(f.send(c, "POST", "/get", "password="+raw, header...))
			s.keep(f.send(c, "OPTIONS", "/", "", append(header, "Access-Control-Request-Method", "GET")...))
		}
		s.keep(f.send(c, "GET", "/token/"+raw, "", "Authorization", auth))
	}
	s.keep(f.inClear("GET", "/", "", "Authorization", auth))
	s.keep(f.inClear("POST", "/?jwt="+raw, raw, "Cookie", "session="+raw))
}

// newLiar is an upstream that answers, with what it was sent, what is no
// HTTP.
func newLiar(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			lie(c)
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return ln.Addr().String()
}

func lie(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	buf := make([]byte, 64<<10)
	n, err := c.Read(buf)
	if err != nil {
		return
	}
	request := string(buf[:n])
	secret := ""
	for line := range strings.Lines(request) {
		if name, v, _ := strings.Cut(line, ": "); strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "Cookie") {
			_, secret, _ = strings.Cut(strings.TrimSpace(v), " ")
			if secret == "" {
				secret = strings.TrimSpace(v)
			}
		}
	}
	answer := "HTTP/1.1 " + secret + "\r\n\r\n"
	switch {
	case strings.Contains(request, "/header"):
		answer = "HTTP/1.1 500 No\r\n" + secret + "\r\nX-" + secret + " : x\r\n\r\n"
	case strings.Contains(request, "/chunk"):
		answer = "HTTP/1.1 500 No\r\nTransfer-Encoding: " + secret + "\r\n\r\n" + secret
	case strings.Contains(request, "/length"):
		answer = "HTTP/1.1 500 No\r\nContent-Length: " + secret + "\r\n\r\n" + secret
	}
	_, _ = io.WriteString(c, answer)
}
