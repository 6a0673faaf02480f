package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/redact"
)

// TestAdviceIsReadable: what to write instead still says so after the masking
// that everything printed goes through.
func TestAdviceIsReadable(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/err/*.out")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d files, %v, want the golden problems", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			_, advice, _ := strings.Cut(strings.TrimSpace(line), "; ")
			if masked := redact.Mask(strings.TrimSpace(line)); !strings.HasSuffix(masked, advice) {
				t.Errorf("%s: got %q, want the advice %q in it", file, masked, advice)
			}
		}
	}
}
