package cluster

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// upstream is the protected API. It counts how often each token reached the
// path that takes a token once.
type upstream struct {
	judge    *Judge
	server   *http.Server
	url      string
	requests atomic.Int64

	mu   sync.Mutex
	once map[string]int // by jti; a judge forgets nothing, so it grows with the load
}

func newUpstream(ctx context.Context, j *Judge) (*upstream, error) {
	l, err := listen(ctx)
	if err != nil {
		return nil, err
	}
	u := &upstream{judge: j, url: "http://" + l.Addr().String(), once: map[string]int{}}
	u.server = &http.Server{Handler: u, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = u.server.Serve(l) }() // until close
	return u, nil
}

func (u *upstream) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return u.server.Shutdown(ctx)
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.requests.Add(1)
	if r.URL.Path == pathPay {
		u.paid(r.Header.Get("Authorization"))
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, "upstream\n") // the guard may have gone
}

func (u *upstream) paid(header string) {
	_, raw, _ := strings.Cut(header, " ")
	jti, err := jtiOf(raw)
	if err != nil {
		u.judge.broke(PromiseOnce, "a request without a token reached the upstream: "+err.Error())
		return
	}
	u.mu.Lock()
	u.once[jti]++
	n := u.once[jti]
	u.mu.Unlock()
	if n > 1 {
		u.judge.broke(PromiseOnce, "a token reached the upstream again")
	}
}
