package checks

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/scan"
)

// canned is an answer of one's choice.
type canned struct {
	status int
	media  string // empty: application/json
	body   string
	header http.Header
}

func (c canned) write(w http.ResponseWriter) {
	for name, values := range c.header {
		w.Header()[name] = values
	}
	if c.media == "" {
		c.media = "application/json"
	}
	w.Header().Set("Content-Type", c.media)
	w.WriteHeader(c.status)
	_, _ = io.WriteString(w, c.body)
}

// site serves canned answers by path, and otherwise for a path that nobody has.
type site struct {
	token     string // GET /me needs it. Empty: there is no such path
	at        map[string]canned
	otherwise canned // zero: 404
	// mishap answers requests with odd parameters, before anything else.
	mishap func(w http.ResponseWriter, r *http.Request) bool
}

func (s site) start(t testing.TB) *fixture {
	t.Helper()
	f := serve(t, server{Token: s.token, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.mishap != nil && s.mishap(w, r) {
			return
		}
		c, ok := s.at[r.URL.Path]
		switch {
		case r.URL.Path == "/me" && s.token != "":
			guarded(s.token)(w, r)
		case ok:
			c.write(w)
		case s.otherwise.status != 0:
			s.otherwise.write(w)
		default:
			answer(w, http.StatusNotFound, `{"detail":"Not Found"}`)
		}
	})})
	if s.token != "" {
		f.Config.Protected = []string{"/me"}
	}
	return f
}

