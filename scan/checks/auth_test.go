package checks

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/scan"
)

// gate is GET /me behind a token, described as security says, with an answer of
// one's choice to requests without a credential.
type gate struct {
	open     canned // zero: 401
	security string // of the description; empty: there is no description
	path     string // as the description has it; empty: /me
	// before answers first, if it wants to.
	before func(w http.ResponseWriter, r *http.Request) bool
	// tokenless scans without a token.
	tokenless bool
}

func (g gate) start(t testing.TB) *fixture {
	t.Helper()
	token := goodToken(t)
	s := site{token: token, at: map[string]canned{}, mishap: func(w http.ResponseWriter, r *http.Request) bool {
		if g.before != nil && g.before(w, r) {
			return true
		}
		if strings.HasPrefix(r.URL.Path, "/me") && r.Header.Get("Authorization") == "" && g.open.status != 0 {
			g.open.write(w)
			return true
		}
		if strings.HasPrefix(r.URL.Path, "/me/") {
			guarded(token)(w, r)
			return true
		}
		return false
	}}
	if g.path == "" {
		g.path = "/me"
	}
	if g.security != "" {
		s.at["/openapi.json"] = canned{status: 200, body: fmt.Sprintf(`{"openapi":"3.1.0","info":{"title":"T","version":"1"},
			"paths":{%q:{"get":{%s"security":%s,"responses":{"200":{"description":"OK"}}}}},
			"components":{"securitySchemes":{"bearer":{"type":"http","scheme":"bearer"},"basic":{"type":"http","scheme":"basic"}}}}`,
			g.path, map[bool]string{true: `"parameters":[{"name":"id","in":"path","required":true,"schema":{"type":"integer"}}],`}[strings.Contains(g.path, "{")], g.security)}
	}
	f := s.start(t)
	if g.security != "" {
		f.Config.Protected = nil
	}
	if g.tokenless {
		f.Config.Token = text("")
	}
	return f
}

const bearerOnly = `[{"bearer":[]}]`

func TestAuthMissing(t *testing.T) {
	t.Parallel()
	data := canned{status: 200, body: `{"items":[7]}`}
	for name, tt := range map[string]struct {
		gate
		want       scan.Outcome
		confidence string
	}{
		"the same without a token":          {gate{open: data, security: bearerOnly}, scan.Found, ""},
		"the same, named by the user":       {gate{open: data}, scan.Found, ""},
		"no token to compare with":          {gate{open: data, security: bearerOnly, tokenless: true}, scan.Found, "medium"},
		"optional security":                 {gate{open: data, security: `[{"bearer":[]},{}]`}, scan.Skipped, ""},
		"no security":                       {gate{open: data, security: `[]`}, scan.Skipped, ""},
		"401":                               {gate{security: bearerOnly}, scan.Passed, ""},
		"403 in the place of 401":           {gate{security: bearerOnly, open: canned{status: 403, body: `{"detail":"Not authenticated"}`}}, scan.Passed, ""},
		"a redirect to a login":             {gate{security: bearerOnly, open: canned{status: 302, header: http.Header{"Location": {"/login"}}}}, scan.Passed, ""},
		"an error with status 200":          {gate{security: bearerOnly, open: canned{status: 200, body: `{"error":"not authenticated"}`}}, scan.Passed, ""},
		"values that nobody has, 404":       {gate{security: bearerOnly, path: "/me/{id}", open: canned{status: 404, body: `{}`}}, scan.Inconclusive, ""},
		"values that do not fit, 422":       {gate{security: bearerOnly, path: "/me/{id}", open: canned{status: 422, body: `{}`}}, scan.Inconclusive, ""},
		"a fault":                           {gate{security: bearerOnly, open: canned{status: 500, body: `{}`}}, scan.Inconclusive, ""},
		"a limit":                           {gate{security: bearerOnly, open: canned{status: 429, body: `{}`}}, scan.Inconclusive, ""},
		"refused without a token to try it": {gate{security: bearerOnly, tokenless: true}, scan.Passed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := look(t, tt.gate.start(t), authMissing)
			if v.Outcome != tt.want || v.Outcome > scan.Found && v.Reason == "" {
				t.Fatalf("got %s, want %s", describe(v), describe(scan.Verdict{Outcome: tt.want}))
			}
			if v.Outcome != scan.Found {
				return
			}
			noToken(t, v.Findings)
			if e := v.Findings[0]; e.Confidence != tt.confidence || !strings.Contains(e.Text, "without a credential -> 200") || !strings.HasPrefix(e.Repeat, "curl") {
				t.Errorf("got evidence %+v, want confidence %q, the answer and a command", e, tt.confidence)
			}
		})
	}
	mustBeUnsure(t, gate{path: "/me/{id}", security: bearerOnly, tokenless: true}.start(t), authMissing)
	mustNotDecideDead(t, gate{}.start(t), authMissing)
	mustSkip(t, site{}.start(t), authMissing)
}

