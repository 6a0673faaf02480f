package keyset_test

import (
	"crypto/x509"
	"net/http"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/keyset"
)

func TestRedirects(t *testing.T) {
	t.Parallel()
	set := jwks(jwk(t, "a"))
	evil := newIssuer(t, body(jwks(jwk(t, "evil"))))
	end := newTLSIssuer(t, body(set))
	tests := []struct {
		name   string
		to     string
		reason string // empty: followed
	}{
		{"https", end.URL + "/jwks", ""},
		{"http", evil.URL, "leads to http"},
		{"http to metadata", "http://169.254.169.254/latest/meta-data/", "leads to http"},
		{"metadata", "https://169.254.169.254/latest/meta-data/", "link-local"},
		{"metadata, mapped", "https://[::ffff:169.254.169.254]/", "link-local"},
		{"metadata, IPv6", "https://[fd00:ec2::254]/", "link-local"},
		{"metadata by name", "https://metadata.test/latest/", "169.254.169.254 is a link-local"},
		{"unspecified by name", "https://everywhere.test/", "0.0.0.0 is a link-local"},
		{"with user", "https://user:canary@issuer.test/", "user name or password"},
		{"file", "file:///etc/passwd", "not an absolute URL"},
		{"data", "data:application/json," + set, "not an absolute URL"},
		{"garbage", "https://user:canary@%zz/", "not a URL"},
		{"nowhere", "", "without Location"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for scheme, start := range map[string]*issuer{
				"http":  newIssuer(t, redirect(tt.to)),
				"https": newTLSIssuer(t, redirect(tt.to)),
			} {
				c := newClock()
				ca := end.ca()
				if scheme == "https" {
					ca.AddCert(start.Certificate())
				}
				s := source(t, keyset.Remote{URL: start.URL, CA: ca, Now: c.now})
				fetch(t, s, c)
				if tt.reason == "" {
					mustHave(t, s, "a")
					continue
				}
				mustBeUnavailable(t, s)
				mustFail(t, s, tt.reason)
				if strings.Contains(s.Err().Error(), "canary") {
					t.Errorf("Err: got %v, want no password in it", s.Err())
				}
			}
		})
	}
	if n := evil.requests.Load(); n != 0 {
		t.Errorf("requests over http after a redirect: got %d, want 0", n)
	}
}

func TestRedirectCount(t *testing.T) {
	t.Parallel()
	set := jwks(jwk(t, "a"))
	mux := http.NewServeMux()
	mux.Handle("/0", body(set, "ETag", `"v"`))
	mux.Handle("/1", redirect("/0"))
	mux.Handle("/2", redirect("1"))
	mux.Handle("/loop", redirect("/loop"))
	i := newTLSIssuer(t, mux.ServeHTTP)
	mux.Handle("/3", redirect(i.URL+"/2"))
	mux.Handle("/4", redirect("/3"))
	tests := []struct {
		path, reason string
		requests     int64
	}{
		{"/0", "", 1},
		{"/1", "", 2},
		{"/2", "", 3},
		{"/3", "", 4},
		{"/4", "more than 3 redirects", 4},
		{"/loop", "more than 3 redirects", 4},
	}
	for _, tt := range tests { // in turn, since the requests are counted
		c := newClock()
		s := source(t, keyset.Remote{URL: i.URL + tt.path, CA: i.ca(), Now: c.now})
		before := i.requests.Load()
		fetch(t, s, c)
		if got := i.requests.Load() - before; got != tt.requests {
			t.Errorf("%s: requests: got %d, want %d", tt.path, got, tt.requests)
		}
		if tt.reason == "" {
			mustHave(t, s, "a")
			continue
		}
		mustBeUnavailable(t, s)
		mustFail(t, s, tt.reason)
	}
}

