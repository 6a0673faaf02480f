package redact

import "strings"

// literalMax is the longest literal, in characters. Written as escapes of the
// longest kind it still fits into what a scrubber holds back.
const literalMax = holdMax / escapeMax

// partMin is the length from which parts of a token count as secrets too.
const partMin = 16

// literal is a text to be found in a stream, by the algorithm of Knuth, Morris
// and Pratt: each character is looked at once, whatever came before.
type literal struct {
	text string
	// more is set when the text is the beginning or middle of a longer one,
	// whose next piece begins right behind it. It is not set for tokens, as
	// all of them that follows is swallowed.
	more bool
	// border[i] is the length of the longest proper prefix of text[:i+1] that
	// is a suffix of it too.
	border []int32
}

func newLiteral(text string, more bool) literal {
	border := make([]int32, len(text))
	for i, n := 1, int32(0); i < len(text); i++ {
		for n > 0 && text[i] != text[n] {
			n = border[n-1]
		}
		if text[i] == text[n] {
			n++
		}
		border[i] = n
	}
	return literal{text: text, more: more, border: border}
}

// next returns how much of the text is there after one more character.
// matched must be less than the text's length.
func (l *literal) next(matched int, c byte) int {
	for matched > 0 && l.text[matched] != c {
		matched = int(l.border[matched-1])
	}
	if l.text[matched] == c {
		matched++
	}
	return matched
}

// literals returns what to look for in order to find the secrets.
func literals(secrets []string) []literal {
	var found []literal
	seen := make(map[string]bool)
	add := func(text string, token bool) {
		cut := pieces(text)
		for i, piece := range cut {
			if !seen[piece] {
				seen[piece] = true
				found = append(found, newLiteral(piece, !token && i < len(cut)-1))
			}
		}
	}
	for _, secret := range secrets {
		signed, signature := parts(secret)
		add(signed, true)
		add(signature, true)
		if signed == "" {
			add(secret, false)
			// A secret that itself holds what reads as an escape.
			add(unescape(secret), false)
		}
	}
	return found
}

// parts returns what is secret in a compact token by itself: the first two
// parts, which every whole token begins with, and the last one, the signature.
// It returns nothing for what is no such token.
func parts(secret string) (signed, signature string) {
	first := strings.IndexByte(secret, '.')
	last := strings.LastIndexByte(secret, '.')
	if first < 0 || first == last {
		return "", ""
	}
	for i := range len(secret) {
		if !isBase64URL(secret[i]) && secret[i] != '.' {
			return "", ""
		}
	}
	second := first + 1 + strings.IndexByte(secret[first+1:], '.')
	if second < partMin {
		return "", ""
	}
	signed = secret[:second]
	if signature = secret[last+1:]; len(signature) < partMin {
		signature = ""
	}
	return signed, signature
}

// pieces cuts a text into the fewest pieces of at most literalMax, all about
// as long, so that a text of any length is found with bounded memory.
func pieces(text string) []string {
	count := (len(text) + literalMax - 1) / literalMax
	cut := make([]string, count)
	for i := range cut {
		cut[i] = text[i*len(text)/count : (i+1)*len(text)/count]
	}
	return cut
}

// unescape returns s with its escapes resolved.
func unescape(s string) string {
	plain, rest := make([]byte, 0, len(s)), []byte(s)
	for len(rest) > 0 {
		c, size, _ := decode(rest, true)
		plain, rest = append(plain, c), rest[size:]
	}
	return string(plain)
}
