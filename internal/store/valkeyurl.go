package store

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The most addresses that a URL takes, and the most replicas that it waits for.
const (
	maxAddresses = 100
	maxReplicas  = 16
)

// endpoint is where the servers are and how to talk to them.
type endpoint struct {
	addresses        []string // host:port
	master           string   // what Sentinel calls the primary; empty: no Sentinel
	user             string
	password         string
	sentinelUser     string
	sentinelPassword string
	prefix           string // of all names in the database
	database         int
	replicas         int         // that must have a change before it is confirmed
	tls              *tls.Config // nil: plain text
}

var (
	errRedisURL     = errors.New("store URL is not valid; write redis://user:password@host:port/database, or rediss:// for TLS, with special characters of the password percent-encoded")
	errRedisAddress = errors.New("store URL has an address that is no host:port; write ?addr=host:port&addr=host:port")
)

var prefixForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// redisOptions are what a URL may have behind its question mark. There is none
// that turns verification off.
var redisOptions = []string{"addr", "ca", "cert", "key", "master_set", "prefix", "sentinel_password", "sentinel_user", "server_name", "wait"}

// CheckURL says what is wrong with a store URL, as Open would, and reads the
// files that it names. No server is asked and nothing is made. plain are the
// hosts to which sessions and revocations would go in plain text. Errors have
// what to write instead behind their last semicolon, and never a password.
func CheckURL(rawURL string) (plain []string, err error) {
	scheme, rest, found := strings.Cut(rawURL, ":")
	switch {
	case found && scheme == "memory":
		return nil, memoryURL(rest)
	case found && scheme == "bolt":
		_, err := boltPath(rest)
		return nil, err
	case found && (scheme == "redis" || scheme == "rediss"):
		at, err := parseRedisURL(rawURL)
		if err != nil || at.tls != nil {
			return nil, err
		}
		for _, address := range at.addresses {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, errRedisAddress
			}
			plain = append(plain, host)
		}
		return plain, nil
	}
	return nil, errScheme
}

// parseRedisURL reads a redis URL. The causes that net/url gives quote the
// URL, so they are left out.
func parseRedisURL(rawURL string) (endpoint, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Opaque != "" || u.Hostname() == "" || u.Fragment != "" || u.RawFragment != "" {
		return endpoint{}, errRedisURL
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return endpoint{}, errRedisURL
	}
	if err := checkOptions(query); err != nil {
		return endpoint{}, err
	}
	e := endpoint{
		prefix: query.Get("prefix"), master: query.Get("master_set"), sentinelUser: query.Get("sentinel_user"),
		sentinelPassword: query.Get("sentinel_password"),
	}
	for _, read := range []func(*url.URL, url.Values) error{
		e.readAddresses, e.readUser, e.readNames, e.readTLS,
	} {
		if err := read(u, query); err != nil {
			return endpoint{}, err
		}
	}
	return e, nil
}

// checkOptions refuses what is unknown, empty, or given twice.
func checkOptions(query url.Values) error {
	for name, values := range query {
		if !slices.Contains(redisOptions, name) {
			// Its name may be a piece of a password.
			return fmt.Errorf("store URL has an unknown option; the options are %s", strings.Join(redisOptions, ", "))
		}
		if name != "addr" && len(values) > 1 {
			return fmt.Errorf("store URL has the option %s twice; write it once", name)
		}
		for _, value := range values {
			if value == "" {
				return fmt.Errorf("store URL has the option %s without a value; write %s=… or leave it out", name, name)
			}
		}
	}
	return nil
}

func (e *endpoint) readAddresses(u *url.URL, query url.Values) error {
	for _, hostport := range append([]string{u.Host}, query["addr"]...) {
		a := url.URL{Host: hostport}
		address, ok := joinAddress(a.Hostname(), a.Port())
		switch {
		case !ok && hostport == u.Host:
			return errRedisURL
		case !ok:
			return errRedisAddress
		case slices.Contains(e.addresses, address):
			return errors.New("store URL names an address twice; write each server once")
		}
		e.addresses = append(e.addresses, address)
	}
	if len(e.addresses) > maxAddresses {
		return fmt.Errorf("store URL has %d addresses; write at most %d, the servers name the others", len(e.addresses), maxAddresses)
	}
	return nil
}

// joinAddress puts the usual port where there is none.
func joinAddress(host, port string) (address string, ok bool) {
	if port == "" {
		port = "6379"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if _, bad := netip.ParseAddr(host); bad != nil && strings.ContainsAny(host, ":[]/@?#% ") {
		return "", false
	}
	return net.JoinHostPort(host, port), host != "" && err == nil && n != 0
}

func (e *endpoint) readUser(u *url.URL, _ url.Values) error {
	if u.User != nil {
		e.user = u.User.Username()
		if e.password, _ = u.User.Password(); e.password == "" {
			return errors.New("store URL has a user but no password; write redis://user:password@host:port, or redis://:password@host:port")
		}
	}
	switch {
	case e.sentinelUser != "" && e.sentinelPassword == "":
		return errors.New("store URL has sentinel_user but no sentinel_password; write both, or neither")
	case e.sentinelPassword != "" && e.master == "":
		return errors.New("store URL has sentinel_password but no Sentinel; write master_set=NAME too")
	}
	return nil
}

func (e *endpoint) readNames(u *url.URL, query url.Values) error {
	if e.prefix == "" {
		e.prefix = defaultPrefix
	}
	if !prefixForm.MatchString(e.prefix) {
		return errors.New("store URL has a prefix that is no name; write at most 64 letters, digits, dots, dashes and underscores")
	}
	if name := strings.TrimPrefix(u.Path, "/"); name != "" {
		n, err := strconv.ParseUint(name, 10, 16)
		if err != nil {
			return errors.New("store URL has a database that is not a number; write redis://host:port/0")
		}
		e.database = int(n)
	}
	if e.database != 0 && e.master == "" && len(e.addresses) > 1 {
		return errors.New("store URL has a database, but several addresses without master_set are a Cluster, which has only database 0; leave it out")
	}
	if wait := query.Get("wait"); wait != "" {
		n, err := strconv.ParseUint(wait, 10, 8)
		if err != nil || n == 0 || n > maxReplicas {
			return fmt.Errorf("store URL has a wait that is not from 1 to %d; write wait=1 to have each change on one replica, or leave it out", maxReplicas)
		}
		e.replicas = int(n)
	}
	return nil
}

func (e *endpoint) readTLS(u *url.URL, query url.Values) error {
	ca, cert, key, name := query.Get("ca"), query.Get("cert"), query.Get("key"), query.Get("server_name")
	switch {
	case u.Scheme != "rediss" && ca+cert+key+name != "":
		return errors.New("store URL has options of TLS but no TLS; write rediss:// instead of redis://")
	case u.Scheme != "rediss":
		return nil
	case (cert == "") != (key == ""):
		return errors.New("store URL has one of cert and key; write both, cert=FILE&key=FILE")
	}
	// Where ServerName is empty the host that is dialled stands for it.
	e.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name}
	if cert != "" {
		if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
			return fmt.Errorf("read client certificate of store: %w", err)
		}
		// Read for each connection, because certificates are renewed.
		e.tls.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(cert, key)
			if err != nil {
				return nil, fmt.Errorf("read client certificate of store: %w", err)
			}
			return &pair, nil
		}
	}
	if ca == "" {
		return nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return fmt.Errorf("read CA of store: %w", err)
	}
	e.tls.RootCAs = x509.NewCertPool()
	if !e.tls.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("CA file %q of store has no certificate; give one in PEM", ca)
	}
	return nil
}
