package issuer

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// front is what stands before the issuer and has looked at the request.
type front struct {
	client    netip.Addr
	requestID string
	vouched   bool
}

type frontKey struct{}

// WithClient tells the issuer who its client is. Whoever calls it vouches for
// the request: that it came over TLS, for a host of ours, and that another site
// did not make a browser send it. Without it the issuer takes the connection's
// peer for the client, believes no header about it, and refuses what is not
// TLS or comes from another site.
func WithClient(ctx context.Context, client netip.Addr) context.Context {
	f, _ := ctx.Value(frontKey{}).(front)
	f.client, f.vouched = client, true
	return context.WithValue(ctx, frontKey{}, f)
}

// WithRequestID gives the request's id to answers and logs.
func WithRequestID(ctx context.Context, id string) context.Context {
	f, _ := ctx.Value(frontKey{}).(front)
	f.requestID = id
	return context.WithValue(ctx, frontKey{}, f)
}

func frontOf(r *http.Request) front {
	f, _ := r.Context().Value(frontKey{}).(front)
	if !f.client.IsValid() {
		if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
			f.client, _ = netip.ParseAddr(host) // an invalid one counts as one client
		}
	}
	f.client = f.client.Unmap().WithZone("")
	return f
}

// crossSite says why an unsafe request is taken for another site's, or nothing.
// A request with neither Sec-Fetch-Site nor Origin is no browser's.
func (f front) crossSite(r *http.Request) string {
	if f.vouched {
		return ""
	}
	if r.TLS == nil {
		return "request did not come over TLS"
	}
	if site := r.Header["Sec-Fetch-Site"]; len(site) > 1 || len(site) == 1 && site[0] != "same-origin" && site[0] != "none" {
		return "Sec-Fetch-Site is " + strconv.Quote(strings.Join(site, ","))
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return ""
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "https" || !strings.EqualFold(u.Host, r.Host) {
		return "Origin " + strconv.Quote(origin) + " is not this host"
	}
	return ""
}

// browser tells whether a browser's page of this origin asks, which keeps
// cookies and sends them back.
func browser(r *http.Request) bool {
	site := r.Header["Sec-Fetch-Site"]
	return len(site) == 1 && (site[0] == "same-origin" || site[0] == "none")
}

// network is what counts as one address: an IPv4 address, or an IPv6 /64, which
// is what one customer gets.
func network(a netip.Addr) string {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return p.String()
}
