package tlsprobe_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/tlsprobe"
)

func newRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// verdicts is a survey reduced to what a check decides by.
type verdicts struct {
	Versions     []tlsprobe.Version
	Classes      []tlsprobe.Class
	Fallback     tlsprobe.Verdict
	Unmarked     tlsprobe.Verdict
	Renegotation tlsprobe.Verdict
	EarlyData    tlsprobe.Verdict
	DHBits       int
}

func reduce(s tlsprobe.Survey) verdicts {
	return verdicts{
		s.Versions.Accepted(), s.Classes.Accepted(), s.Downgrade.Fallback.Verdict, s.Downgrade.Unmarked.Verdict,
		s.Renegotiation.Verdict, s.EarlyData.Verdict, s.Classes[tlsprobe.ClassWeakDH].Bits,
	}
}

// explain logs what led to the verdicts of a failed test.
func explain(t *testing.T, s tlsprobe.Survey) {
	t.Helper()
	for _, v := range tlsprobe.AllVersions() {
		t.Logf("%v: %v", v, s.Versions[v].Outcome)
	}
	for _, c := range tlsprobe.AllClasses() {
		t.Logf("%v: %v", c, s.Classes[c].Outcome)
	}
	t.Logf("fallback: %v; unmarked: %v; renegotiation: %v; early data: %v",
		s.Downgrade.Fallback, s.Downgrade.Unmarked, s.Renegotiation, s.EarlyData.Outcome)
}

const (
	acc = tlsprobe.Accepted
	ref = tlsprobe.Refused
	na  = tlsprobe.NotApplicable
)

// certs are the certificates that the real peers below serve.
type certs struct {
	root, mid      *authority
	rsa, ec        *authority
	rsaPEM, rsaKey string
	ecPEM, ecKey   string
}

func newCerts(t testing.TB) certs {
	t.Helper()
	var c certs
	c.root = newCA(t, nil, "Root")
	c.mid = newCA(t, c.root, "Intermediate")
	c.rsa = leafWithKey(t, c.mid, newRSA(t, 2048))
	c.ec = newLeaf(t, c.mid)
	c.rsaPEM, c.rsaKey = c.rsa.files(t)
	c.ecPEM, c.ecKey = c.ec.files(t)
	return c
}

var (
	modern = []tlsprobe.Version{tlsprobe.TLS12, tlsprobe.TLS13}
	noSSL  = []tlsprobe.Version{tlsprobe.TLS10, tlsprobe.TLS11, tlsprobe.TLS12, tlsprobe.TLS13}
	cbc    = []tlsprobe.Class{tlsprobe.ClassCBC}
)