var wholeToken = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]{16,}`)

// noToken fails if evidence shows a token that could be used.
func noToken(t *testing.T, found []scan.Evidence) {
	t.Helper()
	for _, e := range found {
		if m := wholeToken.FindString(e.Text + e.Repeat); m != "" {
			t.Errorf("the evidence shows a whole token: %q", m)
		}
	}
}

// shows answers requests with a token by what show makes of it.
func shows(status int, show func(raw string) (body string, header http.Header)) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer eyJ")
		if !ok || strings.Count(raw, ".") != 2 {
			return false
		}
		body, header := show("eyJ" + raw)
		canned{status: status, body: body, header: header}.write(w)
		return true
	}
}

func TestLeakTokenEcho(t *testing.T) {
	t.Parallel()
	inBody := func(raw string) (string, http.Header) { return `{"authorization":"Bearer ` + raw + `"}`, nil }
	inHeader := func(raw string) (string, http.Header) { return `{}`, http.Header{"X-Debug": {raw}} }
	payload := func(raw string) (string, http.Header) { return `{"p":"` + strings.Split(raw, ".")[1] + `"}`, nil }
	claim := func(raw string) (string, http.Header) {
		s, _ := parse(raw)
		sub, _ := s.claims["sub"].(string)
		return `{"detail":"the token of ` + sub + ` has expired"}`, nil
	}
	nothing := func(string) (string, http.Header) { return `{"detail":"Invalid token"}`, nil }
	only := func(path string, f func(http.ResponseWriter, *http.Request) bool, good string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			return (path == "" || r.URL.Path == path) && r.Header.Get("Authorization") != "Bearer "+good && f(w, r)
		}
	}
	for name, tt := range map[string]struct {
		path   string
		status int
		show   func(string) (string, http.Header)
		want   string
	}{
		"in a 401's body":      {"/me", 401, inBody, "the token comes back in the body"},
		"in a 401's header":    {"/me", 401, inHeader, "the header X-Debug"},
		"in a 500's body":      {"/me", 500, inBody, "500"},
		"payload alone":        {"/me", 401, payload, "payload comes back"},
		"a claim in an error":  {"/me", 401, claim, "a claim of the refused token"},
		"on every path":        {"", 404, inBody, "404"},
		"claims, in no error":  {"/me", 200, claim, ""},
		"nothing of the token": {"", 401, nothing, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token := goodToken(t)
			start := func() *fixture {
				return site{token: token, mishap: only(tt.path, shows(tt.status, tt.show), token)}.start(t)
			}
			if tt.want == "" {
				mustPass(t, start(), leakTokenEcho)
				return
			}
			noToken(t, mustFind(t, start(), leakTokenEcho, tt.want, "eyJhbG…", "curl"))
			mustBeUnsure(t, start(), leakTokenEcho)
		})
	}
}

func TestLeakTokenEchoOfTheGenuine(t *testing.T) {
	t.Parallel()
	token := goodToken(t)
	me := func(body func() string) *fixture {
		return site{token: token, mishap: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Authorization") != "Bearer "+token {
				return false
			}
			answer(w, http.StatusOK, body())
			return true
		}}.start(t)
	}
	noToken(t, mustFind(t, me(func() string { return `{"name":"alice","token":"` + token + `"}` }), leakTokenEcho, "genuine token", "$TOKEN"))
	// Users may be told their own claims.
	mustPass(t, me(func() string {
		s, _ := parse(token)
		return `{"sub":"alice","jti":"` + s.claims["jti"].(string) + `","iss":"https://id.example/"}`
	}), leakTokenEcho)
}

func TestLeakTokenEchoUndecided(t *testing.T) {
	t.Parallel()
	token := goodToken(t)
	tired := func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "+strings.Split(canaryHead, ".")[0]) && !strings.HasSuffix(r.Header.Get("Authorization"), token) && strings.Contains(r.URL.RawQuery, "wt=") {
			w.WriteHeader(http.StatusBadGateway)
			return true
		}
		return false
	}
	if v := look(t, site{token: token, mishap: tired}.start(t), leakTokenEcho); v.Outcome != scan.Inconclusive {
		t.Errorf("behind a gateway that gives up: got %s, want inconclusive", describe(v))
	}
	mustSkip(t, site{}.start(t), leakTokenEcho)
	mustNotDecideDead(t, site{token: token}.start(t), leakTokenEcho)
}

// stacks are what the inside of programs looks like, as text, JSON and HTML.
var stacks = []struct {
	name, media, body, want string
}{
	{"Python", "text/plain", "Traceback (most recent call last):\n  File \"/app/main.py\", line 12, in read\nValueError: x", "Python traceback"},
	{"Python in JSON", "", `{"detail":"  File \"/app/main.py\", line 12, in read\n"}`, "Python traceback"},
	{"Python in HTML", "text/html", `<pre>File &quot;/app/views.py&quot;, line 3, in index</pre>`, "Python traceback"},
	{"Node", "text/html", "<pre>Error: boom<br> &nbsp; &nbsp;at /srv/app/routes/items.js:14:11<br></pre>", "JavaScript stack"},
	{"Node as text", "text/plain", "TypeError: x is undefined\n    at Layer.handle [as handle_request] (/srv/node_modules/express/lib/router/layer.js:95:5)", "JavaScript stack"},
	{"Node in JSON", "", `{"stack":"Error: x\n    at getItem (/srv/app/items.ts:14:11)"}`, "JavaScript stack"},
	{"Java", "", `{"trace":"java.lang.NumberFormatException: For input string\n\tat java.base/java.lang.Integer.parseInt(Integer.java:652)"}`, "Java stack"},
	{"Java frame in JSON", "", `{"t":"x\n\tat com.example.api.Items.get(Items.java:42)"}`, "Java stack"},
	{"Go", "text/plain", "panic: x\n\ngoroutine 7 [running]:\nmain.main()\n\t/src/main.go:12 +0x1d", "Go panic"},
	{"Go, its cause alone", "", `{"error":"runtime error: index out of range [3] with length 3"}`, "Go panic"},
	{".NET", "text/plain", "   at Api.Items.Get(Int32 id) in C:\\src\\Items.cs:line 42", ".NET stack"},
	{"PHP", "text/html", "<b>Warning</b>: Undefined index in <b>/var/www/i.php</b> on line <b>3</b>", "PHP error"},
	{"PHP as text", "text/plain", "Fatal error: Uncaught Error in /var/www/i.php on line 3", "PHP error"},
	{"Ruby", "text/plain", "app/models/item.rb:12:in `find'", "Ruby trace"},
	{"Werkzeug", "text/html", "<title>ValueError // Werkzeug Debugger</title>", "Werkzeug debugger"},
	{"Django", "text/html", "You&#x27;re seeing this error because you have <code>DEBUG = True</code>", "Django's debug page"},
	{"SQL", "", `{"detail":"(sqlite3.OperationalError) no such column"}`, "database error"},
	{"jose", "", `{"detail":"jose.exceptions.JWTError: Signature verification failed."}`, "JWT library"},
	{"plain words", "", `{"detail":"Look at the file \"terms\", line 3, or meet us at 10:20 at the station"}`, ""},
	{"a validation error", "", `{"detail":[{"loc":["query","limit"],"msg":"value is not a valid integer","type":"type_error.integer"}]}`, ""},
	{"a version", "", `{"detail":"at least version 1.2.3 is needed","url":"https://errors.example/2.1/v/int_parsing"}`, ""},
}

