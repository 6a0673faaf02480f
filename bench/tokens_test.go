package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// verify asks a library that this program shares no code with.
func verify(s *signer, token string) error {
	_, err := jwt.Parse(token, func(*jwt.Token) (any, error) {
		if s.key == nil {
			return s.secret, nil
		}
		return s.key.Public(), nil
	}, jwt.WithValidMethods([]string{s.alg}), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	return err
}

func TestTokens(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"RS256", "ES256", "EdDSA", "HS256"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			s, err := newSigner(alg)
			if err != nil {
				t.Fatal(err)
			}
			tokens, err := s.tokens(50, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for _, text := range tokens {
				if err := verify(s, text); err != nil {
					t.Fatalf("got %v, want a good token: %s", err, text)
				}
				seen[text] = true
			}
			if len(seen) != 50 {
				t.Errorf("got %d different tokens, want 50", len(seen))
			}
			claims := jwt.MapClaims{}
			if _, _, err := jwt.NewParser().ParseUnverified(tokens[0], claims); err != nil || len(claims) != 12 {
				t.Errorf("got %d claims, %v, want 12", len(claims), err)
			}
			if n := len(tokens[0]); alg == "RS256" && (n < 860 || n > 900) {
				t.Errorf("got a token of %d bytes, want about 880", n)
			}
		})
	}
	if _, err := newSigner("none"); err == nil {
		t.Error("none: got a signer, want an error")
	}
}

func TestForgeriesAreForged(t *testing.T) {
	t.Parallel()
	s, err := newSigner("RS256")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range s.forgeries(20, time.Now()) {
		if err := verify(s, text); !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
			t.Errorf("got %v, want an invalid signature", err)
		}
	}
}

func TestSavedTokens(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, tc := range []struct {
		name  string
		need  int
		later time.Duration
		spoil func(file string) error
		same  bool
	}{
		{"used again", 3, time.Hour, nil, true},
		{"fewer", 2, time.Hour, nil, true},
		{"more", 4, time.Hour, nil, false},
		{"old", 3, keepFor + time.Second, nil, false},
		{"from the future", 3, -time.Second, nil, false},
		{"not JSON", 3, 0, func(f string) error { return os.WriteFile(f, []byte("{"), 0o600) }, false},
		{"gone", 3, 0, os.Remove, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "sub", "rs256.json")
			_, first, err := savedTokens(file, 3, now)
			if err != nil {
				t.Fatal(err)
			}
			if tc.spoil != nil {
				if err := tc.spoil(file); err != nil {
					t.Fatal(err)
				}
			}
			s, second, err := savedTokens(file, tc.need, now.Add(tc.later))
			if err != nil {
				t.Fatal(err)
			}
			if len(second) != tc.need || (second[0] == first[0]) != tc.same {
				t.Errorf("got %d tokens, the same %v; want %d, %v", len(second), second[0] == first[0], tc.need, tc.same)
			}
			if err := verify(s, second[tc.need-1]); tc.later >= 0 && err != nil && tc.later < time.Hour {
				t.Errorf("got %v, want a good token", err)
			}
		})
	}
}
