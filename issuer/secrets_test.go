package issuer_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/wiretight/wiretight/issuer"
)

func TestKeyEncryptionFileIsMadeOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "deep", "key")
	var mu sync.Mutex
	keys := map[string]int{}
	each(16, func(int) {
		key, err := issuer.LoadKeyEncryption(file)
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		keys[string(key)]++
	})
	if len(keys) != 1 {
		t.Errorf("got %d keys from one file, want 1", len(keys))
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v (%v), want 0600", info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(left) != 1 {
		t.Errorf("got %d files, want the key alone", len(left))
	}
}

func TestKeyEncryptionFileIsRefused(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("A", 43) + "=\n"
	for _, tc := range []struct {
		name, content string
		mode          os.FileMode
		want          string
	}{
		{"others may read", good, 0o644, "chmod 600"},
		{"group may read", good, 0o640, "chmod 600"},
		{"empty", "", 0o600, "32 bytes"},
		{"short", "AAAA\n", 0o600, "32 bytes"},
		{"no base64", strings.Repeat("!", 44), 0o600, "32 bytes"},
		{"huge", strings.Repeat("A", 1<<20), 0o600, "32 bytes"},
	} {
		file := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(file, []byte(tc.content), tc.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, tc.mode); err != nil {
			t.Fatal(err)
		}
		_, err := issuer.LoadKeyEncryption(file)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want a word about %q", tc.name, err, tc.want)
		}
		if after, _ := os.ReadFile(file); !bytes.Equal(after, []byte(tc.content)) {
			t.Errorf("%s: the file was written over", tc.name)
		}
	}
	if _, err := issuer.LoadKeyEncryption(t.TempDir()); err == nil {
		t.Error("a directory is taken for a key")
	}
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := issuer.LoadKeyEncryption(filepath.Join(blocked, "key")); err == nil {
		t.Error("a key is made below a file")
	}
}
