package attack

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of the algorithms
	_ "crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"sync"
	"time"
)

// attacker holds the attacker's own keys. They are made once a process, when
// first needed, and protect nothing.
var attacker = sync.OnceValue(func() (k struct {
	rsa *rsa.PrivateKey
	ec  map[string]*ecdsa.PrivateKey
	ed  ed25519.PrivateKey
},
) {
	must := func(err error) {
		if err != nil {
			panic("make the attacker's keys: " + err.Error())
		}
	}
	var err error
	k.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	_, k.ed, err = ed25519.GenerateKey(rand.Reader)
	must(err)
	k.ec = map[string]*ecdsa.PrivateKey{}
	for alg, curve := range curves {
		k.ec[alg], err = ecdsa.GenerateKey(curve, rand.Reader)
		must(err)
	}
	return k
})

var curves = map[string]elliptic.Curve{
	"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521(),
}

// attackerKey returns the key that the attacker uses under alg, and the
// algorithm, which is RS256 where alg has no key pair.
func attackerKey(alg string) (crypto.Signer, string) {
	if k, ok := attacker().ec[alg]; ok {
		return k, alg
	}
	switch {
	case alg == "EdDSA" || alg == "Ed25519":
		return attacker().ed, alg
	case strings.HasPrefix(alg, "PS") && hashes[alg] != 0:
		return attacker().rsa, alg
	case strings.HasPrefix(alg, "RS") && hashes[alg] != 0:
		return attacker().rsa, alg
	}
	return attacker().rsa, "RS256"
}

var hashes = map[string]crypto.Hash{
	"HS256": crypto.SHA256, "RS256": crypto.SHA256, "PS256": crypto.SHA256, "ES256": crypto.SHA256,
	"HS384": crypto.SHA384, "RS384": crypto.SHA384, "PS384": crypto.SHA384, "ES384": crypto.SHA384,
	"HS512": crypto.SHA512, "RS512": crypto.SHA512, "PS512": crypto.SHA512, "ES512": crypto.SHA512,
}

// signed makes a token that the attacker's key for alg has signed. alg stands
// in the header whatever the header said.
func signed(alg string, header, claims object) string {
	key, alg := attackerKey(alg)
	text := segment(with(header, object{"alg": alg})) + "." + segment(claims)
	return text + "." + encode(sign(key, alg, text))
}

func sign(key crypto.Signer, alg, text string) []byte {
	digest := []byte(text)
	hash := hashes[alg]
	if hash != 0 {
		h := hash.New()
		h.Write(digest)
		digest = h.Sum(nil)
	}
	var options crypto.SignerOpts = hash
	if strings.HasPrefix(alg, "PS") {
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	signature, err := key.Sign(rand.Reader, digest, options)
	if err != nil {
		panic("sign with the attacker's key: " + err.Error()) // its own keys and fixed algorithms
	}
	if curve := curves[alg]; curve != nil {
		var rs struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(signature, &rs); err != nil {
			panic("read the attacker's signature: " + err.Error())
		}
		return pair(curve, rs.R, rs.S)
	}
	return signature
}

// pair writes two numbers as a JWS signature.
func pair(curve elliptic.Curve, r, s *big.Int) []byte {
	size := (curve.Params().BitSize + 7) / 8
	out := make([]byte, 2*size)
	r.FillBytes(out[:size])
	s.FillBytes(out[size:])
	return out
}

// mac makes a token under HMAC. alg stands in the header.
func mac(alg string, key []byte, header, claims object) string {
	text := segment(with(header, object{"alg": alg})) + "." + segment(claims)
	return text + "." + encode(macOf(alg, key, text))
}

func macOf(alg string, key []byte, text string) []byte {
	h := hmac.New(hashes[alg].New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// selfSigned returns a certificate that the attacker made for the key.
func selfSigned(key crypto.Signer) []byte {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "wiretight attacker"},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Unix(4102444800, 0), // 2100
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic("make the attacker's certificate: " + err.Error())
	}
	return der
}

// publicJWK describes a public key with the members that a verifier needs.
func publicJWK(pub crypto.PublicKey) object {
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		return object{"kty": "RSA", "n": encode(pub.N.Bytes()), "e": encode(big.NewInt(int64(pub.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, err := pub.Bytes()
		if err != nil {
			return nil
		}
		size := len(point) / 2
		return object{
			"kty": "EC", "crv": pub.Curve.Params().Name,
			"x": encode(point[1 : 1+size]), "y": encode(point[1+size:]),
		}
	case ed25519.PublicKey:
		return object{"kty": "OKP", "crv": "Ed25519", "x": encode(pub)}
	}
	return nil
}
