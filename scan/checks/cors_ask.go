package checks

import (
	"context"
	"fmt"
	"net/textproto"
	"strings"

	"github.com/wiretight/wiretight/scan"
)

// crossOrigin is an answer to a request that says which origin it comes from.
type crossOrigin struct {
	origin string
	// allow is Access-Control-Allow-Origin; credentials that the browser may send
	// cookies; varies that caches are told of the difference.
	allow       string
	credentials bool
	varies      bool
	// genuine says that the answer is the one to a good token: data worth reading.
	genuine bool
	// cookies says that the request had the session's cookies.
	cookies bool
	*scan.Response
}

// readable reports whether a browser would let a page of the origin read the answer.
func (c crossOrigin) readable() bool { return c.allow == c.origin || c.allow == "*" }

func (c crossOrigin) line() string {
	s := "Origin: " + c.origin
	if c.cookies {
		s += ", with the session's cookies"
	}
	s += fmt.Sprintf(" -> %d", c.Status)
	if c.allow == "" {
		return s + ", no Access-Control-Allow-Origin"
	}
	s += ", Access-Control-Allow-Origin: " + clip(c.allow)
	if c.credentials {
		s += ", Access-Control-Allow-Credentials: true"
	}
	if !c.varies {
		s += ", no Vary: Origin"
	}
	return s
}

// corsOperation is the operation that cross-origin requests are tried on: a
// protected one with the genuine token, or without a token the first that
// answers. genuine is false for the latter, since its answers are no secret.
func corsOperation(ctx context.Context, t *scan.Target) (r scan.Request, genuine func(*scan.Response) bool) {
	if token, has := t.Token(); has {
		if list, _ := telling(ctx, t); len(list) > 0 {
			p := list[0]
			return p.Request(string(token.Raw.Reveal())), func(r *scan.Response) bool { return takes(p, r) }
		}
	}
	ops := append(callable(t, 1), rootOperation(t))
	return ops[0].Request(), func(*scan.Response) bool { return false }
}

// corsAsk makes a request from an origin, once in a scan.
func corsAsk(ctx context.Context, t *scan.Target, origin string) (crossOrigin, error) {
	return scan.Memo(t, "cors "+origin, func() (crossOrigin, error) { return corsSend(ctx, t, origin, "") })
}

// corsAskWithCookies makes the request as a browser does that has the session's
// cookies, once in a scan. Middlewares that answer others with a star may name
// the origin then, as Starlette does. asked is false where there are no cookies.
func corsAskWithCookies(ctx context.Context, t *scan.Target, origin string) (c crossOrigin, asked bool, err error) {
	cookies := sessionCookies(t)
	if cookies == "" {
		return c, false, nil
	}
	c, err = scan.Memo(t, "cors with cookies "+origin, func() (crossOrigin, error) { return corsSend(ctx, t, origin, cookies) })
	return c, true, err
}

// sessionCookies is the Cookie header of a browser that has logged in.
func sessionCookies(t *scan.Target) string {
	s, _ := t.Session()
	var pairs []string
	for _, c := range s.Cookies {
		if c.Value != "" && c.MaxAge >= 0 {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return strings.Join(pairs, "; ")
}

func corsSend(ctx context.Context, t *scan.Target, origin, cookies string) (crossOrigin, error) {
	r, genuine := corsOperation(ctx, t)
	r.Header = r.Header.Clone()
	if r.Header == nil {
		r.Header = map[string][]string{}
	}
	r.Header.Set("Origin", origin)
	if cookies != "" {
		r.Header.Set("Cookie", cookies)
	}
	res, err := t.Do(ctx, r)
	if err != nil {
		return crossOrigin{}, err
	}
	c := readCORS(origin, res, genuine(res))
	c.cookies = cookies != ""
	return c, nil
}

func readCORS(origin string, res *scan.Response, genuine bool) crossOrigin {
	c := crossOrigin{origin: origin, Response: res, genuine: genuine}
	if lines := res.Header.Values("Access-Control-Allow-Origin"); len(lines) == 1 {
		c.allow = strings.TrimSpace(lines[0]) // of several, browsers take none
	}
	c.credentials = res.Header.Get("Access-Control-Allow-Credentials") == "true"
	for _, line := range res.Header.Values("Vary") {
		for name := range strings.SplitSeq(line, ",") {
			name = textproto.TrimString(name)
			c.varies = c.varies || name == "*" || strings.EqualFold(name, "Origin")
		}
	}
	return c
}

// strangeOrigin is one that no API can have meant to allow.
func strangeOrigin(t *scan.Target) string {
	o, _ := scan.Memo(t, "cors strange", func() (string, error) { return "https://" + canaryHost(), nil })
	return o
}

// ambient reports whether the browser sends the API's credential by itself, so
// that any page can make authenticated requests.
func ambient(t *scan.Target) bool {
	if s, ok := t.Session(); ok && len(s.Cookies) > 0 {
		return true
	}
	for _, p := range t.Protected() {
		if p.Cookie != "" || p.Companion != "" {
			return true
		}
	}
	return false
}

// knownOrigins are origins that the API is likely to allow: what the user says,
// and its own.
func knownOrigins(t *scan.Target) []string {
	var list []string
	if o := t.Config().Origin; o != "" {
		list = append(list, o)
	}
	u := t.Base()
	return append(list, u.Scheme+"://"+u.Host)
}

// undecidedCORS says why answers that anybody may read prove nothing.
const undecidedCORS = "cross-origin answers are readable, but without a token only public ones could be seen"

// corsEvidence puts an answer into a finding, after what it is compared with.
func corsEvidence(t *scan.Target, c crossOrigin, others ...crossOrigin) scan.Evidence {
	var lines []string
	for _, o := range others {
		if o.Response != nil {
			lines = append(lines, o.line())
		}
	}
	lines = append(lines, c.line())
	if c.genuine {
		lines = append(lines, "the answer is the one to the genuine token")
	}
	flags := []string{"-H " + shellQuote("Origin: "+c.origin), `-H "Authorization: Bearer $TOKEN"`}
	if c.cookies {
		flags = append(flags, `-b "$COOKIES"`)
	}
	return scan.Evidence{
		Method: c.Method, URL: c.URL, Text: t.Mask(strings.Join(lines, "\n")), Key: "host",
		Repeat: curl(c.Method, c.URL, flags...) + " | grep -i access-control",
	}
}
