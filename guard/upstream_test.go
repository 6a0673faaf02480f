package guard_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/testpki"
)

// selfSigned is a certificate that only its own pool knows.
func selfSigned(t testing.TB, change func(*x509.Certificate)) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	template := testpki.Server("localhost", "127.0.0.1")
	template.Subject.CommonName, template.IsCA, template.BasicConstraintsValid = t.Name(), true, true
	template.KeyUsage |= x509.KeyUsageCertSign
	template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	if change != nil {
		change(template)
	}
	id, err := testpki.Issue(template, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	pair := id.TLS()
	return &pair, id.Pool()
}

// secureUpstream is an upstream with TLS that says how it was asked.
func secureUpstream(t testing.TB, cert *tls.Certificate, clients *x509.CertPool, h2 bool) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			name = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s from %s %s", r.Proto, name, body)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.EnableHTTP2 = h2
	s.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}}
	if clients != nil {
		s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, clients
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func TestUpstreamTLS(t *testing.T) {
	t.Parallel()
	cert, pool := selfSigned(t, nil)
	other, otherPool := selfSigned(t, nil)
	stale, stalePool := selfSigned(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	elsewhere, elsewherePool := selfSigned(t, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"other.test"}, nil })
	client, clientPool := selfSigned(t, func(c *x509.Certificate) { c.Subject.CommonName = "guard" })
	url := secureUpstream(t, cert, nil, true)
	mutual := secureUpstream(t, cert, clientPool, true)
	url11 := secureUpstream(t, cert, nil, false)
	mutual11 := secureUpstream(t, cert, clientPool, false)
	for _, c := range []struct {
		name   string
		up     guard.Upstream
		risks  []string
		want   string // empty: 502
		reason string
	}{
		{"own CA", guard.Upstream{URL: url, CA: pool}, nil, "HTTP/2.0 from nobody", ""},
		{"wrong CA", guard.Upstream{URL: url, CA: otherPool}, nil, "", "give its CA as upstreams.ca"},
		{"the system's roots", guard.Upstream{URL: url}, nil, "", "give its CA as upstreams.ca"},
		{"no root at all", guard.Upstream{URL: url, CA: x509.NewCertPool()}, nil, "", "give its CA as upstreams.ca"},
		{"expired", guard.Upstream{URL: secureUpstream(t, stale, nil, true), CA: stalePool}, nil, "", "expired"},
		{"another name", guard.Upstream{URL: secureUpstream(t, elsewhere, nil, false), CA: elsewherePool}, nil, "", "certificate"},
		{"unverified", guard.Upstream{URL: url, Insecure: true}, []string{"tls.cert-untrusted"}, "HTTP/2.0 from nobody", ""},
		{"the risk alone opens nothing", guard.Upstream{URL: url}, []string{"tls.cert-untrusted"}, "", "give its CA"},
		{"client certificate", guard.Upstream{URL: mutual, CA: pool, Certificate: client}, nil, "HTTP/2.0 from guard", ""},
		{"HTTP/1.1, own CA", guard.Upstream{URL: url11, CA: pool}, nil, "HTTP/1.1 from nobody", ""},
		{"HTTP/1.1, wrong CA", guard.Upstream{URL: url11, CA: otherPool}, nil, "", "give its CA as upstreams.ca"},
		{"HTTP/1.1, unverified", guard.Upstream{URL: url11, Insecure: true}, []string{"tls.cert-untrusted"}, "HTTP/1.1 from nobody", ""},
		{"HTTP/1.1, client certificate", guard.Upstream{URL: mutual11, CA: pool, Certificate: client}, nil, "HTTP/1.1 from guard", ""},
		{"HTTP/1.1, client certificate missing", guard.Upstream{URL: mutual11, CA: pool}, nil, "", "upstream app"},
		{"client certificate of another", guard.Upstream{URL: mutual, CA: pool, Certificate: other}, nil, "", "upstream app"},
		{"client certificate missing", guard.Upstream{URL: mutual, CA: pool}, nil, "", "upstream app"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(cfg *guard.Config) {
				c.up.Name = "app"
				cfg.Upstreams, cfg.AcceptRisk = []guard.Upstream{c.up}, c.risks
			})
			for _, method := range []string{"GET", "POST"} {
				body := map[string]string{"POST": "data"}[method]
				got := f.send(f.h1, method, "/x", body, "Authorization", f.bearer())
				if c.want != "" {
					if got.status != 200 || got.body != c.want+" "+body {
						t.Errorf("%s: got %v, want %q", method, got, c.want)
					}
					continue
				}
				if got.status != 502 || got.problem().Detail != "Bad gateway" || strings.Contains(got.body, "certificate") || strings.Contains(got.body, "127.0.0.1") {
					t.Errorf("%s: got %v, want 502 without detail", method, got)
				}
				records := f.log.of(t, got.header.Get("X-Request-Id"))
				if reason, _ := records[len(records)-1]["reason"].(string); !strings.Contains(reason, c.reason) {
					t.Errorf("%s: got the reason %q, want %q in it", method, reason, c.reason)
				}
			}
		})
	}
}

