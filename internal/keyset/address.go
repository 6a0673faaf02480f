package keyset

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// metadata are the addresses outside the link-local ranges at which clouds
// hand credentials to whoever asks from inside.
var metadata = []netip.Prefix{
	netip.MustParsePrefix("fd00:ec2::/32"),      // AWS
	netip.MustParsePrefix("fd20:ce::254/128"),   // Google
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba
	netip.MustParsePrefix("192.0.0.192/32"),     // Oracle
}

// nat64 carries an IPv4 address in its last four bytes (RFC 6052 §2.1).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// forbidden tells whether no key set is ever fetched from addr: link-local,
// metadata, multicast, or the unspecified address, which is another name for
// this host.
func forbidden(addr netip.Addr) bool {
	addr = addr.WithZone("").Unmap()
	if nat64.Contains(addr) {
		b := addr.As16()
		addr = netip.AddrFrom4([4]byte(b[12:]))
	}
	for _, p := range metadata {
		if p.Contains(addr) {
			return true
		}
	}
	return addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified()
}

type forbiddenError struct{ addr netip.Addr }

func (e forbiddenError) Error() string {
	return fmt.Sprintf("%s is a link-local, metadata or unspecified address, from which no keys are fetched", e.addr)
}

func loopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// control is asked with the resolved address before each connection, so that
// no name and no redirect leads where a literal address may not.
func control(loopbackOnly bool) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return errors.New("connect: not an address")
		}
		if forbidden(ap.Addr()) {
			return forbiddenError{ap.Addr()}
		}
		if loopbackOnly && !ap.Addr().Unmap().IsLoopback() {
			return fmt.Errorf("%s is not loopback, and http is accepted there only", ap.Addr())
		}
		return nil
	}
}

// newTransport opens a connection for each request and closes it: a fetch
// every few minutes gains nothing from a connection that lingers. HTTP/2 is
// left out for the same reason. The environment's proxy applies to https; the
// control then sees the proxy's address, since the name is resolved there.
func newTransport(r Remote, loopbackOnly bool) *http.Transport {
	t := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: fetchTimeout, Control: control(loopbackOnly)}).DialContext,
		TLSClientConfig:        tlsConfig(r.CA),
		TLSHandshakeTimeout:    fetchTimeout,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if !loopbackOnly {
		t.Proxy = proxy
	}
	return t
}

// proxy is http.ProxyFromEnvironment less its error, which quotes the proxy's
// URL with its password.
func proxy(req *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(req)
	if err != nil {
		return nil, errors.New("the proxy in HTTPS_PROXY is not a URL; write http://HOST:PORT")
	}
	return u, nil
}
