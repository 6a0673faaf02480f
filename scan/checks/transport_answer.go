package checks

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"

	"github.com/wiretight/wiretight/scan"
)

// canaryHost is a host name that nobody has (RFC 2606 §2), new with each call.
func canaryHost() string { return "wt-" + strings.ToLower(rand.Text()[:12]) + ".invalid" }

// canaryHead is the header {"alg":"HS256","typ":"JWT"} and the payload
// {"sub":"wiretight","exp":1} of every canaryToken.
const canaryHead = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ3aXJldGlnaHQiLCJleHAiOjF9."

// canaryToken looks like a JWT, says that it expired long ago, and is nobody's.
// Nothing of a genuine token is in it.
func canaryToken() string { return canaryHead + (rand.Text() + rand.Text())[:43] }

// heard writes what was asked and what came back as a line of evidence.
func heard(what string, r *scan.Response, err error) string {
	switch {
	case r == nil && err != nil:
		return fmt.Sprintf("%s -> no answer: %v", what, err)
	case r == nil:
		return what + " -> no answer"
	}
	line := fmt.Sprintf("%s -> %d", what, r.Status)
	if r.Class.Media != "" {
		line += " " + r.Class.Media
	}
	if location := r.Header.Get("Location"); location != "" {
		line += ", Location: " + clip(location)
	}
	return line
}

// clip shortens what comes from the target.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}

// quiet is a request for an operation as a client without a credential makes it.
// It is not repeated when the target asks to wait: its one answer decides.
func quiet(o scan.Operation) scan.Request {
	r := o.Request()
	r.NoRetry = true
	return r
}

// rootOperation is the scanned URL itself.
func rootOperation(t *scan.Target) scan.Operation {
	u := t.Base()
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return scan.Operation{Method: "GET", Path: path, URL: u.String()}
}

// callable are the first n operations that may be called by GET, those with known
// values and those that need a credential first.
func callable(t *scan.Target, n int) []scan.Operation {
	var best, rest []scan.Operation
	for _, o := range t.Operations() {
		switch {
		case o.Method != "GET":
		case o.Secured && !o.Guessed:
			best = append(best, o)
		default:
			rest = append(rest, o)
		}
	}
	best = append(best, rest...)
	return best[:min(n, len(best))]
}

// unasked is an operation's answer to a request without a credential: the
// baseline's where there is one.
func unasked(ctx context.Context, t *scan.Target, o scan.Operation) (*scan.Response, error) {
	if o.URL == rootOperation(t).URL && t.Root() != nil {
		return t.Root(), nil
	}
	for _, p := range t.Protected() {
		if p.URL == o.URL && p.Method == o.Method && p.B0 != nil {
			return p.B0, nil
		}
	}
	return scan.Memo(t, "unasked "+o.Method+" "+o.URL, func() (*scan.Response, error) {
		return t.Do(ctx, quiet(o))
	})
}

// alive tells whether the target still answers at all, so that silence of
// another kind can be read.
func alive(ctx context.Context, t *scan.Target) bool {
	r, err := t.Do(ctx, quiet(rootOperation(t)))
	return err == nil && r != nil
}

// application reports whether an answer is that of the API itself, and not of
// something before it that refuses: data, a demand for a credential, or a
// complaint about parameters.
func application(r *scan.Response) bool {
	return r != nil && (r.OK() || r.Status == 401 || r.Status == 422)
}

// redirects tells where a 3xx leads. ok is false where it leads nowhere.
func redirects(r *scan.Response) (to *url.URL, ok bool) {
	if r == nil || r.Status < 300 || r.Status > 399 {
		return nil, false
	}
	location := r.Header.Get("Location")
	from, err := url.Parse(r.URL)
	if err != nil || location == "" {
		return nil, false
	}
	to, err = from.Parse(location)
	return to, err == nil
}

// curl writes a command that sends a request again, its headers in pairs.
func curl(method, address string, more ...string) string {
	var b strings.Builder
	b.WriteString("curl -sik")
	if method != "GET" {
		fmt.Fprintf(&b, " -X %s", method)
	}
	for _, m := range more {
		fmt.Fprintf(&b, " %s", m)
	}
	fmt.Fprintf(&b, " %s", shellQuote(address))
	return b.String()
}

// shellQuote writes s so that a shell takes it as one word.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
