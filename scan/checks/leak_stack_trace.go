package checks

import (
	"context"
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
	{"a Python traceback", regexp.MustCompile(`Traceback \(most recent call last\)|File "[^"\n]{1,200}", line \d+, in `)},
	{"a JavaScript stack", regexp.MustCompile(`\n?\s+at [\w.<>$ ]{1,80}\(?[^()\n]{1,200}\.(js|ts|mjs|cjs):\d+:\d+`)},
	{"a Java stack", regexp.MustCompile(`\bat [a-z][\w.]{3,100}\.[\w$]+\([A-Z]\w+\.java:\d+\)|java\.lang\.\w+Exception|org\.springframework\.[\w.]+Exception`)},
	{"a Go panic", regexp.MustCompile(`goroutine \d+ \[running\]|runtime error: |\.go:\d+ \+0x[0-9a-f]+`)},
	{"a .NET stack", regexp.MustCompile(`\bat [\w.]+\([^)\n]*\) in [^\n]+:line \d+`)},
	{"a PHP error", regexp.MustCompile(`(Fatal error|Warning|Notice)</b>?: .{1,200} in .{1,200} on line `)},
	{"a Ruby trace", regexp.MustCompile(`\.rb:\d+:in `)},
	{"the Werkzeug debugger", regexp.MustCompile(`Werkzeug Debugger|The debugger caught an exception`)},
	{"Django's debug page", regexp.MustCompile(`You're seeing this error because you have <code>DEBUG = True`)},
	{"a database error", regexp.MustCompile(`(?i)sqlalche\.me/e/|psycopg2?\.\w+Error|SQLSTATE\[|ORA-\d{5}|sqlite3\.OperationalError`)},
	{"a JWT library's exception", regexp.MustCompile(`jwt\.exceptions\.\w+|jose\.exceptions\.\w+|JsonWebTokenError:`)},
}

// leakStackTrace finds error answers that show the inside of the program.
// Examples in an API's description are none: only errors are looked at.
var leakStackTrace = scan.Check{
	ID: "leak.stack-trace", Needs: catalog.NeedsNothing,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		answers, err := errorAnswers(ctx, t)
		if err != nil {
			return scan.Unsure("no error answer could be had: " + err.Error())
		}
		var found []scan.Evidence
		for _, a := range answers {
			for _, trace := range traces {
				at := trace.re.FindIndex(a.Body)
				if at == nil {
					continue
				}
				excerpt := string(a.Body[max(0, at[0]-40):min(len(a.Body), at[1]+120)])
				found = append(found, scan.Evidence{
					Method: a.Method, URL: a.URL, Key: trace.name,
					Text: t.Mask(heard(a.kind, a.Response, nil) + "\n" + trace.name + ": " + clip(excerpt)), Repeat: curl(a.Method, a.URL),
				})
				break
			}
		}
		if len(found) > 0 {
			return scan.Find(found...)
		}
		return scan.Pass()
	},
}

// errorAnswers are answers of status 400 and above, made by requests that go
// wrong in different places.
func errorAnswers(ctx context.Context, t *scan.Target) ([]labelled, error) {
	return scan.Memo(t, "leak.errors", func() ([]labelled, error) {
		var list []labelled
		var last error
		asked := 0
		add := func(kind string, r *scan.Response, err error) {
			if err != nil {
				last = err
				return
			}
			asked++
			if r != nil && r.Status >= 400 {
				list = append(list, labelled{r, kind})
			}
		}
		add("an unknown path", t.NotFound(), nil)
		for _, p := range t.Protected() {
			add("a garbage token", p.Bg, nil)
			add("a token with a random signature", p.Br, nil)
		}
		token, has := t.Token()
		ask := func(kind string, r scan.Request, err error) {
			res, derr := t.Do(ctx, r)
			if err == nil {
				err = derr
			}
			add(kind, res, err)
		}
		for _, o := range callable(t, 2) {
			r := quiet(o)
			if has {
				for _, p := range t.Protected() {
					if p.URL == o.URL {
						r = p.Request(string(token.Raw.Reveal()))
					}
				}
			}
			r.URL = o.URL + queryMark(o.URL) + "limit=wt&skip=%00&page=-1&id='"
			ask("odd parameters", r, nil)
			bad := quiet(o)
			bad.Header = map[string][]string{"Authorization": {"Bearer eyJhbGciOiJIUzI1NiJ9.bm90IGpzb24.AAAA"}}
			ask("a token that is no JSON inside", bad, nil)
		}
		ask("a path that is not UTF-8", scan.Request{RawTarget: "/%ff%00%c0%af"}, nil)
		if login := t.LoginURL(); login != "" {
			ask("a login with broken JSON", scan.Request{Method: "POST", URL: login, Body: []byte(`{"username":`),
				Header: map[string][]string{"Content-Type": {"application/json"}}}, nil)
		}
		if asked == 0 {
			return nil, last
		}
		return list, nil
	})
}

// versionHeaders may name versions.
var versionHeaders = []string{"Server", "X-Powered-By", "Via", "X-Aspnet-Version", "X-Aspnetmvc-Version", "X-Generator", "X-Runtime-Version"}

// exactVersion is a number with a dot.
var exactVersion = regexp.MustCompile(`\d+\.\d+`)

// leakServerVersion finds headers with exact versions. A name alone is none.
var leakServerVersion = scan.Check{
	ID: "leak.server-version", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(_ context.Context, t *scan.Target) scan.Verdict {
		r := t.Root()
		if r == nil {
			return scan.Unsure("no answer to look at")
		}
		var lines []string
		for _, name := range versionHeaders {
			for _, v := range r.Header.Values(name) {
				if name == "Via" && !strings.Contains(v, "/") && !strings.Contains(v, "(") {
					continue // "1.1 proxy" is the protocol's version
				}
				if exactVersion.MatchString(v) {
					lines = append(lines, name+": "+clip(v))
				}
			}
		}
		if len(lines) == 0 {
			return scan.Pass()
		}
		return scan.Find(scan.Evidence{Method: r.Method, URL: r.URL, Key: "host", Text: t.Mask(strings.Join(lines, "\n")),
			Repeat: curl("GET", r.URL) + " | grep -iE '^(server|x-powered-by|via):'"})
	},
}
