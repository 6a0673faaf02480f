package guard

import (
	"crypto/rand"
	"encoding/hex"
	"sync"
)

// idSize is how long a request's id is, in characters: 128 bits.
const idSize = 32

// ids are request ids made ahead, in one text, since making a few costs nearly
// what making many does. None is given out twice.
type ids struct{ text string }

var idPool = sync.Pool{New: func() any { return new(ids) }}

// newRequestID returns 128 random bits in hexadecimal.
func newRequestID() string {
	p := idPool.Get().(*ids)
	if p.text == "" {
		var raw [16 * idSize / 2]byte
		_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
		p.text = hex.EncodeToString(raw[:])
	}
	id := p.text[:idSize]
	p.text = p.text[idSize:]
	idPool.Put(p)
	return id
}
