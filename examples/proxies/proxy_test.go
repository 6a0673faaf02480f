package proxies_test

import (
	"crypto/tls"
	"encoding/json"
	"net"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/testproc"
)

// proxy is somebody else's proxy in front of the upstream, which asks the guard.
type proxy struct {
	// own are the refusals that the proxy makes itself, before it asks: the case's
	// name and the status.
	own map[string]int
	// ownPaths is set where it also refuses some paths itself.
	ownPaths bool
	// oneChallenge is set where of two WWW-Authenticate only the first arrives.
	oneChallenge bool
	// preflights is the status of its own answers to preflights, where it gives them
	// itself. Those of other origins get no permission.
	preflights int
	// realIP is set where it tells the application the client's address in X-Real-IP.
	realIP bool

	tls, plain string // where clients connect
	t          *testing.T
	bed        *bed
	process    *testproc.Process
}

// startProxy starts program and waits until it serves the host: some listen before
// they have read all of their configuration.
func (b *bed) startProxy(t *testing.T, p proxy, program string, args ...string) *proxy {
	t.Helper()
	p.tls, p.plain = b.ip+":8443", b.ip+":8080"
	p.t, p.bed, p.process = t, b, b.start(program, args...)
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Second}, Config: &tls.Config{RootCAs: b.roots, ServerName: host}}
	p.process.Until("serve "+host+" on "+p.tls, func() bool {
		c, err := dialer.DialContext(t.Context(), "tcp", p.tls)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return &p
}

// try puts every case to the proxy that program is.
func (b *bed) try(t *testing.T, limits proxy, program string, args ...string) {
	t.Helper()
	p := b.startProxy(t, limits, program, args...)
	for _, c := range []struct {
		name string
		try  func(*proxy)
	}{
		{"identity", (*proxy).identity},
		{"refusals", (*proxy).refusals},
		{"forged tokens", (*proxy).forged},
		{"paths", (*proxy).paths},
		{"faked headers", (*proxy).faked},
		{"what is asked", (*proxy).asked},
		{"DPoP", (*proxy).dpop},
		{"CORS", (*proxy).cors},
		{"once", (*proxy).once},
		{"rate", (*proxy).rate},
		{"WebSocket", (*proxy).webSocket},
		{"plain HTTP", (*proxy).clear},
		{"authorizer check", (*proxy).checked},
		{"without the guard", (*proxy).alone},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := *p
			q.t = t
			c.try(&q)
		})
	}
}

// want compares an answer. Nothing that is refused may reach the application.
func (p *proxy) want(name string, got reply, status int, detail string) {
	p.t.Helper()
	if got.Status != status {
		p.t.Errorf("%s: got %v, want %d", name, got, status)
	}
	if refused := status >= 300 || status == 204; refused == got.Reached {
		p.t.Errorf("%s: got %v", name, got)
	}
	if detail == "" {
		return
	}
	var problem struct{ Detail string }
	_ = json.Unmarshal([]byte(got.Body), &problem) // then it has no detail
	if problem.Detail != detail || got.Header.Get("Content-Type") != "application/problem+json" {
		p.t.Errorf("%s: got %v, want the problem %q", name, got, detail)
	}
}

func (p *proxy) header(name string, got reply, header, want string) {
	p.t.Helper()
	if values := got.Header.Values(header); want == "" && len(values) > 0 || want != "" && (len(values) != 1 || values[0] != want) {
		p.t.Errorf("%s: got %s %q, want %q", name, header, values, want)
	}
}
