package guard_test

import (
	"net/http"
	"testing"

	"github.com/wiretight/wiretight/guard"
)

// TestHosts holds which Host is let in under which name of the handshake.
func TestHosts(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, c := range []struct {
		name, sni, host string
		status          int
	}{
		{"ours", testHost, testHost, 200},
		{"the other", "www.example.com", "www.example.com", 200},
		{"capitals", testHost, "API.Example.COM", 200},
		{"capitals in the handshake", "API.Example.COM", testHost, 200},
		{"default port", testHost, testHost + ":443", 200},
		{"another port", testHost, testHost + ":8443", 200},
		{"no name in the handshake", "", testHost, 200},

		{"other name in the handshake", "www.example.com", testHost, 421},
		{"other name in the request", testHost, "www.example.com", 421},
		{"other name and port", testHost, "www.example.com:443", 421},
		{"unknown name in the handshake", "elsewhere.example.com", testHost, 421},

		{"unknown", testHost, "evil.example", 400},
		{"unknown in both", "elsewhere.example.com", "elsewhere.example.com", 400},
		{"unknown, and no name in the handshake", "", "evil.example", 400},
		{"the address", "", "127.0.0.1", 400},
		{"the IPv6 address", "", "[::1]", 400},
		{"empty", testHost, "", 400},
		{"trailing dot", testHost, testHost + ".", 400},
		{"trailing dot and port", testHost, testHost + ".:443", 400},
		{"two trailing dots", testHost, testHost + "..", 400},
		{"leading dot", testHost, "." + testHost, 400},
		{"subdomain", testHost, "x." + testHost, 400},
		{"suffix", testHost, "evil" + testHost, 400},
		{"prefix", testHost, testHost + ".evil.example", 400},
		{"user", testHost, "user@" + testHost, 400},
		{"user of another", testHost, testHost + "@evil.example", 400},
		{"list", testHost, testHost + ",evil.example", 400},
		{"list with a space", testHost, testHost + ", evil.example", 400},
		{"escape", testHost, "api%2eexample.com", 400},
		{"path", testHost, testHost + "/x", 400},
		{"query", testHost, testHost + "?x", 400},
		{"backslash", testHost, testHost + "\\x", 400},
		{"port without digits", testHost, testHost + ":", 400},
		{"port of letters", testHost, testHost + ":https", 400},
		{"hexadecimal port", testHost, testHost + ":0x1bb", 400},
		{"port that is too long", testHost, testHost + ":000443", 400},
		{"two ports", testHost, testHost + ":443:443", 400},
		{"tab", testHost, testHost + "\tx", 400},
		{"other alphabet", testHost, "аpi.example.com", 400}, // Cyrillic а
		{"wildcard", testHost, "*.example.com", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := f.upstream.count()
			got := f.raw(c.sni, "GET /items HTTP/1.1\r\nHost: "+c.host+"\r\nAuthorization: "+f.bearer()+"\r\n\r\n")
			if len(got) != 1 || got[0].status != c.status {
				t.Fatalf("got %v, want %d", got, c.status)
			}
			if passed := f.upstream.count() > before; passed != (c.status == 200) {
				t.Errorf("reached the upstream: %v", passed)
			}
			if p := got[0].problem(); c.status != 200 && p.Detail != "Host not allowed" {
				t.Errorf("got detail %q, want Host not allowed", p.Detail)
			}
		})
	}
}

// TestHostsWithPorts holds that a host with a port in the configuration is
// good with that port alone, and that addresses can be hosts.
func TestHostsWithPorts(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) {
		c.Hosts = []string{testHost + ":8443", "www.example.com:443", "127.0.0.1", "[::1]", "[2001:DB8::1]:8443"}
	})
	for _, c := range []struct {
		host   string
		status int
	}{
		{testHost + ":8443", 200},
		{testHost, 400},
		{testHost + ":443", 400},
		{testHost + ":08443", 400},
		{"www.example.com", 200},
		{"www.example.com:443", 200},
		{"www.example.com:8443", 400},
		{"127.0.0.1", 200},
		{"127.0.0.1:8443", 200},
		{"127.1", 400},
		{"2130706433", 400},
		{"[::1]", 200},
		{"[::1]:8443", 200},
		{"[0:0:0:0:0:0:0:1]", 400},
		{"[::1%25eth0]", 400},
		{"[::1", 400},
		{"[::1]x", 400},
		{"[::1]:", 400},
		{"[::ffff:127.0.0.1]", 400},
		{"[127.0.0.1]", 400},
		{"::1", 400},
		{"[2001:db8::1]:8443", 200},
		{"[2001:DB8::1]:8443", 200},
		{"[2001:db8::1]", 400},
	} {
		t.Run(c.host, func(t *testing.T) {
			got := f.raw("", "GET /items HTTP/1.1\r\nHost: "+c.host+"\r\nAuthorization: "+f.bearer()+"\r\n\r\n")
			if len(got) != 1 || got[0].status != c.status {
				t.Errorf("got %v, want %d", got, c.status)
			}
		})
	}
}

// TestMisdirected holds that a connection made for one name serves no other,
// as browsers would do that share connections between names.
func TestMisdirected(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, client := range []*http.Client{f.h1, f.h2} {
		got := f.send(client, "GET", "/items", "", "Host", "www.example.com", "Authorization", f.bearer())
		if p := got.problem(); got.status != 421 || p.Detail != "Host not allowed" || p.Title != "Misdirected Request" {
			t.Errorf("got %v, want 421 Host not allowed", got)
		}
	}
	if n := f.upstream.count(); n != 0 {
		t.Errorf("%d requests reached the upstream", n)
	}
}
