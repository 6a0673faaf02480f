package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/internal/redact"
)

// tokenChecks are the scanner's checks that a token alone can answer. Each
// returns a sentence on what is wrong, or nothing; the catalogue says the rest.
var tokenChecks = []struct {
	id    string
	fails func(*inspection) string
}{
	{"jwt.alg-none", (*inspection).algNone},
	{"jwt.null-signature", (*inspection).noSignature},
	{"jwt.psychic-signature", (*inspection).psychic},
	{"jwt.embedded-key", (*inspection).embeddedKey},
	{"jwt.blank-secret", (*inspection).blankSecret},
	{"jwt.weak-secret", (*inspection).weakSecret},
	{"jwt.weak-algorithm", (*inspection).weakAlgorithm},
	{"jwks.weak-key", (*inspection).weakKey},
	{"jwt.no-expiry", (*inspection).noExpiry},
	{"jwt.long-lived", (*inspection).longLived},
	{"jwt.missing-claims", (*inspection).missingClaims},
	{"jwt.type-confusion", (*inspection).otherType},
	{"jwt.sensitive-claims", (*inspection).sensitiveClaims},
}

func (i *inspection) check() {
	for _, c := range tokenChecks {
		if detail := c.fails(i); detail != "" {
			entry, _ := catalog.Lookup(c.id) // a test holds every id to be there
			i.Findings = append(i.Findings, tokenFinding{c.id, string(entry.Severity), entry.Title, printable(redact.Mask(detail))})
		}
	}
}

func (i *inspection) alg() string { return i.parts.header.text("alg") }

func (i *inspection) algNone() string {
	if !strings.EqualFold(strings.TrimSpace(i.alg()), "none") {
		return ""
	}
	return "It is unsigned: anybody can write such a token, so no service may take it."
}

func (i *inspection) noSignature() string {
	if i.algNone() != "" || i.parts.signed {
		return ""
	}
	return "It has no signature although its header promises one; it proves nothing."
}

func (i *inspection) psychic() string {
	s := i.parts.signature
	if !strings.HasPrefix(i.alg(), "ES") || len(s) == 0 || len(bytes.Trim(s, "\x00")) > 0 {
		return ""
	}
	return "Its signature is all zeros, which fits every token in a verifier that does not check for it."
}

