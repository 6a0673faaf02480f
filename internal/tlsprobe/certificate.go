package tlsprobe

import (
	"bytes"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Certificate is what its DER says, read leniently: crypto/x509 refuses some of
// the certificates that most need to be reported.
type Certificate struct {
	Raw []byte
	// Serial is in hexadecimal, two digits a byte, without the byte that DER puts
	// before a number whose first bit is set; of a very long one, the first 32
	// bytes.
	Serial string
	// Subject and Issuer are for people; RawSubject and RawIssuer for comparing.
	Subject, Issuer       string
	RawSubject, RawIssuer []byte
	NotBefore, NotAfter   time.Time
	// KeyType is RSA, EC, DSA, Ed25519, Ed448, or an object identifier.
	KeyType string
	// KeyBits is the size of the modulus, the field or the prime. Zero: unknown.
	KeyBits int
	// Curve names the group of an EC key.
	Curve string
	// Exponent is that of an RSA key.
	Exponent *big.Int
	// Signature is the algorithm, as SHA256-RSA; Hash its digest, as SHA256.
	// An unknown one is an object identifier, without a Hash.
	Signature, Hash string
	DNSNames        []string
	IPAddresses     []net.IP
	// CA says that basic constraints allow it to issue.
	CA bool

	tbs       []byte // what is signed
	signature []byte
	key       []byte // the bits of the public key
	sigOID    string
}

// SelfIssued reports whether subject and issuer are the same.
func (c Certificate) SelfIssued() bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }

// ParseCertificate reads one DER certificate (RFC 5280 §4.1). Unknown
// algorithms and extensions are no errors.
func ParseCertificate(der []byte) (Certificate, error) {
	c := Certificate{Raw: bytes.Clone(der)}
	in := cryptobyte.String(c.Raw)
	var outer, tbs, alg cryptobyte.String
	var sig asn1.BitString
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !in.Empty() ||
		!outer.ReadASN1Element(&tbs, cbasn1.SEQUENCE) || !outer.ReadASN1(&alg, cbasn1.SEQUENCE) ||
		!outer.ReadASN1BitString(&sig) {
		return c, malformed("malformed certificate")
	}
	c.tbs, c.signature = tbs, sig.RightAlign()
	if !c.readSignatureAlgorithm(alg) {
		return c, malformed("malformed signature algorithm of a certificate")
	}
	return c, c.readTBS(tbs)
}

func (c *Certificate) readTBS(tbs cryptobyte.String) error {
	var body, serial, alg, issuer, validity, subject, spki cryptobyte.String
	versionTag := cbasn1.Tag(0).Constructed().ContextSpecific()
	if !tbs.ReadASN1(&body, cbasn1.SEQUENCE) || !body.SkipOptionalASN1(versionTag) ||
		!body.ReadASN1(&serial, cbasn1.INTEGER) || !body.ReadASN1(&alg, cbasn1.SEQUENCE) ||
		!body.ReadASN1Element(&issuer, cbasn1.SEQUENCE) || !body.ReadASN1(&validity, cbasn1.SEQUENCE) ||
		!body.ReadASN1Element(&subject, cbasn1.SEQUENCE) || !body.ReadASN1(&spki, cbasn1.SEQUENCE) {
		return malformed("malformed certificate body")
	}
	c.Serial = serialText(serial)
	c.RawIssuer, c.RawSubject = issuer, subject
	c.Issuer, c.Subject = nameText(issuer), nameText(subject)
	var ok bool
	if c.NotBefore, ok = readTime(&validity); !ok {
		return malformed("malformed notBefore of a certificate")
	}
	if c.NotAfter, ok = readTime(&validity); !ok {
		return malformed("malformed notAfter of a certificate")
	}
	if !c.readKey(spki) {
		return malformed("malformed public key of a certificate")
	}
	return c.readExtensions(body)
}

func serialText(der []byte) string {
	if len(der) > 1 && der[0] == 0 {
		der = der[1:]
	}
	return fmt.Sprintf("%x", der[:min(len(der), 32)])
}

