package issuer

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
)

// nonces makes the values that DPoP proofs must contain (RFC 9449 §8): the
// time, signed, so that nothing is stored and every instance knows them.
type nonces struct{ key []byte }

const (
	nonceLife   = 5 * time.Minute
	nonceAhead  = time.Minute // clocks of instances differ
	nonceMAC    = 16
	nonceLength = 8 + nonceMAC
)

func (n nonces) issue(now time.Time) string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, nonceLength), uint64(now.Unix()))
	return base64.RawURLEncoding.EncodeToString(append(b, n.mac(b)...))
}

func (n nonces) valid(nonce string, now time.Time) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || strings.ContainsAny(nonce, "\r\n") || len(b) != nonceLength || !hmac.Equal(b[8:], n.mac(b[:8])) {
		return false
	}
	age := now.Sub(time.Unix(int64(binary.BigEndian.Uint64(b)), 0))
	return age > -nonceAhead && age < nonceLife
}

func (n nonces) mac(b []byte) []byte {
	m := hmac.New(sha256.New, n.key)
	m.Write(b)
	return m.Sum(nil)[:nonceMAC]
}
