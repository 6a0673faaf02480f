package redact_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/redact"
)

// A token as an issuer makes it, with a signature that can be searched for.
const (
	headerPart  = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9"
	payloadPart = "eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY29tLyIsInN1YiI6ImFsaWNlIn0"
	signature   = "CaNaRy-sIgNaTuRe_7f3e91aaBBccDDeeFFggHHiiJJkkLLmmNN"
	signed      = headerPart + "." + payloadPart
	token       = signed + "." + signature
	// jwe has five parts, of which the second may be empty.
	jwe = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aXZpdml2aXZpdml2.CaNaRyCiPhErTeXt.dGFndGFndGFn"
)

func hash8(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:8]
}

func TestToken(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, raw, want string }{
		{"an opaque secret shows nothing of itself", "hunter2", "…" + hash8("hunter2")},
		{"neither does a long one", "s3cr3ts3cr3ts3cr3t", "…" + hash8("s3cr3ts3cr3ts3cr3t")},
		{"nor one with control characters", "ab\x1b[2Jcd.x.y", "…" + hash8("ab\x1b[2Jcd.x.y")},
		{"nor invalid UTF-8", "\xff\xfe\xfd\xfc\xfb\xfa.a.b", "…" + hash8("\xff\xfe\xfd\xfc\xfb\xfa.a.b")},
		{"nor a short header", "eyJhb.eyJ.x", "…" + hash8("eyJhb.eyJ.x")},
		{"nothing", "", "…" + hash8("")},
		{"a token", token, "eyJhbG…" + hash8(token)},
		{"another alphabet of header", "ewogICJhbGciOiJub25lIn0.e30.", "ewogIC…" + hash8("ewogICJhbGciOiJub25lIn0.e30.")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := redact.Token(test.raw); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if a, b := redact.Token(token), redact.Token(token+"x"); a == b || !strings.HasPrefix(b, "eyJhbG…") {
		t.Errorf("got %q and %q, want two tokens told apart by their hash", a, b)
	}
}
