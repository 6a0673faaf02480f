package guard_test

import (
	"strings"
	"testing"
)

// smuggled is a request within a request. It has no token, so the guard
// refuses it wherever it sees it as one; an upstream must never see it as one.
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: api.example.com\r\nX-Smuggled: yes\r\n\r\n"

// TestSmuggling sends bytes that two servers could read in two ways. Whatever
// the guard thinks of them, the upstream gets one well-formed request or none,
// and the next request on the same connection stands alone.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	// head begins every case unless it has a request line of its own.
	const head = "POST /items HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer TOKEN\r\n"
	chunks := "5\r\nhello\r\n0\r\n\r\n"
	cases := []struct {
		name, text string
		status     int    // 0: none of the guard's business, it may also hang up
		body       string // what an upstream gets, if it gets anything
	}{
		// Lengths.
		{"length", head + "Content-Length: 5\r\n\r\nhello", 200, "hello"},
		{"length of zero", head + "Content-Length: 0\r\n\r\n", 200, ""},
		{"length of zero, GET", "GET /items HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer TOKEN\r\nContent-Length: 0\r\n\r\n", 200, ""},
		{"no length", head + "\r\n", 200, ""},
		{"body that is a request", head + "Content-Length: 66\r\n\r\n" + smuggled, 200, smuggled},
		{"GET with a body", strings.Replace(head, "POST", "GET", 1) + "Content-Length: 66\r\n\r\n" + smuggled, 200, smuggled},
		{"two different lengths", head + "Content-Length: 0\r\nContent-Length: 66\r\n\r\n" + smuggled, 400, ""},
		{"two equal lengths", head + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"},
		{"list of lengths", head + "Content-Length: 0, 66\r\n\r\n" + smuggled, 400, ""},
		{"list of equal lengths", head + "Content-Length: 5, 5\r\n\r\nhello", 400, ""},
		{"length with a plus", head + "Content-Length: +66\r\n\r\n" + smuggled, 400, ""},
		{"negative length", head + "Content-Length: -1\r\n\r\n" + smuggled, 400, ""},
		{"hexadecimal length", head + "Content-Length: 0x42\r\n\r\n" + smuggled, 400, ""},
		{"length with a space within", head + "Content-Length: 6 6\r\n\r\n" + smuggled, 400, ""},
		{"length that overflows", head + "Content-Length: 18446744073709551682\r\n\r\n" + smuggled, 400, ""},
		{"length without a value", head + "Content-Length:\r\n\r\n" + smuggled, 400, ""},
		{"length with a space before the colon", head + "Content-Length : 66\r\n\r\n" + smuggled, 400, ""},
		{"length folded", head + "Content-Length:\r\n 5\r\n\r\nhello", 0, "hello"},
		{"length with an underscore", head + "Content_Length: 66\r\n\r\n" + smuggled, 400, ""},
		{"length with a dot", head + "Content.Length: 66\r\n\r\n" + smuggled, 400, ""},

		// Codings.
		{"chunked", head + "Transfer-Encoding: chunked\r\n\r\n" + chunks, 200, "hello"},
		{"chunked in capitals", head + "Transfer-Encoding: CHUNKED\r\n\r\n" + chunks, 0, "hello"},
		{"length beside chunked", head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + smuggled, 0, "hello"},
		{"chunked beside length", head + "Transfer-Encoding: chunked\r\nContent-Length: 81\r\n\r\n" + chunks + smuggled, 0, "hello"},
		{"two codings", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, 0, ""},
		{"chunked, then identity", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunks, 0, ""},
		{"list of codings", head + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunks, 501, ""},
		{"list that ends in identity", head + "Transfer-Encoding: chunked, identity\r\n\r\n" + chunks, 501, ""},
		{"identity", head + "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello", 501, ""},
		{"unknown coding", head + "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\nhello", 501, ""},
		{"coding with a parameter", head + "Transfer-Encoding: chunked;q=1\r\n\r\n" + chunks, 501, ""},
		{"coding in quotes", head + "Transfer-Encoding: \"chunked\"\r\n\r\n" + chunks, 501, ""},
		{"coding with a vertical tab", head + "Transfer-Encoding: \x0bchunked\r\n\r\n" + chunks, 0, ""},
		{"coding with a tab", head + "Transfer-Encoding:\tchunked\r\n\r\n" + chunks, 0, "hello"},
		{"coding with a NUL", head + "Transfer-Encoding: chunked\x00\r\n\r\n" + chunks, 0, ""},
		{"coding without a value", head + "Transfer-Encoding:\r\nContent-Length: 5\r\n\r\nhello", 0, ""},
		{"coding folded", head + "Transfer-Encoding:\r\n chunked\r\n\r\n" + chunks, 0, "hello"},
		{"coding with a space before the colon", head + "Transfer-Encoding : chunked\r\n\r\n" + chunks, 400, ""},
		{"coding with an underscore", head + "Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello", 400, ""},
		{"coding behind a bare LF", head + "X-A: b\nTransfer-Encoding: chunked\r\n\r\n" + chunks, 0, "hello"},
		{"coding behind a bare CR", head + "X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello", 400, ""},
		{"coding with HTTP/1.0", strings.Replace(head, "HTTP/1.1", "HTTP/1.0", 1) + "Transfer-Encoding: chunked\r\n\r\n" + chunks, 0, ""},

		// Chunks.
		{"chunk extension", head + "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0;c\r\n\r\n", 200, "hello"},
		{"chunk extension with a bare LF", head + "Transfer-Encoding: chunked\r\n\r\n5;a\nhello\r\n0\r\n\r\n" + smuggled, 0, ""},
		{"chunk extension with a bare CR", head + "Transfer-Encoding: chunked\r\n\r\n5;a\rb\r\nhello\r\n0\r\n\r\n" + smuggled, 0, "hello"},
		{"chunk size with a bare LF", head + "Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n" + smuggled, 0, ""},
		{"chunk size with a plus", head + "Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", 0, ""},
		{"chunk size in C", head + "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 0, ""},
		{"chunk size with an underscore", head + "Transfer-Encoding: chunked\r\n\r\n0_5\r\nhello\r\n0\r\n\r\n", 0, ""},
		{"chunk size that overflows", head + "Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", 0, ""},
		{"chunk longer than its size", head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX\r\n0\r\n\r\n" + smuggled, 0, ""},
		{"trailers", head + "Transfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n5\r\nhello\r\n0\r\nAuthorization: x\r\nContent-Length: 9\r\nX-Auth-Subject: root\r\n\r\n", 200, "hello"},

		// Request lines.
		{"CONNECT", "CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\nAuthorization: Bearer TOKEN\r\n\r\n", 400, ""},
		{"CONNECT of a path", strings.Replace(head, "POST", "CONNECT", 1) + "\r\n", 400, ""},
		{"TRACE", strings.Replace(head, "POST", "TRACE", 1) + "\r\n", 400, ""},
		{"method in small letters", strings.Replace(head, "POST", "get", 1) + "\r\n", 400, ""},
		{"method of no letters", strings.Replace(head, "POST", "P\x00ST", 1) + "\r\n", 400, ""},
		{"two spaces", strings.Replace(head, "POST ", "POST  ", 1) + "\r\n", 400, ""},
		{"tab for a space", strings.Replace(head, "POST ", "POST\t", 1) + "\r\n", 400, ""},
		{"space within the target", strings.Replace(head, "/items", "/items /smuggled", 1) + "\r\n", 400, ""},
		{"tab within the target", strings.Replace(head, "/items", "/items\t/smuggled", 1) + "\r\n", 400, ""},
		{"version 0.9", "GET /items\r\n", 400, ""},
		{"version 2.0", strings.Replace(head, "HTTP/1.1", "HTTP/2.0", 1) + "\r\n", 505, ""},
		{"version 1.1.1", strings.Replace(head, "HTTP/1.1", "HTTP/1.1.1", 1) + "\r\n", 400, ""},
		{"preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, ""},
		{"asterisk", strings.Replace(head, "POST /items", "OPTIONS *", 1) + "\r\n", 400, ""},
		{"absolute form, our host", strings.Replace(head, "/items", "https://api.example.com/items", 1) + "\r\n", 400, ""},
		{"absolute form, another host", strings.Replace(head, "/items", "http://evil.example/items", 1) + "\r\n", 400, ""},
		{"absolute form with a user", strings.Replace(head, "/items", "https://api.example.com@evil.example/items", 1) + "\r\n", 400, ""},
		{"authority form", strings.Replace(head, "/items", "api.example.com:443", 1) + "\r\n", 400, ""},

		// Header lines.
		{"obsolete fold", head + "X-A: b\r\n  Content-Length: 66\r\nContent-Length: 5\r\n\r\nhello", 0, "hello"},
		{"fold of the first line", "POST /items HTTP/1.1\r\n Host: evil.example\r\nHost: api.example.com\r\nAuthorization: Bearer TOKEN\r\n\r\n", 400, ""},
		{"line without a colon", head + "Smuggled\r\n\r\n", 400, ""},
		{"empty name", head + ": x\r\n\r\n", 400, ""},
		{"name with a space", head + "X A: x\r\n\r\n", 400, ""},
		{"name with a parenthesis", head + "X(A): x\r\n\r\n", 400, ""},
		{"value with a NUL", head + "X-A: a\x00b\r\n\r\n", 400, ""},
		{"value with a bare CR", head + "X-A: a\rb\r\n\r\n", 400, ""},
		{"value with an escape", head + "X-A: a\x1bb\r\n\r\n", 400, ""},
		{"value that is no UTF-8", head + "X-A: a\xff\xfeb\r\n\r\n", 200, ""},

		// Upgrades.
		{"upgrade to h2c", head + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", 200, ""},
		{"upgrade to TLS", head + "Connection: Upgrade\r\nUpgrade: TLS/1.2, HTTP/1.1\r\n\r\n", 200, ""},
		{"WebSocket and h2c", head + "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n", 200, ""},
		{"WebSocket with a body", head + "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 66\r\n\r\n" + smuggled, 200, smuggled},
		{"WebSocket that is refused", strings.Replace(head, "POST", "GET", 1) + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\r\n" + smuggled, 200, ""},
		{"strange expectation", head + "Expect: smuggling\r\nContent-Length: 5\r\n\r\nhello", 417, ""},
		{"expectation without a body", head + "Expect: 100-continue\r\n\r\n", 200, ""},
		{"expectation with a body", head + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"},

		// Pipelines.
		{"second request behind the first", head + "Content-Length: 5\r\n\r\nhello" + smuggled, 200, "hello"},
		{"garbage behind the first", head + "Content-Length: 5\r\n\r\nhello\x00\x01\x02", 200, "hello"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, w := newWireFixture(t, nil)
			replies := f.raw(testHost, strings.Replace(c.text, "TOKEN", f.mint(nil), 1))
			if c.status != 0 && (len(replies) == 0 || replies[0].status != c.status) {
				t.Errorf("got %v, want status %d", replies, c.status)
			}
			if after := f.get("/after", "Authorization", f.bearer()); after.status != 200 {
				t.Errorf("the next request: got %v, want 200", after)
			}
			requests, err := w.requests()
			if err != nil {
				t.Fatalf("the upstream was sent an ambiguous request: %v", err)
			}
			if n := len(requests); n == 0 || requests[n-1].target != "/after" && requests[0].target != "/after" {
				t.Fatalf("the next request did not stand alone: %q", w.bytes())
			}
			sent := 0
			for _, r := range requests {
				if r.target == "/after" {
					continue
				}
				if r.target != "/items" || r.whole && r.body != c.body || len(r.values("X-Smuggled"))+len(r.values("Transfer_Encoding"))+len(r.values("X-Auth-Subject")) > 0 {
					t.Errorf("the upstream got %+v, want /items with body %q", r, c.body)
				}
				if len(r.values("Upgrade")) > 0 && r.values("Upgrade")[0] != "websocket" {
					t.Errorf("the upstream was asked to upgrade to %q", r.values("Upgrade"))
				}
				sent++
			}
			if passed := len(replies) > 0 && replies[0].status == 200; passed && sent != 1 || c.status >= 400 && sent > 0 {
				t.Errorf("%d requests reached the upstream, the client got %v", sent, replies)
			}
		})
	}
}
