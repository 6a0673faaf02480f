package tlsprobe

import (
	"bytes"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
)

// ServerHello is what a server chose (RFC 8446 §4.1.3, RFC 5246 §7.4.1.3).
type ServerHello struct {
	// Version is the selected one: of supported_versions if that is there.
	Version   Version
	Random    [32]byte
	SessionID []byte
	Suite     Suite
	// Retry marks a HelloRetryRequest.
	Retry bool
	// Renegotiation says that renegotiation_info is there (RFC 5746).
	Renegotiation bool
	// Group and Share are the server's key share; of a Retry, only the group.
	Group  uint16
	Share  []byte
	Cookie []byte
	// PSK says that the offered ticket was taken.
	PSK bool

	compression byte
}

// retryRandom is the Random of a HelloRetryRequest (RFC 8446 §4.1.3).
var retryRandom = [32]byte{
	0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
	0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
}

// DowngradeMark returns the highest version below TLS 1.3 that the random's
// last eight bytes confess to have been negotiated by a server that can do
// better (RFC 8446 §4.1.3): TLS12, TLS11 for that and all below, or zero.
func (h ServerHello) DowngradeMark() Version {
	mark := h.Random[24:]
	switch {
	case bytes.Equal(mark, []byte("DOWNGRD\x01")):
		return TLS12
	case bytes.Equal(mark, []byte("DOWNGRD\x00")):
		return TLS11
	}
	return 0
}

// ParseServerHello reads the body of a ServerHello, without the header of the
// handshake message. Anything beyond it, and any extension twice, is an error.
func ParseServerHello(body []byte) (ServerHello, error) {
	var h ServerHello
	s := cryptobyte.String(body)
	var session cryptobyte.String
	if !s.ReadUint16((*uint16)(&h.Version)) || !s.CopyBytes(h.Random[:]) ||
		!s.ReadUint8LengthPrefixed(&session) || len(session) > 32 ||
		!s.ReadUint16((*uint16)(&h.Suite)) || !s.ReadUint8(&h.compression) {
		return h, malformed("malformed server hello")
	}
	h.SessionID = bytes.Clone(session)
	h.Retry = h.Random == retryRandom
	if s.Empty() {
		return h, nil
	}
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) || !s.Empty() {
		return h, malformed("malformed extensions of the server hello")
	}
	return h, h.readExtensions(list)
}

func (h *ServerHello) readExtensions(list cryptobyte.String) error {
	seen := make(map[uint16]bool)
	for !list.Empty() {
		var id uint16
		var body cryptobyte.String
		if !list.ReadUint16(&id) || !list.ReadUint16LengthPrefixed(&body) {
			return malformed("malformed extension of the server hello")
		}
		if seen[id] {
			return malformed("extension %d is twice in the server hello", id)
		}
		seen[id] = true
		if !h.readExtension(id, body) {
			return malformed("malformed extension %d of the server hello", id)
		}
	}
	return nil
}

func (h *ServerHello) readExtension(id uint16, body cryptobyte.String) bool {
	switch id {
	case extRenegotiationInfo:
		h.Renegotiation = true
	case extSupportedVersions:
		return body.ReadUint16((*uint16)(&h.Version)) && body.Empty()
	case extKeyShare:
		if !body.ReadUint16(&h.Group) {
			return false
		}
		if h.Retry {
			return body.Empty()
		}
		var share cryptobyte.String
		if !body.ReadUint16LengthPrefixed(&share) || !body.Empty() {
			return false
		}
		h.Share = bytes.Clone(share)
	case extCookie:
		var cookie cryptobyte.String
		if !body.ReadUint16LengthPrefixed(&cookie) || !body.Empty() {
			return false
		}
		h.Cookie = bytes.Clone(cookie)
	case extPreSharedKey:
		var index uint16
		h.PSK = true
		return body.ReadUint16(&index) && index == 0 && body.Empty()
	}
	return true
}

// The most certificates, and bytes of one, that are kept of a chain.
const (
	maxCertificates    = 16
	maxCertificateSize = 64 << 10
)

// ParseCertificates reads the body of a Certificate message of version v into
// the DER of each certificate, as sent. An empty list is no error. More than 16
// certificates, or one of more than 64 KiB, are.
func ParseCertificates(v Version, body []byte) ([][]byte, error) {
	s := cryptobyte.String(body)
	var ctx, list cryptobyte.String
	if v >= TLS13 && !s.ReadUint8LengthPrefixed(&ctx) {
		return nil, malformed("malformed certificate message")
	}
	if !s.ReadUint24LengthPrefixed(&list) || !s.Empty() {
		return nil, malformed("malformed certificate message")
	}
	var out [][]byte
	for !list.Empty() {
		var der, ext cryptobyte.String
		if !list.ReadUint24LengthPrefixed(&der) || v >= TLS13 && !list.ReadUint16LengthPrefixed(&ext) {
			return nil, malformed("malformed certificate list")
		}
		if len(out) == maxCertificates || len(der) > maxCertificateSize {
			return nil, malformed("certificate list is too large")
		}
		out = append(out, bytes.Clone(der))
	}
	return out, nil
}

// ParseDHGroup reads the body of a ServerKeyExchange of finite-field
// Diffie-Hellman (RFC 5246 §7.4.3) and returns the bits of its prime.
func ParseDHGroup(body []byte) (bits int, err error) {
	s := cryptobyte.String(body)
	var p, g, y cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&p) || !s.ReadUint16LengthPrefixed(&g) || !s.ReadUint16LengthPrefixed(&y) ||
		len(p) == 0 || len(g) == 0 || len(y) == 0 {
		return 0, malformed("malformed Diffie-Hellman parameters")
	}
	return new(big.Int).SetBytes(p).BitLen(), nil
}