// The condition belongs to the URL that gave the tag; another place that is
// redirected to must not be able to vouch for it.
func TestRedirectAndETag(t *testing.T) {
	t.Parallel()
	var conditions []string
	note := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			conditions = append(conditions, r.URL.Path+r.Header.Get("If-None-Match"))
			h(w, r)
		}
	}
	set := jwks(jwk(t, "a"))
	var to string
	mux := http.NewServeMux()
	mux.HandleFunc("/jwks", note(func(w http.ResponseWriter, r *http.Request) { redirect(to)(w, r) }))
	mux.HandleFunc("/one", note(body(set, "ETag", `"v"`)))
	mux.HandleFunc("/two", note(status(http.StatusNotModified)))
	i := newTLSIssuer(t, mux.ServeHTTP)
	c := newClock()
	s := source(t, keyset.Remote{URL: i.URL + "/jwks", CA: i.ca(), Now: c.now})
	to = "/one"
	fetch(t, s, c)
	fetch(t, s, c)
	to = "/two"
	fetch(t, s, c)
	mustFail(t, s, "without condition")
	if got, want := strings.Join(conditions, " "), `/jwks /one /jwks /one"v" /jwks /two`; got != want {
		t.Errorf("conditions: got %s, want %s", got, want)
	}
}

// Names are judged by what they resolve to.
func TestResolvedAddresses(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"metadata", "alibaba", "everywhere", "multicast"} {
		c := newClock()
		s := source(t, keyset.Remote{URL: "https://" + name + ".test/", Now: c.now})
		fetch(t, s, c)
		mustBeUnavailable(t, s)
		mustFail(t, s, "from which no keys are fetched")
		mustFail(t, s, "leads to the issuer itself")
	}
	c := newClock()
	s := source(t, keyset.Remote{URL: "https://nobody.test/", Now: c.now})
	fetch(t, s, c)
	mustFail(t, s, "no such host")
	mustFail(t, s, "check the host name")
}

// What http may reach is judged by address too: /etc/hosts may call anything
// localhost.
func TestConnectControl(t *testing.T) {
	t.Parallel()
	tests := []struct {
		address      string
		https, plain bool // allowed
	}{
		{"127.0.0.1:80", true, true},
		{"127.1.2.3:80", true, true},
		{"[::1]:80", true, true},
		{"[::ffff:127.0.0.1]:80", true, true},
		{"10.0.0.1:443", true, false},
		{"192.0.2.1:443", true, false},
		{"[2001:db8::1]:443", true, false},
		{"169.254.169.254:80", false, false},
		{"[fe80::1%lo]:80", false, false},
		{"[::ffff:169.254.169.254]:80", false, false},
		{"[64:ff9b::a9fe:a9fe]:80", false, false},
		{"0.0.0.0:80", false, false},
		{"/run/issuer.sock", false, false},
	}
	for _, tt := range tests {
		if err := keyset.Control(false)("tcp", tt.address, nil); (err == nil) != tt.https {
			t.Errorf("%s for https: got %v, want allowed %v", tt.address, err, tt.https)
		}
		if err := keyset.Control(true)("tcp", tt.address, nil); (err == nil) != tt.plain {
			t.Errorf("%s for http: got %v, want allowed %v", tt.address, err, tt.plain)
		}
	}
}

// httptest's certificate is for example.com, which only the proxy resolves.
func TestProxy(t *testing.T) {
	t.Parallel()
	c, i := newClock(), newTLSIssuer(t, body(jwks(jwk(t, "a"))))
	before := proxied.Load()
	proxyTarget.Store("")
	s := source(t, keyset.Remote{URL: "https://example.com/jwks", CA: i.ca(), Now: c.now})
	fetch(t, s, c)
	mustFail(t, s, "Forbidden")
	if strings.Contains(s.Err().Error(), proxyPassword) {
		t.Errorf("Err: got %v, want no password in it", s.Err())
	}
	proxyTarget.Store(i.Listener.Addr().String())
	fetch(t, s, c)
	mustHave(t, s, "a")
	if got := proxied.Load() - before; got != 1 {
		t.Errorf("connections through the proxy: got %d, want 1", got)
	}
	other := source(t, keyset.Remote{URL: "https://example.com/jwks", CA: x509.NewCertPool(), Now: c.now})
	fetch(t, other, c)
	mustFail(t, other, "name the CA") // the proxy is not trusted with TLS
}