// TestInsecureUpstreamsAreRefused is what New says of them.
func TestInsecureUpstreamsAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		up    guard.Upstream
		risks []string
		ok    bool
	}{
		{"plain text on loopback", guard.Upstream{URL: "http://127.0.0.1:1"}, nil, true},
		{"plain text on loopback, IPv6", guard.Upstream{URL: "http://[::1]:1"}, nil, true},
		{"unix socket", guard.Upstream{URL: "unix:///run/app.sock"}, nil, true},
		{"plain text elsewhere", guard.Upstream{URL: "http://10.0.0.5:1"}, nil, false},
		{"gRPC in plain text elsewhere", guard.Upstream{URL: "h2c://10.0.0.5:1"}, nil, false},
		{"plain text elsewhere, insecure", guard.Upstream{URL: "http://10.0.0.5:1", Insecure: true}, nil, false},
		{"plain text elsewhere, risk accepted", guard.Upstream{URL: "http://10.0.0.5:1"}, []string{"transport.token-over-http"}, false},
		{"plain text elsewhere, both", guard.Upstream{URL: "http://10.0.0.5:1", Insecure: true}, []string{"transport.token-over-http"}, true},
		{"plain text elsewhere, another risk", guard.Upstream{URL: "http://10.0.0.5:1", Insecure: true}, []string{"tls.cert-untrusted"}, false},
		{"unverified", guard.Upstream{URL: "https://10.0.0.5", Insecure: true}, nil, false},
		{"unverified, risk accepted", guard.Upstream{URL: "https://10.0.0.5", Insecure: true}, []string{"tls.cert-untrusted"}, true},
	} {
		c.up.Name = "app"
		problems := guard.Check(guard.Config{
			Hosts: []string{testHost}, Upstreams: []guard.Upstream{c.up}, AcceptRisk: c.risks,
			Routes: []guard.Route{{Path: "/*", Public: true}},
		})
		if (len(problems) == 0) != c.ok {
			t.Errorf("%s: got %v, want it accepted: %v", c.name, problems, c.ok)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "u") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.Host, r.RequestURI, body)
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ln) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	f := newFixture(t, func(c *guard.Config) { c.Upstreams[0].URL = "unix://" + path })
	for _, c := range []struct{ method, body string }{{"GET", ""}, {"POST", "data"}} {
		got := f.send(f.h1, c.method, "/x?y", c.body, "Authorization", f.bearer())
		if want := c.method + " " + testHost + " /x?y " + c.body; got.status != 200 || got.body != want {
			t.Errorf("got %v, want %q", got, want)
		}
	}
	_ = s.Close()
	if got := f.get("/x", "Authorization", f.bearer()); got.status != 502 {
		t.Errorf("socket without a server: got %v, want 502", got)
	}
}

// TestKeepAliveEnds is a server that closes a connection after some rest, as
// uvicorn does after five seconds: the next request must not suffer.
func TestKeepAliveEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, body string }{{"GET", ""}, {"POST", ""}, {"POST", "data"}, {"DELETE", ""}, {"PATCH", "data"}} {
		t.Run(c.method+" "+c.body, func(t *testing.T) {
			t.Parallel()
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			var served atomic.Int64
			closed := make(chan struct{}, 100)
			all.Go(func() {
				for {
					conn, err := ln.Accept()
					if err != nil {
						return
					}
					all.Go(func() {
						defer conn.Close()
						r, err := http.ReadRequest(bufio.NewReader(conn))
						if err != nil {
							return
						}
						_, _ = io.Copy(io.Discard, r.Body)
						served.Add(1)
						_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") // keep-alive, it claims
						_ = conn.Close()
						closed <- struct{}{}
					})
				}
			})
			t.Cleanup(func() { _ = ln.Close(); all.Wait() })
			f := newFixture(t, func(cfg *guard.Config) { cfg.Upstreams[0].URL = "http://" + ln.Addr().String() })
			for i := range 10 {
				got := f.send(f.h1, c.method, "/x", c.body, "Authorization", f.bearer())
				if got.status != 200 || got.body != "ok" {
					t.Fatalf("request %d: got %v, want 200", i, got)
				}
				<-closed
				settled := time.NewTimer(5 * time.Millisecond) // the end of the connection is on its way
				<-settled.C
			}
			if served.Load() != 10 {
				t.Errorf("got %d requests, want each once", served.Load())
			}
		})
	}
}

