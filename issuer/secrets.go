package issuer

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keyEncryptionSize is the length of the key that all others come from.
const keyEncryptionSize = 32

// secrets are the keys that come from the key encryption key, one a purpose.
type secrets struct {
	seal    cipher.AEAD // signing keys in the store
	refresh []byte      // authenticates refresh tokens
	nonce   []byte      // authenticates DPoP nonces
}

func newSecrets(kek []byte) (*secrets, error) {
	derive := func(purpose string) ([]byte, error) {
		return hkdf.Key(sha256.New, kek, nil, "wiretight issuer: "+purpose, 32)
	}
	s := &secrets{}
	sealing, err := derive("seal signing keys")
	if err == nil {
		s.refresh, err = derive("refresh tokens")
	}
	if err == nil {
		s.nonce, err = derive("DPoP nonces")
	}
	if err != nil {
		return nil, fmt.Errorf("derive keys: %w", err)
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	if s.seal, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return s, nil
}

// LoadKeyEncryption reads the key encryption key from a file, or makes the file
// with mode 0600 if there is none. Of several processes that make it at once
// one wins, and the others read what it wrote. A file that others may read is
// an error.
func LoadKeyEncryption(path string) ([]byte, error) {
	key, err := readKeyEncryption(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	key = NewKeyEncryption()
	if err := writeNew(path, []byte(base64.StdEncoding.EncodeToString(key)+"\n")); errors.Is(err, fs.ErrExist) {
		return readKeyEncryption(path)
	} else if err != nil {
		return nil, err
	}
	return key, nil
}

func readKeyEncryption(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open key encryption file %q: %w", path, err)
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read key encryption file %q: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("key encryption file %q is no regular file; name one that may be made", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("key encryption file %q can be read by others; chmod 600 it", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if err != nil {
		return nil, fmt.Errorf("read key encryption file %q: %w", path, err)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != keyEncryptionSize {
		return nil, fmt.Errorf("key encryption file %q does not hold 32 bytes in base64; put the right one back, or make one with: openssl rand -base64 32", path)
	}
	return key, nil
}

// writeNew writes a file that appears whole or not at all, and never takes the
// place of another.
func writeNew(path string, data []byte) error {
	wrap := func(err error) error {
		if err == nil {
			return nil
		}
		return fmt.Errorf("write key encryption file %q: %w", path, err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return wrap(err)
	}
	f, err := os.CreateTemp(dir, ".key-") // mode 0600
	if err != nil {
		return wrap(err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // the draft; the file itself is another link
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return wrap(err)
	}
	return wrap(os.Link(f.Name(), path))
}

// NewKeyEncryption makes a key encryption key for a store that nobody shares and
// that ends with the process.
func NewKeyEncryption() []byte {
	key := make([]byte, keyEncryptionSize)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	return key
}
