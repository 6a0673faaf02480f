package issuer

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"
)

// Parameters of argon2id (RFC 9106): 19 MiB, two passes, one lane.
const (
	hashMemory = 19 << 10 // KiB
	hashTime   = 2
	hashLanes  = 1
	hashSize   = 32
	hashSalt   = 16
	hashPrefix = "$argon2id$v=19$m=19456,t=2,p=1$"
)

// The shortest and the longest password, in bytes.
const (
	minPassword = 8
	maxPassword = 1 << 10
)

// maxWaiting bounds who waits for a place to hash.
const maxWaiting = 128

// hasher computes password hashes, at most as many at a time as there are
// cores: each takes 19 MiB and a core.
type hasher struct {
	places  chan struct{}
	waiting atomic.Int64
	workers *workers // nil: in this process
}

func newHasher(command func() *exec.Cmd) *hasher {
	h := &hasher{places: make(chan struct{}, runtime.GOMAXPROCS(0))}
	if command != nil {
		h.workers = &workers{command: command}
	}
	return h
}

func (h *hasher) close() {
	if h.workers != nil {
		h.workers.close()
	}
}

// errHashingBusy says that too many wait.
var errHashingBusy = errors.New("too many passwords wait to be looked at")

func (h *hasher) hash(ctx context.Context, password string, salt []byte) ([]byte, error) {
	if h.waiting.Add(1) > maxWaiting {
		h.waiting.Add(-1)
		return nil, errHashingBusy
	}
	defer h.waiting.Add(-1)
	select {
	case h.places <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to hash a password: %w", ctx.Err())
	}
	defer func() { <-h.places }()
	if h.workers != nil {
		sum, err := h.workers.hash(ctx, password, salt)
		if !errors.Is(err, errNoWorker) {
			return sum, err
		}
		// Where no process may be started, logins go on at the others' expense.
	}
	return argon2id([]byte(password), salt), nil
}

// encode hashes a new password for the store.
func (h *hasher) encode(ctx context.Context, password string) (string, error) {
	if err := checkPassword(password); err != nil {
		return "", err
	}
	salt := make([]byte, hashSalt)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	sum, err := h.hash(ctx, password, salt)
	if err != nil {
		return "", err
	}
	return hashPrefix + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(sum), nil
}

// verify compares a password with a stored hash. An empty hash stands for
// nobody: it costs the same and never matches.
func (h *hasher) verify(ctx context.Context, password, encoded string) (bool, error) {
	salt, want := make([]byte, hashSalt), make([]byte, hashSize)
	if encoded != "" {
		var err error
		if salt, want, err = decodeHash(encoded); err != nil {
			return false, err
		}
	}
	got, err := h.hash(ctx, password, salt)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1 && encoded != "", nil
}

func decodeHash(encoded string) (salt, sum []byte, err error) {
	rest, ok := strings.CutPrefix(encoded, hashPrefix)
	s, k, cut := strings.Cut(rest, "$")
	salt, errSalt := base64.RawStdEncoding.Strict().DecodeString(s)
	sum, errSum := base64.RawStdEncoding.Strict().DecodeString(k)
	if !ok || !cut || errSalt != nil || errSum != nil || len(salt) != hashSalt || len(sum) != hashSize {
		return nil, nil, errors.New("decode password hash: it is of unknown form")
	}
	return salt, sum, nil
}

// checkPassword refuses what nobody should use or could type.
func checkPassword(p string) error {
	switch {
	case len(p) < minPassword:
		return fmt.Errorf("password has %d bytes; use %d or more", len(p), minPassword)
	case len(p) > maxPassword:
		return fmt.Errorf("password has more than %d bytes; use a shorter one", maxPassword)
	case !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl):
		return errors.New("password is not UTF-8 text or has control characters; use letters, digits, signs and spaces")
	}
	return nil
}