// TestConnectionsAreNotMixed sends many requests at once, some of which are cut
// in the middle: everybody gets the own answer.
func TestConnectionsAreNotMixed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.upstream.streams(func(w http.ResponseWriter, r *http.Request) {
		for range 200 {
			if _, err := io.WriteString(w, r.URL.Path+"\n"); err != nil {
				return
			}
		}
	})
	var all sync.WaitGroup
	token := f.bearer()
	for i := range 16 {
		client := []*http.Client{f.h1, f.h2}[i%2]
		all.Go(func() {
			for j := range 30 {
				path := fmt.Sprintf("/%d/%d", i, j)
				ctx, cancel := context.WithCancel(t.Context())
				r, _ := http.NewRequestWithContext(ctx, "GET", "https://"+testHost+path, nil)
				r.Header.Set("Authorization", token)
				res, err := client.Do(r)
				if err != nil {
					t.Error(err)
					cancel()
					return
				}
				if j%3 == 0 {
					_, _ = res.Body.Read(make([]byte, 10))
					cancel() // leaves in the middle
				} else if body, err := io.ReadAll(res.Body); err != nil || string(body) != strings.Repeat(path+"\n", 200) {
					t.Errorf("%s: got %.60q, %v", path, body, err)
				}
				res.Body.Close()
				cancel()
			}
		})
	}
	all.Wait()
}

// TestTrailersAndHints sends what comes before and behind an answer.
func TestTrailersAndHints(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.upstream.streams(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		h := w.Header()
		h.Set("Link", "</a.css>; rel=preload")
		h.Set("X-Powered-By", "hints")
		h.Set("Set-Cookie", "early=1")
		w.WriteHeader(http.StatusEarlyHints)
		h.Del("Link")
		h.Set("Trailer", "X-Sum, Set-Cookie")
		if r.URL.Path == "/error" {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = io.WriteString(w, "hello")
		h.Set("X-Sum", "42 "+anothersToken)
		h.Set("Set-Cookie", "late=1")
		h.Set(http.TrailerPrefix+"X-Late", "yes")
		h.Set(http.TrailerPrefix+"X-Powered-By", "trailers")
		h.Set(http.TrailerPrefix+"Access-Control-Allow-Origin", "*")
	})
	for _, path := range []string{"/ok", "/error"} {
		for _, body := range []string{"", "data"} {
			for _, client := range []*http.Client{f.h1, f.h2} {
				var hints []string
				method := map[bool]string{true: "GET", false: "POST"}[body == ""]
				r := f.request("https", method, path, body, "Authorization", f.bearer(), "Te", "trailers")
				res, err := client.Do(r.WithContext(traced(r.Context(), func(code int, h http.Header) {
					hints = append(hints, fmt.Sprint(code, h))
				})))
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || string(got) != "hello" {
					t.Errorf("got %q, %v", got, err)
				}
				want := http.Header{"X-Sum": {"42 " + anothersToken}, "X-Late": {"yes"}}
				if path == "/error" {
					want.Set("X-Sum", "42 [redacted]")
				}
				if diff := cmp.Diff(want, res.Trailer); diff != "" {
					t.Errorf("%s %s %s: trailers (-want +got):\n%s", res.Proto, path, method, diff)
				}
				if diff := cmp.Diff([]string{fmt.Sprint(103, http.Header{"Link": {"</a.css>; rel=preload"}})}, hints); diff != "" {
					t.Errorf("%s %s %s: hints (-want +got):\n%s", res.Proto, path, method, diff)
				}
				if c := res.Header["Set-Cookie"]; len(c) != 1 || !strings.HasPrefix(c[0], "early=1; Secure") {
					t.Errorf("%s %s %s: got cookies %q", res.Proto, path, method, c)
				}
			}
		}
	}
}

// TestOldClientsGetNoHints is HTTP/1.0, which knows no 1xx.
func TestOldClientsGetNoHints(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.upstream.streams(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "hello")
	})
	_, in := f.dialRaw("GET /x HTTP/1.0\r\nHost: " + testHost + "\r\nAuthorization: " + f.bearer() + "\r\n\r\n")
	all, err := io.ReadAll(in)
	if err != nil || !bytes.HasPrefix(all, []byte("HTTP/1.0 200")) || !bytes.HasSuffix(all, []byte("\r\n\r\nhello")) {
		t.Errorf("got %q, %v", all, err)
	}
}

// TestExpectContinue has the client wait for leave to send its body.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.upstream.streams(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	})
	head := "POST %s HTTP/1.1\r\nHost: " + testHost + "\r\nAuthorization: " + f.bearer() + "\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
	c, in := f.dialRaw(fmt.Sprintf(head, "/yes"))
	if line, err := in.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("got %q, %v; want 100", line, err)
	}
	_, _ = in.ReadString('\n')
	_, _ = io.WriteString(c, "hello")
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("got %v, %v", res, err)
	}
	if body, err := io.ReadAll(res.Body); string(body) != "hello" {
		t.Errorf("got %q, %v", body, err)
	}
	_, in = f.dialRaw(fmt.Sprintf(head, "/no"))
	if line, err := in.ReadString('\n'); line != "HTTP/1.1 413 Request Entity Too Large\r\n" {
		t.Errorf("got %q, %v; want 413 and no 100 before", line, err)
	}
}

// traced calls f for each 1xx answer.
func traced(ctx context.Context, f func(code int, h http.Header)) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		f(code, http.Header(h).Clone())
		return nil
	}})
}