func TestLeakStackTrace(t *testing.T) {
	t.Parallel()
	for _, tt := range stacks {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			start := func(status int) *fixture {
				token := goodToken(t)
				return site{token: token, mishap: func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Query().Get("limit") != "wt" {
						return false
					}
					canned{status: status, media: tt.media, body: tt.body}.write(w)
					return true
				}}.start(t)
			}
			mustPass(t, start(200), leakStackTrace) // what is no error is content
			if tt.want == "" {
				mustPass(t, start(500), leakStackTrace)
				return
			}
			mustFind(t, start(500), leakStackTrace, "odd parameters", tt.want, "curl")
			mustFind(t, start(422), leakStackTrace, tt.want)
		})
	}
}

func TestLeakStackTraceElsewhere(t *testing.T) {
	t.Parallel()
	trace := canned{status: 500, body: stacks[1].body}
	provoke := func(when func(r *http.Request) bool) *fixture {
		f := site{token: goodToken(t), at: map[string]canned{"/login": {status: 401, body: `{"detail":"no"}`}}, mishap: func(w http.ResponseWriter, r *http.Request) bool {
			if when(r) {
				trace.write(w)
			}
			return when(r)
		}}.start(t)
		f.Config.LoginURL, f.Config.LoginJSON = "/login", `{"username":"alice","password":"x"}`
		return f
	}
	for name, when := range map[string]func(*http.Request) bool{
		"an unknown path":                func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/wt-") },
		"a login with broken JSON":       func(r *http.Request) bool { return r.URL.Path == "/login" && r.ContentLength == 12 },
		"a token that is no JSON inside": func(r *http.Request) bool { return strings.Contains(r.Header.Get("Authorization"), "bm90IGpzb24") },
		"a path that is not UTF-8":       func(r *http.Request) bool { return r.RequestURI == "/%ff%00%c0%af" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mustFind(t, provoke(when), leakStackTrace, "Python traceback")
		})
	}
}

// A value that does not fit into a path goes wrong behind the check of the token,
// below whatever prefix the description has.
func TestLeakStackTraceOfPaths(t *testing.T) {
	t.Parallel()
	token := goodToken(t)
	spec := canned{status: 200, body: `{"openapi":"3.1.0","info":{"title":"T","version":"1"},"servers":[{"url":"/v1"}],"paths":{"/items/{id}":{"get":{
		"parameters":[{"name":"id","in":"path","required":true,"schema":{"type":"integer"}}],"security":[{"bearer":[]}],"responses":{"200":{"description":"OK"}}}}},
		"components":{"securitySchemes":{"bearer":{"type":"http","scheme":"bearer"}}}}`}
	start := func(broken canned) *fixture {
		return site{token: token, at: map[string]canned{"/openapi.json": spec}, mishap: func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/v1/items/wt'" || r.Header.Get("Authorization") != "Bearer "+token {
				return false
			}
			broken.write(w)
			return true
		}}.start(t)
	}
	noToken(t, mustFind(t, start(canned{status: 500, body: stacks[1].body}), leakStackTrace, "odd parameters in the path"))
	mustPass(t, start(canned{status: 422, body: `{"detail":"value is not a valid integer"}`}), leakStackTrace)
}

