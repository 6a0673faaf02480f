package issuer_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/issuer"
)

// TestKidIsNoFlag: kids are typed after keys retire, where a dash begins a flag.
// Of 600 thumbprints as they come, all but one run in ten thousand has one.
func TestKidIsNoFlag(t *testing.T) {
	t.Parallel()
	for range 300 {
		s := store.NewMemory(time.Now, 0)
		r, err := issuer.OpenRing(issuer.RingConfig{
			Store: s, KeyEncryption: issuer.NewKeyEncryption(), Algorithm: "EdDSA",
			AccessTTL: time.Minute, Rotate: time.Hour, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		keys, err := r.List(t.Context())
		if err != nil || len(keys) != 2 {
			t.Fatalf("got %d keys, %v, want 2", len(keys), err)
		}
		for _, k := range keys {
			if strings.HasPrefix(k.ID, "-") {
				t.Errorf("got kid %q", k.ID)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
