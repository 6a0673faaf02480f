package token

import (
	"errors"
	"fmt"
	"slices"
)

// secret is a key that both sides know.
type secret struct {
	bytes []byte
	algs  []*algorithm
}

func (s *secret) allows(a *algorithm) bool { return slices.Contains(s.algs, a) }

// NewSecret makes a key set of one secret for the algorithms, which must all be
// HMAC (HS256, HS384, HS512). The secret must be at least as long as each hash
// (RFC 7518 §3.2) and none that is published in documentation, examples and
// lists. Tokens that name a kid find no key in it.
func NewSecret(bytes []byte, algs []string) (*KeySet, error) {
	ks, err := DangerouslyNewSecret(bytes, algs)
	if err != nil {
		return nil, err
	}
	for _, a := range ks.keys[0].secret.algs {
		if need := a.hash.Size(); len(bytes) < need {
			return nil, fmt.Errorf("secret has %d bytes, %s needs at least %d; make one with: openssl rand -base64 48",
				len(bytes), a.name, need)
		}
	}
	if IsPublished(bytes) {
		return nil, errors.New("secret is a published example that every attacker tries first; make one with: openssl rand -base64 48")
	}
	return ks, nil
}

// DangerouslyNewSecret is NewSecret without the judgement of the secret, for an
// operator who has accepted that it can be guessed. Only an empty one is
// refused even so.
func DangerouslyNewSecret(bytes []byte, algs []string) (*KeySet, error) {
	if len(bytes) == 0 {
		return nil, errors.New("secret is empty")
	}
	if len(algs) == 0 {
		return nil, errors.New("secret has no algorithm; name HS256, HS384 or HS512")
	}
	s := &secret{bytes: slices.Clone(bytes)}
	for _, name := range algs {
		a := lookup(name)
		if a == nil || a.family != familyHMAC {
			return nil, fmt.Errorf("algorithm %s does not work with a secret; name HS256, HS384 or HS512", quoted(name))
		}
		s.algs = append(s.algs, a)
	}
	return &KeySet{keys: []*key{{secret: s}}}, nil
}