func TestLeakStackTraceOfSignatures(t *testing.T) {
	t.Parallel()
	good := goodToken(t)
	mustFind(t, site{token: good, mishap: func(w http.ResponseWriter, r *http.Request) bool {
		raw := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if raw == good || !strings.HasPrefix(raw, good[:60]) {
			return false
		}
		canned{status: 500, body: stacks[1].body}.write(w)
		return true
	}}.start(t), leakStackTrace, "random signature")
}

func TestLeakStackTraceIsNoExample(t *testing.T) {
	t.Parallel()
	spec := strings.Replace(openAPI("/", "/token"), `"description":"OK"`, `"description":"OK","x-example":"Traceback (most recent call last): File \"a.py\", line 1, in x"`, 1)
	mustPass(t, site{at: map[string]canned{"/openapi.json": {status: 200, body: spec}, "/items": {status: 200, body: `[]`}}}.start(t), leakStackTrace)
}

func TestLeakStackTraceUndecided(t *testing.T) {
	t.Parallel()
	token := goodToken(t)
	mustBeUnsure(t, site{token: token}.start(t), leakStackTrace)
	mustNotDecideDead(t, site{token: token}.start(t), leakStackTrace)
	limited := site{token: token, mishap: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("limit") == "wt" {
			w.WriteHeader(http.StatusBadGateway)
		}
		return r.URL.Query().Get("limit") == "wt"
	}}
	always := site{otherwise: canned{status: 200, body: `{"ok":true}`}}
	for name, s := range map[string]site{"behind a gateway that gives up": limited, "where everything is 200": always} {
		if v := look(t, s.start(t), leakStackTrace); v.Outcome != scan.Inconclusive {
			t.Errorf("%s: got %s, want inconclusive", name, describe(v))
		}
	}
	// A server may hang up on a request that makes no sense.
	mustPass(t, site{token: token, mishap: func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.RequestURI, "%ff") {
			panic(http.ErrAbortHandler)
		}
		return false
	}}.start(t), leakStackTrace)
}

func TestLeakServerVersion(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		header, value string
		found         bool
	}{
		{"Server", "Werkzeug/2.2.2 Python/3.11.2", true},
		{"Server", "nginx/1.18.0 (Ubuntu)", true},
		{"Server", "Apache Tomcat 9.0.1", true},
		{"Server", "uvicorn", false},
		{"Server", "nginx", false},
		{"Server", "cloudflare", false},
		{"Server", "envoy-10.0.0.5", false},
		{"X-Powered-By", "PHP/8.1.2", true},
		{"X-Powered-By", "Express", false},
		{"X-Aspnet-Version", "4.0.30319", true},
		{"Via", "1.1 varnish (Varnish/6.0)", true},
		{"Via", "1.1 varnish", false},
		{"Via", "1.1 abc.cloudfront.net (CloudFront)", false},
		{"Via", "HTTP/2.0 10.0.0.5:8080, 1.1 proxy", false},
	} {
		t.Run(tt.header+" "+tt.value, func(t *testing.T) {
			t.Parallel()
			f := site{otherwise: canned{status: 404, body: `{}`, header: http.Header{tt.header: {tt.value}}}}.start(t)
			if !tt.found {
				mustPass(t, f, leakServerVersion)
				return
			}
			mustFind(t, f, leakServerVersion, tt.header, strings.Fields(tt.value)[0], "curl")
		})
	}
	mustNotDecideDead(t, site{}.start(t), leakServerVersion)
}

func TestLeakServerVersionOfRefusalsAlone(t *testing.T) {
	t.Parallel()
	token := goodToken(t)
	mustFind(t, site{token: token, mishap: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == "" && r.URL.Path == "/me" {
			w.Header().Set("Server", "gateway/3.2.1")
		}
		return false
	}}.start(t), leakServerVersion, "gateway/3.2.1", "/me")
}

const pemKey = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgx2Dk4fRrFQ5bAAAA\n-----END PRIVATE KEY-----\n"

