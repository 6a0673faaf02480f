package issuer

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// verifier asks the application whether a password is right: POST with
// {"username", "password"}. It answers 200 with {"sub", "scopes": [...]}, or 401
// or 403 if it is wrong. Any other answer is none.
type verifier struct {
	url    string
	client *http.Client
}

const (
	verifyTimeout = 5 * time.Second
	maxVerdict    = 64 << 10
)

func newVerifier(cfg Config) *verifier {
	dialer := &net.Dialer{Timeout: verifyTimeout}
	transport := &http.Transport{
		TLSClientConfig:        &tls.Config{RootCAs: cfg.VerifyCA, MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 16 << 10,
		TLSHandshakeTimeout:    verifyTimeout,
		ForceAttemptHTTP2:      true,
		DialContext:            dialer.DialContext,
	}
	if strings.HasPrefix(cfg.VerifyURL, "http:") {
		transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			// Whatever "localhost" resolves to here: no password leaves the machine in clear.
			if at, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err != nil || !at.Addr().Unmap().IsLoopback() {
				_ = conn.Close() // nothing was sent
				return nil, errors.New("login.verify_url is plain http and its name is not this machine's loopback")
			}
			return conn, nil
		}
	}
	return &verifier{url: cfg.VerifyURL, client: &http.Client{
		Transport:     transport,
		Timeout:       verifyTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// verdict is what the application says of a right password.
type verdict struct {
	Subject string   `json:"sub"`
	Scopes  []string `json:"scopes"`
	Scope   string   `json:"scope"`
}

// verify returns nil without an error if the password is wrong.
func (v *verifier) verify(ctx context.Context, username, password string) (*verdict, error) {
	body, err := json.Marshal(map[string]string{"username": username, "password": password})
	if err != nil {
		return nil, fmt.Errorf("encode login: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask login.verify_url: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := v.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask login.verify_url: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // what matters has been read
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxVerdict+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read answer of login.verify_url: %w", err)
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden:
		return nil, nil
	case res.StatusCode != http.StatusOK || len(answer) > maxVerdict:
		return nil, fmt.Errorf("login.verify_url answers %d with %d bytes; expected 200, 401 or 403", res.StatusCode, len(answer))
	}
	var said verdict
	if err := json.Unmarshal(answer, &said); err != nil {
		return nil, fmt.Errorf("decode answer of login.verify_url: %w", err)
	}
	if err := checkName(said.Subject); err != nil {
		return nil, errors.New("login.verify_url names no usable sub")
	}
	said.Scopes = slices.Compact(slices.Sorted(slices.Values(append(said.Scopes, strings.Fields(said.Scope)...))))
	if !validScopes(said.Scopes) {
		return nil, errors.New("login.verify_url gives a scope of the wrong form")
	}
	return &said, nil
}
