package token

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
)

// KeySet is the keys of one issuer. It is safe for concurrent use, since
// nothing changes it. The zero KeySet has no key.
type KeySet struct {
	keys []*key
}

const maxKeys = 100

// ParseJWKS reads a JWK Set (RFC 7517 §5), key by key. A key that cannot be
// used is left out and a warning says why: RSA under 2048 or above 8192 bits
// or with a weak exponent or structure, a use other than sig, key_ops without
// verify, symmetric keys, unknown types, curves and algorithms, a point off
// its curve, and all keys that share a kid. Private members are dropped, with
// a warning too.
//
// It is an error when data is no JSON object with an array of keys, has a
// member twice anywhere, has more than 100 keys, or none that can be used.
func ParseJWKS(data []byte) (ks *KeySet, warnings []string, err error) {
	members, err := scanObject(data, defaultMaxDepth, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("key set %w", err)
	}
	i := slices.IndexFunc(members, func(m member) bool { return string(m.name) == "keys" })
	if i < 0 || members[i].kind != kindArray {
		return nil, nil, errors.New(`key set has no array "keys"`)
	}
	texts := elements(members[i].value)
	if len(texts) > maxKeys {
		return nil, nil, fmt.Errorf("key set has %d keys, more than %d", len(texts), maxKeys)
	}
	ks = &KeySet{}
	seen := map[string]int{}
	for i, text := range texts {
		kid := keyID(text)
		seen[kid]++
		k, private, err := parseKey(text)
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("key %d (kid %s) is not used: %v", i, quoted(kid), err))
			continue
		}
		if private {
			warnings = append(warnings, fmt.Sprintf(
				"key %d (kid %s) is published with its private part: replace it, whoever read the set can sign", i, quoted(kid)))
		}
		if pub, ok := k.public.(*rsa.PublicKey); ok {
			k.rsa.hasten(pub)
		}
		ks.keys = append(ks.keys, k)
	}
	ks.keys = slices.DeleteFunc(ks.keys, func(k *key) bool {
		return k.id != "" && seen[k.id] > 1
	})
	for kid, n := range seen {
		if kid != "" && n > 1 {
			warnings = append(warnings, fmt.Sprintf("%d keys share the kid %s: none of them is used", n, quoted(kid)))
		}
	}
	slices.Sort(warnings)
	if len(ks.keys) == 0 {
		return nil, warnings, errors.New("key set has no usable key")
	}
	return ks, warnings, nil
}

// elements cuts an array that the scanner has passed into its values.
func elements(array []byte) (all [][]byte) {
	s := scanner{data: array, pos: 1, maxDepth: defaultMaxDepth}
	for s.next() != ']' {
		start := s.pos
		if s.value() != nil {
			return all
		}
		all = append(all, array[start:s.pos])
		if s.next() == ',' {
			s.pos++
		}
	}
	return all
}

// keyID returns the kid of a key that may be unusable otherwise.
func keyID(data []byte) string {
	members, err := scanObject(data, defaultMaxDepth, nil)
	if err != nil {
		return ""
	}
	for i := range members {
		if string(members[i].name) == "kid" {
			text, _ := members[i].text()
			return string(text)
		}
	}
	return ""
}

// Len returns how many usable keys there are.
func (ks *KeySet) Len() int { return len(ks.keys) }

// Has tells whether a key has this kid. A key without one has no name: no kid
// finds it.
func (ks *KeySet) Has(kid string) bool {
	return kid != "" && slices.ContainsFunc(ks.keys, func(k *key) bool { return k.id == kid })
}

// IDs returns the kid of each key that has one, sorted.
func (ks *KeySet) IDs() []string {
	var ids []string
	for _, k := range ks.keys {
		if k.id != "" {
			ids = append(ids, k.id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Equal tells whether both sets verify the same tokens: the same keys under
// the same names and algorithms, in whatever order.
func (ks *KeySet) Equal(other *KeySet) bool {
	if ks == nil || other == nil || len(ks.keys) != len(other.keys) {
		return ks == other
	}
	for _, k := range ks.keys {
		same := func(o *key) bool { return k.equal(o) }
		if !slices.ContainsFunc(other.keys, same) {
			return false
		}
	}
	for _, o := range other.keys {
		same := func(k *key) bool { return k.equal(o) }
		if !slices.ContainsFunc(ks.keys, same) {
			return false
		}
	}
	return true
}

func (k *key) equal(o *key) bool {
	if k.id != o.id || k.only != o.only || (k.secret == nil) != (o.secret == nil) {
		return false
	}
	if k.secret != nil {
		return bytes.Equal(k.secret.bytes, o.secret.bytes) && slices.Equal(k.secret.algs, o.secret.algs)
	}
	pub, ok := k.public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && pub.Equal(o.public)
}

// find returns the key that must have made a signature: the one that kid
// names, or without kid the only one that fits the algorithm.
func (ks *KeySet) find(kid string, alg *algorithm) (*key, *Error) {
	if ks == nil {
		return nil, &Error{RuleToken, "there are no keys", ErrUnknownKey}
	}
	var found *key
	for _, k := range ks.keys {
		switch {
		case kid != "" && k.id == kid:
			if !k.serves(alg) {
				return nil, refuse(RuleToken, "key "+quoted(kid)+" is not for algorithm "+alg.name)
			}
			return k, nil
		case kid == "" && k.serves(alg):
			if found != nil {
				return nil, refuse(RuleToken, "token has no kid and several keys would fit")
			}
			found = k
		}
	}
	switch {
	case found != nil:
		return found, nil
	case kid == "":
		return nil, refuse(RuleToken, "no key fits algorithm "+alg.name)
	}
	return nil, &Error{RuleToken, "no key has the kid " + quoted(kid), ErrUnknownKey}
}
