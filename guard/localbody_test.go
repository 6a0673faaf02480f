package guard_test

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
)

// TestSilentBodiesOfLocalPathsEnd begins bodies that never come to an endpoint
// that reads them before anybody has shown who they are, as a login does.
func TestSilentBodiesOfLocalPathsEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) {
		c.Local = []guard.Local{{Paths: []string{"/auth/login"}, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				w.WriteHeader(http.StatusBadRequest)
			}
		})}}
	})
	const head = "POST /auth/login HTTP/1.1\r\nHost: " + testHost + "\r\n"
	var all sync.WaitGroup // at once, since all of them wait
	defer all.Wait()
	for name, text := range map[string]string{
		"length":             head + "Content-Length: 100\r\n\r\n",
		"length, some of it": head + "Content-Length: 100\r\n\r\nabc",
		"chunks":             head + "Transfer-Encoding: chunked\r\n\r\n",
	} {
		conn, in := f.dialRaw(text)
		_ = conn.SetDeadline(time.Now().Add(2 * patience)) // 10 s would do
		all.Go(func() {
			res, err := http.ReadResponse(in, nil)
			if err != nil || res.StatusCode != 400 {
				t.Errorf("%s: got %v, %v, want 400", name, res, err)
				return
			}
			if _, err := io.Copy(io.Discard, in); err != nil {
				t.Errorf("%s: got %v, want the connection's end", name, err)
			}
		})
	}
	body, w := io.Pipe()
	defer w.Close()
	late := time.AfterFunc(2*patience, func() { _ = w.CloseWithError(errors.New("the server waits for ever")) })
	defer late.Stop()
	r := f.request("https", "POST", "/auth/login", "")
	r.Body, r.ContentLength = body, 100
	c := f.client(true, nil)
	c.Timeout = 2 * patience
	res, err := c.Do(r)
	if err != nil {
		t.Fatalf("HTTP/2: %v", err)
	}
	if got := readReply(t, res); got.status != 400 {
		t.Errorf("HTTP/2: got %v, want 400", got)
	}
}
