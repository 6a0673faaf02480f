package proxies_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// probe is the header by which the upstream and the test mean the same request.
const probe = "X-Probe"

// maxSeen bounds what the upstream remembers.
const maxSeen = 10000

// seenRequest is a request as the application got it.
type seenRequest struct {
	Method, Target, Host string
	Header               http.Header
	Body                 string
}

// upstream is an application that believes its proxy. It allows every origin,
// which the proxy must not let through.
type upstream struct {
	server *httptest.Server
	mu     sync.Mutex
	seen   map[string]seenRequest
}

func newUpstream(t testing.TB) *upstream {
	u := &upstream{seen: map[string]seenRequest{}}
	u.server = httptest.NewUnstartedServer(u)
	u.server.Config.DisableGeneralOptionsHandler = true
	u.server.Start()
	t.Cleanup(u.server.Close)
	return u
}

func (u *upstream) addr() string { return strings.TrimPrefix(u.server.URL, "http://") }

// ServeHTTP answers with what it got, as JSON.
func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20)) // what has come is compared
	s := seenRequest{r.Method, r.RequestURI, r.Host, r.Header, string(body)}
	u.mu.Lock()
	if len(u.seen) < maxSeen {
		u.seen[r.Header.Get(probe)] = s
	}
	u.mu.Unlock()
	if r.URL.Path == "/socket" {
		echo(w, r)
		return
	}
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/broken" {
		w.WriteHeader(http.StatusForbidden)
	}
	_ = json.NewEncoder(w).Encode(s) // the proxy may be gone
}

// echo sends one message of a WebSocket back.
func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // origins are the guard's to check
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	kind, text, err := c.Read(r.Context())
	if err == nil {
		_ = c.Write(r.Context(), kind, text) // the test sees what is missing
	}
	_ = c.Close(websocket.StatusNormalClosure, "")
}

// of returns the request with that probe, if it came.
func (u *upstream) of(id string) (seenRequest, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s, ok := u.seen[id]
	return s, ok
}
