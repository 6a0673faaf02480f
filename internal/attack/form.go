package attack

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

func formAttacks() []Attack {
	return []Attack{
		{
			Name: "spelling", Title: "The genuine token in another spelling",
			Why:   "one token has many texts, so that a list of revoked or used texts is evaded (CWE-647, RFC 7515 §2)",
			forge: spellings,
		},
		{
			Name: "extension", Title: "A well-signed token with an extension that nobody knows",
			Why:   "critical extensions are ignored, or change how the payload is read (CWE-347, RFC 7515 §4.1.11, RFC 7797 §6)",
			forge: extensions,
		},
		{
			Name: "duplicate", Title: "A well-signed token with a member twice",
			Why:   "two readers see two different tokens (CWE-436, RFC 8725 §3.12, RFC 7515 §4)",
			forge: duplicates,
		},
		{
			Name: "json", Title: "A well-signed token of doubtful JSON",
			Why:   "what one reader refuses another one repairs (CWE-436, RFC 8259 §8)",
			forge: doubtfulJSON,
		},
	}
}

func spellings(g *genuine) []Forged {
	h, p, s := g.headerText, g.payloadText, g.signatureText
	raw := g.Token
	in := func(part string) string { return part[:len(part)/2] + "\n" + part[len(part)/2:] }
	all := []Forged{
		{Name: "newline-header", Title: "A line break in the header", Token: in(h) + "." + p + "." + s},
		{Name: "newline-payload", Title: "A line break in the payload", Token: h + "." + in(p) + "." + s},
		{Name: "newline-signature", Title: "A line break in the signature", Token: h + "." + p + "." + in(s)},
		{Name: "newline-end", Title: "A line break at the end", Token: raw + "\n"},
		{Name: "crlf-end", Title: "CRLF at the end", Token: raw + "\r\n"},
		{Name: "space-before", Title: "A space before", Token: " " + raw},
		{Name: "space-after", Title: "A space after", Token: raw + " "},
		{Name: "tab-inside", Title: "A tab in the signature", Token: h + "." + p + ".\t" + s},
		{Name: "trailing-dot", Title: "A dot at the end", Token: raw + "."},
		{Name: "leading-dot", Title: "A dot at the beginning", Token: "." + raw},
		{Name: "fourth-part", Title: "A fourth part", Token: raw + ".e30"},
		{Name: "padding", Title: "Padding after the signature", Token: raw + strings.Repeat("=", 1+len(s)%2)},
		{Name: "percent", Title: "Dots in percent encoding", Token: strings.ReplaceAll(raw, ".", "%2E")},
		{Name: "nul", Title: "A NUL at the end", Token: raw + "\x00"},
		{Name: "quotes", Title: "In quotes", Token: `"` + raw + `"`},
		{Name: "comma", Title: "Given twice with a comma", Token: raw + "," + raw},
	}
	if bits, ok := trailingBits(s); ok {
		all = append(all, Forged{Name: "trailing-bits", Title: "Unused bits set at the end", Token: h + "." + p + "." + bits})
	}
	if bits, ok := trailingBits(p); ok {
		all = append(all, Forged{Name: "trailing-bits-payload", Title: "Unused bits set at the end of the payload", Token: h + "." + bits + "." + s})
	}
	if std := strings.NewReplacer("-", "+", "_", "/").Replace(s); std != s {
		all = append(all, Forged{Name: "standard-alphabet", Title: "The signature in standard base64", Token: h + "." + p + "." + std})
	}
	return all
}

// trailingBits returns another text that lenient decoders read as the same
// bytes, if the length leaves bits unused.
func trailingBits(part string) (string, bool) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	if len(part)%4 < 2 {
		return "", false
	}
	last := strings.IndexByte(alphabet, part[len(part)-1])
	if last < 0 {
		return "", false
	}
	other := part[:len(part)-1] + string(alphabet[last^1])
	a, errA := base64.RawURLEncoding.DecodeString(part)
	b, errB := base64.RawURLEncoding.DecodeString(other)
	return other, errA == nil && errB == nil && string(a) == string(b)
}

