package guard_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// echoes is an upstream that sends back what comes over a WebSocket.
func echoes(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for {
		kind, data, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		if err := conn.Write(r.Context(), kind, data); err != nil {
			return
		}
	}
}

// TestWebSocketIsRecorded looks at what the log says of a WebSocket that the
// client has closed, and of one whose token has ended.
func TestWebSocketIsRecorded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name             string
		end              func(*fixture, *websocket.Conn)
		decision, reason string
	}{
		{"closed by the client", func(_ *fixture, conn *websocket.Conn) {
			_ = conn.Close(websocket.StatusNormalClosure, "")
		}, "allowed", ""},
		{"token expired", func(f *fixture, _ *websocket.Conn) { f.clock.advance(2 * time.Minute) }, "cut", "token expired during the stream"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			f.upstream.streams(echoes)
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			conn, res, err := websocket.Dial(ctx, "https://"+testHost+"/ws", &websocket.DialOptions{
				HTTPClient: f.h1, HTTPHeader: http.Header{"Authorization": {"Bearer " + f.mint(map[string]any{"exp": f.clock.now().Add(time.Minute).Unix()})}},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if _, got, err := conn.Read(ctx); err != nil || string(got) != "hello" {
				t.Fatalf("got %q, %v; want the echo", got, err)
			}
			c.end(f, conn)
			if _, _, err := conn.Read(ctx); err == nil {
				t.Error("the connection goes on")
			}
			for _, m := range f.log.of(t, res.Header.Get("X-Request-Id")) {
				reason, _ := m["reason"].(string)
				if m["msg"] == "request" && (m["decision"] != c.decision || reason != c.reason) {
					t.Errorf("got decision %v, reason %q; want %s, %q", m["decision"], reason, c.decision, c.reason)
				}
			}
		})
	}
}
