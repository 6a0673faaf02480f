package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/testpki"
	"github.com/wiretight/wiretight/internal/testproc"
	"github.com/wiretight/wiretight/internal/token"
)

// patience is how long a test waits for what should come soon. The machine may
// be busy.
const patience = 20 * time.Second

const (
	testHost     = "api.test"
	testIssuer   = "https://id.test/"
	testAudience = "api.test"
)

// program builds the real binary once, without the race detector and whatever
// else the tests run under.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "wiretight-test")
	if err != nil {
		return "", err
	}
	programDir.Store(&dir)
	path := filepath.Join(dir, "wiretight")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// programDir is to be removed at the end, if anything was built.
var programDir atomic.Pointer[string]

func TestMain(m *testing.M) {
	code := m.Run()
	if dir := programDir.Load(); dir != nil {
		_ = os.RemoveAll(*dir)
	}
	os.Exit(code)
}

func binary(t testing.TB) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// bed is what guards stand on: a directory, keys, certificates, an upstream.
type bed struct {
	t        testing.TB
	dir      string
	signer   *token.Signer
	ca       *authority
	upstream *httptest.Server
	// handle answers as the upstream once a test has set it.
	handle http.HandlerFunc
	// seen are the headers of the last request that reached the upstream.
	mu     sync.Mutex
	seen   http.Header
	tokens []string // all that were ever minted, to be found nowhere
}

func newBed(t testing.TB) *bed {
	t.Helper()
	// Short, since sockets' paths are bounded.
	dir, err := os.MkdirTemp("", "wt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b := &bed{t: t, dir: dir, ca: newAuthority(t)}
	b.signer = newSigner(t, "key-1")
	b.write("jwks.json", jwks(b.signer))
	b.ca.write(t, b.path("cert.pem"), b.path("key.pem"))
	b.upstream = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.seen = r.Header.Clone()
		handle := b.handle
		b.mu.Unlock()
		if handle != nil {
			handle(w, r)
			return
		}
		_, _ = io.WriteString(w, "upstream")
	}))
	t.Cleanup(b.upstream.Close)
	return b
}

func (b *bed) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bed) write(name string, data []byte) string {
	b.t.Helper()
	// By rename, as good tools do: nobody reads half of it.
	if err := os.WriteFile(b.path(name+".new"), data, 0o600); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Rename(b.path(name+".new"), b.path(name)); err != nil {
		b.t.Fatal(err)
	}
	return b.path(name)
}

// config writes wiretight.yaml: more is appended to what every test needs.
func (b *bed) config(more string) string {
	b.t.Helper()
	return b.write("wiretight.yaml", fmt.Appendf(nil, `listen: "127.0.0.1:0"
admin: "127.0.0.1:0"
hosts: [%s]
tls: {certificates: [{cert: cert.pem, key: key.pem}]}
upstreams: [{name: app, url: "%s"}]
tokens: {issuers: [{issuer: "%s", audiences: [%s], algorithms: [ES256], jwks_file: jwks.json}]}
log: {format: json}
%s
`, testHost, b.upstream.URL, testIssuer, testAudience, more))
}

// mint signs a token that is good for five minutes. Claims given replace the
// usual ones.
func (b *bed) mint(claims map[string]any) string { return b.mintWith(b.signer, claims) }

