package checks

import (
	"context"
	"strings"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtSignatureUnverified finds services to which the signature does not matter.
// It comes first: such a service takes nearly every other forged token as well.
var jwtSignatureUnverified = scan.Check{
	ID: "jwt.signature-unverified", Needs: catalog.NeedsToken,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		if _, why := readable(t); why != "" {
			return scan.Skip(why)
		}
		found, err := carefree(ctx, t)
		if err != nil {
			return scan.Unsure("the operations could not be asked: " + err.Error())
		}
		if len(found) > 0 {
			return scan.Find(found...)
		}
		v := throwAll(ctx, t, knownMaterial(t), notPsychic(t), "signature")
		if v.Outcome != scan.Passed {
			return v
		}
		return otherAlgorithm(ctx, t)
	},
}

// otherAlgorithm finds services that verify only signatures of the algorithm that
// they expect, and take whatever comes under another one. Where unsigned tokens
// pass, that is the same weakness, and jwt.alg-none reports it.
func otherAlgorithm(ctx context.Context, t *scan.Target) scan.Verdict {
	unsigned, err := forgeTokens(knownMaterial(t), "alg-none")
	if err != nil {
		return scan.Skip("the token is no JWT that could be forged: " + err.Error())
	}
	for _, p := range t.Protected()[:min(len(t.Protected()), 1)] {
		a, err := t.Accepted(ctx, p, unsigned[0].Token)
		switch {
		case err != nil:
			return scan.Unsure("whether unsigned tokens pass could not be asked: " + err.Error())
		case a.Accepted:
			return scan.Pass()
		}
	}
	return throwAll(ctx, t, knownMaterial(t), nil, "other-algorithm")
}

// notPsychic leaves a signature of zeros to jwt.psychic-signature, where the token is
// of ECDSA.
func notPsychic(t *scan.Target) func(attack.Forged) bool {
	token, _ := t.Token()
	zeros := variants("zeros")
	return func(f attack.Forged) bool { return !strings.HasPrefix(token.Alg, "ES") || !zeros(f) }
}

// maxCarefree is how many operations are looked at that the oracle could not use.
const maxCarefree = 6

// carefree finds operations that demand a credential, and answer one with a random
// signature, or even garbage, as the genuine one. The oracle has no use for such
// operations, so the baselines themselves are the proof.
func carefree(ctx context.Context, t *scan.Target) ([]scan.Evidence, error) {
	var found []scan.Evidence
	looked := 0
	for _, o := range callable(t, len(t.Operations())) {
		if !o.Secured && len(t.Protected()) > 0 {
			continue
		}
		if looked++; looked > maxCarefree {
			break
		}
		p, err := t.Baseline(ctx, o)
		if err != nil {
			return found, err
		}
		e, ok, err := careless(ctx, t, p)
		if err != nil {
			return found, err
		}
		if ok {
			found = append(found, e)
		}
	}
	return found, nil
}

// careless reads the baselines of an operation that is not eligible, and asks once
// more with another forged token.
func careless(ctx context.Context, t *scan.Target, p scan.Protected) (e scan.Evidence, found bool, err error) {
	if p.Eligible || !p.Bv.OK() || !p.Bv2.OK() || p.Br == nil || p.Br.Class != p.Bv.Class || p.Bv.Class != p.Bv2.Class {
		return e, false, nil
	}
	if p.B0 == nil || p.B0.Class == p.Bv.Class || p.B0.Status >= 500 || p.B0.Status == 429 {
		return e, false, nil
	}
	forged, err := forgeTokens(knownMaterial(t), "signature")
	if err != nil || len(forged) == 0 {
		return e, false, err
	}
	again, err := t.Do(ctx, p.Request(forged[0].Token))
	if err != nil || again.Class != p.Bv.Class {
		return e, false, err
	}
	text := "The genuine token under a random signature is answered as the genuine one.\n"
	if p.Bg != nil && p.Bg.Class == p.Bv.Class {
		text = "Any text is taken for a token: what stands behind Bearer is not looked at.\n"
	}
	for _, line := range []struct {
		what string
		r    *scan.Response
	}{{"no credential", p.B0}, {"garbage", p.Bg}, {"random signature", p.Br}, {"first byte of the signature changed", again}, {"genuine token", p.Bv}, {"genuine token afterwards", p.Bv2}} {
		text += "  " + line.what + ": " + t.Summary(line.r) + "\n"
	}
	return scan.Evidence{
		Method: p.Method, URL: p.URL, Text: t.Mask(text),
		Repeat: curlToken(p, "${TOKEN%.*}.d2lyZXRpZ2h0"),
	}, true, nil
}
