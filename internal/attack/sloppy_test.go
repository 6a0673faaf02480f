package attack_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/wiretight/wiretight/internal/attack"
)

// Each attack has here the sloppy verifier that it is made for. It must fall
// for every variant, refuse the controls, and accept what is genuine: so the
// forged tokens are known to be well-formed, dangerous, and rightly attributed.

// lax is a token as a careless reader takes it apart.
type lax struct {
	header    object
	text      string
	payload   []byte
	signature []byte
}

func laxParse(raw string) (l lax, ok bool) {
	parts := append(strings.Split(raw, "."), "", "")
	l.text = parts[0] + "." + parts[1]
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil || json.Unmarshal(header, &l.header) != nil {
		l.header = object{}
	}
	l.payload, err = base64.RawURLEncoding.DecodeString(parts[1])
	l.signature, _ = base64.RawURLEncoding.DecodeString(parts[2])
	return l, err == nil && len(l.payload) > 0
}

func (l lax) member(name string) string {
	s, _ := l.header[name].(string)
	return s
}

// signedBy is the one thing that all sloppy verifiers but one do right.
func signedBy(alg string, key any, text string, signature []byte) bool {
	if secret, ok := key.([]byte); ok {
		return strings.HasPrefix(alg, "HS") && len(alg) == 5 && hmac.Equal(macOf(alg, secret, text), signature)
	}
	if pub, ok := key.(ed25519.PublicKey); ok {
		return ed25519.Verify(pub, []byte(text), signature)
	}
	if len(alg) != 5 || hashes[alg[2:]] == 0 {
		return false
	}
	h := hashes[alg[2:]].New()
	h.Write([]byte(text))
	digest := h.Sum(nil)
	switch pub := key.(type) {
	case *rsa.PublicKey:
		if strings.HasPrefix(alg, "PS") {
			return rsa.VerifyPSS(pub, hashes[alg[2:]], digest, signature, nil) == nil
		}
		return rsa.VerifyPKCS1v15(pub, hashes[alg[2:]], digest, signature) == nil
	case *ecdsa.PublicKey:
		half := len(signature) / 2
		return ecdsa.Verify(pub, digest, new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]))
	}
	return false
}

func (p *party) verifies(text string, signature []byte) bool {
	if p.secret != nil {
		return signedBy(p.alg, p.secret, text, signature)
	}
	return signedBy(p.alg, p.key.Public(), text, signature)
}

func (p *party) signatureOnly(raw string) bool {
	l, _ := laxParse(raw)
	return strings.Count(raw, ".") == 2 && p.verifies(l.text, l.signature)
}

func noSignature(_ *party, raw string) bool {
	_, ok := laxParse(raw)
	return ok
}

func emptySignaturePasses(p *party, raw string) bool {
	l, ok := laxParse(raw)
	if len(bytes.Trim(l.signature, "\x00")) == 0 && strings.EqualFold(l.member("alg"), p.alg) {
		return ok
	}
	return p.verifies(l.text, l.signature)
}

func nonePasses(p *party, raw string) bool {
	l, ok := laxParse(raw)
	alg := l.header["alg"]
	if list, ok := alg.([]any); ok {
		alg = list[0]
	}
	header, _ := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[0])
	if strings.HasPrefix(string(header), `{"alg":"none"`) { // a reader that takes the first of two
		alg = "none"
	}
	if s, isString := alg.(string); alg == nil || isString && (s == "" || strings.EqualFold(s, "none")) {
		return ok
	}
	return p.verifies(l.text, l.signature)
}

// otherAlgorithmPasses verifies what it expects and lets the rest in.
func otherAlgorithmPasses(p *party, raw string) bool {
	l, ok := laxParse(raw)
	return ok && (l.member("alg") != p.alg || p.verifies(l.text, l.signature))
}

func secretIs(secrets ...[]byte) func(*party, string) bool {
	return func(p *party, raw string) bool {
		l, _ := laxParse(raw)
		for _, secret := range secrets {
			if signedBy(l.member("alg"), secret, l.text, l.signature) {
				return true
			}
		}
		return p.verifies(l.text, l.signature)
	}
}

// publicForms are the ways in which servers keep a public key, written anew.
func publicForms(p *party) (forms [][]byte) {
	if p.key == nil {
		return nil
	}
	blocks := map[string][]byte{"CERTIFICATE": p.material.Cert.Raw}
	blocks["PUBLIC KEY"], _ = x509.MarshalPKIXPublicKey(p.key.Public())
	if pub, ok := p.key.Public().(*rsa.PublicKey); ok {
		blocks["RSA PUBLIC KEY"] = x509.MarshalPKCS1PublicKey(pub)
		forms = append(forms, pub.N.Bytes())
	}
	for kind, der := range blocks {
		text := string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
		body := strings.ReplaceAll(text, "\n", "\r\n")
		for _, form := range []string{
			text, text + "\n", strings.TrimSpace(text), body, strings.TrimSpace(body),
			base64.StdEncoding.EncodeToString(der), string(der),
		} {
			forms = append(forms, []byte(form))
		}
	}
	var set struct{ Keys []json.RawMessage }
	_ = json.Unmarshal(p.material.JWKS, &set)
	forms = append(forms, p.material.JWKS, set.Keys[0])
	var members object
	_ = json.Unmarshal(set.Keys[0], &members)
	for _, name := range []string{"kid", "alg", "use"} {
		delete(members, name)
	}
	bare, _ := json.Marshal(members)
	forms = append(forms, bare)
	switch pub := p.key.Public().(type) {
	case *ecdsa.PublicKey:
		point, _ := pub.Bytes()
		forms = append(forms, point)
	case ed25519.PublicKey:
		forms = append(forms, pub)
	}
	return forms
}

