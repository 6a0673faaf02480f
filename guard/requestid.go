package guard

import (
	"crypto/rand"
	"encoding/hex"
	"sync"
)

// randomness is random bytes read ahead, since reading a few costs nearly what
// reading many does. No byte is used twice.
type randomness struct {
	bytes [512]byte
	left  int
}

var randomnesses = sync.Pool{New: func() any { return new(randomness) }}

// newRequestID returns 128 random bits in hexadecimal.
func newRequestID() string {
	const size = 16
	r := randomnesses.Get().(*randomness)
	if r.left < size {
		_, _ = rand.Read(r.bytes[:]) // never fails (crypto/rand)
		r.left = len(r.bytes)
	}
	next := r.bytes[r.left-size : r.left]
	var text [2 * size]byte
	hex.Encode(text[:], next)
	clear(next)
	r.left -= size
	randomnesses.Put(r)
	return string(text[:])
}