// One page that answers to every path is no operation.
func TestAuthMissingCatchAll(t *testing.T) {
	t.Parallel()
	f := site{otherwise: canned{200, "text/html", "<html><div id=root></div></html>", nil}}.start(t)
	f.Config.Protected = []string{"/account"}
	if v := look(t, f, authMissing); v.Outcome != scan.Inconclusive {
		t.Errorf("got %s, want inconclusive", describe(v))
	}
}

func TestAuthMethodBypass(t *testing.T) {
	t.Parallel()
	inside := func(w http.ResponseWriter) { answer(w, 200, `{"items":[1,2,3]}`) }
	when := func(is func(r *http.Request) bool, what func(http.ResponseWriter)) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if is(r) && r.Header.Get("Authorization") == "" {
				what(w)
				return true
			}
			return false
		}
	}
	onMe := func(method string) func(*http.Request) bool {
		return func(r *http.Request) bool { return r.Method == method && r.URL.Path == "/me" }
	}
	for name, tt := range map[string]struct {
		before    func(http.ResponseWriter, *http.Request) bool
		tokenless bool
		want      string // empty: nothing is found
	}{
		"HEAD":                        {when(onMe("HEAD"), inside), false, "HEAD, without a credential -> 200"},
		"lower case":                  {when(onMe("get"), inside), false, "lower case"},
		"an unknown method":           {when(onMe("WTGET"), inside), false, "nobody knows"},
		"an unknown method, no token": {when(onMe("WTGET"), inside), true, "nobody knows"},
		"an override header": {when(func(r *http.Request) bool {
			return r.Header.Get("X-HTTP-Method-Override") == "GET" && r.Method == "OPTIONS"
		}, inside), false, "X-HTTP-Method-Override: GET"},
		"an override of GET": {when(func(r *http.Request) bool {
			return r.Header.Get("X-HTTP-Method-Override") == "OPTIONS" && r.URL.Path == "/me"
		}, inside), false, "X-HTTP-Method-Override: OPTIONS"},
		"_method":                      {when(func(r *http.Request) bool { return r.URL.Query().Get("_method") == "GET" }, inside), false, "_method"},
		"a rule that believes a path":  {when(func(r *http.Request) bool { return r.URL.Path == "/me" && r.Header.Get("X-Original-URL") == "/" }, inside), false, "names a public path"},
		"a path that a header rewrote": {when(func(r *http.Request) bool { return r.URL.Path == "/" && r.Header.Get("X-Rewrite-URL") == "/me" }, inside), false, "a public path with X-Original-URL"},
		"as strict as it should be":    {nil, false, ""},
		"the same without a token":     {nil, true, ""},
		"HEAD 401":                     {when(onMe("HEAD"), func(w http.ResponseWriter) { w.WriteHeader(401) }), false, ""},
		"HEAD of a page":               {when(onMe("HEAD"), func(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/html"); w.WriteHeader(200) }), false, ""},
		"OPTIONS that lists methods":   {when(onMe("OPTIONS"), func(w http.ResponseWriter) { w.Header().Set("Allow", "GET"); w.WriteHeader(204) }), false, ""},
		"an error with status 200":     {when(onMe("WTGET"), func(w http.ResponseWriter) { answer(w, 200, `{"error":"no such method"}`) }), false, ""},
		"the same, without a token":    {when(onMe("WTGET"), func(w http.ResponseWriter) { answer(w, 200, `{"detail":"no such method"}`) }), true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := gate{security: bearerOnly, before: tt.before, tokenless: tt.tokenless}.start(t)
			if tt.want == "" {
				mustPass(t, f, authMethodBypass)
				return
			}
			noToken(t, mustFind(t, f, authMethodBypass, tt.want, "GET without a credential -> 401", "curl"))
		})
	}
	mustSkip(t, gate{open: canned{status: 200, body: `{"items":[1]}`}}.start(t), authMethodBypass)
	mustSkip(t, site{}.start(t), authMethodBypass)
	mustBeUnsure(t, gate{}.start(t), authMethodBypass)
	mustNotDecideDead(t, gate{}.start(t), authMethodBypass)
}

// Methods that may change something are tried only where the user permits it.
func TestAuthMethodBypassByPost(t *testing.T) {
	t.Parallel()
	g := gate{before: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "POST" && r.Header.Get("X-HTTP-Method-Override") == "GET" {
			answer(w, 200, `{"items":[1,2,3]}`)
			return true
		}
		return false
	}}
	mustPass(t, g.start(t), authMethodBypass)
	f := g.start(t)
	f.Config.Intrusive = true
	mustFind(t, f, authMethodBypass, "POST with an override header", "-X POST")
}

