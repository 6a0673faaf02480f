package attack

import (
	"encoding/json"
	"time"
)

// claimAttacks are well signed: they need Material.Sign or SignText. Each
// changes one thing about a token that is otherwise accepted.
func claimAttacks() []Attack {
	const unchecked = " (CWE-345, RFC 8725 §3.8 and §3.9)"
	return []Attack{
		{
			Name: "expired", Title: "A token that has expired", Check: "jwt.expired-accepted",
			Why:   "a stolen token is good for ever (CWE-613, RFC 7519 §4.1.4)",
			forge: claimed(expiredClaims),
		},
		{
			Name: "not-before", Title: "A token that is not valid yet", Check: "jwt.not-before-ignored",
			Why:   "nbf and iat are not looked at (CWE-613, RFC 7519 §4.1.5)",
			forge: claimed(earlyClaims),
		},
		{
			Name: "no-expiry", Title: "A token without a usable end", Check: "jwt.no-expiry",
			Why:   "a token without end cannot be waited out (CWE-613, RFC 8725 §3.10)",
			forge: claimed(endlessClaims),
		},
		{
			Name: "long-lived", Title: "A token that lives too long", Check: "jwt.long-lived",
			Why:   "a stolen token stays good for days (CWE-613)",
			forge: claimed(longClaims),
		},
		{
			Name: "issuer", Title: "A token of another issuer", Check: "jwt.issuer-unchecked",
			Why:   "tokens of any issuer with the same key pass" + unchecked,
			forge: claimed(issuerClaims),
		},
		{
			Name: "audience", Title: "A token for another service", Check: "jwt.audience-unchecked",
			Why:   "tokens that other services were shown pass here" + unchecked,
			forge: claimed(audienceClaims),
		},
		{
			Name: "type", Title: "A token of another kind", Check: "jwt.type-confusion",
			Why:   "refresh tokens, ID tokens and proofs pass as access tokens (CWE-345, RFC 8725 §3.11)",
			forge: claimed(otherTypes),
		},
		{
			Name: "binding", Title: "A token with a binding that nobody can check",
			Why:   "a binding that is not understood is skipped instead of refused (CWE-345, RFC 7800 §3.1)",
			forge: claimed(bindingClaims),
		},
	}
}

// change is what one variant does to header and claims.
type change struct {
	name, title    string
	header, claims object
}

// claimed signs each change, with a control-free token beside it that is signed
// likewise but has nothing wrong.
func claimed(changes func(*genuine) []change) func(*genuine) []Forged {
	return func(g *genuine) []Forged {
		if g.Sign == nil {
			return nil
		}
		base := g.fresh()
		good, err := g.Sign(g.header, base)
		if err != nil {
			return nil
		}
		var all []Forged
		for _, c := range changes(g) {
			text, err := g.Sign(with(g.header, c.header), with(base, c.claims))
			if err != nil {
				continue
			}
			all = append(all, Forged{Name: c.name, Title: c.title, Token: text, Genuine: good})
		}
		return all
	}
}

// fresh returns the genuine claims with times and a jti of now, so that neither
// age nor an earlier use is what gets a token refused.
func (g *genuine) fresh() object {
	claims := g.altered()
	claims["exp"] = g.at(5 * time.Minute)
	claims["iat"] = g.at(0)
	for name, value := range map[string]any{"nbf": g.at(0), "jti": encode(random(16))} {
		if _, ok := claims[name]; ok {
			claims[name] = value
		}
	}
	return claims
}

func (g *genuine) at(d time.Duration) int64 { return g.Now.Add(d).Unix() }

func expiredClaims(g *genuine) []change {
	past := func(d time.Duration) object {
		return object{"iat": g.at(-d - 5*time.Minute), "nbf": nil, "exp": g.at(-d)}
	}
	return []change{
		{"hour", "Expired an hour ago", nil, past(time.Hour)},
		{"six-minutes", "Expired six minutes ago", nil, past(6 * time.Minute)},
		{"epoch", "Expired in 1970", nil, object{"exp": 0}},
		{"fraction", "Expired an hour ago, with a fraction", nil, object{"exp": float64(g.at(-time.Hour)) + 0.5}},
	}
}

func earlyClaims(g *genuine) []change {
	return []change{
		{"nbf", "nbf an hour ahead", nil, object{"nbf": g.at(time.Hour)}},
		{"iat", "iat far ahead", nil, object{"iat": g.at(4 * time.Minute), "nbf": nil}},
		{"nbf-string", "nbf a string", nil, object{"nbf": "0"}},
	}
}

