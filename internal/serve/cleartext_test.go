package serve_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/serve"
)

// TestHTTP2WithoutTLS serves callers that begin with HTTP/2, counts their
// connections like all others, and nobody who speaks HTTP/1.1.
func TestHTTP2WithoutTLS(t *testing.T) {
	t.Parallel()
	s, err := serve.New(serve.Config{Listeners: []serve.Listener{{
		Name: "grpc", Addr: "127.0.0.1:0", HTTP2: true,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.TLS != nil {
				t.Error("a request without TLS claims to have had it")
			}
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
			_, _ = io.WriteString(w, r.Proto)
		}),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Shutdown(10 * time.Second); err != nil {
			t.Error(err)
		}
	}()
	ask := func(h2 bool) (*http.Response, string, error) {
		tr := &http.Transport{Protocols: new(http.Protocols)}
		tr.Protocols.SetHTTP1(!h2)
		tr.Protocols.SetUnencryptedHTTP2(h2)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr("grpc").String()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := tr.RoundTrip(r)
		if err != nil {
			return nil, "", err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if l := s.Load("grpc"); h2 && (l.Open != 1 || l.HalfOpen != 0) {
			t.Errorf("got %+v, want one connection that has spoken", l)
		}
		tr.CloseIdleConnections()
		return res, string(body), err
	}
	res, body, err := ask(true)
	if err != nil || body != "HTTP/2.0" || res.Trailer.Get("Grpc-Status") != "0" {
		t.Errorf("got %q, %v, %v, want HTTP/2.0 and its trailer", body, res, err)
	}
	if _, body, err := ask(false); err == nil && body == "HTTP/1.1" {
		t.Error("HTTP/1.1 was served")
	}
}