// Servers hang up on methods that they do not know, and gateways give up.
func TestAuthMethodBypassUnanswered(t *testing.T) {
	t.Parallel()
	odd := func(what func(http.ResponseWriter)) gate {
		return gate{before: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == "WTGET" {
				what(w)
			}
			return r.Method == "WTGET"
		}}
	}
	mustPass(t, odd(func(http.ResponseWriter) { panic(http.ErrAbortHandler) }).start(t), authMethodBypass)
	if v := look(t, odd(func(w http.ResponseWriter) { w.WriteHeader(502) }).start(t), authMethodBypass); v.Outcome != scan.Inconclusive {
		t.Errorf("behind a gateway that gives up: got %s, want inconclusive", describe(v))
	}
}

func TestAuthEncodedPassword(t *testing.T) {
	t.Parallel()
	spec := func(paths string) map[string]canned {
		return map[string]canned{"/openapi.json": {status: 200, body: `{"openapi":"3.1.0","info":{"title":"T","version":"1"},"paths":{` + paths + `},
			"components":{"parameters":{"Secret":{"name":"passwd","in":"query","schema":{"type":"string"}}},
			"securitySchemes":{"basic":{"type":"http","scheme":"basic"},"bearer":{"type":"http","scheme":"bearer"}}}}`}}
	}
	challenge := func(v string) site {
		return site{otherwise: canned{status: 401, body: `{}`, header: http.Header{"Www-Authenticate": {v}}}}
	}
	const ok = `"responses":{"200":{"description":"OK"}}`
	for name, tt := range map[string]struct {
		site
		want string // empty: nothing is found
	}{
		"a challenge":                 {challenge(`Basic realm="x"`), "Basic realm"},
		"the second of two":           {challenge(`Bearer realm="x", basic`), "basic"},
		"a word of a realm":           {challenge(`Bearer realm="no, Basic please"`), ""},
		"bearer":                      {challenge(`Bearer`), ""},
		"an operation takes it":       {site{at: spec(`"/items":{"get":{"security":[{"basic":[]}],` + ok + `}}`)}, `"basic"`},
		"a scheme that nobody takes":  {site{at: spec(`"/items":{"get":{"security":[{"bearer":[]}],` + ok + `}}`)}, ""},
		"clients at a token endpoint": {site{at: spec(`"/oauth/token":{"post":{"security":[{"basic":[]}],` + ok + `}}`)}, ""},
		"clients at introspection":    {site{at: spec(`"/oauth/introspect":{"post":{"security":[{"basic":[]}],` + ok + `}}`)}, ""},
		"in the query":                {site{at: spec(`"/login":{"get":{"parameters":[{"name":"password","in":"query","schema":{"type":"string"}}],` + ok + `}}`)}, "GET /login?password"},
		"for all methods of a path":   {site{at: spec(`"/login":{"parameters":[{"name":"user_password","in":"query","schema":{"type":"string"}}],"get":{` + ok + `}}`)}, "/login?user_password"},
		"by reference":                {site{at: spec(`"/login":{"get":{"parameters":[{"$ref":"#/components/parameters/Secret"}],` + ok + `}}`)}, "GET /login?passwd"},
		"in the path":                 {site{at: spec(`"/login":{"get":{"parameters":[{"name":"password","in":"header","schema":{"type":"string"}},{"name":"password_hint","in":"query","schema":{"type":"string"}}],` + ok + `}}`)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.want == "" {
				mustPass(t, tt.site.start(t), authEncodedPassword)
				return
			}
			mustFind(t, tt.site.start(t), authEncodedPassword, tt.want)
		})
	}
	mustBeUnsure(t, site{at: spec(`"/items":{"get":{"security":[{"bearer":[]}],` + ok + `}}`)}.start(t), authEncodedPassword)
	mustNotDecideDead(t, site{}.start(t), authEncodedPassword)
}

