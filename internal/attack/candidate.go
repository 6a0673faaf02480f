package attack

import (
	"encoding/base64"
	"encoding/hex"
	"iter"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/wiretight/wiretight/internal/token"
)

// Hints is what a target tells of itself and its makers may have built a
// secret from.
type Hints struct {
	// Host is the target's name, Title its API's, Issuer its tokens' iss.
	Host, Title, Issuer string
}

// Candidates yields secrets worth trying, the likeliest first: what is
// published, what can be derived from hints, then extra, each in its forms, and
// at the end every number of one to six digits. Bytes are reused from one
// candidate to the next. A nil extra has no words.
func Candidates(h Hints, extra iter.Seq[string]) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		f := former{yield: yield}
		if !yield(nil) { // the empty string
			return
		}
		for _, word := range token.PublishedSecrets() {
			if !f.forms(word) {
				return
			}
		}
		for _, word := range h.derived() {
			if !f.forms(word) {
				return
			}
		}
		if extra != nil {
			for word := range extra {
				if !f.forms(word) {
					return
				}
			}
		}
		numbers(yield)
	}
}

// former yields the forms of words from one buffer.
type former struct {
	yield func([]byte) bool
	buf   []byte
}

// forms yields the bytes that a word can be in somebody's configuration: as it
// is, without the space around it, with a newline, and what it stands for in
// base64, base64url and hexadecimal. It returns false when it is to stop.
func (f *former) forms(word string) bool {
	trimmed := strings.TrimSpace(word)
	if word != trimmed && !f.one(word) {
		return false
	}
	if !f.one(trimmed) {
		return false
	}
	f.buf = append(append(f.buf[:0], trimmed...), '\n')
	if !f.yield(f.buf) {
		return false
	}
	bare := strings.TrimRight(trimmed, "=")
	var err error
	if f.buf, err = base64.RawStdEncoding.AppendDecode(f.buf[:0], []byte(bare)); err == nil && !f.yield(f.buf) {
		return false
	}
	if strings.ContainsAny(bare, "-_") {
		if f.buf, err = base64.RawURLEncoding.AppendDecode(f.buf[:0], []byte(bare)); err == nil && !f.yield(f.buf) {
			return false
		}
	}
	if len(trimmed)%2 == 0 {
		if f.buf, err = hex.AppendDecode(f.buf[:0], []byte(trimmed)); err == nil && !f.yield(f.buf) {
			return false
		}
	}
	return true
}

func (f *former) one(word string) bool {
	f.buf = append(f.buf[:0], word...)
	return f.yield(f.buf)
}

// numbers yields every string of one to six digits.
func numbers(yield func([]byte) bool) {
	var room [6]byte
	for length := 1; length <= len(room); length++ {
		digits := room[:length]
		for i := range digits {
			digits[i] = '0'
		}
		for more := true; more; more = increment(digits) {
			if !yield(digits) {
				return
			}
		}
	}
}

// increment counts up and returns false after the last number.
func increment(digits []byte) bool {
	for i := len(digits) - 1; i >= 0; i-- {
		if digits[i] < '9' {
			digits[i]++
			return true
		}
		digits[i] = '0'
	}
	return false
}

const maxDerivedWords = 24

// derived joins the words of the hints with what people add to a name to make
// a secret of it.
func (h Hints) derived() []string {
	words := h.words()
	words = words[:min(len(words), maxDerivedWords)]
	seen := map[string]bool{}
	var all []string
	add := func(word string) {
		if word != "" && !seen[word] {
			seen[word] = true
			all = append(all, word)
		}
	}
	for _, word := range words {
		upper := strings.ToUpper(word)
		title := strings.ToUpper(word[:1]) + word[1:]
		for _, base := range []string{word, title, upper} {
			add(base)
			for _, suffix := range []string{
				"secret", "key", "jwt", "jwtsecret", "secretkey", "token", "password", "api", "apikey",
				"1", "12", "123", "1234", "12345", "123456", "!", "2023", "2024", "2025", "2026",
				"dev", "prod", "test", "local",
			} {
				for _, join := range []string{"", "-", "_", "."} {
					add(base + join + suffix)
					add(base + join + strings.ToUpper(suffix))
				}
				add(base + strings.ToUpper(suffix[:1]) + suffix[1:])
			}
			for _, join := range []string{"-", "_", ""} {
				add(base + join + "secret" + join + "key")
				add(base + join + "jwt" + join + "secret")
				add("my" + join + base + join + "secret")
				add("super" + join + "secret" + join + base)
				add("secret" + join + base)
			}
		}
	}
	return all
}

// words cuts the hints into words, longest pieces first as they stand.
func (h Hints) words() []string {
	issuer := h.Issuer
	if u, err := url.Parse(h.Issuer); err == nil && u.Host != "" {
		issuer = u.Hostname() + " " + strings.Trim(u.Path, "/")
	}
	var all []string
	for _, text := range []string{h.Host, h.Title, issuer} {
		const most = 200
		text = strings.ToLower(text[:min(len(text), most)])
		parts := strings.FieldsFunc(text, func(r rune) bool {
			return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)
		})
		if len(parts) > 1 {
			all = append(all, strings.Join(parts, ""), strings.Join(parts, "-"), strings.Join(parts, "_"))
		}
		all = append(all, strings.TrimSpace(text))
		all = append(all, parts...)
	}
	generic := map[string]bool{"": true, "www": true, "com": true, "org": true, "net": true, "https": true, "http": true}
	var out []string
	for _, word := range all {
		if !generic[word] && !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return out
}
