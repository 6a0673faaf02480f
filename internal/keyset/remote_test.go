package keyset_test

import (
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/keyset"
)

func TestNewRemote(t *testing.T) {
	t.Parallel()
	const secret = "canary"
	tests := []struct {
		name string
		give keyset.Remote
		want string // in the error; empty: none
	}{
		{"https", keyset.Remote{URL: "https://id.example.com/jwks"}, ""},
		{"https with query", keyset.Remote{URL: "https://id.example.com/jwks?p=policy"}, ""},
		{"https to a private address", keyset.Remote{URL: "https://10.0.0.1:8443/jwks"}, ""},
		{"http to localhost", keyset.Remote{URL: "http://localhost:8080/jwks"}, ""},
		{"http to 127.0.0.2", keyset.Remote{URL: "http://127.0.0.2/jwks"}, ""},
		{"http to ::1", keyset.Remote{URL: "http://[::1]:8080/jwks"}, ""},
		{"discovery by issuer", keyset.Remote{Discovery: true, Issuer: "https://id.example.com/"}, ""},
		{"discovery by URL", keyset.Remote{Discovery: true, URL: "https://10.0.0.1/", Issuer: "https://id.example.com/"}, ""},

		{"empty", keyset.Remote{}, "not an absolute URL"},
		{"path", keyset.Remote{URL: "/jwks"}, "not an absolute URL"},
		{"no host", keyset.Remote{URL: "https:///jwks"}, "not an absolute URL"},
		{"opaque", keyset.Remote{URL: "https:id.example.com"}, "not an absolute URL"},
		{"garbage", keyset.Remote{URL: "https://user:" + secret + "@ho st/\x7f"}, "not an absolute URL"},
		{"file", keyset.Remote{URL: "file://localhost/etc/passwd"}, "neither https nor http"},
		{"upper-case scheme", keyset.Remote{URL: "HTTP://id.example.com/"}, "loopback only"},
		{"http", keyset.Remote{URL: "http://id.example.com/jwks"}, "loopback only"},
		{"http to a name like localhost", keyset.Remote{URL: "http://localhost.example.com/jwks"}, "loopback only"},
		{"http to a private address", keyset.Remote{URL: "http://10.0.0.1/jwks"}, "loopback only"},
		{"http to 0.0.0.0", keyset.Remote{URL: "http://0.0.0.0/jwks"}, "loopback only"},
		{"user", keyset.Remote{URL: "https://user:" + secret + "@id.example.com/?k=" + secret}, "user name or password"},
		{"fragment", keyset.Remote{URL: "https://id.example.com/#" + secret}, "fragment"},
		{"discovery without issuer", keyset.Remote{Discovery: true, URL: "https://id.example.com"}, "without an issuer"},
		{"discovery with query", keyset.Remote{Discovery: true, Issuer: "https://id.example.com/?k=" + secret}, "no query"},
		{"discovery of a name", keyset.Remote{Discovery: true, Issuer: "accounts"}, "not an absolute URL"},

		{"AWS, Google, Azure", keyset.Remote{URL: "https://169.254.169.254/"}, "link-local"},
		{"any link-local", keyset.Remote{URL: "https://169.254.0.1:8443/"}, "link-local"},
		{"link-local IPv6", keyset.Remote{URL: "https://[fe80::1]/"}, "link-local"},
		{"link-local IPv6 with zone", keyset.Remote{URL: "https://[fe80::1%25lo]/"}, "link-local"},
		{"loopback with zone", keyset.Remote{URL: "http://[::1%25lo]/"}, "zone"},
		{"zone that no URL can repeat", keyset.Remote{URL: "https://[::1%25\x88]/"}, "zone"},
		{"mapped to IPv6", keyset.Remote{URL: "https://[::ffff:169.254.169.254]/"}, "link-local"},
		{"mapped in hex", keyset.Remote{URL: "https://[::ffff:a9fe:a9fe]/"}, "link-local"},
		{"NAT64", keyset.Remote{URL: "https://[64:ff9b::169.254.169.254]/"}, "link-local"},
		{"AWS IPv6", keyset.Remote{URL: "https://[fd00:ec2::254]/"}, "link-local"},
		{"Google IPv6", keyset.Remote{URL: "https://[fd20:ce::254]/"}, "link-local"},
		{"Azure wire server", keyset.Remote{URL: "https://168.63.129.16/"}, "link-local"},
		{"Alibaba", keyset.Remote{URL: "https://100.100.100.200/"}, "link-local"},
		{"Oracle", keyset.Remote{URL: "https://192.0.0.192/"}, "link-local"},
		{"unspecified", keyset.Remote{URL: "https://0.0.0.0/"}, "unspecified"},
		{"unspecified IPv6", keyset.Remote{URL: "https://[::]/"}, "unspecified"},
		{"multicast", keyset.Remote{URL: "https://224.0.0.1/"}, "link-local"},
		{"discovery at a metadata service", keyset.Remote{Discovery: true, Issuer: "https://169.254.169.254"}, "link-local"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := keyset.NewRemote(tt.give)
			if tt.want == "" {
				if err != nil || s == nil {
					t.Fatalf("got %v, %v, want a Source", s, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want an error with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("got %v, want no secret in it", err)
			}
		})
	}
}
