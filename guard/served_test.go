package guard_test

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/serve"
)

// TestServed sends bytes to a guard behind the server that the program uses,
// where its own limits and answers could come before the guard's.
func TestServed(t *testing.T) {
	t.Parallel()
	f, w := newWireFixture(t, nil)
	s, err := serve.New(serve.Config{Listeners: []serve.Listener{
		{
			Name: "https", Addr: "127.0.0.1:0", Handler: f.guard.Handler(), Refuse: f.guard.Malformed,
			TLS: &tls.Config{Certificates: []tls.Certificate{serverCertificate(t)}, NextProtos: []string{"h2", "http/1.1"}},
		},
		{Name: "plaintext", Addr: "127.0.0.1:0", Handler: f.guard.Plaintext(), Refuse: f.guard.Malformed},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown(time.Second) })
	host := "Host: " + testHost + "\r\n"
	token := "Authorization: " + f.bearer() + "\r\n"
	chunked := "POST /refused HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	for _, c := range []struct {
		name, listener, text string
		status               int
	}{
		{"good", "https", "GET /items HTTP/1.1\r\n" + host + token + "\r\n", 200},
		{"OPTIONS of all", "https", "OPTIONS * HTTP/1.1\r\n" + host + token + "\r\n", 400},
		{"CONNECT", "https", "CONNECT api.example.com:443 HTTP/1.1\r\n" + host + token + "\r\n", 400},
		{"two lengths", "https", "POST /items HTTP/1.1\r\n" + host + token + "Content-Length: 0\r\nContent-Length: 66\r\n\r\n" + smuggled, 400},
		{"two Hosts", "https", "GET /items HTTP/1.1\r\n" + host + host + token + "\r\n", 400},
		{"bad escape", "https", "GET /%zz HTTP/1.1\r\n" + host + token + "\r\n", 400},
		{"unknown coding", "https", "POST /items HTTP/1.1\r\n" + host + token + "Transfer-Encoding: gzip\r\n\r\n", 501},
		{"unknown version", "https", "GET /items HTTP/3.0\r\n" + host + token + "\r\n", 505},
		{"header over the limit", "https", "GET /items HTTP/1.1\r\n" + host + token + "X-A: " + strings.Repeat("a", 80<<10) + "\r\n\r\n", 431},
		{"two Hosts behind a request for net/http", "https", chunked + "GET /items HTTP/1.1\r\n" + host + host + token + "\r\n", 400},
		{"no request behind one for net/http", "https", chunked + "GET /items\r\n\r\n", 400},
		{"unknown coding behind a request for net/http", "https", chunked + "POST /items HTTP/1.1\r\n" + host + token + "Transfer-Encoding: gzip\r\n\r\n", 501},
		{"header over the limit behind a request for net/http", "https", chunked + "GET /items HTTP/1.1\r\n" + host + token + "X-A: " + strings.Repeat("a", 80<<10) + "\r\n\r\n", 431},
		{"unknown expectation", "https", "GET /items HTTP/1.1\r\n" + host + token + "Expect: more\r\n\r\n", 417},
		{"in clear, two Hosts", "plaintext", "GET /items HTTP/1.1\r\n" + host + host + "\r\n", 400},
		{"in clear, no request", "plaintext", "GET /items\r\n\r\n", 400},
		{"in clear, unknown coding", "plaintext", "POST /items HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n", 501},
		{"in clear, header over the limit", "plaintext", "GET /items HTTP/1.1\r\n" + host + "X-A: " + strings.Repeat("a", 80<<10) + "\r\n\r\n", 431},
		{"in clear", "plaintext", "GET /items HTTP/1.1\r\n" + host + "\r\n", 308},
		{"in clear with a token", "plaintext", "GET /items HTTP/1.1\r\n" + host + "Authorization: Bearer x\r\n\r\n", 403},
		{"in clear, OPTIONS of all", "plaintext", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", 403},
		{"in clear, HTTP/2", "plaintext", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
		{"in clear, upgrade to HTTP/2", "plaintext", "GET / HTTP/1.1\r\n" + host + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n", 308},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", s.Addr(c.listener).String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if c.listener == "https" {
				conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: testHost, NextProtos: []string{"http/1.1"}})
			}
			got := exchangeRaw(t, conn, c.text)
			if len(got) > 1 {
				got = got[1:] // of two requests, the second is the case
			}
			if len(got) == 0 || got[0].status != c.status {
				t.Fatalf("got %v, want %d", got, c.status)
			}
			if got[0].header.Get("Strict-Transport-Security") != "" && c.listener == "plaintext" {
				t.Errorf("got HSTS in clear: %v", got[0])
			}
			if c.status != 200 {
				if p := got[0].problem(); p.Status != c.status || p.RequestID == "" || p.RequestID != got[0].header.Get("X-Request-Id") {
					t.Errorf("got %v, want a problem with the request's id", got[0])
				}
				if all := f.log.of(t, got[0].problem().RequestID); len(all) != 1 || all[0]["decision"] != "refused" || all[0]["reason"] == "" {
					t.Errorf("got log %v, want one refusal", all)
				}
			}
		})
	}
	requests, err := w.requests()
	if err != nil || len(requests) != 1 || requests[0].target != "/items" {
		t.Errorf("the upstream got %+v, %v: want /items once", requests, err)
	}
}
