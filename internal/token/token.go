package token

import (
	"crypto/sha256"
	"encoding/binary"
)

// Token is a signed token that was read, but not necessarily verified. It is
// safe for concurrent use, since nothing changes it.
type Token struct {
	Header Header
	Claims Claims

	parts   compact
	members []member
	room    [16]member // for members, and for those of the header before
}

// Parse reads a compact JWS whose payload is a set of claims. What it returns
// is well-formed and unambiguous, but not verified: the caller asks Verify.
//
// Refused are: other than exactly three parts, base64url in any spelling but
// the canonical one, sizes and depths beyond l, anything but UTF-8 JSON
// objects, a member twice in any object of header or payload, a header that
// brings a key (jwk, jku, x5u, x5c), extensions (crit, b64, zip), members of an
// encrypted token, and known members and claims of the wrong type.
//
// Every error is an *Error of RuleToken.
func Parse(raw string, l Limits) (*Token, error) {
	if l.MaxDepth <= 0 {
		l.MaxDepth = defaultMaxDepth
	}
	parts, err := split(raw, l)
	if err != nil {
		return nil, err
	}
	t := &Token{parts: parts}
	if t.Header, _, err = parseHeader(parts.header, l.MaxDepth, false, t.room[:]); err != nil {
		return nil, err
	}
	members, bad := scanObject(parts.payload, l.MaxDepth, t.room[:0])
	if bad != nil {
		return nil, refuse(RuleToken, "payload "+bad.Error())
	}
	if t.Claims, err = parseClaims(members, len(parts.payload)/2); err != nil {
		return nil, err
	}
	t.members = members
	return t, nil
}

// Payload returns the claims as they stand in the token, a JSON object. The
// caller must not change it.
func (t *Token) Payload() []byte { return t.parts.payload }

// Has tells whether the payload has a claim of this name, whatever its value.
func (t *Token) Has(claim string) bool {
	for i := range t.members {
		if string(t.members[i].name) == claim {
			return true
		}
	}
	return false
}

// Identity names the token for replay and revocation: a hash of its issuer and
// jti, or of its header and payload when it has no jti. The signature has no
// part in it, since one token can have many valid ones.
func (t *Token) Identity() [32]byte {
	h := sha256.New()
	if t.Claims.ID != "" {
		h.Write([]byte("wiretight token by issuer and jti\x00"))
		h.Write([]byte(t.Claims.Issuer))
		h.Write([]byte{0})
		h.Write([]byte(t.Claims.ID))
	} else {
		h.Write([]byte("wiretight token by content\x00"))
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(t.parts.header))))
		h.Write(t.parts.header)
		h.Write(t.parts.payload)
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return sum
}
