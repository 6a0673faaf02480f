// Package attack knows the ways in which a token can be forged or spoiled, as
// values with a name and a reason. The scanner throws them at a target, and
// the guard's tests throw them at the guard. The package computes: what it
// makes goes nowhere by itself.
package attack

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"time"
)

// Material is what an attacker has to work with.
type Material struct {
	// Token is a genuine token in compact form. It alone is needed.
	Token string
	// PublicKey verifies the token. Nil: not known.
	PublicKey crypto.PublicKey
	// JWKS is the key set as the issuer serves it. Nil: not known.
	JWKS []byte
	// Cert is the certificate whose key verifies the token. Nil: not known.
	Cert *x509.Certificate
	// Sign signs as the issuer would: it stands for a secret that was guessed,
	// or for a test's own key. Nil: there is no such key, and attacks that are
	// well signed are left out.
	Sign func(header, claims map[string]any) (string, error)
	// SignText is Sign for texts of JSON that no map can hold. Nil: such
	// attacks are left out.
	SignText func(header, claims string) (string, error)
	// CallbackURL is where a listener of the attacker's serves CallbackJWKS
	// and CallbackCert. Empty: a name that cannot resolve stands in for it.
	CallbackURL string
	// Now is the time by which claims are made. The zero time is not useful.
	Now time.Time
}

// Forged is one token of an attack.
type Forged struct {
	// Name is stable: the attack's name, a slash, and the variant.
	Name string
	// Title says in words what was done.
	Title string
	// Token is what to send. It need not be in compact form.
	Token string
	// Why says which weakness accepting the token would prove.
	Why string
	// Check is the scanner's check that reports it. Empty: none does, yet a
	// strict verifier refuses the token.
	Check string
	// Control must be refused for the acceptance of Token to prove the
	// weakness; otherwise a wider one is at work. Empty: the scan's own
	// baselines are enough.
	Control string
	// Genuine must be accepted for the refusal of Token to prove strictness.
	// Empty: Material.Token.
	Genuine string
	// Intrusive marks a token that can do more than be accepted. It is sent
	// only when the user asks for such.
	Intrusive bool
}

// Attack is one way to spoil a token.
type Attack struct {
	// Name is stable and short, as "alg-none".
	Name  string
	Title string
	// Why says what is wrong with a verifier that falls for it, with its CWE
	// and a reference.
	Why string
	// Check is the id of the scanner's check. Empty: none.
	Check string

	forge func(*genuine) []Forged
}

// Attacks returns every attack, in the order in which a scanner must try them:
// what proves the widest weakness first.
func Attacks() []Attack {
	var all []Attack
	for _, group := range [][]Attack{
		signatureAttacks(), noneAttacks(), otherAttacks(), secretAttacks(), psychicAttacks(),
		embeddedAttacks(), kidAttacks(), claimAttacks(), formAttacks(), wrapAttacks(),
	} {
		all = append(all, group...)
	}
	return all
}

// Forge makes the attack's tokens from m. There may be none, where the attack
// does not apply or lacks what it needs. The error says that m.Token is no
// compact token with a JSON header and payload.
func (a Attack) Forge(m Material) ([]Forged, error) {
	g, err := read(m)
	if err != nil {
		return nil, fmt.Errorf("forge %s: %w", a.Name, err)
	}
	return a.from(g), nil
}

func (a Attack) from(g *genuine) []Forged {
	forged := a.forge(g)
	for i := range forged {
		f := &forged[i]
		f.Name = a.Name + "/" + f.Name
		if f.Check == "" {
			f.Check = a.Check
		}
		if f.Why == "" {
			f.Why = a.Why
		}
	}
	return forged
}

// All makes the tokens of every attack that m allows. It returns nil if
// m.Token is no compact token with a JSON header and payload.
func All(m Material) []Forged {
	g, err := read(m)
	if err != nil {
		return nil
	}
	var all []Forged
	for _, a := range Attacks() {
		all = append(all, a.from(g)...)
	}
	return all
}
