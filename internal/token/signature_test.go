package token_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"testing"

	"github.com/wiretight/wiretight/internal/token"
)

// TestDigest is the hash of the whole text, of every length.
func TestDigest(t *testing.T) {
	t.Parallel()
	text := string(fixed("text", 1600))
	for n := range len(text) {
		s256, s384, s512 := sha256.Sum256([]byte(text[:n])), sha512.Sum384([]byte(text[:n])), sha512.Sum512([]byte(text[:n]))
		for alg, want := range map[string][]byte{"RS256": s256[:], "ES384": s384[:], "PS512": s512[:]} {
			if got := token.Digest(alg, text[:n]); !bytes.Equal(got, want) {
				t.Fatalf("%s of %d bytes: got %x, want %x", alg, n, got, want)
			}
		}
	}
}