// Several passwords are named in the same order each time: fingerprints depend on
// it.
func TestQueryPasswordsAreSorted(t *testing.T) {
	t.Parallel()
	text := []byte(`{"paths":{"/b":{"get":{"parameters":[{"name":"pwd","in":"query"}]}},"/a":{"post":{"parameters":[{"name":"pass","in":"query"},{"name":"pass","in":"query"}]}}}}`)
	if got, want := queryPasswords(text), []string{"GET /b?pwd", "POST /a?pass"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func FuzzQueryPasswords(f *testing.F) {
	f.Add([]byte(`{"paths":{"/b":{"parameters":[{"$ref":"/"}],"get":{"parameters":[{"name":"pwd","in":"query"}]}}},"parameters":{"":{"in":"query","name":"pass"}}}`))
	f.Add([]byte(`{"paths":null}`))
	f.Fuzz(func(t *testing.T, description []byte) {
		for _, at := range queryPasswords(description) {
			if !strings.Contains(at, "?") {
				t.Errorf("got %q, want a method, a path and a parameter", at)
			}
		}
	})
}

func TestAuthNoRateLimit(t *testing.T) {
	t.Parallel()
	from := func(nth int, what func(http.ResponseWriter)) func(http.ResponseWriter, int) {
		return func(w http.ResponseWriter, n int) {
			if n >= nth && what != nil {
				what(w)
				return
			}
			answer(w, 401, `{"detail":"Incorrect username or password"}`)
		}
	}
	status := func(s int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { answer(w, s, `{"detail":"x"}`) }
	}
	const fine = `{"ok":false,"error":"wrong","access_token":null}`
	for name, tt := range map[string]struct {
		failure func(http.ResponseWriter, int)
		want    scan.Outcome
	}{
		"none":                    {from(99, nil), scan.Found},
		"none, with status 200":   {func(w http.ResponseWriter, _ int) { answer(w, 200, fine) }, scan.Found},
		"none, with status 400":   {func(w http.ResponseWriter, _ int) { answer(w, 400, `{"error":"invalid_grant"}`) }, scan.Found},
		"a lock with words alone": {from(5, func(w http.ResponseWriter) { answer(w, 401, `{"detail":"Account locked, try again in 5 minutes"}`) }), scan.Passed},
		"a lock with status 200": {func(w http.ResponseWriter, n int) {
			answer(w, 200, map[bool]string{true: fine, false: `{"ok":false,"error":"Too many attempts"}`}[n < 7])
		}, scan.Passed},
		"words that are always there": {func(w http.ResponseWriter, _ int) { answer(w, 401, `{"detail":"Wrong. Accounts get locked!"}`) }, scan.Found},
		"429":                         {from(11, status(429)), scan.Passed},
		"from the first on":           {from(1, status(429)), scan.Passed},
		"403":                         {from(6, status(403)), scan.Passed},
		"423":                         {from(6, status(423)), scan.Passed},
		"Retry-After with 503":        {from(6, func(w http.ResponseWriter) { w.Header().Set("Retry-After", "9"); w.WriteHeader(503) }), scan.Passed},
		"each takes longer":           {from(8, func(w http.ResponseWriter) { <-time.After(650 * time.Millisecond); answer(w, 401, `{}`) }), scan.Passed},
		"a fault":                     {from(3, status(500)), scan.Inconclusive},
		"a form that does not fit":    {from(1, status(422)), scan.Inconclusive},
		"no login":                    {from(1, status(404)), scan.Inconclusive},
		"everybody is let in":         {func(w http.ResponseWriter, _ int) { answer(w, 200, `{"access_token":"eyJhbGciOiJIUzI1NiJ9.e30.AAAA"}`) }, scan.Inconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made := 0
			failure := func(w http.ResponseWriter, n int) { made = n; tt.failure(w, n) }
			v := look(t, sessionAPI{failure: failure}.start(t), authNoRateLimit)
			if v.Outcome != tt.want {
				t.Fatalf("got %s, want %s", describe(v), describe(scan.Verdict{Outcome: tt.want}))
			}
			if v.Outcome == scan.Found && (!strings.Contains(v.Findings[0].Text, "12 failed logins") || strings.Contains(v.Findings[0].Text+v.Findings[0].Repeat, "alice")) {
				t.Errorf("got evidence %+v, want twelve failures and not the user's own name", v.Findings[0])
			}
			if made > failedLogins {
				t.Errorf("got %d failed logins, want %d at most", made, failedLogins)
			}
		})
	}
	mustBeUnsure(t, sessionAPI{}.start(t), authNoRateLimit)
	mustNotDecideDead(t, sessionAPI{}.start(t), authNoRateLimit)
	mustSkip(t, site{}.start(t), authNoRateLimit)
}

// A login whose token is in a cookie lets nobody in by an answer without it.
func TestAuthNoRateLimitWithCookies(t *testing.T) {
	t.Parallel()
	mustFind(t, sessionAPI{cookie: true, opaque: true, failure: func(w http.ResponseWriter, _ int) { answer(w, 200, `{"token_type":"bearer","expires_in":0}`) }}.start(t), authNoRateLimit, "12 failed logins")
}
