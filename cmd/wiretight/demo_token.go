package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/net/http/httpguts"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/lab"
	"github.com/wiretight/wiretight/internal/token"
)

const groupForged = "Forged and spoilt tokens"

// prepare makes the rows.
func (b *demoBed) prepare(every bool) error {
	m, err := b.material()
	if err != nil {
		return err
	}
	forged, genuine, err := b.tokenRows(m, every)
	if err != nil {
		return err
	}
	b.rows = slices.Concat(forged, b.publishedSecret(), b.wireRows(), b.requestRows(), b.stolenRows(), b.browserRows(), b.answerRows(), b.goodRows(genuine))
	return nil
}

// material is what an attacker has who has everything: a genuine token, the
// public keys, and even tokens of the issuer's with claims of any kind.
func (b *demoBed) material() (attack.Material, error) {
	raw, err := b.lab.Mint(nil)
	if err != nil {
		return attack.Material{}, err
	}
	return attack.Material{
		Token: raw, PublicKey: b.lab.Key().Public(), JWKS: b.lab.JWKS(), CallbackURL: b.attacker.url, Now: time.Now(),
		SignText: b.signText,
		Sign: func(header, claims map[string]any) (string, error) {
			h, err := json.Marshal(header)
			if err != nil {
				return "", err
			}
			c, err := json.Marshal(claims)
			if err != nil {
				return "", err
			}
			return b.signText(string(h), string(c))
		},
	}, nil
}

// signText signs any two texts with the issuer's key.
func (b *demoBed) signText(header, claims string) (string, error) {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, b.lab.Key(), digest[:])
	if err != nil {
		return "", err
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + base64.RawURLEncoding.EncodeToString(signature[:]), nil
}

// tokenRows makes one row of each attack, or of each token if every is set, and
// gathers the genuine tokens that must pass beside them.
func (b *demoBed) tokenRows(m attack.Material, every bool) (rows []demoRow, genuine []string, err error) {
	for _, a := range attack.Attacks() {
		forged, err := a.Forge(m)
		if err != nil {
			return nil, nil, err
		}
		var tokens []string
		for _, f := range forged {
			if f.Genuine != "" && !slices.Contains(genuine, f.Genuine) {
				genuine = append(genuine, f.Genuine)
			}
			if !travels(f.Token) {
				b.left++
				continue
			}
			tokens = append(tokens, f.Token)
			if every {
				rows = append(rows, b.tokenRow(f.Title, f.Token))
			}
		}
		if !every && len(tokens) > 0 {
			rows = append(rows, b.tokenRow(shortTitle(a), tokens...))
		}
	}
	return rows, genuine, nil
}

// shortTitle is an attack's title where a table has little room.
func shortTitle(a attack.Attack) string {
	short := map[string]string{
		"signature": "Signature that does not fit", "null-signature": "No signature, algorithm kept", "alg-none": "Unsigned (alg none)",
		"other-algorithm": "Another algorithm, nobody's key",
		"alg-confusion":   "HMAC keyed with the public key", "embedded-key": "Key brought along (jwk, x5c)", "key-url": "Key to be fetched (jku, x5u)",
		"kid-injection": "kid as a path or a query", "not-before": "Not valid yet", "expired": "Expired", "no-expiry": "Without a usable end",
		"long-lived": "Living too long", "issuer": "Of another issuer", "audience": "For another service", "type": "Of another kind (typ)",
		"binding": "Bound in a way nobody can check", "spelling": "Genuine, in another spelling", "extension": "Unknown critical extension",
		"duplicate": "A member twice", "json": "Doubtful JSON", "json-form": "Genuine, in JSON serialization", "encrypted": "Encrypted, content unsigned",
	}
	if t := short[a.Name]; t != "" {
		return t
	}
	return a.Title
}

// travels reports whether a token arrives as it is in a header. Line breaks do
// not, and space around a value is no part of it (RFC 9110 §5.5).
func travels(raw string) bool {
	return httpguts.ValidHeaderFieldValue(raw) && strings.TrimSpace(raw) == raw
}

// tokenRow throws tokens at both, in the header of a plain request.
func (b *demoBed) tokenRow(name string, tokens ...string) demoRow {
	return demoRow{group: groupForged, name: name, run: func(ctx context.Context, s *demoSide) (o outcome) {
		statuses := map[int]int{}
		accepted := 0
		for _, raw := range tokens {
			a, err := s.do(ctx, ask{path: "/profile", header: bearer(raw)})
			if err != nil {
				return failed(err)
			}
			statuses[a.status]++
			if a.success() {
				accepted++
			}
			o.ids = append(o.ids, a.id())
		}
		o.passed = accepted > 0
		o.text = tally(statuses, accepted, len(tokens))
		return o
	}}
}

// tally is "23 of 24 pass" or "401 x24".
func tally(statuses map[int]int, accepted, all int) string {
	switch {
	case accepted == all:
		return fmt.Sprintf("200 x%d", all)
	case accepted > 0:
		return fmt.Sprintf("200 x%d of %d", accepted, all)
	}
	var parts []string
	for status, n := range statuses {
		parts = append(parts, fmt.Sprintf("%d x%d", status, n))
	}
	slices.SortFunc(parts, func(a, b string) int { return strings.Compare(b, a) })
	return strings.Join(parts, ", ")
}

// publishedSecret is for an issuer of HMAC tokens what the attacks on ES256
// cannot show.
func (b *demoBed) publishedSecret() []demoRow {
	now := time.Now()
	claims, err := json.Marshal(map[string]any{"iss": lab.Issuer, "aud": lab.Audience, "sub": "alice", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()})
	if err != nil {
		panic("encode claims of plain values: " + err.Error())
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	var tokens []string
	for _, secret := range token.PublishedSecrets()[:5] {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(text))
		tokens = append(tokens, text+"."+base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
	}
	return []demoRow{b.tokenRow("HMAC with a published secret", tokens...)}
}

// keyURLTokens are those that name a place to fetch a key from.
func keyURLTokens(m attack.Material) []string { return tokensOf(m, "key-url") }

// unsignedToken is one that claims to need no signature.
func unsignedToken(m attack.Material) string { return tokensOf(m, "alg-none")[0] }

func tokensOf(m attack.Material, name string) (tokens []string) {
	for _, f := range attack.All(m) {
		if kind, _, _ := strings.Cut(f.Name, "/"); kind == name {
			tokens = append(tokens, f.Token)
		}
	}
	return tokens
}

func bearer(raw string) []string { return []string{"Authorization", "Bearer " + raw} }

// mint is a fresh genuine token; claims replace the usual ones.
func (b *demoBed) mint(claims map[string]any) string {
	raw, err := b.lab.Mint(claims)
	if err != nil {
		panic("sign a token of plain values: " + err.Error())
	}
	return raw
}

// proofKey makes DPoP proofs (RFC 9449 §4.2).
type proofKey struct {
	signer     jose.Signer
	thumbprint string
}

func newProofKey() (*proofKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"))
	if err != nil {
		return nil, err
	}
	thumbprint, err := token.Thumbprint(key.Public())
	return &proofKey{signer, thumbprint}, err
}

// proof is one for a request with an access token.
func (k *proofKey) proof(method, url, access string) (string, error) {
	hash := sha256.Sum256([]byte(access))
	claims, err := json.Marshal(map[string]any{
		"jti": rand.Text(), "htm": method, "htu": url, "iat": time.Now().Unix(), "ath": base64.RawURLEncoding.EncodeToString(hash[:]),
	})
	if err != nil {
		return "", err
	}
	jws, err := k.signer.Sign(bytes.TrimSpace(claims))
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}
