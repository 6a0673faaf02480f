package tlsprobe_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/tlsprobe"
)

// selfSigned makes a self-signed certificate with openssl, which signs what Go
// will not.
func selfSigned(t testing.TB, args ...string) (der []byte, cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	run(t, need(t, "openssl", "openssl"), append([]string{
		"req", "-x509", "-nodes", "-keyout", key, "-out", cert, "-days", "100", "-subj", "/CN=" + host, "-addext", "subjectAltName=DNS:" + host,
	}, args...)...)
	return readPEM(t, cert), cert, key
}

func readPEM(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("no PEM in %s", path)
	}
	return block.Bytes
}

func TestWeakCertificates(t *testing.T) {
	t.Parallel()
	newkey := func(parts ...string) []string { return append([]string{"-newkey"}, parts...) }
	tests := []struct {
		name          string
		args          []string
		key, signture string
	}{
		{"RSA 512", newkey("rsa:512"), "RSA of 512 bits", ""},
		{"RSA 1024", newkey("rsa:1024"), "RSA of 1024 bits", ""},
		{"RSA 2048", newkey("rsa:2048"), "", ""},
		{"RSA with exponent 3", newkey("rsa:2048", "-pkeyopt", "rsa_keygen_pubexp:3"), "", ""},
		{"MD5", newkey("rsa:2048", "-md5"), "", "MD5-RSA"},
		{"SHA-1", newkey("rsa:2048", "-sha1"), "", "SHA1-RSA"},
		{"SHA-1 with ECDSA", newkey("ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-sha1"), "", "SHA1-ECDSA"},
		{"SHA-224", newkey("rsa:2048", "-sha224"), "", ""},
		{"PSS with SHA-1", newkey("rsa:2048", "-sha1", "-sigopt", "rsa_padding_mode:pss"), "", "SHA1-RSAPSS"},
		{"PSS with SHA-256", newkey("rsa:2048", "-sha256", "-sigopt", "rsa_padding_mode:pss"), "", ""},
		{"P-192", newkey("ec", "-pkeyopt", "ec_paramgen_curve:P-192"), "EC of 192 bits", ""},
		{"P-224", newkey("ec", "-pkeyopt", "ec_paramgen_curve:P-224"), "", ""},
		{"secp112r1", newkey("ec", "-pkeyopt", "ec_paramgen_curve:secp112r1"), "EC of 112 bits", ""},
		{"brainpoolP256r1", newkey("ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"), "", ""},
		{"explicit curve of 160 bits", newkey("ec", "-pkeyopt", "ec_paramgen_curve:secp160r1", "-pkeyopt", "ec_param_enc:explicit"), "EC of 160 bits", ""},
		{"Ed25519", newkey("ed25519"), "", ""},
		{"Ed448", newkey("ed448"), "", ""},
		{"DSA 1024", newkey("dsa:" + dsaParameters(t)), "DSA of 1024 bits", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			der, _, _ := selfSigned(t, tt.args...)
			c, err := tlsprobe.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.WeakKey(); got != tt.key {
				t.Errorf("weak key: got %q, want %q", got, tt.key)
			}
			if got := c.WeakSignature(); got != tt.signture {
				t.Errorf("weak signature: got %q, want %q (%s)", got, tt.signture, c.Signature)
			}
			if !c.Matches(host) || !c.SelfIssued() || c.Subject != "CN="+host {
				t.Errorf("got subject %q, self-issued %v, matches %v, want CN=%s, true, true", c.Subject, c.SelfIssued(), c.Matches(host), host)
			}
			switch {
			case c.KeyType == "RSA", c.KeyType == "Ed25519", c.Curve == "P-256", c.Curve == "P-224":
				if !tlsprobe.SignedBy(c, c) {
					t.Errorf("a signature by %s does not verify", c.Signature)
				}
			}
		})
	}
}

func dsaParameters(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dsa.pem")
	run(t, need(t, "openssl", "openssl"), "genpkey", "-genparam", "-algorithm", "DSA", "-pkeyopt", "dsa_paramgen_bits:1024", "-out", path)
	return path
}

