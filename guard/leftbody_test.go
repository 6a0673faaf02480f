package guard_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestBodiesInClearAreNotWaitedFor announces a body on the plain listener and
// sends none. The refusal must come, and the connection end.
func TestBodiesInClearAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	conn, err := net.Dial("tcp", f.plain.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * patience)) // 5 s would do
	if _, err := io.WriteString(conn, "POST /x HTTP/1.1\r\nHost: "+testHost+"\r\nContent-Length: 100\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != http.StatusForbidden {
		t.Fatalf("got %v, %v, want 403", res, err)
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		t.Errorf("got %v, want the connection's end", err)
	}
}
