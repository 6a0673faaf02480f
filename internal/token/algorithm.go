package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"slices"
)

// family is the kind of key that an algorithm works with.
type family int

const (
	familyRSA family = iota + 1
	familyEC
	familyEd25519
	familyHMAC
)

// algorithm is one signature algorithm of RFC 7518 §3.1 or RFC 8037.
type algorithm struct {
	name   string
	family family
	hash   crypto.Hash // zero for EdDSA
	pss    bool
	curve  elliptic.Curve
}

// algorithms is everything that this package can verify. There is no "none".
var algorithms = []*algorithm{
	{name: "RS256", family: familyRSA, hash: crypto.SHA256},
	{name: "ES256", family: familyEC, hash: crypto.SHA256, curve: elliptic.P256()},
	{name: "EdDSA", family: familyEd25519},
	{name: "HS256", family: familyHMAC, hash: crypto.SHA256},
	{name: "PS256", family: familyRSA, hash: crypto.SHA256, pss: true},
	{name: "RS384", family: familyRSA, hash: crypto.SHA384},
	{name: "RS512", family: familyRSA, hash: crypto.SHA512},
	{name: "PS384", family: familyRSA, hash: crypto.SHA384, pss: true},
	{name: "PS512", family: familyRSA, hash: crypto.SHA512, pss: true},
	{name: "ES384", family: familyEC, hash: crypto.SHA384, curve: elliptic.P384()},
	{name: "ES512", family: familyEC, hash: crypto.SHA512, curve: elliptic.P521()},
	{name: "HS384", family: familyHMAC, hash: crypto.SHA384},
	{name: "HS512", family: familyHMAC, hash: crypto.SHA512},
}

// Algorithms returns the names of all signature algorithms that can be allowed.
// "Ed25519" (RFC 9864) is understood as another spelling of EdDSA.
func Algorithms() []string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = a.name
	}
	slices.Sort(names)
	return names
}

const ed25519Name = "Ed25519"

// algorithmName returns the string of alg without allocating for known ones.
func algorithmName(text []byte) string {
	for _, a := range algorithms {
		if a.name == string(text) {
			return a.name
		}
	}
	if string(text) == ed25519Name {
		return ed25519Name
	}
	return string(text)
}

// lookup returns nil for an algorithm that is not known. Names are compared
// case-sensitively (RFC 7515 §4.1.1).
func lookup(name string) *algorithm {
	if name == ed25519Name {
		name = "EdDSA"
	}
	for _, a := range algorithms {
		if a.name == name {
			return a
		}
	}
	return nil
}

// allowed returns the algorithm called name if list permits it, else nil.
func allowed(list []string, name string) *algorithm {
	a := lookup(name)
	if a == nil {
		return nil
	}
	for _, permitted := range list {
		if permitted == a.name || permitted == ed25519Name && a.family == familyEd25519 {
			return a
		}
	}
	return nil
}

// fits tells whether a public key belongs to the algorithm.
func (a *algorithm) fits(pub crypto.PublicKey) bool {
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		return a.family == familyRSA
	case *ecdsa.PublicKey:
		return a.family == familyEC && pub.Curve == a.curve
	case ed25519.PublicKey:
		return a.family == familyEd25519
	}
	return false
}

func (a *algorithm) asymmetric() bool { return a.family != familyHMAC }