func TestLeakExposedPaths(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		check scan.Check
		path  string
		canned
		want string // empty: nothing is found
	}{
		"metrics":                  {leakDebugEndpoint, "/metrics", canned{200, "text/plain", "# HELP up Whether.\n# TYPE up gauge\nup 1\n", nil}, "Prometheus"},
		"environment in JSON":      {leakDebugEndpoint, "/env", canned{200, "", `{"PATH":"/usr/bin","HOME":"/root"}`, nil}, "environment variables"},
		"environment as text":      {leakDebugEndpoint, "/debug", canned{200, "text/plain", "HOME=/root\nLANG=C.UTF-8\n", nil}, "environment variables"},
		"Spring":                   {leakDebugEndpoint, "/actuator/env", canned{200, "", `{"activeProfiles":[],"propertySources":[{"name":"systemProperties"}]}`, nil}, "Spring"},
		"profiles":                 {leakDebugEndpoint, "/debug/pprof/", canned{200, "text/html", "<html><body>Types of profiles available:</body></html>", nil}, "Go's profiles"},
		"variables":                {leakDebugEndpoint, "/debug/vars", canned{200, "", `{"cmdline":["x"],"memstats":{}}`, nil}, "Go's profiles"},
		"Werkzeug console":         {leakDebugEndpoint, "/console", canned{200, "text/html", "<html><h1>Interactive Console</h1></html>", nil}, "Werkzeug"},
		"Apache status":            {leakDebugEndpoint, "/server-status", canned{200, "text/html", "<title>Apache Server Status for x</title>", nil}, "status"},
		"nginx status":             {leakDebugEndpoint, "/nginx_status", canned{200, "text/plain", "Active connections: 3 \nserver accepts", nil}, "status"},
		"configuration":            {leakDebugEndpoint, "/config", canned{200, "", `{"db":{"password":"hunter22"}}`, nil}, "a member called"},
		"address with a password":  {leakDebugEndpoint, "/config", canned{200, "", `{"database_url":"postgresql://app:hunter22@db/app"}`, nil}, "a member called"},
		"a page called HOME":       {leakDebugEndpoint, "/config", canned{200, "", `{"HOME":"Startseite","ABOUT":"Über uns"}`, nil}, ""},
		"where tokens are had":     {leakDebugEndpoint, "/config", canned{200, "", `{"access_token_url":"/oauth/token","token_type":"Bearer","password_policy":"eight-letters","client_secret_type":"HMAC-SHA256","api_key":"pk_live_1"}`, nil}, ""},
		"blotted out":              {leakDebugEndpoint, "/actuator/env", canned{200, "", `{"db.password":{"value":"******"},"password":"******"}`, nil}, ""},
		"refused":                  {leakDebugEndpoint, "/metrics", canned{403, "text/plain", "# HELP up Whether.\n", nil}, ""},
		"an ordinary answer":       {leakDebugEndpoint, "/console", canned{200, "", `{"games":["console"]}`, nil}, ""},
		"environment file":         {leakKeyFile, "/.env", canned{200, "text/plain", "DEBUG=1\nSECRET_KEY=abcdef123\n", nil}, "secrets"},
		"backup of one":            {leakKeyFile, "/.env.bak", canned{200, "application/octet-stream", "export DB_PASSWORD=hunter22\r\n", nil}, "secrets"},
		"git":                      {leakKeyFile, "/.git/config", canned{200, "text/plain", "[core]\n\tbare = false\n", nil}, "git"},
		"private key":              {leakKeyFile, "/private.pem", canned{200, "text/plain", pemKey, nil}, "a private key"},
		"configuration file":       {leakKeyFile, "/config.json", canned{200, "", `{"jwt":{"secret":"abcdef123"}}`, nil}, "a member called"},
		"certificate alone":        {leakKeyFile, "/key.pem", canned{200, "text/plain", "-----BEGIN CERTIFICATE-----\nMIIB\n", nil}, ""},
		"page about keys":          {leakKeyFile, "/private.pem", canned{200, "text/html", "<html>" + pemKey + "</html>", nil}, ""},
		"script of a page":         {leakKeyFile, "/.env", canned{200, "text/html", "<script>\ncsrfToken = \"abcdef123\"\n</script>", nil}, ""},
		"program":                  {leakKeyFile, "/.env", canned{200, "text/plain", "token = getToken();\nexpires = 3\n", nil}, ""},
		"public configuration":     {leakKeyFile, "/config.json", canned{200, "", `{"apiKey":"AIzaSyA-public-by-design","authUrl":"https://id.example"}`, nil}, ""},
		"empty environment values": {leakKeyFile, "/.env", canned{200, "text/plain", "SECRET_KEY=\nDEBUG=0\n", nil}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			alone := site{at: map[string]canned{tt.path: tt.canned}}
			// The same on every path is one page, and no leak.
			mustPass(t, site{otherwise: tt.canned}.start(t), tt.check)
			if tt.want == "" {
				mustPass(t, alone.start(t), tt.check)
				return
			}
			for _, e := range mustFind(t, alone.start(t), tt.check, tt.want, "GET "+tt.path, "curl") {
				for _, secret := range []string{"hunter22", "abcdef123", "MIGHAgEA"} {
					if strings.Contains(e.Text+e.Repeat, secret) {
						t.Errorf("the evidence shows the secret: %q", e.Text)
					}
				}
			}
		})
	}
}

