package checks

import (
	"bytes"
	"context"
	"net/http"
	"regexp"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// transportTokenOverHTTP finds credentials that are issued or taken in clear. It
// sends a made-up token first, and a login with nothing in it. The genuine token
// follows only to loopback, and only where the made-up one was judged and not
// turned away: a server that burns tokens which were shown to everybody would
// end the session. For the same reason it comes last.
var transportTokenOverHTTP = scan.Check{
	ID: "transport.token-over-http", Needs: catalog.NeedsToken, Last: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		v, err := lookPlain(ctx, t)
		if err != nil {
			return scan.Unsure("plain HTTP could not be compared with HTTPS: " + err.Error())
		}
		if len(v.answered()) == 0 {
			return scan.Pass() // nobody listens in clear
		}
		found, err := issuedInClear(ctx, t)
		if err != nil {
			return scan.Unsure("the login could not be asked for in clear: " + err.Error())
		}
		taken, asked, err := takenInClear(ctx, t)
		if err != nil {
			return scan.Unsure("an operation could not be asked for in clear: " + err.Error())
		}
		switch found = append(found, taken...); {
		case len(found) > 0:
			return scan.Find(found...)
		case asked == 0:
			return scan.Unsure("no operation is known that needs a token: name one with --protected")
		}
		return scan.Pass()
	},
}

// tokenPlaces are the URLs on the target that give tokens, two at most.
func tokenPlaces(t *scan.Target) []string {
	var named []string
	named = append(named, t.Config().LoginURL)
	if s := t.Spec(); s != nil {
		for _, c := range s.Schemes {
			named = append(named, c.TokenURL)
		}
	}
	for _, d := range t.Discovery() {
		endpoint, _ := d.Fields["token_endpoint"].(string)
		named = append(named, endpoint)
	}
	var list []string
	seen := map[string]bool{}
	for _, n := range named {
		u, err := t.Base().Parse(n)
		if n == "" || err != nil || u.Host != t.Base().Host || u.Scheme != t.Base().Scheme || seen[u.Path] || len(list) == 2 {
			continue
		}
		seen[u.Path] = true
		list = append(list, u.String())
	}
	return list
}

// issuedInClear sends logins without a name or a password in clear, and finds
// those that the API looks at.
func issuedInClear(ctx context.Context, t *scan.Target) ([]scan.Evidence, error) {
	places := tokenPlaces(t)
	if len(places) == 0 {
		return nil, nil
	}
	nowhere, err := t.Do(ctx, emptyLogin(t, t.Base().Scheme+"://"+t.Base().Host+"/"+strings.TrimSuffix(canaryHost(), ".invalid"), true))
	if err != nil {
		return nil, err
	}
	var found []scan.Evidence
	for _, place := range places {
		plain := emptyLogin(t, place, true)
		answer, err := t.Do(ctx, plain)
		if err != nil {
			return nil, err
		}
		lines := []string{heard("POST "+answer.URL+" with an empty form", answer, nil)}
		processed := issues(answer) && answer.Class != nowhere.Class
		if t.HTTPS() {
			control, err := t.Do(ctx, emptyLogin(t, place, false))
			if err != nil {
				return nil, err
			}
			processed = processed && control.Class == answer.Class
			lines = append([]string{"control: " + heard("POST "+place+" with an empty form", control, nil)}, lines...)
		}
		if !processed {
			continue
		}
		lines = append(lines, "the API looks at a login that came in clear: passwords and new tokens can be read on the way")
		found = append(found, scan.Evidence{
			Method: "POST", URL: answer.URL, Text: t.Mask(strings.Join(lines, "\n")), Repeat: curl("POST", answer.URL, "-d ''"),
		})
	}
	return found, nil
}

func emptyLogin(t *scan.Target, place string, plain bool) scan.Request {
	o := scan.Operation{Method: "POST", URL: place}
	r := quiet(o)
	if plain && t.HTTPS() {
		r, _ = plainRequest(t, o, 0)
	}
	r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	return r
}

// issues reports whether an answer is that of a login, good or bad.
func issues(r *scan.Response) bool {
	return r.OK() || r.Status == 400 || r.Status == 401 || r.Status == 415 || r.Status == 422 || setsToken(r)
}

