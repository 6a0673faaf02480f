package tlsprobe_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wiretight/wiretight/internal/tlsprobe"
)

func TestSuiteClasses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		suite tlsprobe.Suite
		name  string
		want  []tlsprobe.Class
	}{
		{0x0003, "TLS_RSA_EXPORT_WITH_RC4_40_MD5", []tlsprobe.Class{tlsprobe.ClassExport, tlsprobe.ClassRC4, tlsprobe.ClassMD5, tlsprobe.ClassNoFS}},
		{0x0002, "TLS_RSA_WITH_NULL_SHA", []tlsprobe.Class{tlsprobe.ClassNULL, tlsprobe.ClassNoFS}},
		{0x0009, "TLS_RSA_WITH_DES_CBC_SHA", []tlsprobe.Class{tlsprobe.ClassDES, tlsprobe.ClassNoFS}},
		{0x000A, "TLS_RSA_WITH_3DES_EDE_CBC_SHA", []tlsprobe.Class{tlsprobe.Class3DES, tlsprobe.ClassNoFS}},
		{0x0014, "TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA", []tlsprobe.Class{tlsprobe.ClassExport, tlsprobe.ClassDES}},
		{0x0018, "TLS_DH_anon_WITH_RC4_128_MD5", []tlsprobe.Class{tlsprobe.ClassAnon, tlsprobe.ClassRC4, tlsprobe.ClassMD5}},
		{0x009C, "TLS_RSA_WITH_AES_128_GCM_SHA256", []tlsprobe.Class{tlsprobe.ClassNoFS}},
		{0xC004, "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA", []tlsprobe.Class{tlsprobe.ClassNoFS}},
		{0xC009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", []tlsprobe.Class{tlsprobe.ClassCBC}},
		{0xC02F, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", nil},
		{0xC012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", []tlsprobe.Class{tlsprobe.Class3DES}},
		{0xC018, "TLS_ECDH_anon_WITH_AES_128_CBC_SHA", []tlsprobe.Class{tlsprobe.ClassAnon}},
		{0xC0B4, "TLS_SHA256_SHA256", []tlsprobe.Class{tlsprobe.ClassNULL}},
		{0x1301, "TLS_AES_128_GCM_SHA256", nil},
		{0xFEFF, "SSL_RSA_FIPS_WITH_3DES_EDE_CBC_SHA", []tlsprobe.Class{tlsprobe.Class3DES, tlsprobe.ClassNoFS}},
		{0x0000, "TLS_NULL_WITH_NULL_NULL", []tlsprobe.Class{tlsprobe.ClassNULL, tlsprobe.ClassAnon}},
		{0x4A4A, "0x4A4A", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.suite.String(); got != tt.name {
				t.Errorf("name: got %q, want %q", got, tt.name)
			}
			if diff := cmp.Diff(tt.want, tt.suite.Classes(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("classes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClientHelloBounds(t *testing.T) {
	t.Parallel()
	h := tlsprobe.ClientHello{Version: tlsprobe.TLS12, Suites: make([]tlsprobe.Suite, 110)}
	msg, err := h.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if len(msg) < 512 {
		t.Errorf("got a hello of %d bytes, want none of 256 to 511", len(msg))
	}
	h.Suites = make([]tlsprobe.Suite, 40000)
	if _, err := h.Marshal(); err == nil {
		t.Error("a hello with 40000 suites was written, want an error")
	}
	h.Suites = make([]tlsprobe.Suite, 10000)
	if _, err := h.Marshal(); err == nil {
		t.Error("a hello longer than a record was written, want an error")
	}
	h = tlsprobe.ClientHello{Version: tlsprobe.SSL3, ServerName: host, Groups: []uint16{23}}
	if msg, err = h.Marshal(); err != nil || len(msg) != 43 {
		t.Errorf("got an SSL 3 hello of %d bytes, %v, want 43 without extensions", len(msg), err)
	}
}