func keyInToken(p *party, raw string) bool {
	l, _ := laxParse(raw)
	if jwk, err := json.Marshal(l.header["jwk"]); err == nil && l.header["jwk"] != nil {
		return signedBy(l.member("alg"), readKey(jwk), l.text, l.signature)
	}
	if x5c, ok := l.header["x5c"].([]any); ok {
		der, _ := base64.StdEncoding.DecodeString(x5c[0].(string))
		if cert, err := x509.ParseCertificate(der); err == nil {
			return signedBy(l.member("alg"), cert.PublicKey, l.text, l.signature)
		}
	}
	return p.verifies(l.text, l.signature)
}

func readKey(jwk []byte) any {
	var k jose.JSONWebKey
	if json.Unmarshal(jwk, &k) != nil {
		return nil
	}
	return k.Key
}

// keyByURL plays the server that fetches what a token names.
func keyByURL(p *party, raw string) bool {
	l, _ := laxParse(raw)
	var claims object
	_ = json.Unmarshal(l.payload, &claims)
	where := claims["iss"].(string) + attack.CallbackSetPath
	for _, member := range []string{"kid", "jku", "x5u"} {
		if u := l.member(member); strings.Contains(u, "://") {
			where = u
		}
	}
	u, err := url.Parse(where)
	if err != nil || u.Hostname() != "callback.test" {
		return p.verifies(l.text, l.signature)
	}
	var key any
	switch {
	case strings.HasSuffix(u.Path, attack.CallbackSetPath):
		var set struct{ Keys []json.RawMessage }
		_ = json.Unmarshal(attack.CallbackJWKS(p.alg), &set)
		key = readKey(set.Keys[0])
	case strings.HasSuffix(u.Path, attack.CallbackKeyPath):
		key = readKey(attack.CallbackJWK(p.alg))
	case strings.HasSuffix(u.Path, attack.CallbackCertPath):
		block, _ := pem.Decode(attack.CallbackCert(p.alg))
		cert, _ := x509.ParseCertificate(block.Bytes)
		key = cert.PublicKey
	}
	return signedBy(l.member("alg"), key, l.text, l.signature)
}

var union = regexp.MustCompile(`UNION SELECT ['"](\w+)['"]`)

