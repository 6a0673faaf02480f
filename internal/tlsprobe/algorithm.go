package tlsprobe

import (
	"encoding/asn1"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// signatures are the algorithms that certificates are signed with (RFC 3279,
// RFC 4055, RFC 5758, RFC 8410).
var signatures = map[string]struct{ name, hash string }{
	"1.2.840.113549.1.1.2":    {"MD2-RSA", "MD2"},
	"1.2.840.113549.1.1.3":    {"MD4-RSA", "MD4"},
	"1.2.840.113549.1.1.4":    {"MD5-RSA", "MD5"},
	"1.2.840.113549.1.1.5":    {"SHA1-RSA", "SHA1"},
	"1.3.14.3.2.29":           {"SHA1-RSA", "SHA1"},
	"1.2.840.113549.1.1.14":   {"SHA224-RSA", "SHA224"},
	"1.2.840.113549.1.1.11":   {"SHA256-RSA", "SHA256"},
	"1.2.840.113549.1.1.12":   {"SHA384-RSA", "SHA384"},
	"1.2.840.113549.1.1.13":   {"SHA512-RSA", "SHA512"},
	oidPSS:                    {"RSA-PSS", "SHA1"}, // the default of its parameters
	"1.2.840.10040.4.3":       {"SHA1-DSA", "SHA1"},
	"2.16.840.1.101.3.4.3.2":  {"SHA256-DSA", "SHA256"},
	"1.2.840.10045.4.1":       {"SHA1-ECDSA", "SHA1"},
	"1.2.840.10045.4.3.1":     {"SHA224-ECDSA", "SHA224"},
	"1.2.840.10045.4.3.2":     {"SHA256-ECDSA", "SHA256"},
	"1.2.840.10045.4.3.3":     {"SHA384-ECDSA", "SHA384"},
	"1.2.840.10045.4.3.4":     {"SHA512-ECDSA", "SHA512"},
	"1.3.101.112":             {"Ed25519", "SHA512"},
	"1.3.101.113":             {"Ed448", "SHAKE256"},
	"2.16.840.1.101.3.4.3.17": {"ML-DSA-44", "SHAKE256"},
	"2.16.840.1.101.3.4.3.18": {"ML-DSA-65", "SHAKE256"},
	"2.16.840.1.101.3.4.3.19": {"ML-DSA-87", "SHAKE256"},
}

const oidPSS = "1.2.840.113549.1.1.10"

var digests = map[string]string{
	"1.3.14.3.2.26":          "SHA1",
	"2.16.840.1.101.3.4.2.1": "SHA256",
	"2.16.840.1.101.3.4.2.2": "SHA384",
	"2.16.840.1.101.3.4.2.3": "SHA512",
	"2.16.840.1.101.3.4.2.4": "SHA224",
}

var curves = map[string]struct {
	name string
	bits int
}{
	"1.2.840.10045.3.1.1":   {"P-192", 192},
	"1.3.132.0.33":          {"P-224", 224},
	"1.2.840.10045.3.1.7":   {"P-256", 256},
	"1.3.132.0.34":          {"P-384", 384},
	"1.3.132.0.35":          {"P-521", 521},
	"1.3.132.0.10":          {"secp256k1", 256},
	"1.3.132.0.8":           {"secp160r1", 160},
	"1.3.132.0.9":           {"secp160k1", 160},
	"1.3.132.0.30":          {"secp160r2", 160},
	"1.3.132.0.31":          {"secp192k1", 192},
	"1.3.132.0.32":          {"secp224k1", 224},
	"1.3.132.0.6":           {"secp112r1", 112},
	"1.3.132.0.28":          {"secp128r1", 128},
	"1.3.36.3.3.2.8.1.1.3":  {"brainpoolP192r1", 192},
	"1.3.36.3.3.2.8.1.1.5":  {"brainpoolP224r1", 224},
	"1.3.36.3.3.2.8.1.1.7":  {"brainpoolP256r1", 256},
	"1.3.36.3.3.2.8.1.1.11": {"brainpoolP384r1", 384},
	"1.3.36.3.3.2.8.1.1.13": {"brainpoolP512r1", 512},
}

func (c *Certificate) readSignatureAlgorithm(alg cryptobyte.String) bool {
	var id asn1.ObjectIdentifier
	if !alg.ReadASN1ObjectIdentifier(&id) {
		return false
	}
	c.sigOID, c.Signature = id.String(), id.String()
	if s, ok := signatures[c.sigOID]; ok {
		c.Signature, c.Hash = s.name, s.hash
	}
	if c.sigOID == oidPSS {
		return c.readPSS(alg)
	}
	return true
}

// readPSS reads the hash of RSASSA-PSS-params (RFC 4055 §3.1).
func (c *Certificate) readPSS(alg cryptobyte.String) bool {
	var params, explicit, hash cryptobyte.String
	var there bool
	if !alg.ReadASN1(&params, cbasn1.SEQUENCE) ||
		!params.ReadOptionalASN1(&explicit, &there, cbasn1.Tag(0).ContextSpecific().Constructed()) {
		return false
	}
	if there {
		var id asn1.ObjectIdentifier
		if !explicit.ReadASN1(&hash, cbasn1.SEQUENCE) || !hash.ReadASN1ObjectIdentifier(&id) {
			return false
		}
		c.Hash = digests[id.String()]
	}
	c.Signature = c.Hash + "-RSAPSS"
	return true
}

// readKey reads a SubjectPublicKeyInfo without its outer header.
func (c *Certificate) readKey(spki cryptobyte.String) bool {
	var alg cryptobyte.String
	var bits asn1.BitString
	var id asn1.ObjectIdentifier
	if !spki.ReadASN1(&alg, cbasn1.SEQUENCE) || !alg.ReadASN1ObjectIdentifier(&id) ||
		!spki.ReadASN1BitString(&bits) {
		return false
	}
	c.key = bits.RightAlign()
	switch oid := id.String(); oid {
	case "1.2.840.113549.1.1.1", oidPSS:
		c.KeyType = "RSA"
		n, e, ok := readRSA(c.key)
		if !ok {
			return false
		}
		c.KeyBits, c.Exponent = n.BitLen(), e
	case "1.2.840.10045.2.1":
		c.KeyType = "EC"
		c.readCurve(alg)
	case "1.2.840.10040.4.1":
		c.KeyType = "DSA"
		var params cryptobyte.String
		p := new(big.Int)
		if alg.ReadASN1(&params, cbasn1.SEQUENCE) && params.ReadASN1Integer(p) {
			c.KeyBits = p.BitLen()
		}
	case "1.3.101.112":
		c.KeyType, c.KeyBits = "Ed25519", 256
	case "1.3.101.113":
		c.KeyType, c.KeyBits = "Ed448", 456
	default:
		c.KeyType = oid
	}
	return true
}

// readRSA reads an RSAPublicKey (RFC 8017 §A.1.1).
func readRSA(key []byte) (n, e *big.Int, ok bool) {
	in := cryptobyte.String(key)
	var seq cryptobyte.String
	n, e = new(big.Int), new(big.Int)
	ok = in.ReadASN1(&seq, cbasn1.SEQUENCE) && seq.ReadASN1Integer(n) && seq.ReadASN1Integer(e)
	return n, e, ok
}

// readCurve reads a named curve, or the field size of explicit parameters
// (RFC 3279 §2.3.5). The key's own length speaks for a curve that is not known.
func (c *Certificate) readCurve(alg cryptobyte.String) {
	var id asn1.ObjectIdentifier
	if alg.PeekASN1Tag(cbasn1.OBJECT_IDENTIFIER) && alg.ReadASN1ObjectIdentifier(&id) {
		c.Curve = id.String()
		if curve, ok := curves[c.Curve]; ok {
			c.Curve, c.KeyBits = curve.name, curve.bits
			return
		}
	} else {
		c.Curve = "explicit parameters"
	}
	if len(c.key) > 1 && c.key[0] == 4 {
		c.KeyBits = (len(c.key) - 1) / 2 * 8
	}
}
