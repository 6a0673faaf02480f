package tlsprobe_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/tlsprobe"
)

// bounded fails when reading took so long that a hostile peer could stall us.
func bounded(t *testing.T, begin time.Time) {
	t.Helper()
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

func FuzzServerHello(f *testing.F) {
	f.Add(serverHello(tlsprobe.TLS12, 0xC02F)[4:])
	f.Add(append(serverHello(tlsprobe.TLS12, 0x1301)[4:], 0, 10, 0, 43, 0, 2, 3, 4, 0, 44, 0, 0))
	f.Add(append(serverHello(tlsprobe.TLS12, 0x1301)[4:], 0, 7, 0xFF, 1, 0, 1, 0, 0, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := tlsprobe.ParseServerHello(data)
		if err != nil {
			return
		}
		if len(h.SessionID) > 32 || len(h.Share) > len(data) || len(h.Cookie) > len(data) {
			t.Errorf("got more than was sent: %+v", h)
		}
		_ = h.Suite.String()
		_ = h.Version.String()
	})
}

func FuzzServerHello2(f *testing.F) {
	f.Add(ssl2Hello(2, []byte{0x30, 0}, 1, 0, 0x80)[2:])
	f.Add([]byte{4, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := tlsprobe.ParseServerHello2(data)
		if err == nil && len(h.Certificate)+3*len(h.Suites) > len(data) {
			t.Errorf("got more than was sent: %+v", h)
		}
		_ = tlsprobe.FeedFlight2(data)
	})
}

func FuzzCertificates(f *testing.F) {
	f.Add(false, []byte{0, 0, 4, 0, 0, 1, 0x30})
	f.Add(true, []byte{0, 0, 0, 6, 0, 0, 1, 0x30, 0, 0})
	f.Fuzz(func(t *testing.T, new bool, data []byte) {
		v := tlsprobe.TLS12
		if new {
			v = tlsprobe.TLS13
		}
		list, err := tlsprobe.ParseCertificates(v, data)
		var size int
		for _, c := range list {
			size += len(c)
		}
		if err == nil && (len(list) > 16 || size > len(data)) {
			t.Errorf("got %d certificates of %d bytes from %d", len(list), size, len(data))
		}
	})
}

func FuzzDHGroup(f *testing.F) {
	f.Add([]byte{0, 1, 0x17, 0, 1, 2, 0, 1, 5})
	f.Fuzz(func(t *testing.T, data []byte) {
		if bits, err := tlsprobe.ParseDHGroup(data); err == nil && bits > 8*len(data) {
			t.Errorf("got %d bits from %d bytes", bits, len(data))
		}
	})
}

// FuzzCertificate reads DER; what crypto/x509 reads as well has to agree.
func FuzzCertificate(f *testing.F) {
	root := newCA(f, nil, "Root")
	f.Add(root.cert.Raw)
	f.Add(newLeaf(f, root).cert.Raw)
	f.Add(leafWithKey(f, root, newRSA(f, 1024)).cert.Raw)
	for _, args := range [][]string{{"-newkey", "rsa:1024", "-sha1", "-sigopt", "rsa_padding_mode:pss"}, {"-newkey", "ed448"}, {"-newkey", "rsa:512", "-md5"}} {
		der, _, _ := selfSigned(f, args...)
		f.Add(der)
	}
	now := time.Now()
	f.Fuzz(func(t *testing.T, der []byte) {
		begin := time.Now()
		c, err := tlsprobe.ParseCertificate(der)
		if err != nil {
			return
		}
		_, _, _ = c.WeakKey(), c.WeakSignature(), c.Lifetime(now)
		_ = c.Matches(host)
		_ = tlsprobe.SignedBy(c, c)
		bounded(t, begin)
		if x, err := x509.ParseCertificate(der); err == nil {
			if !x.NotAfter.Equal(c.NotAfter) || !x.NotBefore.Equal(c.NotBefore) {
				t.Errorf("validity: got %v to %v, x509 says %v to %v", c.NotBefore, c.NotAfter, x.NotBefore, x.NotAfter)
			}
			if len(x.DNSNames) != len(c.DNSNames) || len(x.IPAddresses) != len(c.IPAddresses) {
				t.Errorf("names: got %q %v, x509 says %q %v", c.DNSNames, c.IPAddresses, x.DNSNames, x.IPAddresses)
			}
			if x.IsCA != c.CA {
				t.Errorf("authority: got %v, x509 says %v", c.CA, x.IsCA)
			}
		}
	})
}

// FuzzConversation feeds whole answers to the talks of every version.
func FuzzConversation(f *testing.F) {
	hello := record(22, serverHello(tlsprobe.TLS12, 0x0039))
	f.Add(hello)
	f.Add(append(hello, record(22, message(12, []byte{0, 1, 0x17, 0, 1, 2, 0, 1, 5}))...))
	f.Add([]byte{21, 3, 3, 0, 2, 2, 40})
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Add(ssl2Hello(2, []byte{0x30, 0}, 1, 0, 0x80))
	f.Fuzz(func(t *testing.T, data []byte) {
		begin := time.Now()
		for _, v := range []tlsprobe.Version{tlsprobe.SSL3, tlsprobe.TLS12} {
			_ = tlsprobe.FeedFlight(v, data)
		}
		_ = tlsprobe.FeedFlight2(data)
		_ = tlsprobe.FeedClear(data)
		bounded(t, begin)
	})
}

// FuzzProtected feeds handshake messages behind the protection of TLS 1.3.
func FuzzProtected(f *testing.F) {
	f.Add(false, message(8, []byte{0, 0}))
	f.Add(false, append(message(8, []byte{0, 4, 0, 42, 0, 0}), message(11, []byte{0, 0, 0, 0})...))
	f.Add(false, append(message(8, []byte{0, 0}), message(13, []byte{0, 0, 0})...))
	f.Add(true, message(4, []byte{0, 0, 0, 9, 0, 0, 0, 7, 1, 0, 0, 1, 5, 0, 8, 0, 42, 0, 4, 0, 0, 64, 0}))
	f.Fuzz(func(t *testing.T, after bool, data []byte) {
		_ = tlsprobe.FeedProtected(after, data)
	})
}
