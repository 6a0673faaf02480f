package scan

import (
	"bytes"
	"cmp"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/wiretight/wiretight/internal/redact"
)

// maxSecrets bounds how many credentials of one scan are remembered.
const maxSecrets = 1000

// secrets are the genuine credentials of a scan. They go out only where nobody on
// the path can read them, and into no report.
type secrets struct {
	mu sync.RWMutex
	// tokens are watched for in requests, passwords only in what is printed.
	tokens, passwords []string
}

// keep remembers a token, in both of the forms in which it may go out.
func (s *secrets) keep(token string) {
	if len(token) < 8 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, form := range []string{token, url.QueryEscape(token)} {
		if len(s.tokens) < maxSecrets && !slices.Contains(s.tokens, form) {
			s.tokens = append(s.tokens, form)
		}
	}
	slices.SortStableFunc(s.tokens, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
}

// proseWords are guessable secrets that are also words of every report. To hide
// one would black out sentences, and the gaps would tell which word it is.
var proseWords = []string{"secret", "password", "bearer", "authorization", "signature", "private", "public", "default", "development", "production", "example"}

// hide remembers what must not be printed.
func (s *secrets) hide(password string) {
	if len(password) < 6 || slices.Contains(proseWords, password) {
		return // as likely a word of some answer
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, form := range []string{password, url.QueryEscape(password)} {
		if len(s.passwords) < maxSecrets && !slices.Contains(s.passwords, form) {
			s.passwords = append(s.passwords, form)
		}
	}
}

// genuine tells whether a request holds a credential.
func (t *Target) genuine(request []byte) bool {
	t.secrets.mu.RLock()
	defer t.secrets.mu.RUnlock()
	return slices.ContainsFunc(t.secrets.tokens, func(s string) bool { return bytes.Contains(request, []byte(s)) })
}

// Mask replaces every credential of the scan and all that looks like one. Tokens
// show as redact.Token shows them.
func (t *Target) Mask(s string) string {
	t.secrets.mu.RLock()
	defer t.secrets.mu.RUnlock()
	for _, token := range t.secrets.tokens {
		if !strings.Contains(s, token) {
			continue
		}
		s = strings.ReplaceAll(s, token, redact.Token(token))
	}
	for _, token := range t.secrets.tokens {
		if i := strings.LastIndexByte(token, '.'); i >= 0 && len(token)-i > 20 {
			s = strings.ReplaceAll(s, token[i+1:], redact.Redacted)
		}
	}
	for _, p := range t.secrets.passwords {
		s = strings.ReplaceAll(s, p, redact.Redacted)
	}
	return redact.Mask(s)
}
