package attack

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strconv"
	"strings"

	"github.com/wiretight/wiretight/internal/token"
)

func secretAttacks() []Attack {
	return []Attack{
		{
			Name:  "blank-secret",
			Title: "HMAC with the empty secret",
			Check: "jwt.blank-secret",
			Why:   "the verifier's secret is empty, or becomes so when it is not configured (CWE-326)",
			forge: blankSecret,
		},
		{
			Name:  "alg-confusion",
			Title: "HMAC with the public key as secret",
			Check: "jwt.alg-confusion",
			Why:   "the token chooses HMAC and the verifier takes its public key for the secret (CWE-757, RFC 8725 §3.1, CVE-2016-5431)",
			forge: confusion,
		},
		{
			Name:  "weak-secret",
			Title: "HMAC with a published secret",
			Check: "jwt.weak-secret",
			Why:   "the secret stands in documentation or lists (CWE-326, RFC 8725 §3.5)",
			forge: publishedSecrets,
		},
	}
}

// macs are the algorithms of HMAC.
var macs = []string{"HS256", "HS384", "HS512"}

// randomMAC is the control of every attack with a known secret: a verifier
// that accepts it does not verify HMAC at all.
func (g *genuine) randomMAC(alg string) string {
	return mac(alg, random(64), g.header, g.altered())
}

func blankSecret(g *genuine) []Forged {
	var all []Forged
	for _, alg := range macs {
		all = append(all, Forged{
			Name: strings.ToLower(alg), Title: alg + " with the empty secret",
			Token: mac(alg, nil, g.header, g.altered()), Control: g.randomMAC(alg),
		})
	}
	return all
}

// confusion tries every form in which a verifier may hold its public key. Some
// take only the exact file, others what a library made of it.
func confusion(g *genuine) []Forged {
	var all []Forged
	for _, form := range keyForms(g.Material) {
		algs := macs[:1]
		if form.name == "spki-pem" {
			algs = macs
		}
		for _, alg := range algs {
			all = append(all, Forged{
				Name: strings.ToLower(alg) + "-" + form.name, Title: alg + " keyed with the public key as " + form.title,
				Token: mac(alg, form.bytes, g.header, g.altered()), Control: g.randomMAC(alg),
			})
		}
	}
	return all
}

type keyForm struct {
	name, title string
	bytes       []byte
}

// keyForms spells all that is known of a public key.
func keyForms(m Material) (forms []keyForm) {
	pub := m.PublicKey
	if pub == nil && m.Cert != nil {
		pub = m.Cert.PublicKey
	}
	if der, err := x509.MarshalPKIXPublicKey(pub); err == nil {
		forms = append(forms, pemForms("spki", "SPKI", "PUBLIC KEY", der)...)
	}
	if pub, ok := pub.(*rsa.PublicKey); ok {
		forms = append(forms, pemForms("pkcs1", "PKCS #1", "RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(pub))...)
		forms = append(forms, keyForm{"modulus", "its modulus", pub.N.Bytes()})
	}
	if m.Cert != nil {
		forms = append(forms, pemForms("cert", "certificate", "CERTIFICATE", m.Cert.Raw)...)
	}
	if jwk := publicJWK(pub); jwk != nil {
		forms = append(forms, keyForm{"jwk", "JWK", compactJSON(jwk)})
	}
	if len(m.JWKS) > 0 {
		forms = append(forms, keyForm{"jwks", "the key set as served", m.JWKS})
		forms = append(forms, servedKeys(m.JWKS)...)
	}
	return append(forms, rawPoint(pub)...)
}

func pemForms(name, title, kind string, der []byte) []keyForm {
	text := string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	bare := strings.TrimSuffix(text, "\n")
	windows := strings.ReplaceAll(text, "\n", "\r\n")
	lines := strings.Split(bare, "\n")
	return []keyForm{
		{name + "-pem", title + " PEM", []byte(text)},
		{name + "-pem-bare", title + " PEM without the last newline", []byte(bare)},
		{name + "-pem-crlf", title + " PEM with CRLF", []byte(windows)},
		{name + "-pem-crlf-bare", title + " PEM with CRLF, without the last", []byte(strings.TrimSuffix(windows, "\r\n"))},
		{name + "-pem-newlines", title + " PEM with one newline more", []byte(text + "\n")},
		{name + "-body", title + " in base64 on one line", []byte(strings.Join(lines[1:len(lines)-1], ""))},
		{name + "-der", title + " DER", der},
	}
}

// servedKeys are the keys of a set in the exact bytes that were served.
func servedKeys(jwks []byte) (forms []keyForm) {
	var set struct{ Keys []json.RawMessage }
	if json.Unmarshal(jwks, &set) != nil || len(set.Keys) == 0 {
		return nil
	}
	for i, key := range set.Keys[:min(len(set.Keys), 3)] {
		number := strconv.Itoa(i + 1)
		forms = append(forms, keyForm{"jwk-served-" + number, "JWK as served", key})
		var x5c struct{ X5C []string }
		if json.Unmarshal(key, &x5c) == nil && len(x5c.X5C) > 0 {
			forms = append(forms, keyForm{"x5c-served-" + number, "x5c as served", []byte(x5c.X5C[0])})
		}
	}
	return forms
}

// rawPoint is how libraries for one curve hold a key.
func rawPoint(pub crypto.PublicKey) []keyForm {
	jwk := publicJWK(pub)
	switch jwk["kty"] {
	case "EC":
		if k, ok := pub.(interface{ Bytes() ([]byte, error) }); ok {
			if point, err := k.Bytes(); err == nil {
				return []keyForm{{"point", "uncompressed point", point}}
			}
		}
	case "OKP":
		if k, ok := pub.(ed25519.PublicKey); ok {
			return []keyForm{{"raw", "its 32 bytes", k}}
		}
	}
	return nil
}

// publishedSecrets are only the first of them, for those who test a verifier
// from outside; Guess finds any of them without a request.
func publishedSecrets(g *genuine) []Forged {
	if g.family() != "HS" || hashes[g.alg] == 0 {
		return nil
	}
	var all []Forged
	for i, secret := range token.PublishedSecrets()[:5] {
		all = append(all, Forged{
			Name: "published-" + strconv.Itoa(i+1), Title: g.alg + " with a published secret",
			Token: mac(g.alg, []byte(secret), g.header, g.altered()), Control: g.randomMAC(g.alg),
		})
	}
	return all
}
