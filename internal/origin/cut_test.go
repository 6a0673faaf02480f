package origin_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/wiretight/wiretight/internal/origin"
)

// TestCutAnswersAreNotWhole ends connections as anybody on the path can, below
// TLS, and as only the server can (RFC 9112 §9.8).
func TestCutAnswersAreNotWhole(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, c := range []struct {
			name, answer string
			said, whole  bool
		}{
			{"until the end, said", "HTTP/1.1 200 OK\r\n\r\nhello", true, true},
			{"until the end, cut", "HTTP/1.1 200 OK\r\n\r\nhello", false, false},
			{"until the end of HTTP/1.0, cut", "HTTP/1.0 200 OK\r\n\r\nhello", false, false},
			{"nothing until the end, cut", "HTTP/1.1 200 OK\r\n\r\n", false, false},
			{"length, cut", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, true},
			{"chunks, cut", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", false, true},
			{"length, too early", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", true, false},
		} {
			t.Run(tls.VersionName(version)+" "+c.name, func(t *testing.T) {
				t.Parallel()
				var conns atomic.Int64
				_, cfg := secureServer(t, version, false, &conns)
				cfg.InsecureSkipVerify = true // the certificate is another test's matter
				own := serverTLS(t, version)
				addr := raw(t, func(_ int64, conn net.Conn, _ *bufio.Reader) {
					s := tls.Server(conn, own)
					if _, err := readRequest(bufio.NewReader(s)); err != nil {
						return
					}
					_, _ = io.WriteString(s, c.answer)
					if c.said {
						_ = s.CloseWrite()
					}
				})
				check := func(by string, res *http.Response, err error) {
					if err != nil {
						t.Errorf("%s: %v", by, err)
						return
					}
					defer res.Body.Close()
					if body, err := io.ReadAll(res.Body); (err == nil) != c.whole {
						t.Errorf("%s: got %q, %v; want whole %v", by, body, err, c.whole)
					}
				}
				res, err := client(t, addr, func(c *origin.Config) { c.TLS = cfg }).Do(context.Background(), request("GET", "/"), nil, nil)
				check("Do", res, err)
				other := &http.Transport{TLSClientConfig: cfg, DialContext: origin.UntilSaid(new(net.Dialer).DialContext)}
				defer other.CloseIdleConnections()
				r, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+addr+"/", nil)
				if err != nil {
					t.Fatal(err)
				}
				res, err = other.RoundTrip(r)
				check("Transport", res, err)
			})
		}
	}
}
