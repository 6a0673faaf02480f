package origin_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/origin"
)

// likeNginx is the answer of the benchmark's upstream.
var likeNginx = []byte("HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\n" +
	"Content-Type: application/json\r\nContent-Length: 200\r\nConnection: keep-alive\r\n\r\n" + string(bytes.Repeat([]byte("x"), 200)))

// quickServer answers requests with bodies of n bytes, with TLS if secure is set.
func quickServer(b *testing.B, n int, secure *tls.Config) string {
	return raw(b, func(_ int64, conn net.Conn, r *bufio.Reader) {
		if secure != nil {
			conn = tls.Server(conn, secure)
			r = bufio.NewReader(conn)
		}
		for {
			for {
				line, err := r.ReadSlice('\n')
				if err != nil {
					return
				}
				if len(line) == 2 {
					break
				}
			}
			if _, err := r.Discard(n); err != nil {
				return
			}
			if _, err := conn.Write(likeNginx); err != nil {
				return
			}
		}
	})
}

func BenchmarkExchange(b *testing.B) {
	for _, work := range []string{"http/GET", "http/POST", "https/GET", "https/POST"} {
		scheme, method, _ := strings.Cut(work, "/")
		body := map[string][]byte{"POST": bytes.Repeat([]byte("x"), 500)}[method]
		var secure, trust *tls.Config
		if scheme == "https" {
			secure = serverTLS(b, tls.VersionTLS13)
			trust = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
		}
		addr := quickServer(b, len(body), secure)
		direct := client(b, addr, func(c *origin.Config) { c.TLS = trust })
		transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64, TLSClientConfig: trust}
		b.Cleanup(transport.CloseIdleConnections)
		for _, way := range []struct {
			name string
			do   func(*http.Request) (*http.Response, error)
		}{
			{"direct", func(r *http.Request) (*http.Response, error) { return direct.Do(context.Background(), r, nil, nil) }},
			{"transport", transport.RoundTrip},
		} {
			b.Run(work+"/"+way.name, func(b *testing.B) {
				b.ReportAllocs()
				u := &url.URL{Scheme: scheme, Host: addr, Path: "/api/items"}
				h := http.Header{"Authorization": {"Bearer x"}, "Accept": {"application/json"}, "User-Agent": {"bench"}}
				buf := make([]byte, 4<<10)
				for b.Loop() {
					r := &http.Request{Method: method, URL: u, Host: "api.test", Header: h}
					if len(body) > 0 {
						r.ContentLength, r.Body = int64(len(body)), io.NopCloser(bytes.NewReader(body))
					}
					res, err := way.do(r)
					if err != nil {
						b.Fatal(err)
					}
					n, err := io.ReadFull(res.Body, buf[:200])
					if n != 200 || err != nil {
						b.Fatal(n, err)
					}
					_ = res.Body.Close()
				}
			})
		}
	}
}
