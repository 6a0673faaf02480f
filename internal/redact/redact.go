// Package redact finds tokens and secrets in foreign text and masks them, for
// everything that Wiretight logs, prints or passes on in an error answer.
//
// It only computes: Mask works on text that is all there, Scrubber and
// NewScrubReader on streams, NewHandler on log records, and Text keeps a secret
// from being printed at all. Whatever is in doubt is masked, except in Mask,
// where ordinary words, hashes, names and versions must stay readable.
package redact

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Redacted stands in the place of what was taken out.
const Redacted = "[redacted]"

// ellipsis parts the two halves of a masked token.
const ellipsis = "…"

// shownHeader and shownHash are how many characters of a token's header and of
// its hash a masked token shows.
const (
	shownHeader = 6
	shownHash   = 8
)

// Token returns how a token is shown to people: the first 6 characters of its
// header segment, an ellipsis, and 8 hex digits of its SHA-256, as in
// eyJhbG…1a2b3c4d. The same token always shows the same.
//
// What has no header segment of at least 6 base64url characters (RFC 7515 §7.1)
// shows as the ellipsis and the hash only, so an opaque secret shows nothing of
// itself. The result never holds a control character.
func Token(raw string) string {
	sum := sha256.Sum256([]byte(raw))
	return shownPrefix(raw) + ellipsis + hex.EncodeToString(sum[:shownHash/2])
}

// shownPrefix returns the part of a token that may be seen.
func shownPrefix(raw string) string {
	header, _, found := strings.Cut(raw, ".")
	if !found || len(header) < shownHeader {
		return ""
	}
	for i := range len(header) {
		if !isBase64URL(header[i]) {
			return ""
		}
	}
	return header[:shownHeader]
}

// maskedLen returns the length of the masked token at the start of s, or 0.
// Only the form that Token gives to a JWT counts, so that little else can pass
// as masked already.
func maskedLen(s string) int {
	const n = shownHeader + len(ellipsis) + shownHash
	if len(s) < n || !strings.HasPrefix(s, "eyJ") || s[shownHeader:shownHeader+len(ellipsis)] != ellipsis {
		return 0
	}
	for i := range shownHeader {
		if !isBase64URL(s[i]) {
			return 0
		}
	}
	for i := n - shownHash; i < n; i++ {
		if !isHex(s[i]) {
			return 0
		}
	}
	return n
}

func isBase64URL(c byte) bool {
	return isAlnum(c) || c == '-' || c == '_'
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