func TestExponentOne(t *testing.T) {
	t.Parallel()
	der := leafWithKey(t, nil, newRSA(t, 2048)).cert.Raw
	old, forged := []byte{2, 3, 1, 0, 1}, []byte{2, 3, 0, 0, 1}
	if n := bytes.Count(der, old); n != 1 {
		t.Fatalf("found the exponent %d times, want once", n)
	}
	for name, replace := range map[string][]byte{"two": {2, 3, 0, 0, 2}, "even": {2, 3, 1, 0, 2}} {
		c, err := tlsprobe.ParseCertificate(bytes.Replace(der, old, replace, 1))
		if err == nil && c.WeakKey() == "" {
			t.Errorf("%s: got no weakness of exponent %v", name, c.Exponent)
		}
	}
	// A number that is padded is no DER, and no crash.
	if _, err := tlsprobe.ParseCertificate(bytes.Replace(der, old, forged, 1)); err == nil {
		t.Error("a padded exponent was read, want an error")
	}
}

// What x509 reads, the lenient parser reads alike.
func TestCertificateAgreesWithX509(t *testing.T) {
	t.Parallel()
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := newCA(t, nil, "Root")
	keys := map[string]crypto.Signer{"RSA": newRSA(t, 2048), "EC": p384, "Ed25519": edKey}
	for kind, key := range keys {
		t.Run(kind, func(t *testing.T) {
			a := leafWithKey(t, root, key, func(c *x509.Certificate) {
				c.Subject = pkix.Name{CommonName: "a\x1b[31m\"b", Organization: []string{"O", "P"}, Country: []string{"CH"}}
				c.DNSNames = []string{"a.test", "*.b.test"}
				c.IPAddresses = []net.IP{net.IPv4(10, 0, 0, 1).To4(), net.ParseIP("2001:db8::1")}
				c.NotAfter = time.Date(2070, 1, 2, 3, 4, 5, 0, time.UTC)
			})
			got, err := tlsprobe.ParseCertificate(a.cert.Raw)
			if err != nil {
				t.Fatal(err)
			}
			if got.KeyType != kind {
				t.Errorf("key type: got %q, want %q", got.KeyType, kind)
			}
			if diff := cmp.Diff(a.cert.DNSNames, got.DNSNames); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(a.cert.IPAddresses, got.IPAddresses); diff != "" {
				t.Errorf("addresses (-want +got):\n%s", diff)
			}
			if !got.NotBefore.Equal(a.cert.NotBefore) || !got.NotAfter.Equal(a.cert.NotAfter) {
				t.Errorf("validity: got %v to %v, want %v to %v", got.NotBefore, got.NotAfter, a.cert.NotBefore, a.cert.NotAfter)
			}
			if strings.ContainsAny(got.Subject, "\x1b\n") {
				t.Errorf("the subject %q can move a cursor", got.Subject)
			}
			if want := fmt.Sprintf("%x", a.cert.SerialNumber.Bytes()); got.Serial != want {
				t.Errorf("serial: got %s, want %s", got.Serial, want)
			}
			issuer, err := tlsprobe.ParseCertificate(root.cert.Raw)
			if err != nil {
				t.Fatal(err)
			}
			if !issuer.CA || got.CA {
				t.Errorf("got authorities %v and %v, want true, false", issuer.CA, got.CA)
			}
			if !tlsprobe.SignedBy(got, issuer) || tlsprobe.SignedBy(issuer, got) {
				t.Error("the signature was not told from a foreign one")
			}
		})
	}
}

