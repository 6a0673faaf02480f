package tlsprobe_test

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/tlsprobe"
)

// ssl2Hello is an SSL 2 SERVER-HELLO with its record header.
func ssl2Hello(version byte, cert []byte, kinds ...byte) []byte {
	msg := []byte{4, 0, 1, 0, version, byte(len(cert) >> 8), byte(len(cert)), 0, byte(len(kinds)), 0, 16}
	msg = slices.Concat(msg, cert, kinds, make([]byte, 16))
	return append([]byte{0x80 | byte(len(msg)>>8), byte(len(msg))}, msg...)
}

// ssl2Peer answers SSL 2 hellos alone, and only well-formed ones.
func ssl2Peer(t *testing.T, answer []byte) string {
	return peer(t, func(c net.Conn) {
		h := readHello(c)
		if len(h) < 11 || h[0] != 0x80 || int(h[1]) != len(h)-2 || h[2] != 1 || h[3] != 0 || h[4] != 2 {
			c.Write([]byte{21, 3, 0, 0, 2, 2, 40})
			return
		}
		if kinds, challenge := int(h[6]), int(h[10]); kinds%3 != 0 || len(h) != 11+kinds+challenge {
			t.Errorf("malformed SSL 2 hello % x", h)
		}
		c.Write(answer)
	})
}

func TestSSL2(t *testing.T) {
	t.Parallel()
	cert := newLeaf(t, nil).cert.Raw
	tests := []struct {
		name   string
		answer []byte
		want   tlsprobe.Verdict
		kinds  []string
	}{
		{"two kinds", ssl2Hello(2, cert, 1, 0, 0x80, 7, 0, 0xC0), acc, []string{"SSL_CK_RC4_128_WITH_MD5", "SSL_CK_DES_192_EDE3_CBC_WITH_MD5"}},
		{"unknown kind", ssl2Hello(2, cert, 9, 9, 9), acc, []string{"0x090909"}},
		// Some servers with SSL 2 on and all its kinds off still agree, and can be talked into one (CVE-2015-3197).
		{"no kind", ssl2Hello(2, cert), acc, nil},
		{"no cipher error", []byte{0x80, 3, 0, 0, 1}, ref, nil},
		{"another version", ssl2Hello(3, cert, 1, 0, 0x80), tlsprobe.Inconclusive, nil},
		{"truncated", ssl2Hello(2, cert, 1, 0, 0x80)[:40], tlsprobe.Inconclusive, nil},
		{"half a kind", ssl2Hello(2, cert, 1, 0), tlsprobe.Inconclusive, nil},
		{"alert", []byte{21, 3, 0, 0, 2, 2, 70}, ref, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := probe(ssl2Peer(t, tt.answer))
			p.Timeout = 2 * time.Second
			s := p.Survey(t.Context())
			got := s.Versions[tlsprobe.SSL2]
			if got.Verdict != tt.want {
				t.Errorf("got %v, want %v", got.Outcome, tt.want)
			}
			var kinds []string
			for _, k := range got.Suites2 {
				kinds = append(kinds, k.String())
			}
			if diff := cmp.Diff(tt.kinds, kinds); diff != "" {
				t.Errorf("kinds (-want +got):\n%s", diff)
			}
			if tt.name == "two kinds" {
				want := []tlsprobe.Class{tlsprobe.Class3DES, tlsprobe.ClassRC4, tlsprobe.ClassMD5, tlsprobe.ClassNoFS}
				if diff := cmp.Diff(want, s.Classes.Accepted()); diff != "" {
					t.Errorf("classes (-want +got):\n%s", diff)
				}
				if !strings.Contains(s.Chains.SNI.Reason, "only SSL 2") || s.Renegotiation.Verdict != na {
					t.Errorf("got chain %v, renegotiation %v, want only SSL 2, not applicable", s.Chains.SNI.Outcome, s.Renegotiation)
				}
			}
		})
	}
}

func TestNoRenegotiationInfo(t *testing.T) {
	t.Parallel()
	p := probe(peer(t, func(c net.Conn) {
		readHello(c)
		c.Write(record(22, serverHello(tlsprobe.TLS12, 0xC02F)))
	}))
	if o := p.Versions(t.Context()).Renegotiation(); o.Verdict != ref {
		t.Errorf("got %v, want refused", o)
	}
}
