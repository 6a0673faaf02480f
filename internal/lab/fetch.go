package lab

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// loopbackClient fetches from loopback and from nowhere else, whatever the
// token says: the lab is to be attacked, not to attack.
func loopbackClient() *http.Client {
	dialer := net.Dialer{Timeout: time.Second}
	return &http.Client{
		Timeout: 2 * time.Second,
		Transport: &http.Transport{
			IdleConnTimeout: time.Second,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if !onLoopback(addr) {
					return nil, errors.New("the lab fetches from loopback addresses only")
				}
				return dialer.DialContext(ctx, network, addr)
			},
		},
	}
}

// fetched looks for a key wherever the token says that there is one.
func (l *Lab) fetched(ctx context.Context, t *laxToken) bool {
	kid, _ := t.header["kid"].(string)
	iss, _ := t.claims["iss"].(string)
	for _, from := range []any{t.header["jku"], t.header["x5u"], kid} {
		if raw, ok := from.(string); ok && verifies(l.fetchKey(ctx, raw, kid), t) {
			return true
		}
	}
	return iss != Issuer && verifies(l.fetchKey(ctx, iss+"/jwks.json", kid), t)
}

// fetchKey reads a key set, a key or a certificate.
func (l *Lab) fetchKey(ctx context.Context, raw, kid string) crypto.PublicKey {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, raw, nil)
	if err != nil {
		return nil
	}
	res, err := l.fetch.Do(req)
	if err != nil {
		return nil
	}
	defer func() { _ = res.Body.Close() }() // it was read as far as it is wanted
	data, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return nil
	}
	if block, _ := pem.Decode(data); block != nil {
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			return cert.PublicKey
		}
	}
	var set struct{ Keys []map[string]any }
	if json.Unmarshal(data, &set) == nil && len(set.Keys) > 0 {
		for _, k := range set.Keys {
			if k["kid"] == kid {
				return readKey(k)
			}
		}
		return readKey(set.Keys[0])
	}
	var one map[string]any
	if json.Unmarshal(data, &one) != nil {
		return nil
	}
	return readKey(one)
}
