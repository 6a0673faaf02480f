package issuer_test

import (
	"bufio"
	"context"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/issuer"
)

const clientsDir = "testdata/clients"

// foreign installs the npm packages of package-lock.json once.
var foreign = sync.OnceValues(func() (string, error) {
	if _, err := os.Stat(clientsDir + "/node_modules/oidc-provider/package.json"); err == nil {
		return "", nil
	}
	cmd := exec.Command("npm", "ci", "--no-audit", "--no-fund")
	cmd.Dir = clientsDir
	out, err := cmd.CombinedOutput()
	return string(out), err
})

func needNode(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Fatal("node is missing; install it with: apt-get install nodejs npm")
	}
	if out, err := foreign(); err != nil {
		t.Fatalf("npm ci in issuer/%s: %v; it needs npm and its registry\n%s", clientsDir, err, out)
	}
}

// caFile writes the server's certificate for node.
func (f *fixture) caFile() string {
	f.t.Helper()
	file := filepath.Join(f.t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: f.server.Certificate().Raw}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return file
}

// TestForeignClients runs clients that others wrote against the issuer and the
// guard, each as a process of its own.
func TestForeignClients(t *testing.T) {
	t.Parallel()
	needNode(t)
	for _, tc := range []struct {
		script string
		nonces bool
	}{
		{"oauth4webapi.mjs", false},
		{"oauth4webapi.mjs", true},
		{"openid-client.mjs", false},
		{"openid-client.mjs", true},
		{"dpop.mjs", false},
		{"dpop.mjs", true},
		{"jose.mjs", false},
	} {
		name := tc.script
		if tc.nonces {
			name += " with nonces"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGuarded(t, func(c *issuer.Config) {
				c.DPoPNonce = tc.nonces
				c.Clients = append(c.Clients, issuer.Client{ID: "mobile", Secret: redact.NewText("mobile+secret/0123456789"), Scopes: []string{"read", "write"}, Grants: []string{"password", "refresh_token"}})
			}, func(c *guard.Config) { c.Tokens.DPoPNonce = tc.nonces })
			control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, err := g.issuer.Ring().Rotate(r.Context()); err != nil {
					http.Error(w, err.Error(), http.StatusInternalServerError)
					return
				}
				w.WriteHeader(http.StatusNoContent)
			}))
			defer control.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "node", tc.script, g.server.URL, control.URL)
			cmd.Dir = clientsDir
			cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+g.caFile())
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s\nthe issuer's log:\n%s", err, out, g.log)
			}
		})
	}
}

// TestForeignIssuer is a guard that trusts oidc-provider, before and after its
// keys change.
func TestForeignIssuer(t *testing.T) {
	t.Parallel()
	needNode(t)
	cmd := exec.Command("node", "provider.mjs", testURL)
	cmd.Dir = clientsDir
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	origin := ""
	for origin == "" && lines.Scan() {
		origin = strings.TrimPrefix(lines.Text(), "ready ")
	}
	if !strings.HasPrefix(origin, "http://127.0.0.1:") {
		t.Fatalf("the provider says %q", origin)
	}
	g, err := guard.New(guard.Config{Hosts: []string{"127.0.0.1", "example.com"}, Tokens: guard.Tokens{Cache: 10, Issuers: []guard.Issuer{
		{Issuer: origin, Audiences: []string{testURL}, Algorithms: []string{"ES256"}, Discovery: true, Types: []string{"at+jwt"}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Close() }()
	server := httptest.NewTLSServer(g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := guard.ClaimsFrom(r.Context())
		_, _ = io.WriteString(w, c.ClientID)
	})))
	defer server.Close()
	get := func(raw string) answer {
		t.Helper()
		a, err := send(t.Context(), server.Client(), server.URL, request{method: "GET", path: "/items", bearer: raw})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	foreignToken := func() string {
		t.Helper()
		a, err := send(t.Context(), http.DefaultClient, origin, request{path: "/token", basic: "machine:machine-secret", form: url.Values{"grant_type": {"client_credentials"}, "scope": {"read"}}})
		if err != nil {
			t.Fatal(err)
		}
		return a.access(t)
	}
	first := foreignToken()
	eventually(t, "the foreign keys", func() bool { return get(first).status != 503 })
	if a := get(first); a.status != 200 || a.body != "machine" {
		t.Fatalf("got %d %s, want 200", a.status, a.body)
	}
	if a, err := send(t.Context(), http.DefaultClient, origin, request{path: "/rotate"}); err != nil || a.status != 204 {
		t.Fatalf("rotate: %d, %v", a.status, err)
	}
	second := foreignToken()
	if header(t, second)["kid"] == header(t, first)["kid"] {
		t.Fatal("the provider signs with its old key")
	}
	if a := get(second); a.status != 200 {
		t.Errorf("a token of the new key: got %d %s, want 200", a.status, a.body)
	}
	if a := get(first); a.status != 401 {
		t.Errorf("a token of a key that is gone: got %d, want 401", a.status)
	}
	http.DefaultClient.CloseIdleConnections()
}