func TestSurveyOpenSSL(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	serve := func(args ...string) string {
		return openssl(t, append([]string{"-www", "-cert", c.rsaPEM, "-key", c.rsaKey}, args...)...)
	}
	tests := []struct {
		name string
		addr string
		want verdicts
	}{
		{"everything that it has", serve("-dcert", c.ecPEM, "-dkey", c.ecKey, "-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"), verdicts{
			noSSL, []tlsprobe.Class{tlsprobe.ClassNULL, tlsprobe.ClassAnon, tlsprobe.ClassMD5, tlsprobe.ClassNoFS, tlsprobe.ClassCBC}, ref, ref, acc, ref, 2048,
		}},
		{"defaults", serve(), verdicts{
			modern, []tlsprobe.Class{tlsprobe.ClassNoFS, tlsprobe.ClassCBC}, na, ref, acc, ref, 2048,
		}},
		{"only TLS 1.3", serve("-tls1_3"), verdicts{
			[]tlsprobe.Version{tlsprobe.TLS13}, nil, na, na, na, ref, 0,
		}},
		{"only TLS 1.2", serve("-tls1_2", "-cipher", "ECDHE+AESGCM"), verdicts{
			[]tlsprobe.Version{tlsprobe.TLS12}, nil, na, na, acc, na, 0,
		}},
		{"only TLS 1.0", serve("-tls1", "-cipher", "ALL:@SECLEVEL=0"), verdicts{
			[]tlsprobe.Version{tlsprobe.TLS10}, []tlsprobe.Class{tlsprobe.ClassAnon, tlsprobe.ClassNoFS, tlsprobe.ClassCBC}, na, na, acc, na, 2048,
		}},
		{"a hole at TLS 1.1", serve("-no_tls1_1", "-no_tls1_3", "-cipher", "ECDHE:!eNULL:@SECLEVEL=0"), verdicts{
			[]tlsprobe.Version{tlsprobe.TLS10, tlsprobe.TLS12}, cbc, ref, na, acc, na, 0,
		}},
		{"only static RSA", serve("-no_tls1_3", "-cipher", "kRSA"), verdicts{
			[]tlsprobe.Version{tlsprobe.TLS12}, []tlsprobe.Class{tlsprobe.ClassNoFS}, na, na, acc, na, 0,
		}},
		{"a group of 1024 bits", serve("-no_tls1_3", "-cipher", "DHE:@SECLEVEL=0", "-dhparam", dhParameters(t)), verdicts{
			[]tlsprobe.Version{tlsprobe.TLS10, tlsprobe.TLS11, tlsprobe.TLS12}, []tlsprobe.Class{tlsprobe.ClassWeakDH, tlsprobe.ClassCBC}, ref, na, acc, na, 1024,
		}},
		{"a client certificate is wanted", serve("-Verify", "1"), verdicts{
			modern, []tlsprobe.Class{tlsprobe.ClassNoFS, tlsprobe.ClassCBC}, na, ref, acc, tlsprobe.Inconclusive, 2048,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := probe(tt.addr).Survey(t.Context())
			if diff := cmp.Diff(tt.want, reduce(s)); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
				explain(t, s)
			}
			if s.Connections > tlsprobe.MaxConnections {
				t.Errorf("got %d connections, want at most %d", s.Connections, tlsprobe.MaxConnections)
			}
		})
	}
}

// oakley2 is the prime of the second Oakley group, of 1024 bits (RFC 2409 §6.2).
const oakley2 = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD" +
	"EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED" +
	"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF"

// dhParameters writes a group of 1024 bits as PEM.
func dhParameters(t testing.TB) string {
	t.Helper()
	p, ok := new(big.Int).SetString(oakley2, 16)
	if !ok {
		t.Fatal("the prime is no number")
	}
	der, err := asn1.Marshal(struct{ P, G *big.Int }{p, big.NewInt(2)})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "dh.pem")
	write(t, path, pem.EncodeToMemory(&pem.Block{Type: "DH PARAMETERS", Bytes: der}))
	return path
}

