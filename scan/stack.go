package scan

import (
	"bytes"
	"net/http"
	"regexp"
	"strings"
)

// clue is a trait of answers by which a framework is known.
type clue struct {
	framework string
	evidence  string
	fits      func(*traits) bool
}

// traits are the answers that clues are looked for in.
type traits struct {
	headers []http.Header
	missing *Response // the answer to a path that nobody has
	spec    *Spec
}

func (a *traits) header(name, part string) bool {
	for _, h := range a.headers {
		for _, v := range h.Values(name) {
			if strings.Contains(strings.ToLower(v), part) {
				return true
			}
		}
	}
	return false
}

func (a *traits) text(part string) bool {
	return a.missing != nil && bytes.Contains(a.missing.Body, []byte(part))
}

func (a *traits) described(part string) bool {
	return a.spec != nil && bytes.Contains(a.spec.JSON, []byte(part))
}

var springError = regexp.MustCompile(`"timestamp":.*"status":\s*404.*"path":|Whitelabel Error Page`)

// clues are in the order in which they decide.
var clues = []clue{
	{"FastAPI", "the description has HTTPValidationError", func(a *traits) bool { return a.described(`HTTPValidationError`) }},
	{"Spring", "the error document of Spring Boot", func(a *traits) bool { return a.missing != nil && springError.Match(a.missing.Body) }},
	{"Express", "X-Powered-By: Express", func(a *traits) bool { return a.header("X-Powered-By", "express") }},
	{"Express", "the page \"Cannot GET\"", func(a *traits) bool { return a.text("<pre>Cannot GET /") }},
	{"Flask", "Server: Werkzeug", func(a *traits) bool { return a.header("Server", "werkzeug") }},
	{"Flask", "the 404 page of Flask", func(a *traits) bool {
		return a.text("<p>The requested URL was not found on the server. If you entered")
	}},
	{"Django", "the 404 page of Django", func(a *traits) bool {
		return a.text("The requested resource was not found on this server.") || a.text("You're seeing this error because you have <code>DEBUG = True</code>")
	}},
	{"Django", "WSGIServer", func(a *traits) bool { return a.header("Server", "wsgiserver") }},
	{"FastAPI", `{"detail":"Not Found"} and a description`, func(a *traits) bool { return a.text(`{"detail":"Not Found"}`) && a.spec != nil }},
	{"Starlette", `{"detail":"Not Found"}`, func(a *traits) bool { return a.text(`{"detail":"Not Found"}`) }},
	{"Starlette", "Server: uvicorn", func(a *traits) bool { return a.header("Server", "uvicorn") || a.header("Server", "hypercorn") }},
	{"Go", "the 404 text of net/http", func(a *traits) bool { return a.text("404 page not found\n") }},
}

// readStack says what the answers tell of the software behind them.
func (t *Target) readStack() Stack {
	a := &traits{missing: t.surface.notFound, spec: t.surface.spec}
	for _, r := range []*Response{t.surface.root, t.surface.notFound} {
		if r != nil {
			a.headers = append(a.headers, r.Header)
		}
	}
	var s Stack
	for _, h := range a.headers {
		if s.Server == "" {
			s.Server = h.Get("Server")
		}
	}
	for _, c := range clues {
		if c.fits(a) {
			s.Framework, s.Evidence = c.framework, c.evidence
			break
		}
	}
	return s
}
