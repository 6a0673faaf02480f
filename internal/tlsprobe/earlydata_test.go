package tlsprobe_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/tlsprobe"
)

// nginx starts nginx with the given lines in its server block, on a socket in
// the file system, and returns a function that dials it.
func nginx(t testing.TB, cert, key string, server string) func(context.Context) (net.Conn, error) {
	t.Helper()
	dir, err := os.MkdirTemp("", "nginx") // short: socket paths are limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	conf := fmt.Sprintf(`daemon off; master_process off; worker_processes 1; pid %[1]s/pid; error_log stderr;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/c;
  server { listen unix:%[2]s ssl; ssl_certificate %[3]s; ssl_certificate_key %[4]s; %[5]s }
}`, dir, socket, cert, key, server)
	path := filepath.Join(dir, "nginx.conf")
	write(t, path, []byte(conf))
	out := start(t, need(t, "nginx", "nginx"), "-c", path, "-p", dir)
	go out.WriteTo(discard{})
	dial := func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		conn, err := dial(t.Context())
		if err == nil {
			conn.Close()
			return dial
		}
		if time.Now().After(deadline) {
			t.Fatalf("nginx does not accept: %v", err)
		}
		<-time.After(5 * time.Millisecond)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func TestEarlyDataNginx(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	const early = "ssl_protocols TLSv1.2 TLSv1.3; ssl_early_data on; "
	tests := []struct {
		name    string
		server  string
		request string
		want    tlsprobe.Verdict
		status  int
	}{
		{"taken and answered", early + "location / { return 200 ok; }", "", acc, 200},
		{"taken and answered, AES-256", early + "ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384; location / { return 200 ok; }", "", acc, 200},
		{"taken and answered, ChaCha20", early + "ssl_conf_command Ciphersuites TLS_CHACHA20_POLY1305_SHA256; location / { return 204; }", "", acc, 204},
		{"too early", early + "location / { if ($ssl_early_data) { return 425; } return 200 ok; }", "", acc, 425},
		{
			"the given request", early + "location /secret { if ($http_authorization = 'Bearer t') { return 200 ok; } return 401; }",
			"GET /secret HTTP/1.1\r\nHost: probe.test\r\nAuthorization: Bearer t\r\nConnection: close\r\n\r\n", acc, 200,
		},
		{"not enabled", "ssl_protocols TLSv1.3; location / { return 200 ok; }", "", ref, 0},
		{"no TLS 1.3", "ssl_protocols TLSv1.2; location / { return 200 ok; }", "", na, 0},
		{"a group that has to be asked for", early + "ssl_ecdh_curve secp521r1; location / { return 200 ok; }", "", acc, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := probe("")
			p.Dial = nginx(t, c.ecPEM, c.ecKey, tt.server)
			p.EarlyRequest = []byte(tt.request)
			begin := time.Now()
			got := p.EarlyData(t.Context(), p.Versions(t.Context()))
			if got.Verdict != tt.want || got.Status != tt.status {
				t.Errorf("got %v, status %d, want %v, status %d", got.Outcome, got.Status, tt.want, tt.status)
			}
			if tt.want == acc && (got.MaxSize == 0 || !got.Unconfirmed) {
				t.Errorf("got maximal size %d, unconfirmed %v, want that of the ticket, true", got.MaxSize, got.Unconfirmed)
			}
			if took := time.Since(begin); took > p.Timeout/2 {
				t.Errorf("took %v, want no wait for a peer that answers", took)
			}
		})
	}
}

func TestEarlyDataOpenSSL(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	tests := []struct {
		name string
		args []string
		want tlsprobe.Verdict
		max  uint32
	}{
		{"taken, no answer", []string{"-early_data"}, acc, 16384},
		{"too little allowed", []string{"-early_data", "-max_early_data", "10"}, tlsprobe.Inconclusive, 10},
		{"no tickets", []string{"-early_data", "-num_tickets", "0"}, ref, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := probe(openssl(t, append([]string{"-tls1_3", "-cert", c.ecPEM, "-key", c.ecKey}, tt.args...)...))
			p.Timeout = time.Second
			got := p.EarlyData(t.Context(), p.Versions(t.Context()))
			if got.Verdict != tt.want || got.MaxSize != tt.max || got.Status != 0 || got.Unconfirmed {
				t.Errorf("got %v, at most %d, status %d, want %v, at most %d, status 0", got.Outcome, got.MaxSize, got.Status, tt.want, tt.max)
			}
		})
	}
}

func TestSurveyNginxIsQuick(t *testing.T) {
	c := newCerts(t)
	p := probe("")
	p.Roots = pool(c.root)
	cert, key := c.ec.files(t, c.mid)
	p.Dial = nginx(t, cert, key, "ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE+AESGCM; location / { return 200 ok; }")
	begin := time.Now()
	s := p.Survey(t.Context())
	took := time.Since(begin)
	if diff := cmp.Diff(verdicts{modern, nil, na, ref, acc, ref, 0}, reduce(s)); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	if s.Chains.SNI.Trust != tlsprobe.Trusted {
		t.Errorf("trust: got %v (%s), want trusted", s.Chains.SNI.Trust, s.Chains.SNI.TrustReason)
	}
	if took > 1500*time.Millisecond || s.Connections > tlsprobe.MaxConnections {
		t.Errorf("got %d connections in %v, want at most %d in 1.5s", s.Connections, took, tlsprobe.MaxConnections)
	}
	t.Logf("%d connections, %v", s.Connections, took)
}
