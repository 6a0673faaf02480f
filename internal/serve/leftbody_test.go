package serve_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/serve"
)

// TestBodiesThatNeverComeAreNotWaitedFor announces a body that the handler does
// not read, as most refusals do not, and sends none of it. Nobody needs a token
// for that, so the client must get its answer, and lose its connection, soon.
func TestBodiesThatNeverComeAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) })
	ca := newCA(t, "ca")
	certs := certificates(t, serve.TLS{Certificates: []serve.CertFile{ca.files(t, spec{names: []string{"localhost"}})}})
	open, hidden := start(t, plain(h)), start(t, secure(certs, h))
	const head = "POST / HTTP/1.1\r\nHost: localhost\r\n"
	var all sync.WaitGroup // at once, since all of them wait
	defer all.Wait()
	for _, c := range []struct {
		name, text string
		server     *serve.Server
		listener   string
	}{
		{"length", head + "Content-Length: 100\r\n\r\n", open, "plain"},
		{"length, half of it", head + "Content-Length: 10\r\n\r\nhello", open, "plain"},
		{"chunks", head + "Transfer-Encoding: chunked\r\n\r\n", open, "plain"},
		{"length over TLS", head + "Content-Length: 100\r\n\r\n", hidden, "tls"},
		{"chunks over TLS", head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhe", hidden, "tls"},
	} {
		all.Go(func() {
			conn, err := net.Dial("tcp", c.server.Addr(c.listener).String())
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			// The wait is 5 s, the machine may be busy.
			_ = conn.SetDeadline(time.Now().Add(25 * time.Second))
			if c.server == hidden {
				conn = tls.Client(conn, &tls.Config{RootCAs: ca.pool(), ServerName: "localhost", NextProtos: []string{"http/1.1"}})
			}
			if _, err := io.WriteString(conn, c.text); err != nil {
				t.Errorf("%s: %v", c.name, err)
				return
			}
			in := bufio.NewReader(conn)
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Errorf("%s: got no answer: %v", c.name, err)
				return
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: got %d and %v, want 401", c.name, res.StatusCode, err)
			}
			if b, err := in.ReadByte(); err != io.EOF {
				t.Errorf("%s: got %q and %v, want the end of the connection", c.name, b, err)
			}
		})
	}
}
