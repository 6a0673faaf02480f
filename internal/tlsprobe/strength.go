package tlsprobe

import (
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"
)

var three = big.NewInt(3)

// WeakKey says why the certificate's key is too weak, or nothing: RSA and DSA
// under 2048 bits, curves under 224, an RSA exponent under 3 or even.
func (c Certificate) WeakKey() string {
	switch {
	case c.KeyType == "RSA" && c.Exponent != nil && (c.Exponent.Cmp(three) < 0 || c.Exponent.Bit(0) == 0):
		return fmt.Sprintf("RSA with the public exponent %s", printable(c.Exponent.String()))
	case (c.KeyType == "RSA" || c.KeyType == "DSA") && c.KeyBits < 2048:
		return fmt.Sprintf("%s of %d bits", c.KeyType, c.KeyBits)
	case c.KeyType == "EC" && c.KeyBits < 224:
		return fmt.Sprintf("EC of %d bits", c.KeyBits)
	}
	return ""
}

// WeakSignature says which broken digest the certificate is signed with, or
// nothing: MD2, MD4, MD5 or SHA-1. It does not ask whether that signature
// matters; see Chain.WeakSignatures.
func (c Certificate) WeakSignature() string {
	switch c.Hash {
	case "MD2", "MD4", "MD5", "SHA1":
		return c.Signature
	}
	return ""
}

// Matches reports whether the certificate covers host, by its subjectAltName
// alone (RFC 9525 §6): a DNS name with at most the whole first label wild, or
// an address.
func (c Certificate) Matches(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if ip := net.ParseIP(strings.Trim(host, "[]")); ip != nil {
		for _, have := range c.IPAddresses {
			if have.Equal(ip) {
				return true
			}
		}
		return false
	}
	for _, name := range c.DNSNames {
		if matchName(strings.TrimSuffix(strings.ToLower(name), "."), host) {
			return true
		}
	}
	return false
}

func matchName(pattern, host string) bool {
	if host == "" || strings.Contains(host, "*") {
		return false
	}
	if pattern == host {
		return true
	}
	suffix, wild := strings.CutPrefix(pattern, "*.")
	label, parent, ok := strings.Cut(host, ".")
	return wild && ok && label != "" && parent == suffix
}

// Lifetime says where a moment lies in a certificate's validity.
type Lifetime int

// The lifetimes. Those that are a finding are greater than Valid.
const (
	Valid Lifetime = iota
	Expiring
	NotYetValid
	Expired
)

// String returns the lifetime in lower case words.
func (l Lifetime) String() string {
	return [...]string{"valid", "expiring", "not yet valid", "expired"}[l]
}

// clockSkew is how far the scanner's clock may be off.
const clockSkew = 5 * time.Minute

// Lifetime judges now. A certificate is Expiring within its last 14 days, or,
// where it is made for 90 days or less, within the last sixth.
func (c Certificate) Lifetime(now time.Time) Lifetime {
	switch {
	case now.Before(c.NotBefore.Add(-clockSkew)):
		return NotYetValid
	case now.After(c.NotAfter.Add(clockSkew)):
		return Expired
	}
	warn := 14 * 24 * time.Hour
	if life := c.NotAfter.Sub(c.NotBefore); life <= 90*24*time.Hour {
		warn = life / 6
	}
	if c.NotAfter.Sub(now) < warn {
		return Expiring
	}
	return Valid
}
