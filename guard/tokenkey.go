package guard

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"sync"
)

// tokenKey stands for a whole token, its signature included, in the memory of
// this process.
type tokenKey [16]byte

// tokenKeys makes tokenKeys with secrets of this process. Nobody may be able to
// make a token that has the key of another: it would be taken for verified.
//
// The key is a GHASH of the token under a secret point, which is what GMAC
// computes, encrypted by AES under a second secret: a universal hash followed
// by a pseudorandom function (Wegman and Carter). Two different tokens of up to
// 8 KiB have the same GHASH with a probability of at most 2^-119, whatever they
// are, as long as their choice does not depend on the secret point. Nothing
// tells of it: keys never leave the process, and what the time of a lookup
// could betray of them is what AES made of the hash. A forger who tries 2^40
// tokens against 2^17 remembered ones succeeds with a probability under 2^-60.
// SHA-256 would cost four times as much and twice the memory.
type tokenKeys struct {
	hash  cipher.AEAD
	outer cipher.Block
}

// keyRoom is where a token lies while its key is made: what is handed to an
// interface would be on the heap otherwise, each time.
type keyRoom struct {
	token []byte
	key   tokenKey
}

var keyRooms = sync.Pool{New: func() any { return &keyRoom{token: make([]byte, 0, 2<<10)} }}

// keyNonce is always the same: only the difference between two sums counts, and
// the mask that a nonce makes is in both.
var keyNonce = make([]byte, 12)

func newTokenKeys() (*tokenKeys, error) {
	var secrets [2][16]byte
	for i := range secrets {
		_, _ = rand.Read(secrets[i][:]) // never fails (crypto/rand)
	}
	inner, err := aes.NewCipher(secrets[0][:])
	if err != nil {
		return nil, err
	}
	k := &tokenKeys{}
	if k.hash, err = cipher.NewGCM(inner); err != nil {
		return nil, err
	}
	k.outer, err = aes.NewCipher(secrets[1][:])
	return k, err
}

// of allocates nothing.
func (k *tokenKeys) of(raw string) tokenKey {
	room := keyRooms.Get().(*keyRoom)
	room.token = append(room.token[:0], raw...)
	k.hash.Seal(room.key[:0], keyNonce, nil, room.token)
	k.outer.Encrypt(room.key[:], room.key[:])
	key := room.key
	keyRooms.Put(room)
	return key
}
