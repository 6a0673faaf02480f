package fastapi_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/testproc"
)

// patience is how long a test waits for what should come soon.
const patience = testproc.Patience

const python = "/usr/bin/python3"

// guardBinary is built once, as a user would.
var guardBinary string

func TestMain(m *testing.M) {
	if err := installed(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(testproc.WithGuard(m, &guardBinary))
}

// installed says what the services need of Debian and is not there.
func installed() error {
	modules := map[string]string{
		"fastapi": "python3-fastapi", "uvicorn": "python3-uvicorn", "jwt": "python3-jwt",
		"cryptography": "python3-cryptography", "websockets": "python3-websockets", "multipart": "python3-multipart",
	}
	var missing []string
	for module, debian := range modules {
		if exec.Command(python, "-c", "import "+module).Run() != nil {
			missing = append(missing, debian)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("this example runs on Debian's FastAPI, which is not all there; install it:\n  sudo apt-get install python3 %s", strings.Join(missing, " "))
	}
	return nil
}

// example is a copy of this directory with keys of its own, and what runs there.
type example struct {
	t      *testing.T
	dir    string
	app    *testproc.Process
	guard  *testproc.Process
	url    string // of the guard
	plain  string // of its plain listener
	admin  string
	direct string // of uvicorn
	roots  *x509.CertPool
	key    *ecdsa.PrivateKey
	jwks   []byte
	kid    string
	http   *http.Client // to the guard
	near   *http.Client // to uvicorn
	mu     sync.Mutex
	tokens []string // whatever was sent: none may show up in a log
}

// prepare copies the example and makes its keys.
func prepare(t *testing.T) *example {
	t.Helper()
	e := &example{t: t, dir: t.TempDir()}
	for _, name := range []string{"wiretight.yaml", "make_keys.py", "mint.py", "weak/app.py", "mended/app.py"} {
		data, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(e.dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	e.near = e.client("127.0.0.1")
	e.script("make_keys.py")
	e.readKeys()
	return e
}

// newExample prepares the example and starts uvicorn with the app in the
// directory of that name.
func newExample(t *testing.T, app string, environment ...string) *example {
	t.Helper()
	e := prepare(t)
	args := []string{"-m", "uvicorn", "--app-dir", app, "app:app", "--host", "127.0.0.1", "--port", "0"}
	if app == "weak" {
		args = append(args, "--no-proxy-headers") // as in a container, where the proxy is no neighbour
	} else {
		args = append(args, "--no-server-header")
	}
	e.app = e.start(environment, python, args...)
	e.direct = e.app.Says(`Uvicorn running on (http://127\.0\.0\.1:\d+)`)
	return e
}

// startGuard puts the guard before the app, with the example's own
// configuration and other ports.
func (e *example) startGuard() {
	e.t.Helper()
	e.guard = e.start(nil, guardBinary, "guard", "-c", "wiretight.yaml", "--upstream", e.direct,
		"--listen", "127.0.0.1:0", "--plaintext", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	e.url = strings.Replace(e.guard.Says(`ready (https://127\.0\.0\.1:\d+)`), "127.0.0.1", "localhost", 1)
	e.plain = "http://" + strings.Replace(e.guard.Says(`"plaintext":"(127\.0\.0\.1:\d+)"`), "127.0.0.1", "localhost", 1)
	e.admin = "http://" + e.guard.Says(`"admin":"(127\.0\.0\.1:\d+)"`)
	data, err := os.ReadFile(filepath.Join(e.dir, "wiretight-data", "ca.pem"))
	if err != nil {
		e.t.Fatal(err)
	}
	e.roots = x509.NewCertPool()
	if !e.roots.AppendCertsFromPEM(data) {
		e.t.Fatal("ca.pem holds no certificate")
	}
	e.http = e.client("127.0.0.1")
}

// client makes a client at one of loopback's addresses: failures are counted by
// address.
func (e *example) client(from string) *http.Client {
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: e.roots}, DisableCompression: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
			return d.DialContext(ctx, network, strings.Replace(addr, "localhost:", "127.0.0.1:", 1))
		},
	}
	e.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

func (e *example) script(name string, args ...string) string {
	e.t.Helper()
	cmd := exec.Command(python, append([]string{name}, args...)...)
	cmd.Dir = e.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		e.t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (e *example) readKeys() {
	e.t.Helper()
	text, err := os.ReadFile(filepath.Join(e.dir, "secrets", "private.pem"))
	if err != nil {
		e.t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		e.t.Fatal("private.pem is no PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		e.t.Fatal(err)
	}
	e.key = key.(*ecdsa.PrivateKey)
	if e.jwks, err = os.ReadFile(filepath.Join(e.dir, "secrets", "jwks.json")); err != nil {
		e.t.Fatal(err)
	}
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal(e.jwks, &set); err != nil {
		e.t.Fatal(err)
	}
	e.kid = set.Keys[0].Kid
}

// mint signs a token for alice that is good for five minutes. Claims given
// replace the usual ones.
func (e *example) mint(changes map[string]any) string {
	e.t.Helper()
	now := time.Now().Unix()
	claims := map[string]any{"iss": "https://id.example.com/", "aud": "items-api", "sub": "alice", "scope": "read", "jti": rand.Text(), "iat": now, "exp": now + 300}
	maps.Copy(claims, changes)
	raw, err := e.sign(map[string]any{"alg": "ES256", "kid": e.kid, "typ": "at+jwt"}, claims)
	if err != nil {
		e.t.Fatal(err)
	}
	return e.canary(raw)
}

// forged is mint for tests that run side by side.
func (e *example) forged(t *testing.T, changes map[string]any) string {
	t.Helper()
	now := time.Now().Unix()
	claims := map[string]any{"iss": "https://id.example.com/", "aud": "items-api", "sub": "alice", "jti": rand.Text(), "iat": now, "exp": now + 300}
	maps.Copy(claims, changes)
	raw, err := e.sign(map[string]any{"alg": "ES256", "kid": e.kid, "typ": "at+jwt"}, claims)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// canary remembers a token that must not show up in a log.
func (e *example) canary(raw string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tokens = append(e.tokens, raw)
	return raw
}

func (e *example) sign(header, claims map[string]any) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return e.signText(string(h), string(c))
}

func (e *example) signText(header, claims string) (string, error) {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, e.key, digest[:])
	if err != nil {
		return "", err
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// material is what an attacker has who has everything.
func (e *example) material() attack.Material {
	return attack.Material{Token: e.mint(nil), PublicKey: e.key.Public(), JWKS: e.jwks, Sign: e.sign, SignText: e.signText, Now: time.Now()}
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) String() string { return fmt.Sprintf("%d %v %.300s", r.status, r.header, r.body) }

// ask goes to the guard. Header is name, value, name, value.
func (e *example) ask(method, path, body string, header ...string) reply {
	e.t.Helper()
	return e.send(e.http, method, e.url, path, body, header...)
}

// bare goes to uvicorn itself, with what the guard would add.
func (e *example) bare(method, path, body string, header ...string) reply {
	e.t.Helper()
	return e.send(e.near, method, e.direct, path, body, header...)
}

func (e *example) send(c *http.Client, method, base, path, body string, header ...string) reply {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, base+"/", strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	if body == "" {
		r.Body, r.ContentLength = nil, 0
	}
	r.URL.Path, r.URL.Opaque = "", path
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header[header[i]] = append(r.Header[header[i]], header[i+1])
	}
	res, err := c.Transport.RoundTrip(r)
	if err != nil {
		e.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		e.t.Fatalf("%s %s: %v", method, path, err)
	}
	return reply{res.StatusCode, res.Header, string(data)}
}

func bearer(raw string) []string { return []string{"Authorization", "Bearer " + raw} }

func (e *example) start(environment []string, name string, args ...string) *testproc.Process {
	e.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = e.dir
	cmd.Env = append(append(os.Environ(), "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"), environment...)
	return testproc.Start(e.t, cmd)
}

func tail(s string) string {
	const most = 4000
	if len(s) > most {
		return "…" + s[len(s)-most:]
	}
	return s
}
