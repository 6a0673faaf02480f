package checks

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// traces are what the inside of programs looks like in errors.
var traces = []struct {
	name string
	re   *regexp.Regexp
}{
	{"the Werkzeug debugger", regexp.MustCompile(`Werkzeug Debugger|The debugger caught an exception`)},
	{"Django's debug page", regexp.MustCompile(`You're seeing this error because you have <code>DEBUG = True`)},
	{"a Python traceback", regexp.MustCompile(`Traceback \(most recent call last\)|File "[^"\n]{1,200}", line \d+, in `)},
	{"a JavaScript stack", regexp.MustCompile(`\s+at [\w.<>$ \[\]]{0,80}\(?[^()\n]{1,200}\.(js|ts|mjs|cjs):\d+:\d+`)},
	{"a Java stack", regexp.MustCompile(`\bat [a-z][\w.]{3,100}\.[\w$<>]+\([A-Z]\w+\.(java|kt|scala):\d+\)|java\.lang\.\w+(Exception|Error)\b|org\.springframework\.[\w.]+Exception`)},
	{"a Go panic", regexp.MustCompile(`goroutine \d+ \[running\]|runtime error: (index|invalid memory|slice|integer|hash|makeslice|comparing)|\.go:\d+ \+0x[0-9a-f]+`)},
	{"a .NET stack", regexp.MustCompile(`\bat [\w.]+\([^)\n]*\) in [^\n]+:line \d+`)},
	{"a PHP error", regexp.MustCompile(`(Fatal error|Warning|Notice)(</b>)?: .{1,200} in .{1,200} on line `)},
	{"a Ruby trace", regexp.MustCompile(`\.rb:\d+:in `)},
	{"a database error", regexp.MustCompile(`(?i)sqlalche\.me/e/|psycopg[23]?\.\w+Error|SQLSTATE\[|ORA-\d{5}|sqlite3\.OperationalError`)},
	{"a JWT library's exception", regexp.MustCompile(`jwt\.exceptions\.\w+|jose\.exceptions\.\w+|JsonWebTokenError:`)},
}

// leakStackTrace finds error answers that show the inside of the program.
// Examples in an API's description are none: only errors are looked at.
var leakStackTrace = scan.Check{
	ID: "leak.stack-trace", Needs: catalog.NeedsNothing,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		answers, missing := errorAnswers(ctx, t)
		var found []scan.Evidence
		for _, a := range answers {
			if name, excerpt := traceIn(a.Body); name != "" {
				found = append(found, scan.Evidence{
					Method: a.Method, URL: a.URL, Key: name,
					Text: t.Mask(heard(a.kind, a.Response, nil) + "\n" + name + ": " + clip(excerpt)), Repeat: curl(a.Method, a.URL),
				})
			}
		}
		switch {
		case len(found) > 0:
			return scan.Find(found...)
		case missing != "":
			return scan.Unsure("not every error answer could be had: " + missing)
		case len(answers) == 0:
			return scan.Unsure("nothing that was sent made the target answer with an error")
		}
		return scan.Pass()
	},
}

