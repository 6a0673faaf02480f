package checks

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/wiretight/wiretight/scan"
)

var (
	prometheusText = regexp.MustCompile(`(?m)^# (HELP|TYPE) [a-zA-Z_:][\w:]* `)
	secretLine     = regexp.MustCompile(`(?im)^[ \t]*(export[ \t]+)?[A-Z0-9_]*(SECRET|PASSWORD|PASSWD|TOKEN|API_?KEY|PRIVATE_?KEY|DATABASE_URL|CREDENTIALS?)[A-Z0-9_]*[ \t]*=[ \t]*[^\s()<>{}]{4,}[ \t]*\r?$`)
	privatePEM     = regexp.MustCompile(`-----BEGIN (RSA |EC |OPENSSH |ENCRYPTED |DSA )?PRIVATE KEY-----\r?\n[\w+/=:,\s-]{40}`)
	gitConfig      = regexp.MustCompile(`(?m)^\[core\]\s*$`)
	nginxStatus    = regexp.MustCompile(`^Active connections: \d+`)
	environment    = regexp.MustCompile(`(?m)(?:^|[\s{,])"?(PATH|HOME|HOSTNAME|PYTHONPATH|GOROOT|GOPATH|LANG|PWD|SHELL|USER|JAVA_HOME|VIRTUAL_ENV)"?\s*[:=]\s*"?\S`)
)

// What names of members say that their values are secret, and what names with
// the same words say that they are not.
var (
	secretName  = regexp.MustCompile(`(?i)(secret|password|passwd|private_?key|database_?url|credential|api_?key|access_?token|auth_?token)`)
	harmlessEnd = regexp.MustCompile(`(?i)(ur[il]|path|endpoint|type|policy|expiry|expires(in)?|ttl|name|field|header|length|enabled|lifetime|hint|label|reset|id)$`)
	userInURL   = regexp.MustCompile(`://[^/\s:@]*:[^/\s@]+@`)
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
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(body, w) })
	}
	switch {
	case prometheusText.MatchString(body):
		return "metrics in Prometheus' format"
	case has("Werkzeug Debugger", "<h1>Interactive Console</h1>"):
		return "the Werkzeug console"
	case has("Types of profiles available", `"memstats"`):
		return "Go's profiles or variables"
	case has("Apache Server Status"), nginxStatus.MatchString(body):
		return "the server's status"
	case has(`"propertySources"`) && has(`"activeProfiles"`, `"systemProperties"`, `"systemEnvironment"`):
		return "Spring's environment"
	case has("<title>phpinfo()</title>", "<title>PHP ") && has("phpinfo()"):
		return "phpinfo"
	case !page(r) && variables(body) >= 2:
		return "environment variables"
	}
	return secretMember(r)
}

// variables counts the usual environment variables: a word of them alone may be
// anything, such as a page called HOME.
func variables(body string) int {
	names := map[string]bool{}
	for _, m := range environment.FindAllStringSubmatch(body, 64) {
		names[m[1]] = true
	}
	return len(names)
}

func keyMarker(r *scan.Response) string {
	switch {
	case page(r):
		return ""
	case privatePEM.Match(r.Body):
		return "a private key"
	case secretLine.Match(r.Body):
		return "lines that set secrets"
	case gitConfig.Match(r.Body):
		return "a git repository's configuration"
	}
	return secretMember(r)
}

// page tells whether an answer is HTML, which no key and no configuration is.
func page(r *scan.Response) bool {
	return r.Class.Media == "text/html" || bytes.HasPrefix(bytes.TrimSpace(r.Body), []byte("<"))
}

// secretMember names a member of a JSON body that holds a secret. Empty: none
// does.
func secretMember(r *scan.Response) string {
	var v any
	if json.Unmarshal(r.Body, &v) != nil {
		return ""
	}
	if name := findSecret(v, 0); name != "" {
		return "a member called " + clip(name)
	}
	return ""
}

func findSecret(v any, depth int) string {
	if depth > 6 {
		return ""
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if s, ok := v[name].(string); ok && holdsSecret(name, s) {
				return name
			}
			if found := findSecret(v[name], depth+1); found != "" {
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

// holdsSecret tells whether a member is a secret: by its name, and by a value that
// is no address, no sentence and not blotted out.
func holdsSecret(name, value string) bool {
	if !secretName.MatchString(name) {
		return false
	}
	if strings.Contains(value, "://") {
		return userInURL.MatchString(value)
	}
	if strings.HasPrefix(value, "AIza") || strings.HasPrefix(value, "pk_") {
		return false // keys that browsers are given on purpose
	}
	return len(value) >= 6 && !harmlessEnd.MatchString(name) && !strings.ContainsAny(value, " *<>[]{}…") && !strings.HasPrefix(value, "/")
}