// The byte that DER puts before a number with its first bit set is no part of
// the serial that openssl and every CA show.
func TestSerial(t *testing.T) {
	t.Parallel()
	for number, want := range map[int64]string{
		0x1: "01", 0x7f: "7f", 0x80: "80", 0xa0001: "0a0001", 0x80e3e6b005badb: "80e3e6b005badb",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			leaf := newLeaf(t, nil, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(number) })
			c, err := tlsprobe.ParseCertificate(leaf.cert.Raw)
			if err != nil {
				t.Fatal(err)
			}
			if c.Serial != want {
				t.Errorf("got %s, want %s", c.Serial, want)
			}
		})
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	root := newCA(t, nil, "Root")
	tests := []struct {
		names string
		host  string
		want  bool
	}{
		{"a.test", "a.test", true},
		{"a.test", "A.TEST.", true},
		{"A.test", "a.test", true},
		{"a.test", "b.a.test", false},
		{"a.test", "a.test.evil", false},
		{"*.a.test", "b.a.test", true},
		{"*.a.test", "a.test", false},
		{"*.a.test", "c.b.a.test", false},
		{"*.a.test", ".a.test", false},
		{"b*.a.test", "bc.a.test", false},
		{"*", "a", false},
		{"a.test", "", false},
		{"a.test,b.test", "b.test", true},
		{"10.0.0.1", "10.0.0.1", true},
		{"10.0.0.1", "10.0.0.2", false},
		{"2001:db8::1", "[2001:db8::1]", true},
		{"2001:db8::1", "2001:DB8:0::1", true},
	}
	for _, tt := range tests {
		t.Run(tt.names+" "+tt.host, func(t *testing.T) {
			t.Parallel()
			a := newLeaf(t, root, func(c *x509.Certificate) {
				c.Subject.CommonName, c.DNSNames, c.IPAddresses = tt.host, nil, nil
				for _, n := range strings.Split(tt.names, ",") {
					if ip := net.ParseIP(n); ip != nil {
						c.IPAddresses = append(c.IPAddresses, ip)
					} else {
						c.DNSNames = append(c.DNSNames, n)
					}
				}
			})
			c, err := tlsprobe.ParseCertificate(a.cert.Raw)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Matches(tt.host); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if x := a.cert.VerifyHostname(tt.host) == nil; x != tt.want {
				t.Errorf("crypto/x509 says %v, want %v", x, tt.want)
			}
		})
	}
}

