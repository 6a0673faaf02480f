package scan_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/scan"
)

// tapped is a connection that seems to lead to a public address, and keeps what
// was written to it.
type tapped struct {
	net.Conn
	mu   *sync.Mutex
	sent *bytes.Buffer
}

func (c tapped) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(203, 0, 113, 7), Port: 443}
}

func (c tapped) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.sent.Write(p)
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// public makes the server look like one elsewhere, called api.test.
func public(c *scan.Config, addr string) *bytes.Buffer {
	sent, mu := &bytes.Buffer{}, &sync.Mutex{}
	c.Rate = 1000
	c.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return tapped{conn, mu, sent}, nil
	}
	return sent
}

func TestNoTokenInClear(t *testing.T) {
	t.Parallel()
	a := &api{}
	c, s := a.start(t)
	sent := public(&c, s.Listener.Addr().String())
	c.URL = "http://api.test"
	c.OtherToken = redact.NewText("other.token.value-1234567890")
	c.LoginURL, c.LoginData = "/login", "username=alice&password=hunter2hunter2"
	raw := string(c.Token.Reveal())
	r := within(t, c, func(ctx context.Context, target *scan.Target) scan.Verdict {
		for _, r := range []scan.Request{
			{Path: "/items", Header: http.Header{"Authorization": {"Bearer " + raw}}},
			{Path: "/items?token=" + raw},
			{Path: "/", Body: []byte("x=" + raw), Method: "POST"},
			{Path: "/items", Header: http.Header{"Cookie": {"t=other.token.value-1234567890"}}},
		} {
			if _, err := target.Do(ctx, r); !errors.Is(err, scan.ErrExposed) {
				t.Errorf("%v: got %v, want ErrExposed", r.Path, err)
			}
		}
		if _, err := target.Login(ctx); !errors.Is(err, scan.ErrExposed) {
			t.Errorf("login: got %v, want ErrExposed", err)
		}
		if len(target.Protected()) != 0 || !strings.Contains(target.Unprotected(), "in clear") {
			t.Errorf("got %d protected operations, reason %q", len(target.Protected()), target.Unprotected())
		}
		if target.Loopback() {
			t.Error("got loopback for a public address")
		}
		return scan.Skip(target.Unprotected())
	})
	for _, secret := range []string{raw, "other.token.value-1234567890", "hunter2hunter2"} {
		if strings.Contains(sent.String(), secret) {
			t.Errorf("%.12s… was sent in clear", secret)
		}
	}
	if r.Incomplete != "" {
		t.Errorf("got incomplete %q", r.Incomplete)
	}
}

func TestUntrustedCertificate(t *testing.T) {
	t.Parallel()
	a := &api{tls: true}
	c, s := a.start(t)
	public(&c, s.Listener.Addr().String())
	c.URL = "https://example.com" // the name in httptest's certificate
	look(t, c, func(_ context.Context, target *scan.Target) {
		if len(target.Protected()) != 0 || !strings.Contains(target.Unprotected(), "--ca") {
			t.Errorf("got %d protected operations, reason %q, want the token kept back", len(target.Protected()), target.Unprotected())
		}
	})
	if n := a.count.Load(); n == 0 {
		t.Error("nothing was asked at all, want requests without a token")
	}
	c.CA = x509.NewCertPool()
	c.CA.AddCert(s.Certificate())
	look(t, c, func(_ context.Context, target *scan.Target) {
		if len(target.Protected()) == 0 {
			t.Errorf("with its CA: got no protected operation: %s", target.Unprotected())
		}
	})
	c.URL = "https://other.test" // a name that the certificate does not cover
	look(t, c, func(_ context.Context, target *scan.Target) {
		if len(target.Protected()) != 0 {
			t.Error("with a foreign name: got the token sent")
		}
	})
}

// TestNoTokenInReports lets checks put secrets wherever a report has text.
func TestNoTokenInReports(t *testing.T) {
	t.Parallel()
	a := &api{}
	c, _ := a.start(t)
	c.LoginURL, c.LoginJSON = "/login", `{"username":"alice","password":"wonder-land-77"}`
	c.OtherToken = redact.NewText("opaque-other-token-123")
	raw := string(c.Token.Reveal())
	all := raw + " opaque-other-token-123 wonder-land-77 " + apiSecret + " sig=" + raw[strings.LastIndexByte(raw, '.')+1:]
	checks := []scan.Check{
		{ID: "a.found", Run: func(_ context.Context, target *scan.Target) scan.Verdict {
			return scan.Find(scan.Evidence{Method: "GET", URL: target.Base().String() + "/?t=" + raw, Title: all, Text: all, Repeat: all})
		}},
		{ID: "a.unsure", Run: func(context.Context, *scan.Target) scan.Verdict { return scan.Unsure(all) }},
		{ID: "a.skip", Run: func(context.Context, *scan.Target) scan.Verdict { return scan.Skip(all) }},
		{ID: "a.panic", Run: func(context.Context, *scan.Target) scan.Verdict { panic(all) }},
	}
	r, err := scan.Run(t.Context(), c, checks)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range strings.Fields(all) {
		if secret = strings.TrimPrefix(secret, "sig="); bytes.Contains(text, []byte(secret)) {
			t.Errorf("the report holds %.10s…", secret)
		}
	}
	if len(r.Findings) != 1 || len(r.Inconclusive) != 2 || len(r.Skipped) != 1 {
		t.Errorf("got %d findings, %d inconclusive, %d skipped", len(r.Findings), len(r.Inconclusive), len(r.Skipped))
	}
}

// TestForeignHosts sees to it that documents cannot make the scan ask around.
func TestForeignHosts(t *testing.T) {
	t.Parallel()
	inner := &api{}
	_, inside := inner.start(t)
	a := &api{extra: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/.well-known/openid-configuration" {
			return false
		}
		json.NewEncoder(w).Encode(map[string]string{"issuer": "https://id.test", "jwks_uri": inside.URL + "/latest/meta-data"})
		return true
	}}
	c, s := a.start(t)
	public(&c, s.Listener.Addr().String())
	c.Token = redact.Text{}
	c.URL = "http://api.test"
	look(t, c, func(ctx context.Context, target *scan.Target) {
		if len(target.Discovery()) != 1 {
			t.Errorf("got %d documents, want the one", len(target.Discovery()))
		}
		if _, err := target.Do(ctx, scan.Request{URL: inside.URL + "/x"}); err == nil {
			t.Error("Do went to another host")
		}
	})
	if n := inner.count.Load(); n != 0 {
		t.Errorf("got %d requests inside, want none", n)
	}
}