var tokenCookie = regexp.MustCompile(`(?i)session|token|auth|jwt|^sid$|refresh`)

// setsToken reports whether an answer sets a cookie with a credential.
func setsToken(r *scan.Response) bool {
	for _, c := range (&http.Response{Header: r.Header}).Cookies() {
		other := strings.Contains(strings.ToLower(c.Name), "csrf") || strings.Contains(strings.ToLower(c.Name), "xsrf")
		if tokenCookie.MatchString(c.Name) && !other && len(c.Value) >= 16 && c.MaxAge >= 0 {
			return true
		}
	}
	return false
}

// takenInClear uses tokens in clear. asked is how many operations could tell.
func takenInClear(ctx context.Context, t *scan.Target) (found []scan.Evidence, asked int, err error) {
	list := t.Protected()
	if len(list) == 0 {
		for _, o := range callable(t, 2) {
			list = append(list, scan.Protected{Operation: o})
		}
	}
	for _, p := range list[:min(len(list), 2)] {
		if !t.HTTPS() && p.Eligible {
			return []scan.Evidence{alreadyInClear(t, p)}, 1, nil
		}
		e, ok, told, err := judgedInClear(ctx, t, p)
		if err != nil {
			return nil, asked, err
		}
		if told {
			asked++
		}
		if ok {
			return append(found, e), asked, nil
		}
	}
	return nil, asked, nil
}

// alreadyInClear is the evidence of a target whose URL is http: its baselines
// were all in clear.
func alreadyInClear(t *scan.Target, p scan.Protected) scan.Evidence {
	text := "control: " + heard(p.Method+" "+p.URL+" without a token", p.B0, nil) + "\n" +
		heard(p.Method+" "+p.URL+" with the genuine token", p.Bv, nil)
	return scan.Evidence{Method: p.Method, URL: p.URL, Text: t.Mask(text), Repeat: curl(p.Method, p.URL, `-H "Authorization: Bearer $TOKEN"`)}
}

// judgedInClear sends p a made-up token in clear. told says that its answer over
// HTTPS to such a token is a refusal, so that there is something to compare with.
func judgedInClear(ctx context.Context, t *scan.Target, p scan.Protected) (e scan.Evidence, found, told bool, err error) {
	request := p.Request(canaryToken())
	request.NoRetry = true
	control := t.NotFound()
	if t.HTTPS() {
		if control, err = t.Do(ctx, request); err != nil {
			return e, false, false, err
		}
		if control.Status != 401 && control.Status != 403 {
			return e, false, false, nil
		}
	}
	plain, address := plainRequest(t, p.Operation, 0)
	plain.Header = request.Header
	answer, err := t.Do(ctx, plain)
	if err != nil {
		return e, false, false, err
	}
	text := heard(p.Method+" "+address+" with a made-up token", answer, nil)
	e = scan.Evidence{Method: p.Method, URL: address, Repeat: curl(p.Method, address, `-H "Authorization: Bearer $TOKEN"`)}
	if t.HTTPS() {
		text = "control: " + heard(p.Method+" "+p.URL+" with a made-up token", control, nil) + "\n" + text
	}
	if !judged(t, answer, control) {
		return e, false, true, nil
	}
	if genuine, ok := t.Token(); ok && t.Loopback() && p.Bv != nil {
		plain.Header = p.Request(string(genuine.Raw.Reveal())).Header
		accepted, err := t.Do(ctx, plain)
		if err == nil {
			e.Text = t.Mask(text + "\n" + heard(p.Method+" "+address+" with the genuine token", accepted, nil))
			return e, p.Genuine(accepted), true, nil
		}
		if !isExposed(err) {
			return e, false, true, err
		}
	}
	e.Confidence = "medium"
	e.Text = t.Mask(text + "\nthe API looks at tokens that come in clear; the genuine one was not sent, so as not to show it to the network")
	return e, true, true, nil
}

// judged reports whether the API itself refused a token in clear, as it does
// otherwise.
func judged(t *scan.Target, answer, control *scan.Response) bool {
	switch {
	case !t.HTTPS():
		return answer.Status == 401 || answer.Status == 403 && (control == nil || control.Status != 403)
	case answer.Class != control.Class:
		return false
	case answer.Status == 403:
		return bytes.Equal(answer.Body, control.Body)
	}
	return answer.Status == 401
}
