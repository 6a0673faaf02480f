package guard

import (
	"net/http"
	"slices"
	"strings"
)

// route is a Route made ready.
type route struct {
	label    string // as written, for logs and metrics
	methods  []string
	allow    string
	public   bool
	scopes   []string
	scope    string // scopes joined, for the challenge
	issuers  []string
	binding  Binding
	once     bool
	upstream *upstream
	local    http.Handler // set on the guard's own endpoints
	metrics  routeMetrics
}

// routeTable finds the most specific route of a canonical path: an exact one
// before a tree, a deeper tree before a shallower.
type routeTable struct {
	exact    map[string]*route // without a trailing slash
	tree     map[string]*route // without the trailing /*
	fallback *route            // what no route names
}

func (t *routeTable) add(path string, r *route) {
	if base, ok := strings.CutSuffix(path, "/*"); ok {
		t.tree[base] = r
		return
	}
	t.exact[strings.TrimSuffix(path, "/")] = r
}

// find returns the most specific route, or the fallback.
func (t *routeTable) find(path string) *route {
	path = strings.TrimSuffix(path, "/")
	if r := t.exact[path]; r != nil {
		return r
	}
	if len(t.tree) == 0 {
		return t.fallback
	}
	for {
		if r := t.tree[path]; r != nil {
			return r
		}
		i := strings.LastIndexByte(path, '/')
		if i < 0 {
			return t.fallback
		}
		path = path[:i]
	}
}

// checkRoute finds the request's route and refuses methods that it does not list.
func checkRoute(x *exchange) *refusal {
	if !validMethod(x.r.Method) {
		// No upstream could be sent a CONNECT, not even on trial.
		return &refusal{rule: RuleMethod, kind: kindInvalidRequest, final: x.r.Method == http.MethodConnect, reason: "method " + quoted(x.r.Method) + " is not upper-case letters"}
	}
	if x.local != nil {
		return nil
	}
	x.route = x.policy.routes.find(x.path.decoded)
	if x.preflighted || len(x.route.methods) == 0 || x.route.allows(x.r.Method) {
		return nil
	}
	return &refusal{
		rule: RuleMethod, kind: kindMethod, allow: x.route.allow,
		reason: "route " + x.route.label + " does not list " + quoted(x.r.Method),
	}
}

func (r *route) allows(method string) bool {
	return slices.Contains(r.methods, method) ||
		method == http.MethodHead && slices.Contains(r.methods, http.MethodGet)
}

// validMethod keeps to upper-case letters and hyphens: servers disagree about
// whether "get" is GET. CONNECT and TRACE have no use behind a proxy and echo
// what they are sent.
func validMethod(m string) bool {
	if m == "" || len(m) > maxMethod || m == http.MethodConnect || m == http.MethodTrace {
		return false
	}
	for i := range len(m) {
		if (m[i] < 'A' || m[i] > 'Z') && m[i] != '-' && m[i] != '_' {
			return false
		}
	}
	return true
}

// maxMethod is the longest name of a method.
const maxMethod = 32
