package guard_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// echo is a WebSocket service that says what it is told, speaks one of two
// subprotocols, and closes with the code that it is asked for.
func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"v2", "v1"}, InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(4 << 20)
	for {
		kind, m, err := c.Read(r.Context())
		if err != nil {
			return
		}
		var code websocket.StatusCode
		if n, _ := fmt.Sscanf(string(m), "close %d", &code); n == 1 {
			_ = c.Close(code, "as asked")
			return
		}
		if err := c.Write(r.Context(), kind, m); err != nil {
			return
		}
	}
}

func (f *fixture) websocket(subprotocols ...string) *websocket.Conn {
	f.t.Helper()
	c, res, err := websocket.Dial(f.t.Context(), "wss://"+testHost+"/ws", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: f.h1.Transport}, HTTPHeader: http.Header{"Authorization": {f.bearer()}}, Subprotocols: subprotocols,
	})
	if err != nil {
		f.t.Fatalf("%v, %v", err, res)
	}
	f.t.Cleanup(func() { _ = c.CloseNow() })
	c.SetReadLimit(4 << 20)
	return c
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.upstream.streams(echo)
	c := f.websocket("v1", "v3")
	if c.Subprotocol() != "v1" {
		t.Errorf("got subprotocol %q, want v1", c.Subprotocol())
	}
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		for _, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
			want := strings.Repeat("x", size)
			if err := c.Write(t.Context(), kind, []byte(want)); err != nil {
				t.Fatal(err)
			}
			k, got, err := c.Read(t.Context())
			if err != nil || k != kind || string(got) != want {
				t.Fatalf("%v of %d bytes: got %v of %d, %v", kind, size, k, len(got), err)
			}
		}
	}
	if err := c.Write(t.Context(), websocket.MessageText, []byte("close 4321")); err != nil {
		t.Fatal(err)
	}
	var ce websocket.CloseError
	if _, _, err := c.Read(t.Context()); !errors.As(err, &ce) || ce.Code != 4321 || ce.Reason != "as asked" {
		t.Errorf("got %v, want to be closed with 4321", err)
	}
	up := f.upstream.last(t).header
	if len(up["Authorization"]) != 1 || up.Get("Sec-Websocket-Key") == "" || len(up["X-Forwarded-For"]) != 1 {
		t.Errorf("the upstream got %v", up)
	}
}

// TestWebSocketUpgradeIsGuarded looks at the answer to the handshake.
func TestWebSocketUpgradeIsGuarded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	handshake := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-Websocket-Version", "13", "Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	f.upstream.streams(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "sid=1")
		w.Header().Set("X-Powered-By", "Express")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		echo(w, r)
	})
	c, in := f.dialRaw("GET /ws HTTP/1.1\r\nHost: " + testHost + "\r\nAuthorization: " + f.bearer() + "\r\n" + lines(handshake) + "\r\n")
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != 101 {
		t.Fatalf("got %v, %v", res, err)
	}
	_ = c.Close()
	for name, want := range map[string]string{
		"Set-Cookie": "sid=1; Secure; HttpOnly; SameSite=Lax", "X-Powered-By": "",
		"Strict-Transport-Security": "max-age=31536000", "Access-Control-Allow-Origin": "", "Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-Websocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
	} {
		if got := strings.Join(res.Header[name], "|"); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	f.upstream.streams(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no "+anothersToken, http.StatusForbidden) })
	if got := f.get("/ws", append(handshake, "Authorization", f.bearer())...); got.status != 403 || got.body != "no [redacted]\n" {
		t.Errorf("refused upgrade: got %v", got)
	}
	f.upstream.streams(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
			_ = conn.Close()
		}
	})
	if got := f.get("/ws", append(handshake, "Authorization", f.bearer())...); got.status != 502 {
		t.Errorf("another protocol: got %v, want 502", got)
	}
	if got := f.get("/ws", handshake...); got.status != 401 {
		t.Errorf("no token: got %v", got)
	}
}

func lines(header []string) string {
	var b strings.Builder
	for i := 0; i+1 < len(header); i += 2 {
		b.WriteString(header[i] + ": " + header[i+1] + "\r\n")
	}
	return b.String()
}

// TestEarlyFrames is a client that speaks before it has the answer.
func TestEarlyFrames(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.upstream.streams(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		line, _ := rw.ReadString('\n')
		_, _ = io.WriteString(conn, "got "+line)
	})
	_, in := f.dialRaw("GET /ws HTTP/1.1\r\nHost: " + testHost + "\r\nAuthorization: " + f.bearer() + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly\n")
	if res, err := http.ReadResponse(in, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("got %v, %v", res, err)
	}
	if line, err := in.ReadString('\n'); line != "got early\n" {
		t.Errorf("got %q, %v", line, err)
	}
}

func TestWebSocketEndsWithItsToken(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"expired", "revoked"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, patientStreams)
			gone := make(chan struct{})
			f.upstream.streams(func(w http.ResponseWriter, r *http.Request) { echo(w, r); close(gone) })
			c := f.websocket()
			if err := c.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if _, m, err := c.Read(t.Context()); err != nil || string(m) != "hello" {
				t.Fatalf("got %q, %v", m, err)
			}
			begin := f.endTokens(end)
			_, _, err := c.Read(t.Context())
			if took := time.Since(begin); err == nil || took > patience/2 {
				t.Errorf("got %v after %v, want a cut within 1 s", err, took)
			}
			waitFor(t, "the upstream's end", gone)
		})
	}
}