func TestLeakExposedPathsUndecided(t *testing.T) {
	t.Parallel()
	for _, c := range []scan.Check{leakDebugEndpoint, leakKeyFile, supplyDocsExposed} {
		mustBeUnsure(t, site{}.start(t), c)
		mustNotDecideDead(t, site{}.start(t), c)
		mustPass(t, site{otherwise: canned{200, "text/html", "<html><div id=root></div></html>", nil}}.start(t), c)
	}
	f := site{mishap: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/metrics" {
			w.WriteHeader(http.StatusBadGateway)
		}
		return r.URL.Path == "/metrics"
	}}.start(t)
	if v := look(t, f, leakDebugEndpoint); v.Outcome != scan.Inconclusive {
		t.Errorf("behind a gateway that gives up: got %s, want inconclusive", describe(v))
	}
}

// A debug endpoint that the description names is looked at where it is, and not
// beside the base path.
func TestLeakDebugEndpointOfDescription(t *testing.T) {
	t.Parallel()
	spec := `{"openapi":"3.0.0","info":{"title":"T","version":"1"},"servers":[{"url":"/v1"}],
		"paths":{"/internal/state":{"get":{"responses":{"200":{"description":"OK"}}}}}}`
	at := map[string]canned{"/openapi.json": {status: 200, body: spec}, "/v1/internal/state": {status: 200, body: `{"PATH":"/bin","HOME":"/root"}`}}
	mustFind(t, site{at: at}.start(t), leakDebugEndpoint, "/v1/internal/state")
}

func TestLeakCacheableToken(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, login, refresh string
		want                 []string // nil: nothing is found
	}{
		{"nothing is said", "-", "no-store", []string{"no Cache-Control", "login"}},
		{"private", "private", "no-store", []string{"private"}},
		{"no-cache", "no-cache, max-age=0", "no-store", []string{"no-cache"}},
		{"a name that begins alike", "no-store-ever", "no-store", []string{"no-store-ever"}},
		{"the refresh alone", "no-store", "-", []string{"refresh", "/refresh"}},
		{"as it should be", "no-store", "no-store", nil},
		{"among others", "private, No-Store , max-age=0", "no-store", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := sessionAPI{cache: map[string]string{"/login": tt.login, "/refresh": tt.refresh}}
			if tt.want == nil {
				mustPass(t, a.start(t), leakCacheableToken)
				return
			}
			noToken(t, mustFind(t, a.start(t), leakCacheableToken, tt.want...))
		})
	}
	a := sessionAPI{}
	mustBeUnsure(t, a.start(t), leakCacheableToken)
	mustNotDecideDead(t, a.start(t), leakCacheableToken)
	mustSkip(t, site{}.start(t), leakCacheableToken)
	mustPass(t, sessionAPI{opaque: true, rotation: "no refresh tokens"}.start(t), leakCacheableToken)
}
