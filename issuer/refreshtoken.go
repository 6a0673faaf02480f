package issuer

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/wiretight/wiretight/internal/revocation"
)

// A refresh token names its family and its place in it, and proves that this
// issuer made it: subject hash, session, number, and an HMAC over these and the
// family's salt. Nothing of it is stored, so that who reads the store has no
// token, and the successor of a token can be made again for a client that did
// not hear it. Any token that was ever given out is known again, which tells
// reuse from noise.

// familyID names a family: all tokens that came from one login.
type familyID struct {
	subject [16]byte // begins the hash of the subject, so that a user's families lie together
	session [16]byte
}

// refreshPrefix marks refresh tokens, for people and for scanners of secrets.
const refreshPrefix = "wtr_"

const macSize = sha256.Size

// refreshToken is a refresh token taken apart. It is authentic only if its mac
// is that of the family.
type refreshToken struct {
	family familyID
	number uint32
	mac    [macSize]byte
}

func newFamilyID(subject string) familyID {
	id := familyID{subject: subjectID(subject)}
	_, _ = rand.Read(id.session[:]) // never fails (crypto/rand)
	return id
}

func subjectID(subject string) [16]byte {
	sum := revocation.Hash(revocation.Subject, subject)
	return [16]byte(sum[:16])
}

// sid is the session's name in tokens and answers.
func (f familyID) sid() string { return base64.RawURLEncoding.EncodeToString(f.session[:]) }

const familyPrefix = "issuer/session/"

func (f familyID) key() string { return familiesOf(f.subject) + f.sid() }

// familiesOf is what the keys of a subject's families begin with.
func familiesOf(subject [16]byte) string {
	return familyPrefix + hex.EncodeToString(subject[:]) + "/"
}

var errRefreshToken = errors.New("not a refresh token of this issuer's form")

// parseRefreshToken reads a token in its one spelling.
func parseRefreshToken(text string) (t refreshToken, err error) {
	body, ok := strings.CutPrefix(text, refreshPrefix)
	if !ok || len(body) != base64.RawURLEncoding.EncodedLen(16+16+4+macSize) || strings.ContainsAny(body, "\r\n") {
		return t, errRefreshToken
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil {
		return t, errRefreshToken
	}
	copy(t.family.subject[:], raw)
	copy(t.family.session[:], raw[16:])
	t.number = binary.BigEndian.Uint32(raw[32:])
	copy(t.mac[:], raw[36:])
	return t, nil
}

// refreshToken makes the token of a number.
func (s *secrets) refreshToken(id familyID, salt []byte, number uint32) string {
	raw := binary.BigEndian.AppendUint32(append(append(make([]byte, 0, 68), id.subject[:]...), id.session[:]...), number)
	mac := s.refreshMAC(raw, salt)
	return refreshPrefix + base64.RawURLEncoding.EncodeToString(append(raw, mac[:]...))
}

// authentic tells whether the token is one that this issuer made for the family.
func (s *secrets) authentic(t *refreshToken, salt []byte) bool {
	raw := binary.BigEndian.AppendUint32(append(append(make([]byte, 0, 36), t.family.subject[:]...), t.family.session[:]...), t.number)
	mac := s.refreshMAC(raw, salt)
	return hmac.Equal(mac[:], t.mac[:])
}

func (s *secrets) refreshMAC(named, salt []byte) (mac [macSize]byte) {
	h := hmac.New(sha256.New, s.refresh)
	h.Write(named)
	h.Write(salt)
	h.Sum(mac[:0])
	return mac
}

// parseFamilyKey takes a store key apart.
func parseFamilyKey(key string) (id familyID, ok bool) {
	rest, ok := strings.CutPrefix(key, familyPrefix)
	subject, sid, cut := strings.Cut(rest, "/")
	if !ok || !cut {
		return id, false
	}
	s, err := hex.DecodeString(subject)
	if err != nil || len(s) != len(id.subject) {
		return id, false
	}
	copy(id.subject[:], s)
	id.session, ok = parseSID(sid)
	return id, ok
}

// parseSID reads a session's name in its one spelling.
func parseSID(sid string) (session [16]byte, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sid)
	if err != nil || len(raw) != len(session) || strings.ContainsAny(sid, "\r\n") {
		return session, false
	}
	return [16]byte(raw), true
}
