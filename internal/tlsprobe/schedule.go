package tlsprobe

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/cryptobyte"
)

// suite13 is what the key schedule needs of a TLS 1.3 suite (RFC 8446 §B.4).
type suite13 struct {
	hash   func() hash.Hash
	digest crypto.Hash
	keyLen int
	aead   func(key []byte) (cipher.AEAD, error)
}

var suites13 = map[Suite]suite13{
	0x1301: {sha256.New, crypto.SHA256, 16, gcm},
	0x1302: {sha512.New384, crypto.SHA384, 32, gcm},
	0x1303: {sha256.New, crypto.SHA256, 32, chacha20poly1305.New},
}

// handshakeSuites are the TLS 1.3 suites that can be spoken to the end. CCM is
// recognised in a ServerHello, not spoken.
func handshakeSuites() []Suite { return []Suite{0x1301, 0x1302, 0x1303} }

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (s suite13) size() int { return s.digest.Size() }

func (s suite13) sum(parts ...[]byte) []byte {
	h := s.hash()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// expand is HKDF-Expand-Label (RFC 8446 §7.1).
func (s suite13) expand(secret []byte, label string, context []byte, n int) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint16(uint16(n))
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte("tls13 " + label)) })
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(context) })
	info, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	return hkdf.Expand(s.hash, secret, string(info), n)
}

// derive is Derive-Secret over the messages of transcript.
func (s suite13) derive(secret []byte, label string, transcript []byte) ([]byte, error) {
	return s.expand(secret, label, s.sum(transcript), s.size())
}

// next extracts in into the secret derived from prev; a nil prev is the start.
func (s suite13) next(prev, in []byte) ([]byte, error) {
	zero := make([]byte, s.size())
	if in == nil {
		in = zero
	}
	salt := zero
	if prev != nil {
		var err error
		if salt, err = s.derive(prev, "derived", nil); err != nil {
			return nil, err
		}
	}
	return hkdf.Extract(s.hash, in, salt)
}

// finished is the verify_data of a Finished message (RFC 8446 §4.4.4), and of a
// binder (§4.2.11.2).
func (s suite13) finished(secret, transcript []byte) ([]byte, error) {
	key, err := s.expand(secret, "finished", nil, s.size())
	if err != nil {
		return nil, err
	}
	mac := hmac.New(s.hash, key)
	mac.Write(s.sum(transcript))
	return mac.Sum(nil), nil
}

// half is one direction of protected records (RFC 8446 §5.2).
type half struct {
	aead cipher.AEAD
	iv   []byte
	seq  uint64
}

func (s suite13) half(secret []byte) (*half, error) {
	key, err := s.expand(secret, "key", nil, s.keyLen)
	if err != nil {
		return nil, err
	}
	aead, err := s.aead(key)
	if err != nil {
		return nil, err
	}
	iv, err := s.expand(secret, "iv", nil, aead.NonceSize())
	if err != nil {
		return nil, err
	}
	return &half{aead: aead, iv: iv}, nil
}

func (h *half) nonce() []byte {
	n := append([]byte(nil), h.iv...)
	var seq [8]byte
	binary.BigEndian.PutUint64(seq[:], h.seq)
	for i, b := range seq {
		n[len(n)-8+i] ^= b
	}
	h.seq++
	return n
}

// seal protects payload in records of the inner type typ.
func (h *half) seal(typ byte, payload []byte) []byte {
	var out []byte
	for first := true; first || len(payload) > 0; first = false {
		n := min(len(payload), 1<<14)
		inner := append(append([]byte(nil), payload[:n]...), typ)
		payload = payload[n:]
		header := []byte{recordApplicationData, 3, 3}
		header = binary.BigEndian.AppendUint16(header, uint16(len(inner)+h.aead.Overhead()))
		out = append(out, header...)
		out = h.aead.Seal(out, h.nonce(), inner, header)
	}
	return out
}

// open removes the protection and returns the inner type and payload.
func (h *half) open(rec record) (typ byte, payload []byte, err error) {
	plain, err := h.aead.Open(nil, h.nonce(), rec.payload, rec.header)
	if err != nil {
		return 0, nil, malformed("a protected record does not decrypt")
	}
	for n := len(plain) - 1; n >= 0; n-- {
		if plain[n] != 0 {
			return plain[n], plain[:n], nil
		}
	}
	return 0, nil, malformed("a protected record has no content type")
}