func TestSurveyJDK(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	both := keyStore(t, map[string]*authority{"rsa": c.rsa, "ec": c.ec})
	weak := []tlsprobe.Class{
		tlsprobe.ClassNULL, tlsprobe.ClassAnon, tlsprobe.ClassExport, tlsprobe.ClassDES,
		tlsprobe.Class3DES, tlsprobe.ClassRC4, tlsprobe.ClassMD5,
	}
	rest := []tlsprobe.Class{tlsprobe.ClassNoFS, tlsprobe.ClassCBC}
	const old = "SSLv3,TLSv1"
	plain := jdk(t, both, "-Djdk.tls.ephemeralDHKeySize=2048",
		offer{"SSLv3,TLSv1,TLSv1.1,TLSv1.2,TLSv1.3", "all"},
		offer{"SSLv3", "SSL_RSA_WITH_3DES_EDE_CBC_SHA,SSL_RSA_WITH_RC4_128_MD5"},
		offer{old, "SSL_RSA_EXPORT_WITH_DES40_CBC_SHA"},
		offer{"TLSv1.2", "TLS_DH_anon_WITH_AES_128_CBC_SHA"},
	)
	legacy := jdk(t, both, "-Djdk.tls.ephemeralDHKeySize=legacy", offer{old, "all"})
	tests := []struct {
		name string
		addr string
		want verdicts
	}{
		{"everything from SSL 3 on", plain[0], verdicts{
			append([]tlsprobe.Version{tlsprobe.SSL3}, noSSL...), slices.Concat(weak, rest), acc, ref, acc, ref, 2048,
		}},
		{"SSL 3 only", plain[1], verdicts{
			[]tlsprobe.Version{tlsprobe.SSL3}, []tlsprobe.Class{tlsprobe.Class3DES, tlsprobe.ClassRC4, tlsprobe.ClassMD5, tlsprobe.ClassNoFS}, na, na, acc, na, 0,
		}},
		{"one export suite", plain[2], verdicts{
			[]tlsprobe.Version{tlsprobe.SSL3, tlsprobe.TLS10}, []tlsprobe.Class{tlsprobe.ClassExport, tlsprobe.ClassDES, tlsprobe.ClassNoFS}, acc, na, acc, na, 0,
		}},
		{"anonymous only", plain[3], verdicts{
			[]tlsprobe.Version{tlsprobe.TLS12}, []tlsprobe.Class{tlsprobe.ClassAnon}, na, na, acc, na, 2048,
		}},
		{"SSL 3 and TLS 1.0 with groups of 768 bits", legacy[0], verdicts{
			[]tlsprobe.Version{tlsprobe.SSL3, tlsprobe.TLS10}, slices.Concat(weak, []tlsprobe.Class{tlsprobe.ClassWeakDH}, rest), acc, na, acc, na, 768,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := probe(tt.addr)
			p.Timeout = 20 * time.Second // the first handshake of a cold JVM
			s := p.Survey(t.Context())
			if diff := cmp.Diff(tt.want, reduce(s)); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
				explain(t, s)
			}
			if s.Connections > tlsprobe.MaxConnections {
				t.Errorf("got %d connections, want at most %d", s.Connections, tlsprobe.MaxConnections)
			}
		})
	}
}

func TestSurveyGo(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	tests := []struct {
		name   string
		config *tls.Config
		want   verdicts
	}{
		{"defaults", &tls.Config{}, verdicts{modern, cbc, na, ref, acc, ref, 0}},
		{"from TLS 1.0 on", &tls.Config{MinVersion: tls.VersionTLS10}, verdicts{noSSL, cbc, ref, ref, acc, ref, 0}},
		{"AEAD only", &tls.Config{CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}, verdicts{modern, nil, na, ref, acc, ref, 0}},
		{"no tickets", &tls.Config{SessionTicketsDisabled: true, MinVersion: tls.VersionTLS13}, verdicts{[]tlsprobe.Version{tlsprobe.TLS13}, nil, na, na, na, ref, 0}},
		{"hybrid group only", &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}, MinVersion: tls.VersionTLS13}, verdicts{
			[]tlsprobe.Version{tlsprobe.TLS13}, nil, na, na, na, ref, 0,
		}},
		{"P-521 only", &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP521}}, verdicts{modern, cbc, na, ref, acc, ref, 0}},
		{"3DES", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}, Certificates: []tls.Certificate{c.rsa.serve(c.mid)}}, verdicts{
			[]tlsprobe.Version{tlsprobe.TLS12}, []tlsprobe.Class{tlsprobe.Class3DES, tlsprobe.ClassNoFS}, na, na, acc, na, 0,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := tt.config.Clone()
			if config.Certificates == nil {
				config.Certificates = []tls.Certificate{c.ec.serve(c.mid)}
			}
			p := probe(goServer(t, config))
			p.Roots = pool(c.root)
			s := p.Survey(t.Context())
			if diff := cmp.Diff(tt.want, reduce(s)); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
				explain(t, s)
			}
			if got := s.Chains.SNI.Trust; got != tlsprobe.Trusted {
				t.Errorf("trust: got %v (%s), want trusted", got, s.Chains.SNI.TrustReason)
			}
		})
	}
}