func endlessClaims(g *genuine) []change {
	return []change{
		{"absent", "No exp", nil, object{"exp": nil}},
		{"null", "exp null", nil, object{"exp": null}},
		{"string", "exp a string", nil, object{"exp": "99999999999"}},
		{"true", "exp true", nil, object{"exp": true}},
		{"array", "exp an array", nil, object{"exp": []int64{g.at(time.Minute)}}},
		{"huge", "exp beyond 64 bits", nil, object{"exp": json.Number("99999999999999999999")}},
		{"exponent", "exp beyond any float", nil, object{"exp": json.RawMessage("1e999")}},
		{"negative", "exp negative", nil, object{"exp": -1}},
		{"milliseconds", "exp in milliseconds", nil, object{"exp": g.Now.Add(time.Minute).UnixMilli()}},
	}
}

func longClaims(g *genuine) []change {
	return []change{
		{"year", "Good for a year", nil, object{"exp": g.at(365 * 24 * time.Hour)}},
		{"year-no-iat", "Good for a year, no iat", nil, object{"exp": g.at(365 * 24 * time.Hour), "iat": nil}},
		{"old", "Issued a year ago, still good", nil, object{"iat": g.at(-365 * 24 * time.Hour)}},
		{"last", "Good until the year 9999", nil, object{"exp": int64(253402300799), "iat": nil}},
	}
}

func issuerClaims(g *genuine) []change {
	iss, _ := g.claims["iss"].(string)
	if iss == "" {
		return nil // there is nothing to check: the token has no issuer
	}
	return []change{
		{"other", "Another issuer", nil, object{"iss": "https://attacker.invalid/"}},
		{"extended", "The issuer with more after it", nil, object{"iss": iss + ".attacker.invalid"}},
		{"beginning", "The beginning of the issuer", nil, object{"iss": iss[:len(iss)-1]}},
		{"case", "The issuer in other case", nil, object{"iss": otherCase(iss)}},
		{"array", "An array that holds the issuer", nil, object{"iss": []string{iss, "https://attacker.invalid/"}}},
		{"absent", "No iss", nil, object{"iss": nil}},
		{"null", "iss null", nil, object{"iss": null}},
	}
}

func audienceClaims(g *genuine) []change {
	var aud string
	switch v := g.claims["aud"].(type) {
	case string:
		aud = v
	case []any:
		if len(v) > 0 {
			aud, _ = v[0].(string)
		}
	}
	if aud == "" {
		return nil
	}
	return []change{
		{"other", "Another audience", nil, object{"aud": "attacker.invalid"}},
		{"array", "An array of other audiences", nil, object{"aud": []string{"attacker.invalid", "other.invalid"}}},
		{"extended", "The audience with more after it", nil, object{"aud": aud + ".attacker.invalid"}},
		{"part", "A part of the audience", nil, object{"aud": aud[:len(aud)/2]}},
		{"joined", "The audience among others in one string", nil, object{"aud": "attacker.invalid " + aud}},
		{"case", "The audience in other case", nil, object{"aud": otherCase(aud)}},
		{"object", "An object with the audience as a member", nil, object{"aud": object{aud: true}}},
		{"nested", "An array in an array", nil, object{"aud": []any{[]string{aud}}}},
		{"empty", "An empty array", nil, object{"aud": []string{}}},
		{"absent", "No aud", nil, object{"aud": nil}},
		{"null", "aud null", nil, object{"aud": null}},
	}
}

func otherTypes(*genuine) []change {
	typ := func(name string) object { return object{"typ": name} }
	return []change{
		{"refresh", "typ of a refresh token", typ("refresh+jwt"), nil},
		{"id", "typ of an ID token", typ("id+jwt"), nil},
		{"dpop", "typ of a proof", typ("dpop+jwt"), nil},
		{"logout", "typ of a logout token", typ("logout+jwt"), nil},
		{"number", "typ a number", object{"typ": 1}, nil},
	}
}

func bindingClaims(*genuine) []change {
	cnf := func(v any) object { return object{"cnf": v} }
	return []change{
		{"unknown", "cnf with an unknown member", nil, cnf(object{"wt-new": "x"})},
		{"empty", "cnf empty", nil, cnf(object{})},
		{"null", "cnf null", nil, cnf(null)},
		{"malformed", "cnf with a thumbprint that is none", nil, cnf(object{"jkt": "x"})},
	}
}

// otherCase changes the case of the first letter that has one.
func otherCase(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
			b[i] = c ^ 0x20
			break
		}
	}
	return string(b)
}