// readTime reads UTCTime or GeneralizedTime. Years of two digits below 50 are
// of this century (RFC 5280 §4.1.2.5.1).
func readTime(s *cryptobyte.String) (time.Time, bool) {
	var body cryptobyte.String
	var tag cbasn1.Tag
	if !s.ReadAnyASN1(&body, &tag) {
		return time.Time{}, false
	}
	text := string(body)
	switch tag {
	case cbasn1.UTCTime:
		for _, layout := range []string{"060102150405Z0700", "0601021504Z0700"} {
			if t, err := time.Parse(layout, text); err == nil {
				if t.Year() >= 2050 {
					t = t.AddDate(-100, 0, 0)
				}
				return t.UTC(), true
			}
		}
	case cbasn1.GeneralizedTime:
		if t, err := time.Parse("20060102150405Z0700", text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func (c *Certificate) readExtensions(body cryptobyte.String) error {
	context := func(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific() }
	var explicit, list cryptobyte.String
	var there bool
	if !body.SkipOptionalASN1(context(1)) || !body.SkipOptionalASN1(context(2)) ||
		!body.ReadOptionalASN1(&explicit, &there, context(3).Constructed()) {
		return malformed("malformed certificate body")
	}
	if !there {
		return nil
	}
	if !explicit.ReadASN1(&list, cbasn1.SEQUENCE) {
		return malformed("malformed certificate extensions")
	}
	for !list.Empty() {
		var ext, value cryptobyte.String
		var id asn1.ObjectIdentifier
		if !list.ReadASN1(&ext, cbasn1.SEQUENCE) || !ext.ReadASN1ObjectIdentifier(&id) ||
			!ext.SkipOptionalASN1(cbasn1.BOOLEAN) || !ext.ReadASN1(&value, cbasn1.OCTET_STRING) {
			return malformed("malformed certificate extensions")
		}
		switch id.String() {
		case "2.5.29.17":
			if !c.readNames(value) {
				return malformed("malformed subjectAltName of a certificate")
			}
		case "2.5.29.19":
			var bc cryptobyte.String
			if !value.ReadASN1(&bc, cbasn1.SEQUENCE) ||
				bc.PeekASN1Tag(cbasn1.BOOLEAN) && !bc.ReadASN1Boolean(&c.CA) {
				return malformed("malformed basicConstraints of a certificate")
			}
		}
	}
	return nil
}

func (c *Certificate) readNames(value cryptobyte.String) bool {
	var list cryptobyte.String
	if !value.ReadASN1(&list, cbasn1.SEQUENCE) {
		return false
	}
	for !list.Empty() {
		var name cryptobyte.String
		var tag cbasn1.Tag
		if !list.ReadAnyASN1(&name, &tag) {
			return false
		}
		switch tag {
		case cbasn1.Tag(2).ContextSpecific():
			c.DNSNames = append(c.DNSNames, string(name))
		case cbasn1.Tag(7).ContextSpecific():
			if len(name) != net.IPv4len && len(name) != net.IPv6len {
				return false
			}
			c.IPAddresses = append(c.IPAddresses, net.IP(name))
		}
	}
	return true
}

// nameText is a distinguished name for people, control characters quoted.
func nameText(der []byte) string {
	in := cryptobyte.String(der)
	var rdns cryptobyte.String
	if !in.ReadASN1(&rdns, cbasn1.SEQUENCE) {
		return "unreadable name"
	}
	var text string
	for !rdns.Empty() {
		var set cryptobyte.String
		if !rdns.ReadASN1(&set, cbasn1.SET) {
			return "unreadable name"
		}
		for !set.Empty() {
			var pair, value cryptobyte.String
			var id asn1.ObjectIdentifier
			var tag cbasn1.Tag
			if !set.ReadASN1(&pair, cbasn1.SEQUENCE) || !pair.ReadASN1ObjectIdentifier(&id) ||
				!pair.ReadAnyASN1(&value, &tag) {
				return "unreadable name"
			}
			if text != "" {
				text += ", "
			}
			text += attributeName(id.String()) + "=" + printable(string(value))
		}
	}
	return text
}

func attributeName(oid string) string {
	switch oid {
	case "2.5.4.3":
		return "CN"
	case "2.5.4.6":
		return "C"
	case "2.5.4.7":
		return "L"
	case "2.5.4.8":
		return "ST"
	case "2.5.4.10":
		return "O"
	case "2.5.4.11":
		return "OU"
	}
	return oid
}

// printable makes foreign text fit for a terminal and a report.
func printable(s string) string {
	const most = 128
	if len(s) > most {
		s = s[:most]
	}
	q := fmt.Sprintf("%+q", s)
	return q[1 : len(q)-1]
}
