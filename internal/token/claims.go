package token

import (
	"bytes"
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"
)

// Claims is what a token says of its bearer (RFC 7519 §4.1, RFC 9068 §2.2).
// Until Verify has returned nil nothing in it can be believed. Strings are
// never empty where the claim is present, and hold no control characters. They
// are copies, and share one piece of memory: Claims may be remembered without
// keeping the token's text alive.
type Claims struct {
	Issuer, Subject, ID string
	// ClientID is client_id, or azp where there is none.
	ClientID string
	// SessionID is sid.
	SessionID string
	// Audience is aud, whether it was one string or an array.
	Audience []string
	// Scopes is scope, or scp where there is none; each may be a string of
	// words or an array of them.
	Scopes []string
	// Expiry, NotBefore and IssuedAt are zero where the claim is absent.
	Expiry, NotBefore, IssuedAt time.Time
	// Confirmation says to whom the token is bound.
	Confirmation Confirmation
}

// Confirmation is the cnf claim (RFC 7800): what the bearer must prove to have.
// Each member is the base64url text of 32 bytes, or empty where absent. If
// several are present, all of them bind.
type Confirmation struct {
	// JKT is the thumbprint of a DPoP key (RFC 9449 §6.1).
	JKT string
	// X5TS256 is the thumbprint of a client certificate (RFC 8705 §3.1).
	X5TS256 string
	// Fingerprint is the SHA-256 of the fingerprint cookie, member "fp#S256".
	Fingerprint string
}

// Bound tells whether the token is bound to anything.
func (c Confirmation) Bound() bool { return c != Confirmation{} }

// parseClaims reads the claims that it knows and leaves the others alone. size
// is how much room their texts will need, more or less.
func parseClaims(members []member, size int) (c Claims, err *Error) {
	var room texts
	room.Grow(size)
	var azp string
	var scopes, scp []string
	for i := range members {
		m := &members[i]
		switch string(m.name) {
		case "iss":
			c.Issuer, err = stringClaim(m, &room)
		case "sub":
			c.Subject, err = stringClaim(m, &room)
		case "jti":
			c.ID, err = stringClaim(m, &room)
		case "client_id":
			c.ClientID, err = stringClaim(m, &room)
		case "azp":
			azp, err = stringClaim(m, &room)
		case "sid":
			c.SessionID, err = stringClaim(m, &room)
		case "aud":
			c.Audience, err = audienceClaim(m, &room)
		case "scope":
			scopes, err = scopeClaim(m, &room)
		case "scp":
			scp, err = scopeClaim(m, &room)
		case "exp":
			c.Expiry, err = dateClaim(m)
		case "nbf":
			c.NotBefore, err = dateClaim(m)
		case "iat":
			c.IssuedAt, err = dateClaim(m)
		case "cnf":
			c.Confirmation, err = confirmationClaim(m)
		}
		if err != nil {
			return c, err
		}
	}
	if c.ClientID == "" {
		c.ClientID = azp
	}
	if c.Scopes = scopes; scopes == nil {
		c.Scopes = scp
	} else if scp != nil && !sameWords(scopes, scp) {
		return c, refuse(RuleToken, "claims scope and scp contradict each other")
	}
	return c, nil
}

// wrong names a claim that parseClaims knows; no other gets here.
func wrong(m *member, what string) *Error {
	return refuse(RuleToken, "claim "+string(m.name)+" is not "+what)
}

// texts gives copies of texts that lie in one piece of memory, or in a few where
// it did not suffice.
type texts struct{ strings.Builder }

func (t *texts) keep(text []byte) string {
	start := t.Len()
	t.Write(text)
	return t.String()[start:]
}

func stringClaim(m *member, room *texts) (string, *Error) {
	text, ok := m.text()
	if !ok || !plain(text) {
		return "", wrong(m, "a string with text and without control characters")
	}
	return room.keep(text), nil
}