// keyByKid plays the server that reads a file, asks a database, or runs a
// command with the kid in it.
func keyByKid(p *party, raw string) bool {
	l, _ := laxParse(raw)
	kid, ok := l.header["kid"].(string)
	if !ok || kid == p.kid {
		return p.verifies(l.text, l.signature)
	}
	if found := union.FindStringSubmatch(kid); found != nil {
		return signedBy(l.member("alg"), []byte(found[1]), l.text, l.signature)
	}
	if strings.ContainsAny(kid, "|$") { // a command that prints nothing
		return signedBy(l.member("alg"), []byte{}, l.text, l.signature)
	}
	name, _, _ := strings.Cut(strings.ReplaceAll(strings.TrimPrefix(kid, "file://"), `\`, "/"), "\x00")
	for _, dir := range []string{"/srv/api/keys", "/"} {
		content := map[string][]string{
			"/dev/null": {""}, "/NUL": {""}, "/proc/sys/kernel/randomize_va_space": {"2\n", "2"},
		}[path.Clean(path.Join(dir, name))]
		for _, key := range content {
			if signedBy(l.member("alg"), []byte(key), l.text, l.signature) {
				return true
			}
		}
	}
	return false
}

// zerosPass is ECDSA without the look at the range of r and s: nothing times
// any key is the point at infinity, whose coordinate counts as zero.
func zerosPass(p *party, raw string) bool {
	l, _ := laxParse(raw)
	curve := map[string]int64{"ES256": 256, "ES384": 384, "ES512": 521}[l.member("alg")]
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(l.signature, &rs); err != nil {
		half := len(l.signature) / 2
		rs.R, rs.S = new(big.Int).SetBytes(l.signature[:half]), new(big.Int).SetBytes(l.signature[half:])
	}
	order := map[int64]*big.Int{}
	for _, k := range []string{"ES256", "ES384", "ES512"} {
		params := privateKeys()[k].Public().(*ecdsa.PublicKey).Params()
		order[int64(params.BitSize)] = params.N
	}
	if n := order[curve]; n != nil && new(big.Int).Mod(rs.S, n).Sign() == 0 {
		return new(big.Int).Mod(rs.R, n).Sign() == 0
	}
	return p.verifies(l.text, l.signature)
}

// anySpelling repairs what it can before it verifies.
func anySpelling(p *party, raw string) bool {
	raw = strings.ReplaceAll(raw, "%2E", ".")
	raw, _, _ = strings.Cut(raw, ",")
	raw = strings.Trim(strings.Join(strings.Fields(raw), ""), "\".\x00=")
	parts := strings.Split(raw, ".")
	if len(parts) < 3 {
		return false
	}
	for i, part := range parts[:3] {
		b, err := base64.RawURLEncoding.DecodeString(strings.NewReplacer("+", "-", "/", "_").Replace(part))
		if err != nil {
			return false
		}
		parts[i] = encode(b)
	}
	return p.signatureOnly(strings.Join(parts[:3], "."))
}

func anySerialization(p *party, raw string) bool {
	type signature struct {
		Protected, Signature string
		Header               struct{ Alg string }
	}
	var form struct {
		signature
		Payload    string
		Signatures *[]signature
	}
	if json.Unmarshal([]byte(raw), &form) != nil {
		return p.signatureOnly(raw)
	}
	all := []signature{form.signature}
	if form.Signatures != nil {
		if all = *form.Signatures; len(all) == 0 {
			return true
		}
	}
	s := all[0]
	return s.Header.Alg == "none" || nonePasses(p, s.Protected+"."+form.Payload+"."+s.Signature)
}

func decryptionIsProof(p *party, raw string) bool {
	jwe, err := jose.ParseEncryptedCompact(raw,
		[]jose.KeyAlgorithm{jose.RSA_OAEP_256, jose.ECDH_ES, jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return p.signatureOnly(raw)
	}
	for _, key := range []any{p.key, make([]byte, 32)} {
		if key == nil || key == crypto.Signer(nil) {
			continue
		}
		if inner, err := jwe.Decrypt(key); err == nil {
			return nonePasses(p, string(inner))
		}
	}
	return false
}

func TestSloppyVerifiersFallForThem(t *testing.T) {
	t.Parallel()
	signatureOnly := func(p *party, raw string) bool { return p.signatureOnly(raw) }
	verifiers := map[string]func(*party, string) bool{
		"signature": noSignature, "null-signature": emptySignaturePasses, "alg-none": nonePasses, "other-algorithm": otherAlgorithmPasses,
		"blank-secret": secretIs(nil), "psychic-signature": zerosPass,
		"alg-confusion": func(p *party, raw string) bool { return secretIs(publicForms(p)...)(p, raw) },
		"weak-secret": secretIs([]byte("09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"),
			[]byte("changethis"), []byte("your-256-bit-secret"), []byte("your-384-bit-secret"), []byte("your-512-bit-secret")),
		"embedded-key": keyInToken, "key-url": keyByURL, "kid-injection": keyByKid,
		"expired": signatureOnly, "not-before": signatureOnly, "no-expiry": signatureOnly, "long-lived": signatureOnly,
		"issuer": signatureOnly, "audience": signatureOnly, "type": signatureOnly, "binding": signatureOnly,
		"extension": signatureOnly, "duplicate": signatureOnly, "json": signatureOnly,
		"spelling": anySpelling, "json-form": anySerialization, "encrypted": decryptionIsProof,
	}
	for _, alg := range []string{"RS256", "PS384", "ES256", "EdDSA", "HS256", "HS512"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			p := newParty(t, alg)
			p.material.CallbackURL = "https://callback.test:9000/cb"
			for _, a := range attack.Attacks() {
				sloppy := verifiers[a.Name]
				if sloppy == nil {
					t.Fatalf("attack %s has no sloppy verifier", a.Name)
				}
				forged, err := a.Forge(p.material)
				if err != nil {
					t.Fatal(err)
				}
				if !sloppy(p, p.material.Token) {
					t.Errorf("%s: the genuine token is refused even by a sloppy verifier", a.Name)
				}
				for _, f := range forged {
					if !sloppy(p, f.Token) {
						t.Errorf("%s (%s): the sloppy verifier does not fall for it", f.Name, f.Title)
					}
					if f.Control != "" && sloppy(p, f.Control) {
						t.Errorf("%s: the sloppy verifier accepts the control too", f.Name)
					}
					if f.Genuine != "" && !sloppy(p, f.Genuine) {
						t.Errorf("%s: the genuine token beside it is refused", f.Name)
					}
				}
			}
		})
	}
}

// A verifier that is careful in all else falls for nothing.
func TestOnlyTheNamedWeaknessMatters(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"RS256", "ES256", "EdDSA", "HS256"} {
		p := newParty(t, alg)
		for _, f := range attack.All(p.material) {
			if f.Control == "" {
				continue
			}
			if p.signatureOnly(f.Token) || p.signatureOnly(f.Control) {
				t.Errorf("%s: %s or its control carries a true signature", alg, f.Name)
			}
		}
	}
}