func extensions(g *genuine) []Forged {
	return claimed(func(*genuine) []change {
		return []change{
			{"crit", "crit naming an unknown member", object{"crit": []string{"wt-ext"}, "wt-ext": true}, nil},
			{"crit-empty", "crit empty", object{"crit": []string{}}, nil},
			{"crit-exp", "crit naming exp", object{"crit": []string{"exp"}, "exp": 1}, nil},
			{"b64", "b64 false", object{"b64": false}, nil},
			{"b64-crit", "b64 false and critical", object{"b64": false, "crit": []string{"b64"}}, nil},
			{"zip", "zip DEF", object{"zip": "DEF"}, nil},
			{"p2c", "p2c of a hundred million", object{"p2c": 100_000_000, "p2s": "AAAAAAAA"}, nil},
		}
	})(g)
}

// doubled is an object with a member twice, which a map cannot hold.
var doubled = json.RawMessage(`{"a":1,"a":2}`)

func duplicates(g *genuine) []Forged {
	all := claimed(func(*genuine) []change {
		return []change{
			{"nested", "A member twice in a claim", nil, object{"wt_object": doubled}},
			{"nested-array", "A member twice in an array", nil, object{"wt_array": []any{1, doubled}}},
			{"nested-header", "A member twice within the header", object{"wt_object": doubled}, nil},
		}
	})(g)
	header, claims := string(compactJSON(g.header)), string(compactJSON(g.fresh()))
	sub := string(compactJSON(g.claims["sub"]))
	return append(all, g.texts([]textChange{
		{"sub", "sub twice", header, twice(claims, `"sub":"wt-other"`)},
		{"sub-same", "sub twice, the same", header, twice(claims, `"sub":`+sub)},
		{"sub-escaped", "sub twice, once in escapes", header, twice(claims, `"s\u0075b":"wt-other"`)},
		{"exp", "exp twice", header, twice(claims, `"exp":99999999999`)},
		{"aud", "aud twice", header, twice(claims, `"aud":"attacker.invalid"`)},
		{"alg", "alg twice", twice(header, `"alg":`+string(compactJSON(g.alg))), claims},
		{"kid", "kid twice", twice(twice(header, `"kid":"a"`), `"kid":"a"`), claims},
	})...)
}

func doubtfulJSON(g *genuine) []Forged {
	header, claims := string(compactJSON(g.header)), string(compactJSON(g.fresh()))
	deep := strings.Repeat("[", 1000) + strings.Repeat("]", 1000)
	return g.texts([]textChange{
		{"trailing-comma", "A comma too many", header, strings.TrimSuffix(claims, "}") + ",}"},
		{"trailing-text", "Text after the payload", header, claims + "{}"},
		{"byte-order-mark", "A byte order mark", header, "\ufeff" + claims},
		{"comment", "A comment", header, strings.Replace(claims, "{", "{/**/", 1)},
		{"not-utf8", "Bytes that are not UTF-8", header, twice(claims, "\"wt\":\"\xff\xfe\"")},
		{"surrogate", "Half a character", header, twice(claims, `"wt":"\ud800"`)},
		{"nan", "A number that is none", header, twice(claims, `"wt":NaN`)},
		{"deep", "A thousand levels deep", header, twice(claims, `"wt":`+deep)},
		{"array", "An array as payload", header, "[" + claims + "]"},
		{"control-in-sub", "A line break in the subject", header, strings.Replace(claims, `"sub":"`, `"sub":"wt\r\nX-Auth-Subject: root `, 1)},
	})
}

type textChange struct{ name, title, header, claims string }

// texts signs what is not sound JSON, if there is a way to.
func (g *genuine) texts(changes []textChange) []Forged {
	if g.SignText == nil {
		return nil
	}
	good, err := g.SignText(string(compactJSON(g.header)), string(compactJSON(g.fresh())))
	if err != nil {
		return nil
	}
	var all []Forged
	for _, c := range changes {
		if text, err := g.SignText(c.header, c.claims); err == nil {
			all = append(all, Forged{Name: c.name, Title: c.title, Token: text, Genuine: good})
		}
	}
	return all
}
