package attack

import (
	"bytes"
	"slices"
	"strings"
)

func signatureAttacks() []Attack {
	return []Attack{
		{
			Name:  "signature",
			Title: "A signature that does not belong to the token",
			Check: "jwt.signature-unverified",
			Why:   "the signature is not verified, so anyone can write any token (CWE-347, RFC 7515 §5.2)",
			forge: brokenSignatures,
		},
		{
			Name:  "null-signature",
			Title: "No signature under the original algorithm",
			Check: "jwt.null-signature",
			Why:   "a missing signature passes as a good one (CWE-347, CVE-2020-28042)",
			forge: nullSignatures,
		},
	}
}

// otherAttacks come after the unsigned tokens: who takes those has the same
// weakness, and it has a better name there.
func otherAttacks() []Attack {
	return []Attack{{
		Name:  "other-algorithm",
		Title: "Signed by nobody's key under another algorithm",
		Check: "jwt.signature-unverified",
		Why:   "the signature is verified only under algorithms that the verifier expects, and the token chooses one (CWE-347, RFC 8725 §3.1)",
		forge: otherAlgorithms,
	}}
}

// otherAlgorithms are signed by keys of the attacker, each under an algorithm of
// another family than the genuine token's, and under one that nobody knows.
func otherAlgorithms(g *genuine) []Forged {
	var all []Forged
	add := func(alg, token string) {
		all = append(all, Forged{Name: strings.ToLower(alg), Title: "alg " + alg + ", signed with a random key", Token: token})
	}
	for _, alg := range []string{"RS256", "HS256", "ES256", "PS256", "EdDSA"} {
		switch {
		case alg[:2] == g.family():
		case alg == "HS256":
			add(alg, g.randomMAC(alg))
		default:
			add(alg, signed(alg, g.header, g.altered()))
		}
	}
	const unknown = "WT256"
	text := segment(with(g.header, object{"alg": unknown})) + "." + segment(g.altered())
	add(unknown, text+"."+encode(random(max(len(g.signature), 32))))
	return all
}

func brokenSignatures(g *genuine) []Forged {
	// The first byte: changes in the last characters may decode to the same bytes.
	flipped := slices.Clone(g.signature)
	if len(flipped) > 0 {
		flipped[0] ^= 0xff
	}
	prefix := g.headerText + "." + g.payloadText + "."
	altered := g.headerText + "." + segment(g.altered()) + "."
	all := []Forged{
		{Name: "flipped", Title: "First byte of the signature changed", Token: prefix + encode(flipped)},
		{Name: "altered-payload", Title: "Payload changed, signature kept", Token: altered + g.signatureText},
		{Name: "altered-payload-flipped", Title: "Payload changed, signature changed", Token: altered + encode(flipped)},
		{Name: "random", Title: "Random bytes as signature", Token: prefix + encode(random(max(len(g.signature), 32)))},
		{Name: "zeros", Title: "Zeros as signature", Token: prefix + encode(bytes.Repeat([]byte{0}, max(len(g.signature), 32)))},
		{Name: "random-key", Title: "Signed with a random key", Token: g.byRandomKey(g.altered())},
	}
	if len(g.signature) > 1 {
		all = append(all, Forged{
			Name: "cut", Title: "Second half of the signature missing",
			Token: prefix + encode(g.signature[:len(g.signature)/2]),
		})
	}
	return all
}

// byRandomKey signs under the original algorithm, or under RS256 where that
// is not known.
func (g *genuine) byRandomKey(claims object) string {
	if g.family() == "HS" && hashes[g.alg] != 0 {
		return mac(g.alg, random(64), g.header, claims)
	}
	return signed(g.alg, g.header, claims)
}

func nullSignatures(g *genuine) []Forged {
	altered := segment(g.altered())
	control := g.byRandomKey(g.altered())
	return []Forged{
		{Name: "empty", Title: "Signature left empty", Token: g.headerText + "." + g.payloadText + ".", Control: control},
		{Name: "empty-altered", Title: "Payload changed, signature left empty", Token: g.headerText + "." + altered + ".", Control: control},
		{Name: "absent", Title: "Third part missing", Token: g.headerText + "." + g.payloadText, Control: control},
		{Name: "zero-byte", Title: "Signature of one zero byte", Token: g.headerText + "." + altered + ".AA", Control: control},
	}
}
