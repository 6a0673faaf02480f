// Package proxies_test tries the examples for other people's proxies: it starts
// the real guard with an example's own configuration, an application behind it,
// and throws at the proxy in front what users and attackers send.
package proxies_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/testpki"
	"github.com/wiretight/wiretight/internal/testproc"
	"github.com/wiretight/wiretight/internal/token"
)

// host is the host that every example serves.
const host = "api.example.com"

// patience is how long a test waits for what should come soon.
const patience = testproc.Patience

// bed is a guard that decides, the upstream, and what is needed to talk to them.
type bed struct {
	dir string // a copy of the example with keys and certificates
	ip  string // a loopback address of this bed's own, so that every port on it is free

	t        testing.TB
	app      *upstream
	guard    *testproc.Process
	key      *ecdsa.PrivateKey
	signer   *token.Signer
	roots    *x509.CertPool
	replaces *strings.Replacer
}

// newBed copies the files of the example of that name, and starts the guard with
// its wiretight.yaml. Every 127.0.0.1 of the files becomes the bed's own address,
// but for 127.0.0.1:8000, which becomes the application's. More is old, new, old, new.
func newBed(t *testing.T, example string, files []string, more ...string) *bed {
	t.Helper()
	b := &bed{t: t, dir: t.TempDir(), ip: loopback(t)}
	b.app = newUpstream(t)
	b.writeKeys()
	b.replaces = strings.NewReplacer(append(more,
		"127.0.0.1:8000", b.app.addr(), "127.0.0.1:", b.ip+":", "bind 127.0.0.1", "bind "+b.ip,
		"jwks_url: https://id.example.com/jwks", "jwks_file: jwks.json",
		"bolt:///var/lib/wiretight/state.db", `"memory:"`,
	)...)
	for _, name := range append(files, "wiretight.yaml") {
		text, err := os.ReadFile(filepath.Join("..", example, name))
		if err != nil {
			t.Fatal(err)
		}
		b.write(name, []byte(b.replaces.Replace(string(text))))
	}
	if out, err := exec.Command(program, "config", "check", "-c", b.path("wiretight.yaml")).CombinedOutput(); err != nil {
		t.Fatalf("config check: %v\n%s", err, out)
	}
	b.startGuard()
	return b
}

// program is the guard, built once as a user would.
var program string

func TestMain(m *testing.M) { os.Exit(testproc.WithGuard(m, &program)) }

// start runs a program in the example's folder until the test ends.
func (b *bed) start(program string, args ...string) *testproc.Process {
	b.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), "HOME="+b.dir, "XDG_DATA_HOME="+b.dir, "XDG_CONFIG_HOME="+b.dir)
	return testproc.Start(b.t, cmd)
}

// startGuard starts the guard, and waits until it is ready.
func (b *bed) startGuard() {
	b.t.Helper()
	b.guard = b.start(program, "guard", "-c", "wiretight.yaml")
	b.guard.Says(`wiretight: (ready)`)
}

// stopGuard ends the guard and waits for its end.
func (b *bed) stopGuard() {
	b.t.Helper()
	_ = b.guard.Stop() // how it ends is tried where it is tested itself
}

// path is where a file of the example is.
func (b *bed) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bed) write(name string, text []byte) {
	b.t.Helper()
	if err := os.WriteFile(b.path(name), text, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// loopback picks an address that nobody else has a listener on. Linux has all
// of 127.0.0.0/8, and outgoing connections come from 127.0.0.1 only.
func loopback(t testing.TB) string {
	t.Helper()
	for range 100 {
		var r [3]byte
		_, _ = rand.Read(r[:]) // never fails (crypto/rand)
		ip := fmt.Sprintf("127.%d.%d.%d", 64+r[0]%128, r[1], 1+r[2]%254)
		l, err := net.Listen("tcp", ip+":8443")
		if err == nil {
			_ = l.Close()
			return ip
		}
	}
	t.Fatal("no address of 127.0.0.0/8 can be listened on")
	return ""
}

// writeKeys makes the issuer's key set and the certificate of the host, which is
// in the forms that the proxies want.
func (b *bed) writeKeys() {
	b.t.Helper()
	b.key = newKey(b.t)
	var err error
	if b.signer, err = token.NewSigner("ES256", "key-1", b.key); err != nil {
		b.t.Fatal(err)
	}
	set, err := json.Marshal(map[string]any{"keys": []json.RawMessage{b.signer.JWK()}})
	if err != nil {
		b.t.Fatal(err)
	}
	server, err := testpki.SelfSigned(host)
	if err != nil {
		b.t.Fatal(err)
	}
	private, err := server.KeyPEM()
	if err != nil {
		b.t.Fatal(err)
	}
	b.roots = server.Pool()
	b.write("jwks.json", set)
	b.write("fullchain.pem", server.CertPEM())
	b.write("privkey.pem", private)
	b.write("both.pem", append(server.CertPEM(), private...))
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
