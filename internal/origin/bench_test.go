package origin_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
)

// likeNginx is the answer of the benchmark's upstream.
var likeNginx = []byte("HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\n" +
	"Content-Type: application/json\r\nContent-Length: 200\r\nConnection: keep-alive\r\n\r\n" + string(bytes.Repeat([]byte("x"), 200)))

// quickServer answers requests with bodies of n bytes.
func quickServer(b *testing.B, n int) string {
	return raw(b, func(_ int64, conn net.Conn, r *bufio.Reader) {
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
	for _, method := range []string{"GET", "POST"} {
		body := map[string][]byte{"POST": bytes.Repeat([]byte("x"), 500)}[method]
		addr := quickServer(b, len(body))
		direct := client(b, addr, nil)
		transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
		b.Cleanup(transport.CloseIdleConnections)
		for _, way := range []struct {
			name string
			do   func(*http.Request) (*http.Response, error)
		}{
			{"direct", func(r *http.Request) (*http.Response, error) { return direct.Do(context.Background(), r, nil, nil) }},
			{"transport", transport.RoundTrip},
		} {
			b.Run(method+"/"+way.name, func(b *testing.B) {
				b.ReportAllocs()
				u := &url.URL{Scheme: "http", Host: addr, Path: "/api/items"}
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
