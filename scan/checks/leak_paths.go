package checks

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// exposedPath is a path that nobody should be able to read, and how its content is
// recognised: a server that answers 200 to everything shows no such content.
type exposedPath struct {
	path   string
	marker func(r *scan.Response) string // what was seen; empty: something else
}

var (
	prometheusText = regexp.MustCompile(`(?m)^# (HELP|TYPE) [a-zA-Z_:][\w:]* `)
	secretLine     = regexp.MustCompile(`(?im)^\s*(export\s+)?[A-Z][A-Z0-9_]*(SECRET|PASSWORD|PASSWD|TOKEN|API_?KEY|PRIVATE_?KEY|DATABASE_URL|CREDENTIALS?)[A-Z0-9_]*\s*=\s*\S+`)
	privatePEM     = regexp.MustCompile(`-----BEGIN (RSA |EC |OPENSSH |ENCRYPTED |DSA )?PRIVATE KEY-----`)
	gitConfig      = regexp.MustCompile(`(?m)^\[core\]\s*$`)
	secretName     = regexp.MustCompile(`(?i)(secret|password|passwd|api_?key|private_?key|token|database_url|credential)`)
	environment    = regexp.MustCompile(`(?m)"?\b(PATH|HOME|HOSTNAME|PYTHONPATH|GOROOT|LANG)"?\s*[:=]\s*"?/?\w`)
)

func prometheusMarker(r *scan.Response) string {
	if prometheusText.Match(r.Body) {
		return "metrics in Prometheus' format"
	}
	return ""
}

// insideMarker recognises debug pages, environments and configurations.
func insideMarker(r *scan.Response) string {
	body := string(r.Body)
	switch {
	case prometheusText.MatchString(body):
		return "metrics in Prometheus' format"
	case strings.Contains(body, "Werkzeug Debugger") || strings.Contains(body, "Interactive Console"):
		return "the Werkzeug console"
	case strings.Contains(body, "Types of profiles available") || strings.Contains(body, `"memstats"`):
		return "Go's profiles or variables"
	case strings.Contains(body, "Apache Server Status") || strings.Contains(body, "nginx_status"):
		return "the server's status"
	case strings.Contains(body, `"propertySources"`) || strings.Contains(body, `"activeProfiles"`):
		return "Spring's environment"
	case strings.Contains(body, "phpinfo()"):
		return "phpinfo"
	case environment.MatchString(body) && !strings.Contains(body, "<html"):
		return "environment variables"
	}
	if name := secretMember(r); name != "" {
		return "a member called " + name
	}
	return ""
}

// secretMember is the name of a member of a JSON body that holds a secret.
func secretMember(r *scan.Response) string {
	var v any
	if json.Unmarshal(r.Body, &v) != nil {
		return ""
	}
	return findSecret(v, 0)
}

func findSecret(v any, depth int) string {
	if depth > 6 {
		return ""
	}
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if s, ok := inner.(string); ok && len(s) >= 4 && secretName.MatchString(name) && !strings.Contains(s, "://") {
				return name
			}
			if found := findSecret(inner, depth+1); found != "" {
				return found
			}
		}
	case []any:
		for _, inner := range v[:min(len(v), 32)] {
			if found := findSecret(inner, depth+1); found != "" {
				return found
			}
		}
	}
	return ""
}

func keyMarker(r *scan.Response) string {
	switch {
	case privatePEM.Match(r.Body):
		return "a private key"
	case secretLine.Match(r.Body):
		return "lines that set secrets"
	case gitConfig.Match(r.Body):
		return "a git repository's configuration"
	}
	if name := secretMember(r); name != "" {
		return "a member called " + name
	}
	return ""
}

var debugPaths = []exposedPath{
	{"/debug", insideMarker}, {"/_debug", insideMarker}, {"/__debug__", insideMarker}, {"/env", insideMarker}, {"/config", insideMarker},
	{"/metrics", prometheusMarker}, {"/actuator/env", insideMarker}, {"/server-status", insideMarker}, {"/debug/vars", insideMarker},
	{"/debug/pprof/", insideMarker}, {"/console", insideMarker},
}

var keyPaths = []exposedPath{
	{"/.env", keyMarker}, {"/.env.bak", keyMarker}, {"/config.json", keyMarker}, {"/.git/config", keyMarker}, {"/private.pem", keyMarker},
	{"/key.pem", keyMarker}, {"/keys/private.pem", keyMarker}, {"/id_rsa", keyMarker}, {"/server.key", keyMarker}, {"/static/.env", keyMarker},
}

// debugNames are what descriptions call such endpoints.
var debugNames = regexp.MustCompile(`(?i)(^|/)_{0,2}(debug|env|environment|metrics|config|internal|admin/config|diagnostics?)(/|$)`)

// leakDebugEndpoint finds metrics, environments and debug pages that answer to
// anyone. What is recognised is the content, not the path.
var leakDebugEndpoint = scan.Check{
	ID: "leak.debug-endpoint", Needs: catalog.NeedsNothing,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		paths := debugPaths
		for _, o := range t.Operations() {
			if o.Method == "GET" && !o.Guessed && debugNames.MatchString(o.Path) {
				paths = append(paths[:len(paths):len(paths)], exposedPath{o.Path, insideMarker})
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
	var last error
	answered := 0
	seen := map[string]bool{}
	for _, p := range paths {
		if seen[p.path] {
			continue
		}
		seen[p.path] = true
		r, err := scan.Memo(t, "exposed "+p.path, func() (*scan.Response, error) {
			return t.Do(ctx, scan.Request{Path: p.path, NoRetry: true})
		})
		if err != nil {
			last = err
			continue
		}
		answered++
		if !r.OK() {
			continue
		}
		if what := p.marker(r); what != "" {
			// What was seen is not shown: it is the secret.
			found = append(found, scan.Evidence{Method: "GET", URL: r.URL, Text: t.Mask(heard("without a credential: GET "+p.path, r, nil) + ", with " + what), Repeat: curl("GET", r.URL)})
		}
	}
	switch {
	case len(found) > 0:
		return scan.Find(found...)
	case answered < len(seen):
		return scan.Unsure("not every path was answered: " + last.Error())
	}
	return scan.Pass()
}