// escapes are what JSON makes of the characters that traces are laid out with.
var escapes = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\"`, `"`, `\/`, "/", `\u003c`, "<", `\u003e`, ">", `\u0027`, "'", "\u00a0", " ")

// traceIn finds a trace in an answer's body, be it text, HTML or JSON.
func traceIn(body []byte) (name, excerpt string) {
	text := escapes.Replace(html.UnescapeString(string(body[:min(len(body), 256<<10)])))
	for _, trace := range traces {
		if at := trace.re.FindStringIndex(text); at != nil {
			return trace.name, strings.ToValidUTF8(text[max(0, at[0]-40):min(len(text), at[1]+120)], "")
		}
	}
	return "", ""
}

// provoked are error answers, and why there are not all of them.
type provoked struct {
	answers []labelled
	missing string
}

// errorAnswers are answers of status 400 and above, made by requests that go
// wrong in different places. missing says why some are not there.
func errorAnswers(ctx context.Context, t *scan.Target) (answers []labelled, missing string) {
	p, err := scan.Memo(t, "leak.errors", func() (provoked, error) {
		var p provoked
		p.add("an unknown path", t.NotFound())
		for _, o := range t.Protected() {
			p.add("a garbage token", o.Bg)
			p.add("a token with a random signature", o.Br)
		}
		for _, f := range faulty(t) {
			r, err := t.Do(ctx, f.Request)
			why := noAnswer(r, err)
			if why != "" && err != nil && alive(ctx, t) {
				continue // it was hung up on, as odd requests may be
			}
			if why != "" {
				p.missing = f.kind + ": " + why
				continue
			}
			p.add(f.kind, r)
		}
		return p, nil
	})
	if err != nil {
		return nil, err.Error()
	}
	return p.answers, p.missing
}

func (p *provoked) add(kind string, r *scan.Response) {
	if r != nil && r.Status >= 400 {
		p.answers = append(p.answers, labelled{r, kind})
	}
}

// mistake is a request that should go wrong.
type mistake struct {
	scan.Request
	kind string
}

// faulty are requests with parameters, tokens, paths and bodies that nobody
// expects.
func faulty(t *scan.Target) []mistake {
	var list []mistake
	for _, o := range callable(t, 2) {
		odd := genuine(t, o)
		odd.URL = o.URL + queryMark(o.URL) + "limit=wt&skip=%00&page=-1&id='"
		bad := quiet(o)
		bad.Header = http.Header{"Authorization": {"Bearer eyJhbGciOiJIUzI1NiJ9.bm90IGpzb24.AAAA"}}
		list = append(list, mistake{odd, "odd parameters"}, mistake{bad, "a token that is no JSON inside"})
	}
	list = append(list, misfits(t)...)
	list = append(list, mistake{scan.Request{RawTarget: "/%ff%00%c0%af"}, "a path that is not UTF-8"})
	if login := t.LoginURL(); login != "" {
		list = append(list, mistake{scan.Request{
			Method: "POST", URL: login, Body: []byte(`{"username":`),
			Header: http.Header{"Content-Type": {"application/json"}},
		}, "a login with broken JSON"})
	}
	return list
}

// maxMisfits is how many operations with parameters in their path are asked with
// values that do not fit.
const maxMisfits = 3

// misfits are requests whose path has text where a number may be expected.
func misfits(t *scan.Target) []mistake {
	var list []mistake
	for _, o := range callable(t, len(t.Operations())) {
		path := braced.ReplaceAllString(o.Path, "wt'")
		u, err := url.Parse(o.URL)
		if path == o.Path || err != nil || len(list) == maxMisfits {
			continue
		}
		// The URL has the path at its end, with values in it, after a prefix.
		prefix := strings.Count(u.Path, "/") - strings.Count(o.Path, "/")
		if prefix < 0 {
			continue
		}
		parts := strings.SplitN(u.Path, "/", prefix+2)
		u.Path, u.RawPath = strings.Join(parts[:prefix+1], "/")+path, ""
		odd := quiet(o)
		if token, has := t.Token(); has && len(t.Protected()) > 0 {
			p := t.Protected()[0]
			p.Operation = o
			odd = p.Request(string(token.Raw.Reveal()))
		}
		odd.URL = u.String()
		list = append(list, mistake{odd, "odd parameters in the path"})
	}
	return list
}

var braced = regexp.MustCompile(`\{[^{}/]*\}`)

// genuine is a request with the genuine token, where the operation is known to
// take it.
func genuine(t *scan.Target, o scan.Operation) scan.Request {
	token, has := t.Token()
	for _, p := range t.Protected() {
		if has && p.URL == o.URL && p.Method == o.Method {
			return p.Request(string(token.Raw.Reveal()))
		}
	}
	return quiet(o)
}
