package origin_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/origin"
)

// secureServer has TLS of a version; h2 says whether it would speak HTTP/2.
func secureServer(t testing.TB, version uint16, h2 bool, conns *atomic.Int64) (string, *tls.Config) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s", r.Proto, body)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			conns.Add(1)
		}
	}
	s.EnableHTTP2 = h2
	s.TLS = &tls.Config{MinVersion: version, MaxVersion: version}
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s.Listener.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "example.com", MinVersion: tls.VersionTLS12}
}

func TestSecureConnectionsAreKept(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		var conns atomic.Int64
		addr, cfg := secureServer(t, version, false, &conns)
		c := client(t, addr, func(c *origin.Config) { c.TLS = cfg })
		for range 20 {
			if _, body := get(t, c, upload("POST", "data")); body != "HTTP/1.1 data" {
				t.Errorf("got %q", body)
			}
		}
		if got := conns.Load(); got != 1 {
			t.Errorf("%s: got %d connections, want 1", tls.VersionName(version), got)
		}
	}
}

func TestSecureServersAreVerified(t *testing.T) {
	t.Parallel()
	var conns atomic.Int64
	addr, cfg := secureServer(t, tls.VersionTLS13, false, &conns)
	for name, change := range map[string]func(*tls.Config){
		"another CA":   func(c *tls.Config) { c.RootCAs = x509.NewCertPool() },
		"another name": func(c *tls.Config) { c.ServerName = "other.test" },
		"no name":      func(c *tls.Config) { c.ServerName = "" },
		"too old":      func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 },
	} {
		wrong := cfg.Clone()
		change(wrong)
		res, err := client(t, addr, func(c *origin.Config) { c.TLS = wrong }).Do(context.Background(), request("GET", "/"), nil, nil)
		if err == nil {
			res.Body.Close()
			t.Errorf("%s: the request was sent", name)
		}
	}
}

// TestHTTP2IsLeftToOthers holds that the request is whole afterwards.
func TestHTTP2IsLeftToOthers(t *testing.T) {
	t.Parallel()
	var conns atomic.Int64
	addr, cfg := secureServer(t, tls.VersionTLS13, true, &conns)
	c := client(t, addr, func(c *origin.Config) { c.TLS = cfg })
	r := upload("POST", "data")
	res, err := c.Do(context.Background(), r, nil, nil)
	if !errors.Is(err, origin.ErrHTTP2) {
		if err == nil {
			res.Body.Close()
		}
		t.Fatalf("got %v, want ErrHTTP2", err)
	}
	if body, err := io.ReadAll(r.Body); string(body) != "data" || err != nil {
		t.Errorf("got %q, %v; want the body again", body, err)
	}
}

func TestSilentHandshakesEnd(t *testing.T) {
	t.Parallel()
	addr := raw(t, func(_ int64, _ net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	c := client(t, addr, func(c *origin.Config) { c.TLS = &tls.Config{ServerName: "x", MinVersion: tls.VersionTLS12} })
	if res, err := c.Do(ctx, request("GET", "/"), nil, nil); err == nil {
		res.Body.Close()
		t.Error("got an answer")
	}
}

// TestLateSecretsAreNoAnswer is a server that says something on an idle
// connection inside TLS, in whole records and in a part of one.
func TestLateSecretsAreNoAnswer(t *testing.T) {
	t.Parallel()
	evil := "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for name, late := range map[string]func(t *tls.Conn, raw *parted){
			"with the answer":       func(t *tls.Conn, _ *parted) { _, _ = io.WriteString(t, okAnswer+evil) },
			"after the answer":      func(t *tls.Conn, _ *parted) { _, _ = io.WriteString(t, okAnswer); _, _ = io.WriteString(t, evil) },
			"large after an answer": func(t *tls.Conn, _ *parted) { _, _ = io.WriteString(t, okAnswer+strings.Repeat(evil, 300)) },
			"its end":               func(t *tls.Conn, _ *parted) { _, _ = io.WriteString(t, okAnswer); _ = t.CloseWrite() },
			"part of a record": func(t *tls.Conn, raw *parted) {
				_, _ = io.WriteString(t, okAnswer)
				raw.hold(7)
				_, _ = io.WriteString(t, evil)
			},
			"part of a record's header": func(t *tls.Conn, raw *parted) {
				_, _ = io.WriteString(t, okAnswer)
				raw.hold(3)
				_, _ = io.WriteString(t, evil)
			},
		} {
			t.Run(tls.VersionName(version)+" "+name, func(t *testing.T) {
				t.Parallel()
				var conns atomic.Int64
				_, cfg := secureServer(t, version, false, &conns)
				said := make(chan struct{}, 10)
				addr := raw(t, func(n int64, conn net.Conn, _ *bufio.Reader) {
					p := &parted{Conn: conn}
					s := tls.Server(p, serverTLS(t, version))
					in := bufio.NewReader(s)
					for {
						if _, err := readRequest(in); err != nil {
							return
						}
						if n > 1 {
							_, _ = io.WriteString(s, okAnswer)
							continue
						}
						late(s, p)
						said <- struct{}{}
					}
				})
				cfg.InsecureSkipVerify = true // the certificate is another test's matter
				c := client(t, addr, func(c *origin.Config) { c.TLS = cfg })
				if status, body := get(t, c, request("GET", "/")); status != 200 || body != "ok" {
					t.Errorf("got %d %q", status, body)
				}
				<-said
				for range 3 {
					if status, body := get(t, c, request("POST", "/")); status != 200 || body != "ok" {
						t.Errorf("got %d %q, want the answer to the request", status, body)
					}
				}
			})
		}
	}
}

// serverTLS is a certificate of httptest's, for a server made by hand.
func serverTLS(t testing.TB, version uint16) *tls.Config {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	return &tls.Config{Certificates: s.TLS.Certificates, MinVersion: version, MaxVersion: version}
}

// parted can withhold the rest of what is written.
type parted struct {
	net.Conn
	holding bool
	left    int
}

func (p *parted) hold(after int) { p.holding, p.left = true, after }

func (p *parted) Write(b []byte) (int, error) {
	if p.holding {
		n := min(p.left, len(b))
		p.left -= n
		if _, err := p.Conn.Write(b[:n]); err != nil {
			return 0, err
		}
		return len(b), nil
	}
	return p.Conn.Write(b)
}