func (b *bed) mintWith(s *token.Signer, claims map[string]any) string {
	b.t.Helper()
	now := time.Now()
	all := map[string]any{
		"iss": testIssuer, "aud": testAudience, "sub": "alice", "jti": randomHex(),
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	maps.Copy(all, claims)
	raw, err := s.Sign("at+jwt", all)
	if err != nil {
		b.t.Fatal(err)
	}
	b.mu.Lock()
	b.tokens = append(b.tokens, raw)
	b.mu.Unlock()
	return raw
}

// noToken fails the test if any token that was minted, or its signature, is in
// a text that people can see.
func (b *bed) noToken(where, text string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, raw := range b.tokens {
		parts := strings.Split(raw, ".")
		for _, p := range parts[1:] {
			if strings.Contains(text, p) {
				b.t.Errorf("%s holds a part of a token", where)
			}
		}
	}
}

func randomHex() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

func newSigner(t testing.TB, kid string) *token.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := token.NewSigner("ES256", kid, key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func jwks(signers ...*token.Signer) []byte {
	keys := []json.RawMessage{}
	for _, s := range signers {
		keys = append(keys, s.JWK())
	}
	data, _ := json.Marshal(map[string]any{"keys": keys}) // raw JSON always encodes
	return data
}

// authority issues server certificates for testHost.
type authority struct{ *testpki.Identity }

func newAuthority(t testing.TB) *authority {
	t.Helper()
	root, err := testpki.NewRoot("test CA")
	if err != nil {
		t.Fatal(err)
	}
	return &authority{root}
}

// write issues a fresh certificate and returns its serial number.
func (a *authority) write(t testing.TB, certFile, keyFile string) *big.Int {
	t.Helper()
	server, err := testpki.Issue(testpki.Server(testHost), nil, a.Identity)
	if err == nil {
		err = server.Write(certFile, keyFile)
	}
	if err != nil {
		t.Fatal(err)
	}
	return server.Cert.SerialNumber
}

// instance is a guard that runs as a process of its own.
type instance struct {
	bed    *bed
	cmd    *exec.Cmd
	log    testproc.Output
	addr   string
	admin  string // empty: none
	plain  string // empty: none
	ended  chan struct{}
	code   int
	took   time.Duration // from start to ready
	client *http.Client
}

// start runs a guard and waits until it is ready.
func (b *bed) start(args ...string) *instance {
	b.t.Helper()
	g := b.launch(nil, args...)
	g.waitReady()
	return g
}

// launch runs a guard in the bed's directory.
func (b *bed) launch(env []string, args ...string) *instance {
	b.t.Helper()
	g := &instance{bed: b, ended: make(chan struct{})}
	g.cmd = exec.Command(binary(b.t), append([]string{"guard"}, args...)...)
	g.cmd.Dir = b.dir
	g.cmd.Env = append(os.Environ(), env...)
	g.cmd.Stdout, g.cmd.Stderr = &g.log, &g.log
	begin := time.Now()
	if err := g.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	go func() {
		defer close(g.ended)
		var exit *exec.ExitError
		switch err := g.cmd.Wait(); {
		case err == nil:
		case errors.As(err, &exit):
			g.code = exit.ExitCode()
		default:
			g.code = -2
		}
	}()
	g.took = -time.Duration(begin.UnixNano()) // completed by waitReady
	b.t.Cleanup(func() {
		_ = g.cmd.Process.Kill()
		<-g.ended
		b.noToken("the guard's output", g.log.String())
		if b.t.Failed() {
			log := g.log.String()
			b.t.Logf("the end of the guard's output:\n%s", log[max(0, len(log)-2000):])
		}
	})
	return g
}

var readyLine = regexp.MustCompile(`(?m)^wiretight: ready https://(\S+)`)

func (g *instance) waitReady() {
	g.bed.t.Helper()
	eventually(g.bed.t, "the guard is ready", func() bool {
		select {
		case <-g.ended:
			g.bed.t.Fatalf("the guard ended with %d:\n%s", g.code, g.log.String())
		default:
		}
		return readyLine.MatchString(g.log.String())
	})
	g.took += time.Duration(time.Now().UnixNano())
	g.addr = readyLine.FindStringSubmatch(g.log.String())[1]
	g.admin = g.listening("admin")
	g.plain = g.listening("plaintext")
	g.client = g.newClient()
}

// listening finds the address of a listener in the log, which is JSON.
func (g *instance) listening(name string) string {
	m := regexp.MustCompile(`"msg":"listening".*"` + name + `":"([^"]+)"`).FindStringSubmatch(g.log.String())
	if m == nil {
		return ""
	}
	return m[1]
}

// eventually polls until ok, or fails the test.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	within(t, patience, what, ok)
}

func within(t testing.TB, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Since(begin) > limit {
			t.Fatalf("after %v it is still not so that %s", limit, what)
		}
		<-tick.C
	}
	return time.Since(begin)
}

// newClient makes a client with connections of its own that reaches the guard
// as testHost.
func (g *instance) newClient() *http.Client {
	tr := &http.Transport{
		TLSClientConfig:    &tls.Config{RootCAs: g.bed.ca.Pool()},
		DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", g.addr)
		},
	}
	g.bed.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// get asks the guard and returns status and body. An empty token sends none.
func (g *instance) get(path, raw string) (int, string) {
	g.bed.t.Helper()
	status, body, err := g.ask(g.client, path, raw)
	if err != nil {
		g.bed.t.Fatal(err)
	}
	return status, body
}

func (g *instance) ask(c *http.Client, path, raw string, header ...string) (int, string, error) {
	req, err := http.NewRequest(http.MethodGet, "https://"+testHost+path, nil)
	if err != nil {
		return 0, "", err
	}
	if raw != "" {
		req.Header.Set("Authorization", "Bearer "+raw)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, string(body), err
}

// want asks and compares the status.
func (g *instance) want(status int, path, raw string) {
	g.bed.t.Helper()
	if got, body := g.get(path, raw); got != status {
		g.bed.t.Errorf("got %d %s for %s, want %d", got, body, path, status)
	}
}

// ops asks the admin listener, under a foreign Host.
func (g *instance) ops(path string) (int, string) {
	g.bed.t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+g.admin+path, nil)
	if err != nil {
		g.bed.t.Fatal(err)
	}
	req.Host = "whatever.example"
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		g.bed.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		g.bed.t.Fatal(err)
	}
	g.bed.noToken(path, string(body))
	return res.StatusCode, string(body)
}

func (g *instance) signal(s syscall.Signal) {
	g.bed.t.Helper()
	if err := g.cmd.Process.Signal(s); err != nil {
		g.bed.t.Fatal(err)
	}
}

// end waits for the process and compares its exit code.
func (g *instance) end(code int) {
	g.bed.t.Helper()
	select {
	case <-g.ended:
	case <-time.After(patience):
		g.bed.t.Fatalf("the guard still runs")
	}
	if g.code != code {
		g.bed.t.Errorf("got exit %d, want %d", g.code, code)
	}
}

// stop ends the guard as an operator would.
func (g *instance) stop() {
	g.bed.t.Helper()
	g.signal(syscall.SIGTERM)
	g.end(0)
}

// says waits for a text in the log.
func (g *instance) says(text string) {
	g.bed.t.Helper()
	eventually(g.bed.t, fmt.Sprintf("the log holds %q", text), func() bool { return strings.Contains(g.log.String(), text) })
}

// verb runs another command in the bed's directory.
func (b *bed) verb(args ...string) (code int, out string) {
	b.t.Helper()
	cmd := exec.Command(binary(b.t), args...)
	cmd.Dir = b.dir
	data, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.t.Fatal(err)
	}
	b.noToken(strings.Join(args, " "), string(data))
	return cmd.ProcessState.ExitCode(), string(data)
}

func commandTo(t testing.TB, b *bed, log *os.File, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(binary(t), append([]string{"guard"}, args...)...)
	cmd.Dir, cmd.Stderr = b.dir, log
	return cmd
}

func read(t testing.TB, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