func audienceClaim(m *member, room *texts) ([]string, *Error) {
	if m.kind == kindString {
		s, err := stringClaim(m, room)
		return []string{s}, err
	}
	var all []string
	ok := m.kind == kindArray && eachString(m.value, func(text []byte) bool {
		all = append(all, room.keep(text))
		return plain(text)
	})
	if !ok || len(all) == 0 {
		return nil, wrong(m, "a string or an array of strings")
	}
	return all, nil
}

// scopeClaim returns a slice that is not nil.
func scopeClaim(m *member, room *texts) ([]string, *Error) {
	all := []string{}
	var ok bool
	switch m.kind {
	case kindString:
		var text []byte
		if text, ok = m.text(); ok && len(text) > 0 {
			if ok = plain(text); ok {
				all = words(room.keep(text))
			}
		}
	case kindArray:
		ok = eachString(m.value, func(text []byte) bool {
			all = append(all, room.keep(text))
			return plain(text) && bytes.IndexByte(text, ' ') < 0
		})
	}
	if !ok {
		return nil, wrong(m, "a string of words or an array of them")
	}
	return all, nil
}

// words splits at spaces only (RFC 6749 §3.3).
func words(text string) []string {
	all := make([]string, 0, strings.Count(text, " ")+1)
	for word := range strings.SplitSeq(text, " ") {
		if len(word) > 0 {
			all = append(all, word)
		}
	}
	return all
}

func sameWords(a, b []string) bool {
	return containsAll(a, b) && containsAll(b, a)
}

// maxDate is the end of the year 9999: later dates are milliseconds or nonsense.
const maxDate = 253402300799

// dateClaim reads a NumericDate (RFC 7519 §2): seconds since 1970, fractions
// allowed, neither negative nor beyond the year 9999.
func dateClaim(m *member) (time.Time, *Error) {
	if !isDigit(m.kind) {
		return time.Time{}, wrong(m, "a date in seconds since 1970")
	}
	var seconds, nanos int64
	i := 0
	for ; i < len(m.value) && isDigit(m.value[i]) && seconds <= maxDate; i++ {
		seconds = seconds*10 + int64(m.value[i]-'0')
	}
	switch {
	case i == len(m.value):
	case m.value[i] == '.' && !bytes.ContainsAny(m.value, "eE"):
		unit := int64(time.Second)
		for _, d := range m.value[i+1:] {
			unit /= 10
			nanos += int64(d-'0') * unit
		}
	default:
		f, err := strconv.ParseFloat(string(m.value), 64)
		if err != nil || !(f >= 0 && f <= maxDate) {
			seconds = math.MaxInt64
			break
		}
		whole, fraction := math.Modf(f)
		seconds, nanos = int64(whole), int64(fraction*float64(time.Second))
	}
	if seconds > maxDate {
		return time.Time{}, wrong(m, "a date before the year 10000")
	}
	return time.Unix(seconds, nanos), nil
}

// confirmationClaim refuses a cnf that it cannot enforce: an unknown member is
// a binding that nobody would check.
func confirmationClaim(m *member) (c Confirmation, err *Error) {
	if m.kind != kindObject {
		return c, refuse(RuleToken, "claim cnf is not an object")
	}
	var room [4]member
	members, bad := scanObject(m.value, defaultMaxDepth, room[:0])
	if bad != nil || len(members) == 0 {
		return c, refuse(RuleToken, "claim cnf binds to nothing")
	}
	for i := range members {
		text, ok := members[i].text()
		if !ok || !isDigest(text) {
			return c, refuse(RuleToken, "claim cnf has a member that is not a SHA-256 in base64url")
		}
		switch string(members[i].name) {
		case "jkt":
			c.JKT = string(text)
		case "x5t#S256":
			c.X5TS256 = string(text)
		case "fp#S256":
			c.Fingerprint = string(text)
		default:
			return c, refuse(RuleToken, "claim cnf has an unknown member")
		}
	}
	return c, nil
}

// isDigest tells whether text is 32 bytes in canonical base64url.
func isDigest(text []byte) bool {
	var sum [32]byte
	if len(text) != base64.RawURLEncoding.EncodedLen(len(sum)) || !plain(text) {
		return false
	}
	n, err := canonical.Decode(sum[:], text)
	return err == nil && n == len(sum)
}
