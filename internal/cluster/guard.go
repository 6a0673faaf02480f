package cluster

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Guard is one guard process with the issuer in it.
type Guard struct {
	// Relay leads to the store, if Config.Relays.
	Relay *Relay

	c      *Cluster
	dir    string
	p      *process
	ready  chan struct{}
	addr   string
	admin  string
	client *http.Client

	mu      sync.Mutex
	reasons map[string]int64 // refusals by rule and reason, from its log
}

// maxReasons bounds the different reasons that are counted.
const maxReasons = 500

func (c *Cluster) newGuard(ctx context.Context) (*Guard, error) {
	g := &Guard{c: c, dir: filepath.Join(c.dir, fmt.Sprint(len(c.Guards))), ready: make(chan struct{}), reasons: map[string]int64{}}
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a guard's folder: %w", err)
	}
	at := c.storeURL
	if c.cfg.Relays {
		u, err := url.Parse(at)
		if err != nil {
			return nil, errors.New("the store's URL is not one")
		}
		if g.Relay, err = newRelay(ctx, u.Host); err != nil {
			return nil, err
		}
		u.Host = g.Relay.listener.Addr().String()
		at = u.String()
	}
	if err := c.server.Write(filepath.Join(g.dir, "cert.pem"), filepath.Join(g.dir, "key.pem")); err != nil {
		return nil, err
	}
	text := fmt.Sprintf(`listen: "127.0.0.1:0"
admin: "127.0.0.1:0"
hosts: [%s]
tls: {certificates: [{cert: cert.pem, key: key.pem}]}
upstreams: [{name: app, url: %q}]
tokens: {issuers: [{issuer: %q, audiences: [%s], algorithms: [ES256], jwks_file: ../jwks.json}]}
routes: [{path: %s, public: true}, {path: %s, once: true}]
rate_limit: {auth_failures: 1000000/m, login: 1000000/m}
issuer: {enabled: true, url: "https://%s", refresh_grace: %s, key_encryption_file: ../key-encryption.key}
store: %q
store_staleness: %s
log: {format: json, level: info}
`, host, c.upstream.url, foreign, host, pathOpen, pathPay, host, c.cfg.Grace, at, c.cfg.Staleness)
	if err := os.WriteFile(filepath.Join(g.dir, "wiretight.yaml"), []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("write a guard's configuration: %w", err)
	}
	return g, nil
}

var (
	readyLine = regexp.MustCompile(`^wiretight: ready https://(\S+)`)
	address   = regexp.MustCompile(`127\.0\.0\.1:[0-9]+`)
	adminAddr = regexp.MustCompile(`"msg":"listening".*"admin":"([^"]+)"`)
)

func (g *Guard) start(ctx context.Context) (err error) {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), g.c.cfg.Program, "guard", "-c", "wiretight.yaml")
	cmd.Dir = g.dir
	if g.p, err = launch("guard "+filepath.Base(g.dir), cmd, g.heard); err != nil {
		return err
	}
	timer := time.NewTimer(20 * time.Second)
	defer timer.Stop()
	select {
	case <-g.ready:
	case <-g.p.ended:
		return g.p.running()
	case <-timer.C:
		return fmt.Errorf("%s is not ready; it wrote:\n%s", g.p.name, g.p.last())
	case <-ctx.Done():
		return ctx.Err()
	}
	g.client = &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: g.c.server.Pool(), MinVersion: tls.VersionTLS13},
		MaxIdleConnsPerHost: 256,
		DisableCompression:  true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", g.addr)
		},
	}}
	return nil
}

// heard reads the guard's log while it is written.
func (g *Guard) heard(line string) {
	if m := adminAddr.FindStringSubmatch(line); m != nil {
		g.admin = m[1]
	}
	if m := readyLine.FindStringSubmatch(line); m != nil {
		g.addr = m[1]
		close(g.ready)
	}
	if !strings.Contains(line, `"refused"`) && !strings.Contains(line, `"issuer refused"`) {
		return
	}
	var said struct {
		Rule   string `json:"rule"`
		Reason string `json:"reason"`
	}
	if json.Unmarshal([]byte(line), &said) != nil {
		return
	}
	reason := orElse(said.Rule, "issuer") + ": " + address.ReplaceAllString(said.Reason, "ADDRESS")
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.reasons[reason]; !known && len(g.reasons) >= maxReasons {
		reason = "other"
	}
	g.reasons[reason]++
}

// Ready asks /-/readyz.
func (g *Guard) Ready(ctx context.Context) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.admin+"/-/readyz", nil)
	if err != nil {
		return 0, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	return res.StatusCode, string(text), err
}

// Revoke calls the command line's revoke --jti at this guard. Nil means that
// it has been acknowledged.
func (g *Guard) Revoke(ctx context.Context, jti string) error {
	return g.verb(ctx, "", "revoke", "--jti", jti)
}

// verb runs another command of the program where this guard runs.
func (g *Guard) verb(ctx context.Context, stdin string, args ...string) error {
	cmd := exec.CommandContext(ctx, g.c.cfg.Program, append(args, "-c", "wiretight.yaml")...)
	cmd.Dir, cmd.Stdin = g.dir, strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("wiretight %s: %w: %s", args[0], err, out)
	}
	return nil
}

func (g *Guard) close() error {
	if g.p == nil {
		return nil
	}
	err := g.p.stop()
	if g.client != nil {
		g.client.CloseIdleConnections()
	}
	if g.Relay != nil {
		g.Relay.close()
	}
	return err
}
