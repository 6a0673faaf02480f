package store

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Open opens the store that rawURL names:
//
//	bolt://relative/or/absolute/path   one file, one process (OpenBolt)
//	redis://[user:password@]host[:port][/database]   Valkey or Redis (OpenValkey)
//	rediss://…[?ca=FILE]               the same over TLS, verified by FILE or the system
//	memory:                            this process only (NewMemory)
//
// A redis store that does not answer is no error: its calls are, until it
// does. Errors never contain a password. A nil now is time.Now.
func Open(ctx context.Context, rawURL string, now func() time.Time) (Store, error) {
	scheme, rest, found := strings.Cut(rawURL, ":")
	switch {
	case found && scheme == "memory":
		if rest != "" {
			return nil, errors.New("store URL \"memory:\" takes nothing after the colon; write memory: alone")
		}
		return NewMemory(now, 0), nil
	case found && scheme == "bolt":
		path, err := boltPath(rest)
		if err != nil {
			return nil, err
		}
		return OpenBolt(path, now)
	case found && (scheme == "redis" || scheme == "rediss"):
		return OpenValkey(ctx, rawURL, now)
	}
	// What stands before the colon may be a password where the scheme was forgotten.
	return nil, errors.New("store URL has no known scheme; write bolt://PATH, redis://HOST:PORT, rediss://HOST:PORT or memory: in full")
}

// boltPath takes the path as it stands, without URL decoding.
func boltPath(rest string) (string, error) {
	path, ok := strings.CutPrefix(rest, "//")
	if !ok || path == "" || strings.HasSuffix(path, "/") {
		return "", fmt.Errorf("store URL \"bolt:%s\" names no file; write bolt://directory/state.db or bolt:///absolute/state.db", rest)
	}
	return path, nil
}

// endpoint is where a Valkey is and how to talk to it.
type endpoint struct {
	address  string // host:port
	user     string
	password string
	database int
	tls      *tls.Config // nil: plain text
}

var errRedisURL = errors.New("store URL is not valid; write redis://user:password@host:port/database, or rediss:// for TLS, with special characters of the password percent-encoded")

// parseRedisURL reads a redis URL. The causes that net/url gives quote the
// URL, so they are left out.
func parseRedisURL(rawURL string) (endpoint, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Opaque != "" || u.Hostname() == "" || u.Fragment != "" || u.RawFragment != "" {
		return endpoint{}, errRedisURL
	}
	e := endpoint{address: net.JoinHostPort(u.Hostname(), "6379")}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return endpoint{}, errRedisURL
		}
		e.address = net.JoinHostPort(u.Hostname(), port)
	}
	if u.User != nil {
		e.user = u.User.Username()
		e.password, _ = u.User.Password()
		if e.password == "" {
			return endpoint{}, errors.New("store URL has a user but no password; write redis://user:password@host:port, or redis://:password@host:port")
		}
	}
	if name := strings.TrimPrefix(u.Path, "/"); name != "" {
		n, err := strconv.ParseUint(name, 10, 16)
		if err != nil {
			return endpoint{}, errors.New("store URL has a database that is not a number; write redis://host:port/0")
		}
		e.database = int(n)
	}
	return e, e.readTLS(u)
}

// readTLS reads the scheme and the only option. There is none that turns
// verification off.
func (e *endpoint) readTLS(u *url.URL) error {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errRedisURL
	}
	ca := query["ca"]
	delete(query, "ca")
	if len(query) > 0 || len(ca) > 1 {
		return errors.New("store URL has an unknown option; the only one is rediss://host:port?ca=FILE")
	}
	switch {
	case u.Scheme == "rediss":
		e.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
	case len(ca) > 0:
		return errors.New("store URL has a CA but no TLS; write rediss:// instead of redis://")
	}
	if len(ca) == 0 {
		return nil
	}
	pem, err := os.ReadFile(ca[0])
	if err != nil {
		return fmt.Errorf("read CA of store: %w", err)
	}
	e.tls.RootCAs = x509.NewCertPool()
	if !e.tls.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("CA file %q of store has no certificate; give one in PEM", ca[0])
	}
	return nil
}