func (i *inspection) embeddedKey() string {
	var found []string
	for _, name := range []string{"jwk", "jku", "x5u", "x5c"} {
		if _, ok := i.parts.header.last(name); ok {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return "Its header brings its own key (" + strings.Join(found, ", ") + "); a verifier that believes it accepts anybody's tokens."
}

// guess looks for the secret of an HMAC, until ctx ends.
func (i *inspection) guess(ctx context.Context) {
	if !strings.HasPrefix(i.alg(), "HS") || !i.parts.signed {
		return
	}
	hints := attack.Hints{Issuer: i.parts.claims.text("iss")}
	g, err := attack.Guess(ctx, i.parts.raw, attack.Candidates(hints, nil))
	switch {
	case g.Secret != nil:
		i.secret, i.guessed = redact.NewText(g.Secret), true
	case err != nil && ctx.Err() != nil:
		i.Notes = append(i.Notes, fmt.Sprintf("the search for a weak secret was stopped after %d attempts, without a result.", g.Tried))
	}
}

func (i *inspection) blankSecret() string {
	if !i.guessed || !i.secret.Empty() {
		return ""
	}
	return "It is signed with the empty secret: anybody can sign such tokens."
}

func (i *inspection) weakSecret() string {
	if !i.guessed || i.secret.Empty() {
		return ""
	}
	return "The secret was guessed: " + attack.Hint(i.secret.Reveal()) + ". Whoever guesses it signs tokens for any user; replace it by 32 random bytes or more."
}

// recommended are the algorithms that nothing speaks against (RFC 8725 §3.2).
var recommended = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "HS256", "HS384", "HS512"}

func (i *inspection) weakAlgorithm() string {
	alg := i.alg()
	switch {
	case i.algNone() != "":
		return "It has no signature at all; use ES256, EdDSA, PS256 or RS256."
	case alg == "":
		return "Its header names no algorithm, so every verifier makes its own choice."
	case strings.HasPrefix(alg, "HS") && len(i.audiences()) > 1:
		return "It is signed with a shared secret and names several audiences: each of them can sign tokens for the others; use ES256 or EdDSA."
	case slices.Contains(recommended, alg):
		return ""
	}
	return "Its algorithm is not one that is recommended for tokens; use ES256, EdDSA, PS256 or RS256."
}

func (i *inspection) audiences() []string {
	v, _ := i.parts.claims.last("aud")
	var many []string
	if err := json.Unmarshal(v, &many); err == nil {
		return many
	}
	if one := i.parts.claims.text("aud"); one != "" {
		return []string{one}
	}
	return nil
}

func (i *inspection) weakKey() string {
	alg, bits := i.alg(), 8*len(i.parts.signature)
	if !strings.HasPrefix(alg, "RS") && !strings.HasPrefix(alg, "PS") || bits == 0 || bits >= 2048 {
		return ""
	}
	return fmt.Sprintf("Its RSA signature has %d bits, so the key has no more; keys under 2048 bits can be broken.", bits)
}

func (i *inspection) noExpiry() string {
	if _, ok := i.parts.claims.number("exp"); ok {
		return ""
	}
	if _, ok := i.parts.claims.last("exp"); ok {
		return "Its exp is not a number, so verifiers may ignore it."
	}
	return "It never ends: once stolen it is good until the key changes."
}

// longest is how long an access token should live.
const longest = time.Hour

func (i *inspection) longLived() string {
	exp, ok := i.parts.claims.number("exp")
	if !ok {
		return ""
	}
	from, what := float64(i.now.Unix()), "from now"
	if iat, ok := i.parts.claims.number("iat"); ok {
		from, what = iat, "from its iat to its exp"
	}
	if exp-from <= longest.Seconds() {
		return ""
	}
	if exp-from > 100*365*86400 {
		return "It lives for more than a century " + what + "; five minutes and a refresh token are enough."
	}
	return fmt.Sprintf("It lives for %s %s; five minutes and a refresh token are enough.", span(time.Duration(exp-from)*time.Second), what)
}

func (i *inspection) missingClaims() string {
	var missing []string
	for _, name := range []string{"iss", "aud"} {
		if v, ok := i.parts.claims.last(name); !ok || len(v) <= 2 || string(v) == "null" {
			missing = append(missing, name)
		}
	}
	switch {
	case len(missing) == 0:
		return ""
	case len(missing) == 2:
		return "It names neither its issuer (iss) nor the service that it is for (aud), so any service that trusts the key takes it."
	case missing[0] == "iss":
		return "It does not name its issuer (iss), so it cannot be bound to that issuer's keys."
	}
	return "It does not name the service that it is for (aud), so every service that trusts the key takes it."
}

// otherType tells refresh and ID tokens from access tokens, by what issuers
// write into them.
func (i *inspection) otherType() string {
	typ := strings.TrimPrefix(strings.ToLower(i.parts.header.text("typ")), "application/")
	for _, name := range []string{"token_use", "token_type", "typ", "type", "use"} {
		switch strings.ToLower(i.parts.claims.text(name)) {
		case "refresh", "refresh_token", "offline":
			return "It is a refresh token (" + name + "); an API that takes it as an access token keeps no login short."
		case "id", "id_token":
			return "It is an ID token (" + name + "), made for the client and not for an API."
		}
	}
	for _, name := range []string{"at_hash", "c_hash", "nonce"} {
		if _, ok := i.parts.claims.last(name); ok && typ != "at+jwt" {
			return "It is an ID token (it has " + name + "), made for the client and not for an API."
		}
	}
	switch typ {
	case "", "jwt", "at+jwt":
		return ""
	}
	return "Its typ is neither at+jwt nor JWT, so it was made for another purpose than an API's access."
}

func (i *inspection) sensitiveClaims() string {
	var secrets, personal []string
	for _, m := range i.parts.claims {
		switch sensitive(m.name, m.value, 0) {
		case "secret":
			secrets = append(secrets, m.name)
		case "personal":
			personal = append(personal, m.name)
		}
	}
	switch {
	case len(secrets) > 0:
		return "Whoever sees the token reads what looks like a secret in: " + strings.Join(append(secrets, personal...), ", ") + "."
	case len(personal) > 0:
		return "Whoever sees the token reads personal data in: " + strings.Join(personal, ", ") + "."
	}
	return ""
}