func TestLifetime(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name string
		life time.Duration
		at   time.Duration
		want tlsprobe.Lifetime
	}{
		{"before", 365 * day, -6 * time.Minute, tlsprobe.NotYetValid},
		{"before, by the clock's skew", 365 * day, -4 * time.Minute, tlsprobe.Valid},
		{"fresh", 365 * day, day, tlsprobe.Valid},
		{"15 days left", 365 * day, 350 * day, tlsprobe.Valid},
		{"13 days left", 365 * day, 352 * day, tlsprobe.Expiring},
		{"16 of 90 days left", 90 * day, 74 * day, tlsprobe.Valid},
		{"14 of 90 days left", 90 * day, 76 * day, tlsprobe.Expiring},
		{"2 of 6 days left", 6 * day, 4 * day, tlsprobe.Valid},
		{"half a day of 6 left", 6 * day, 5*day + 12*time.Hour, tlsprobe.Expiring},
		{"after, by the clock's skew", 365 * day, 365*day + 4*time.Minute, tlsprobe.Expiring},
		{"after", 365 * day, 365*day + 6*time.Minute, tlsprobe.Expired},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := tlsprobe.Certificate{NotBefore: begin, NotAfter: begin.Add(tt.life)}
			if got := c.Lifetime(begin.Add(tt.at)); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// weakIssue signs a request with openssl by digest.
func weakIssue(t testing.TB, by *authority, digest string, extensions string, key crypto.Signer) *authority {
	t.Helper()
	dir := t.TempDir()
	caCert, caKey := by.files(t)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	write(t, path("key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	write(t, path("ext"), []byte(extensions))
	bin := need(t, "openssl", "openssl")
	run(t, bin, "req", "-new", "-key", path("key"), "-subj", "/CN=weak "+digest, "-out", path("csr"))
	run(t, bin, "x509", "-req", "-in", path("csr"), "-CA", caCert, "-CAkey", caKey, "-set_serial", "77", digest,
		"-days", "100", "-extfile", path("ext"), "-out", path("cert"))
	c, err := x509.ParseCertificate(readPEM(t, path("cert")))
	if err != nil {
		t.Fatal(err)
	}
	return &authority{c, key}
}

func TestWeakSignaturesInTheChain(t *testing.T) {
	t.Parallel()
	root := leafWithKey(t, nil, newRSA(t, 2048), func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "Root"}
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil
		c.NotBefore = time.Now().AddDate(-1, 0, 0)
	})
	const ca, server = "basicConstraints=critical,CA:TRUE\n", "subjectAltName=DNS:" + host + "\n"
	sha1Mid := weakIssue(t, root, "-sha1", ca, newKey(t))
	md5Leaf := weakIssue(t, root, "-md5", server, newKey(t))
	sha1Root, rootCert, rootKey := selfSigned(t, "-newkey", "rsa:2048", "-sha1")
	weakRoot := &authority{mustParse(t, sha1Root), mustKey(t, rootKey)}
	if rootCert == "" {
		t.Fatal("no root")
	}
	tests := []struct {
		name  string
		sent  []*authority
		roots []*authority
		trust tlsprobe.Trust
		weak  []string
	}{
		{"SHA-1 intermediate", []*authority{newLeaf(t, sha1Mid), sha1Mid}, []*authority{root}, tlsprobe.WeaklySigned, []string{"SHA1-RSA"}},
		{"SHA-1 intermediate with the root", []*authority{newLeaf(t, sha1Mid), sha1Mid, root}, []*authority{root}, tlsprobe.WeaklySigned, []string{"SHA1-RSA"}},
		{"SHA-1 intermediate that is a root", []*authority{newLeaf(t, sha1Mid), sha1Mid}, []*authority{sha1Mid}, tlsprobe.Trusted, nil},
		{"MD5 leaf", []*authority{md5Leaf, root}, []*authority{root}, tlsprobe.WeaklySigned, []string{"MD5-RSA"}},
		{"SHA-1 root, sent", []*authority{newLeaf(t, weakRoot), weakRoot}, []*authority{weakRoot}, tlsprobe.Trusted, nil},
		{"SHA-1 root, sent, unknown", []*authority{newLeaf(t, weakRoot), weakRoot}, nil, tlsprobe.UnknownRoot, nil},
		{"self-signed by SHA-1", []*authority{weakRoot}, nil, tlsprobe.SelfSigned, []string{"SHA1-RSA"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cert := tt.sent[0].serve(tt.sent[1:]...)
			p := probe(goServer(t, certConfig(cert)))
			p.Roots = pool(tt.roots...)
			c := p.Chain(t.Context(), p.Versions(t.Context())).SNI
			if c.Trust != tt.trust {
				t.Errorf("trust: got %v (%s), want %v", c.Trust, c.TrustReason, tt.trust)
			}
			var weak []string
			for _, w := range c.WeakSignatures() {
				weak = append(weak, w.Signature)
			}
			if diff := cmp.Diff(tt.weak, weak); diff != "" {
				t.Errorf("weak signatures (-want +got):\n%s", diff)
			}
		})
	}
}

func mustParse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustKey(t testing.TB, path string) crypto.Signer {
	t.Helper()
	key, err := x509.ParsePKCS8PrivateKey(readPEM(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return key.(crypto.Signer)
}

// What clients would never look at does not count, unless nothing is trusted.
func TestWeakKeysInTheChain(t *testing.T) {
	t.Parallel()
	root := newCA(t, nil, "Root")
	weak, strong := leafWithKey(t, root, newRSA(t, 1024)), newLeaf(t, root)
	tests := []struct {
		name  string
		sent  []*authority
		roots []*authority
		want  []string
	}{
		{"weak", []*authority{weak}, []*authority{root}, []string{"RSA of 1024 bits"}},
		{"weak stranger in a trusted chain", []*authority{strong, weak}, []*authority{root}, nil},
		{"weak stranger in an untrusted chain", []*authority{strong, weak}, nil, []string{"RSA of 1024 bits"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := probe(goServer(t, certConfig(tt.sent[0].serve(tt.sent[1:]...))))
			p.Roots = pool(tt.roots...)
			var got []string
			for _, c := range p.Chain(t.Context(), p.Versions(t.Context())).SNI.WeakKeys() {
				got = append(got, c.WeakKey())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("weak keys (-want +got):\n%s", diff)
			}
		})
	}
}

// A certificate that crypto/x509 refuses is judged all the same.
func TestCertificateThatX509Refuses(t *testing.T) {
	t.Parallel()
	der := bytes.Clone(leafWithKey(t, nil, newRSA(t, 2048)).cert.Raw)
	// A negative serial number: its first byte comes behind the version.
	at := bytes.Index(der, []byte{0xA0, 3, 2, 1, 2, 2})
	der[at+7] |= 0x80
	if _, err := x509.ParseCertificate(der); err == nil {
		t.Fatal("crypto/x509 reads it, want a certificate that it refuses")
	}
	c, err := tlsprobe.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if c.KeyBits != 2048 || c.KeyType != "RSA" || !c.Matches(host) {
		t.Errorf("got %s of %d bits, matches %v, want RSA, 2048, true", c.KeyType, c.KeyBits, c.Matches(host))
	}
	if c.Exponent.Cmp(big.NewInt(65537)) != 0 {
		t.Errorf("exponent: got %v, want 65537", c.Exponent)
	}
}
