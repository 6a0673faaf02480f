package checks

import (
	"context"
	"fmt"
	"net/url"
	"regexp"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// exposedPath is a path that nobody should be able to read, and how its content
// is recognised: a server that answers 200 to everything shows no such content.
type exposedPath struct {
	path   string
	marker func(r *scan.Response) string // what was seen; empty: something else
}

var debugPaths = []exposedPath{
	{"/debug", insideMarker},
	{"/_debug", insideMarker},
	{"/__debug__", insideMarker},
	{"/env", insideMarker},
	{"/config", insideMarker},
	{"/metrics", prometheusMarker},
	{"/actuator/env", insideMarker},
	{"/server-status", insideMarker},
	{"/nginx_status", insideMarker},
	{"/debug/vars", insideMarker},
	{"/debug/pprof/", insideMarker},
	{"/console", insideMarker},
}

var keyPaths = []exposedPath{
	{"/.env", keyMarker},
	{"/.env.bak", keyMarker},
	{"/.env.production", keyMarker},
	{"/.env.local", keyMarker},
	{"/.env~", keyMarker},
	{"/config.json", keyMarker},
	{"/config.json.bak", keyMarker},
	{"/.git/config", keyMarker},
	{"/private.pem", keyMarker},
	{"/key.pem", keyMarker},
	{"/private.key", keyMarker},
	{"/keys/private.pem", keyMarker},
	{"/keys/private.key", keyMarker},
	{"/keys/jwt.pem", keyMarker},
	{"/keys/jwt.key", keyMarker},
	{"/id_rsa", keyMarker},
	{"/server.key", keyMarker},
	{"/static/.env", keyMarker},
}

// debugNames are what descriptions call such endpoints.
var debugNames = regexp.MustCompile(`(?i)(^|/)_{0,2}(debug|env|environment|metrics|config|internal|diagnostics?)(/|$)`)

// leakDebugEndpoint finds metrics, environments and debug pages that answer to
// anyone. What is recognised is the content, not the path.
var leakDebugEndpoint = scan.Check{
	ID: "leak.debug-endpoint", Needs: catalog.NeedsNothing,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		paths := debugPaths
		for _, o := range t.Operations() {
			if u, err := url.Parse(o.URL); err == nil && o.Method == "GET" && !o.Guessed && debugNames.MatchString(o.Path) && len(paths) < 2*len(debugPaths) {
				paths = append(paths[:len(paths):len(paths)], exposedPath{u.RequestURI(), insideMarker})
			}
		}
		return lookForExposed(ctx, t, paths)
	},
}

// leakKeyFile finds keys and configurations that are served as files.
var leakKeyFile = scan.Check{
	ID: "leak.key-file", Needs: catalog.NeedsNothing,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict { return lookForExposed(ctx, t, keyPaths) },
}

// lookForExposed asks for each path without a credential.
func lookForExposed(ctx context.Context, t *scan.Target, paths []exposedPath) scan.Verdict {
	var found []scan.Evidence
	unanswered := ""
	seen := map[string]bool{}
	for _, p := range paths {
		if seen[p.path] {
			continue
		}
		seen[p.path] = true
		r, err := t.Do(ctx, scan.Request{Path: p.path})
		if why := noAnswer(r, err); why != "" {
			unanswered = p.path + ": " + why
			continue
		}
		what := ""
		if r.OK() {
			what = p.marker(r)
		}
		if what == "" || onEveryPath(t, r, p.marker) {
			continue
		}
		// What was seen is not shown: it is the secret.
		found = append(found, scan.Evidence{
			Method: "GET", URL: r.URL,
			Text: t.Mask(heard("without a credential: GET "+p.path, r, nil) + ", with " + what), Repeat: curl("GET", r.URL),
		})
	}
	switch {
	case len(found) > 0:
		return scan.Find(found...)
	case unanswered != "":
		return scan.Unsure("not every path was answered: " + unanswered)
	}
	return scan.Pass()
}

// onEveryPath tells whether a path that nobody has shows the same, as where one
// page answers to every path.
func onEveryPath(t *scan.Target, r *scan.Response, marker func(*scan.Response) string) bool {
	n := t.NotFound()
	return n != nil && n.URL != r.URL && n.Status == r.Status && marker(n) != ""
}

// noAnswer says why an answer decides nothing: there is none, or the target asks
// to wait, or what is before it cannot reach it. Empty: it does.
func noAnswer(r *scan.Response, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case r == nil:
		return errSilence.Error()
	case r.Status == 429 || r.Status >= 502 && r.Status <= 504:
		return fmt.Sprintf("status %d", r.Status)
	}
	return ""
}
