package checks

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// thrower sends forged tokens to the protected operations and judges what comes
// back: acceptance by the oracle, and the control of each token refused.
type thrower struct {
	t  *scan.Target
	at []scan.Protected
	// elsewhere is how many tokens are also sent to the operations after the
	// first: some services mount their verification on a part of their paths.
	elsewhere int
	// unsure is the first reason why a token was neither taken nor refused.
	unsure string
	// mild tells which tokens prove less than the catalog's severity. Nil: none.
	mild func(attack.Forged) bool
	// seen has the last answer to each token by its name.
	seen map[string]*scan.Response
}

// throwAll sends the tokens of one attack. fits chooses among them; nil takes all
// that are not intrusive.
func throwAll(ctx context.Context, t *scan.Target, m attack.Material, fits func(attack.Forged) bool, names ...string) scan.Verdict {
	forged, err := forgeTokens(m, names...)
	if err != nil {
		return scan.Skip("the token is no JWT that could be forged: " + err.Error())
	}
	if fits == nil {
		fits = func(f attack.Forged) bool { return !f.Intrusive }
	}
	forged = slices.DeleteFunc(forged, func(f attack.Forged) bool { return !fits(f) })
	if len(forged) == 0 {
		return scan.Skip("no such token can be made from what is known here")
	}
	w, why := newThrower(t)
	if w == nil {
		return scan.Unsure(why)
	}
	return w.verdict(w.throw(ctx, forged))
}

func newThrower(t *scan.Target) (w *thrower, why string) {
	if len(t.Protected()) == 0 {
		return nil, "no operation tells a good token from a bad one: " + t.Unprotected()
	}
	return &thrower{t: t, at: t.Protected(), elsewhere: 2, seen: map[string]*scan.Response{}}, ""
}

// verdict says what the outcome of throw means.
func (w *thrower) verdict(found []scan.Evidence, err error) scan.Verdict {
	switch {
	case len(found) > 0:
		return scan.Find(found...)
	case err != nil:
		return scan.Unsure("the forged tokens could not all be sent: " + err.Error())
	case w.unsure != "":
		return scan.Unsure(w.unsure)
	}
	return scan.Pass()
}

// throw sends tokens until one is taken, and then that one to the other
// operations too.
func (w *thrower) throw(ctx context.Context, forged []attack.Forged) ([]scan.Evidence, error) {
	var found []scan.Evidence
	for i, p := range w.at {
		list := forged
		if i > 0 {
			list = forged[:min(w.elsewhere, len(forged))]
		}
		for _, f := range list {
			e, taken, err := w.one(ctx, p, f)
			if err != nil {
				return found, err
			}
			if taken {
				found = append(found, e)
				forged = append([]attack.Forged{f}, slices.DeleteFunc(slices.Clone(forged), func(o attack.Forged) bool { return o.Name == f.Name })...)
				break
			}
		}
	}
	return found, nil
}

// one sends one token to one operation.
func (w *thrower) one(ctx context.Context, p scan.Protected, f attack.Forged) (e scan.Evidence, taken bool, err error) {
	a, err := w.t.Accepted(ctx, p, f.Token)
	w.seen[f.Name] = a.Response
	switch {
	case err != nil:
		return e, false, err
	case a.Inconclusive != "":
		w.doubt(f.Title + ": " + a.Inconclusive)
		return e, false, nil
	case !a.Accepted:
		return e, false, nil
	}
	text := f.Title + ": " + f.Why + ".\n" + a.Evidence
	if f.Control != "" {
		c, err := w.t.Accepted(ctx, p, f.Control)
		switch {
		case err != nil:
			return e, false, err
		case c.Accepted:
			w.doubt(f.Title + ": accepted, and so is a token without it, so that another weakness is at work")
			return e, false, nil
		case c.Inconclusive != "" && !refusedAlike(p, c.Response):
			w.doubt(f.Title + ": accepted, but its control was not decided: " + c.Inconclusive)
			return e, false, nil
		}
		text += fmt.Sprintf("  %-30s %s\n", "control that must be refused", w.t.Summary(c.Response))
	}
	e = scan.Evidence{Method: p.Method, URL: p.URL, Text: w.t.Mask(text), Repeat: a.Repeat}
	if w.mild != nil && w.mild(f) {
		e.Severity = catalog.Medium
	}
	return e, true, nil
}

// refusedAlike tells whether an answer is the one that a random signature gets,
// whatever its status: some services answer with 500 to all that they refuse.
func refusedAlike(p scan.Protected, r *scan.Response) bool {
	return r != nil && p.Br != nil && r.Class == p.Br.Class && !p.Genuine(r) && r.Status != http.StatusTooManyRequests
}

func (w *thrower) doubt(reason string) {
	if w.unsure == "" {
		w.unsure = w.t.Mask(reason)
	}
}

// forgeTokens makes the tokens of the named attacks.
func forgeTokens(m attack.Material, names ...string) ([]attack.Forged, error) {
	var all []attack.Forged
	for _, a := range attack.Attacks() {
		if !slices.Contains(names, a.Name) {
			continue
		}
		list, err := a.Forge(m)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// provesOnly chooses the tokens that one check reports.
func provesOnly(id string) func(attack.Forged) bool {
	return func(f attack.Forged) bool { return f.Check == id && !f.Intrusive }
}

// variants chooses tokens by the part of their name after the slash.
func variants(names ...string) func(attack.Forged) bool {
	return func(f attack.Forged) bool {
		_, name, _ := strings.Cut(f.Name, "/")
		return slices.Contains(names, name)
	}
}

// knownMaterial is the material that needs no guessing: the token and the published
// keys. Nothing in it can sign.
func knownMaterial(t *scan.Target) attack.Material {
	token, _ := t.Token()
	m := attack.Material{Token: string(token.Raw.Reveal()), Now: clock(t)}
	for _, d := range t.JWKS() {
		if d.Keys != nil {
			m.JWKS = d.Raw
			break
		}
	}
	return m
}

// curlToken is a command that sends a token as the operation wants it.
func curlToken(p scan.Protected, token string) string {
	if p.Cookie != "" {
		return curl(p.Method, p.URL, `-b "`+p.Cookie+`=`+token+`"`)
	}
	return curl(p.Method, p.URL, `-H "Authorization: Bearer `+token+`"`)
}

// clock is the scan's time.
func clock(t *scan.Target) time.Time {
	if now := t.Config().Now; now != nil {
		return now()
	}
	return time.Now()
}

// readable is the scan's token, where its payload can be read. why says for Skip
// what stands against it.
func readable(t *scan.Target) (token scan.Token, why string) {
	token, ok := t.Token()
	switch {
	case !ok:
		return token, t.Unprotected()
	case !token.JWT:
		return token, "the token is opaque: it is no JWT that could be read"
	}
	return token, ""
}

// inToken is a place in the genuine token: the operation that takes it, or the
// scanned URL.
func inToken(t *scan.Target, text string) scan.Evidence {
	e := scan.Evidence{Method: "GET", URL: t.Base().String(), Key: "token", Repeat: "printf %s \"$TOKEN\" | wiretight token inspect -"}
	if list := t.Protected(); len(list) > 0 {
		e.Method, e.URL = list[0].Method, list[0].URL
	}
	token, _ := t.Token()
	e.Text = t.Mask("token " + string(token.Raw.Reveal()) + "\n" + text)
	return e
}
