package checks

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtWeakSecret finds HMAC secrets that can be guessed. The guessing asks nobody
// and cannot be wrong; the target is asked once, whether the secret is still in
// use.
var jwtWeakSecret = scan.Check{
	ID: "jwt.weak-secret", Needs: catalog.NeedsToken, Passive: true, After: []string{"jwt.signature-unverified", "jwt.blank-secret"},
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		token, why := readable(t)
		switch {
		case why != "":
			return scan.Skip(why)
		case !strings.HasPrefix(token.Alg, "HS"):
			return scan.Skip("the token is not signed by HMAC: its algorithm is " + clip(token.Alg))
		}
		secret, tried, err := guessed(ctx, t, token)
		switch {
		case err != nil:
			return scan.Unsure(fmt.Sprintf("the search for the secret ended after %d candidates: %v", tried, err))
		case secret == nil:
			return scan.Pass()
		}
		e := inToken(t, fmt.Sprintf("Its %s signature was made with the secret %s, found after %d guesses without a request.", token.Alg, attack.Hint(secret), tried))
		e.Key = "secret"
		e.Text += "\n" + confirm(ctx, t, token)
		return scan.Find(e)
	},
}

// maxGuess bounds the search where the scan has not made it already.
const maxGuess = 60 * time.Second

// guessed is the secret, if it can be guessed. Nil without an error: it cannot.
func guessed(ctx context.Context, t *scan.Target, token scan.Token) (secret []byte, tried int, err error) {
	hints := attack.Hints{Host: t.Host(), Issuer: token.Issuer}
	if s := t.Spec(); s != nil {
		hints.Title = s.Title
	}
	if t.Config().Secret.Empty() {
		s, found := t.Secret(ctx)
		if found {
			return append([]byte{}, s.Value.Reveal()...), s.Tried, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, s.Tried, err
		}
		for range attack.Candidates(hints, t.Config().Wordlist) {
			if tried++; tried > s.Tried {
				return nil, s.Tried, context.DeadlineExceeded
			}
		}
		return nil, s.Tried, nil
	}
	// The user has given the secret. Whether anybody could guess it is another
	// question.
	ctx, cancel := context.WithTimeout(ctx, maxGuess)
	defer cancel()
	g, err := attack.Guess(ctx, string(token.Raw.Reveal()), attack.Candidates(hints, t.Config().Wordlist))
	return g.Secret, g.Tried, err
}

// confirm signs a token with the secret and sends it once.
func confirm(ctx context.Context, t *scan.Target, token scan.Token) string {
	w, why := newThrower(t)
	if w == nil {
		return "Whether it is still in use was not asked: " + why + "."
	}
	m := t.Material(ctx)
	if m.Sign == nil {
		return "Whether it is still in use was not asked."
	}
	claims := freshClaims(token, m.Now)
	claims["wt_nonce"] = scan.Random(8)
	forged, err := m.Sign(token.Header, claims)
	if err != nil {
		return "Whether it is still in use was not asked: " + err.Error() + "."
	}
	a, err := t.Accepted(ctx, w.at[0], forged)
	switch {
	case err != nil:
		return t.Mask("Whether it is still in use could not be asked: " + err.Error() + ".")
	case a.Accepted:
		return "A token that the scan signed with it was accepted:\n" + a.Evidence
	case a.Inconclusive != "":
		return "Whether it is still in use was not decided: " + a.Inconclusive + "."
	}
	return "A token that the scan signed with it was refused, for another reason:\n" + a.Evidence
}
