package proxies_test

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http/httpguts"
)

// identity: the application learns who calls from the guard and from nobody else.
func (p *proxy) identity() {
	got := p.send(request{Method: "POST", Target: "/items?x=1&y=%2e", Body: "hello", Header: append(bearer(p.bed.mint(nil)),
		"X-Auth-Subject", "root", "x-auth-subject", "root", "x_auth_subject", "root", "X_Auth_Subject", "root", "X-AUTH_SUBJECT", "root",
		"X-Auth.Subject", "root", "X-Auth-Claims", "root", "x-auth-client", "root", "X_AUTH_CLIENT", "root", "X-Forwarded-User", "root",
		"X-Original-URL", "/root", "X-HTTP-Method-Override", "ROOT", "X-Rewrite-URL", "/root", "X-Remote-User", "root")})
	p.want("good token", got, 200, "")
	if got.Seen.Method != "POST" || got.Seen.Target != "/items?x=1&y=%2e" || got.Seen.Host != host || got.Seen.Body != "hello" {
		p.t.Errorf("the application got %+v", got.Seen)
	}
	for name, want := range map[string]string{
		"X-Auth-Subject": "alice", "X-Auth-Issuer": "https://id.example.com/", "X-Auth-Scopes": "read", "X-Auth-Client": "", "Authorization": "", "Cookie": "",
	} {
		if values := got.Seen.Header.Values(name); strings.Join(values, "|") != want {
			p.t.Errorf("the application got %s %q, want %q", name, values, want)
		}
	}
	p.nobody(got)
	// What a claim says is text, to every language that a proxy is configured in.
	const hostile = `{env.HOME}{http.request.host}$host%[src]${HOME}%{HOME}%41`
	got = p.send(request{Header: bearer(p.bed.mint(map[string]any{"sub": hostile}))})
	p.want("hostile claim", got, 200, "")
	told, err := url.PathUnescape(got.Seen.Header.Get("X-Auth-Subject")) // the guard escapes percent signs
	if told != hostile || err != nil {
		p.t.Errorf("the application got the subject %q, %v, want %q", told, err, hostile)
	}
	// On a public path nobody is told to be anybody.
	got = p.send(request{Target: "/public/x", Header: []string{"X-Auth-Subject", "root", "X-Auth-Scopes", "root", "Authorization", "Bearer " + p.bed.mint(map[string]any{"aud": "root"})}})
	p.want("public", got, 200, "")
	p.nobody(got)
	if values := got.Seen.Header.Values("Authorization"); strings.Join(values, "") != "" {
		p.t.Errorf("the application got Authorization %q on a public path", values)
	}
}

// nobody looks for what the client has made up, in any form.
func (p *proxy) nobody(got reply) {
	p.t.Helper()
	for name, values := range got.Seen.Header {
		if strings.Contains(strings.ToLower(strings.Join(values, " ")), "root") {
			p.t.Errorf("the application got the client's own %s %q", name, values)
		}
		if strings.ContainsAny(name, "_.") {
			p.t.Errorf("the application got %q, which is another header to many", name)
		}
	}
}

// refusals arrive as the guard makes them.
func (p *proxy) refusals() {
	now := time.Now().Unix()
	good := p.bed.mint(nil)
	const invalid = `Bearer error="invalid_token"`
	for _, c := range []struct {
		name      string
		r         request
		status    int
		detail    string
		challenge string
	}{
		{"no token", request{}, 401, "Not authenticated", "Bearer"},
		{"expired", request{Header: bearer(p.bed.mint(map[string]any{"iat": now - 400, "exp": now - 200}))}, 401, "Token expired", invalid},
		{"wrong audience", request{Header: bearer(p.bed.mint(map[string]any{"aud": "else"}))}, 401, "Invalid token", invalid},
		{"wrong issuer", request{Header: bearer(p.bed.mint(map[string]any{"iss": "https://evil.example/"}))}, 401, "Invalid token", invalid},
		{"alg none", request{Header: bearer("eyJhbGciOiJub25lIn0." + strings.Split(good, ".")[1] + ".")}, 401, "Invalid token", invalid},
		{"scope", request{Target: "/admin/users", Header: bearer(good)}, 403, "Insufficient scope", `Bearer error="insufficient_scope", scope="admin"`},
		{"two tokens", request{Header: append(bearer(good), bearer(good)...)}, 400, "Invalid request", `Bearer error="invalid_request"`},
		{"token in the query too", request{Target: "/items?access_token=" + good, Header: bearer(good)}, 400, "Invalid request", `Bearer error="invalid_request"`},
		{"method", request{Method: "DELETE", Target: "/admin/users", Header: bearer(p.bed.mint(map[string]any{"scope": "admin"}))}, 405, "Method not allowed", ""},
		{"other host", request{Host: "evil.example", Header: bearer(good)}, 400, "Host not allowed", ""},
	} {
		got := p.send(c.r)
		if status := p.own[c.name]; status != 0 {
			p.want(c.name, got, status, "")
			continue
		}
		p.want(c.name, got, c.status, c.detail)
		p.header(c.name, got, "WWW-Authenticate", c.challenge)
		if c.status == 405 {
			p.header(c.name, got, "Allow", "HEAD, GET")
		}
	}
	got := p.send(request{Target: "/admin/users", Header: bearer(p.bed.mint(map[string]any{"scope": "admin"}))})
	p.want("scope that is there", got, 200, "")
	// The application's own refusals are its own.
	if got = p.send(request{Target: "/broken", Header: bearer(good)}); got.Status != 403 || !got.Reached {
		p.t.Errorf("the application's 403: got %v", got)
	}
}

// forged are all tokens that the guard's own tests know.
func (p *proxy) forged() {
	sent, limit := 0, 60
	for _, f := range p.bed.forged() {
		value := "Bearer " + f.Token
		if !httpguts.ValidHeaderFieldValue(value) || strings.TrimSpace(value) != value || strings.Contains(f.Token, " ") || len(value) > 6000 || f.Name == "spelling/space-before" {
			continue // HTTP would change it, or no proxy would take it
		}
		if sent++; sent > limit {
			break
		}
		got := p.send(request{Header: []string{"Authorization", value}})
		p.want(f.Name, got, 401, "")
	}
	if sent < limit {
		p.t.Errorf("got %d forged tokens, want %d", sent, limit)
	}
}

// paths that two servers could read in two ways reach nothing.
func (p *proxy) paths() {
	good := p.bed.mint(nil)
	for _, target := range []string{
		"/public/..%2fadmin", "/public/../admin", "/public/%2e%2e/admin", "/public/.%2e/admin", "/public/%2e%2e%2fadmin", "//admin/users",
		"/public//admin", "/public/;/../admin", "/public;/admin", "/public/..;/admin", "/public%2fx", "/public/%252e%252e/admin", "/public/x%5c..%5cadmin",
		`/public\..\admin`, "/%61dmin/users", "/./admin/users", "/admin%00", "/public/x%00", "/public/%2e%2e%5cadmin", "/public/x#/../admin",
	} {
		for who, header := range map[string][]string{"nobody": nil, "alice": bearer(good)} {
			got := p.send(request{Target: target, Header: header})
			if got.Reached || got.Status < 400 {
				p.t.Errorf("%s as %s: got %v, and %q there", target, who, got, got.Seen.Target)
			}
			if got.Status != 400 && !p.ownPaths {
				p.t.Errorf("%s as %s: got %v, want 400", target, who, got)
			}
		}
	}
	for _, target := range []string{"/admin", "/admin/", "/admin/x?/../public/x", "/admin/%C3%A4", "https://" + host + "/admin/users"} {
		if got := p.send(request{Target: target, Header: bearer(good)}); got.Reached || got.Status != 403 && got.Status != 400 {
			p.t.Errorf("%s: got %v, want 403", target, got)
		}
	}
}

// faked headers about the request are the proxy's to set, and it does.
func (p *proxy) faked() {
	fakes := []string{
		"X-Forwarded-Uri", "/public/x", "X-Forwarded-Method", "OPTIONS", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http",
		"X-Forwarded-For", "203.0.113.9", "Forwarded", "for=203.0.113.9;host=evil.example;proto=http", "X-Forwarded-Prefix", "/public", "X-Real-IP", "203.0.113.9",
		"X_Forwarded_Uri", "/public/x", "X-Original-URI", "/public/x", "X-Original-URL", "/public/x",
	}
	got := p.send(request{Header: fakes})
	p.want("no token", got, 401, "Not authenticated")
	got = p.send(request{Target: "/admin/users", Header: append(bearer(p.bed.mint(nil)), fakes...)})
	p.want("no scope", got, 403, "Insufficient scope")
	from := stranger()
	got = p.send(request{From: from, Header: append(bearer(p.bed.mint(nil)), fakes...)})
	p.want("good token", got, 200, "")
	for name, want := range map[string]string{
		"X-Forwarded-Proto": "https", "X-Forwarded-Host": host, "X-Forwarded-For": from, "Forwarded": "", "X-Forwarded-Prefix": "", "X-Original-Url": "", "X-Real-Ip": "",
	} {
		if name == "X-Real-Ip" && p.realIP {
			want = from
		}
		if values := got.Seen.Header.Values(name); strings.Join(values, "|") != want {
			p.t.Errorf("the application got %s %q, want %q", name, values, want)
		}
	}
	for name, values := range got.Seen.Header {
		if v := strings.Join(values, " "); strings.Contains(v, "evil") || strings.Contains(v, "203.0.113") || strings.Contains(v, "/public") {
			p.t.Errorf("the application got the client's own %s %q", name, values)
		}
	}
	// Connection must not make a hop drop what authenticates.
	got = p.send(request{Header: append(bearer(p.bed.mint(nil)), "Connection", "X-Auth-Subject, X-Auth-Scopes, X-Forwarded-Host, Authorization")})
	if told := got.Seen.Header.Get("X-Auth-Subject") + " " + got.Seen.Header.Get("X-Forwarded-Host"); got.Reached && told != "alice "+host {
		p.t.Errorf("Connection naming identity: the application was told %q", told)
	}
}

// asked: method, path and query that the guard decides on are the client's.
func (p *proxy) asked() {
	admin := p.bed.mint(map[string]any{"scope": "admin"})
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "PUT": 405, "OPTIONS": 405} {
		got := p.send(request{Method: method, Target: "/admin/users?a=b%20c&a=%2Fd", Header: bearer(admin)})
		p.want(method, got, want, "")
		if want == 200 && got.Seen.Target != "/admin/users?a=b%20c&a=%2Fd" {
			p.t.Errorf("%s: the application got %q", method, got.Seen.Target)
		}
	}
	got := p.send(request{Target: "/items?access_token=" + p.bed.mint(nil)})
	p.want("a token in the query is none", got, 401, "")
}

// dpop: a bound token is good with a proof for the client's own URI.
func (p *proxy) dpop() {
	h := p.bed.newHolder()
	for _, c := range []struct {
		name, method, uri string
		want              int
	}{
		{"proof", "GET", "https://" + host + "/items", 200},
		{"other path", "GET", "https://" + host + "/other", 401},
		{"other host", "GET", "https://evil.example/items", 401},
		{"other method", "POST", "https://" + host + "/items", 401},
		{"the authorizer's own URI", "GET", "http://" + p.bed.ip + ":9181/authorize", 401},
	} {
		p.want(c.name, p.send(request{Header: h.headers(c.method, c.uri)}), c.want, "")
	}
	headers := h.headers("GET", "https://"+host+"/items")
	p.want("first use of a proof", p.send(request{Target: "/items?q=1", Header: headers}), 200, "")
	got := p.send(request{Header: headers})
	p.want("second use", got, 401, "Invalid token")
	got = p.send(request{Header: h.headers("GET", "https://evil.example/items")})
	if all := got.Header.Values("WWW-Authenticate"); !strings.Contains(strings.Join(all, ","), "DPoP") && !p.oneChallenge {
		p.t.Errorf("got the challenges %q, want one for DPoP", all)
	}
	bare := headers[:2]
	bare = []string{bare[0], strings.Replace(bare[1], "DPoP", "Bearer", 1)}
	p.want("bound token as bearer", p.send(request{Header: bare}), 401, "")
}

// cors: preflights never reach the application, and answers name only the
// origin that the guard allows.
func (p *proxy) cors() {
	const app = "https://app.example.com"
	preflight := func(origin string) reply {
		return p.send(request{Method: "OPTIONS", Header: []string{"Origin", origin, "Access-Control-request-Method", "POST", "Access-Control-request-Headers", "authorization"}})
	}
	got := preflight(app)
	if want := cmp.Or(p.preflights, 204); got.Status != want || got.Reached {
		p.t.Errorf("preflight: got %v, want %d", got, want)
	}
	p.header("preflight", got, "Access-Control-Allow-Origin", app)
	p.header("preflight", got, "Access-Control-Allow-Credentials", "true")
	for name, want := range map[string]string{"Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "authorization"} {
		if v := strings.ToLower(got.Header.Get(name)); !strings.Contains(v, strings.ToLower(want)) {
			p.t.Errorf("preflight: got %s %q, want %s in it", name, v, want)
		}
	}
	got = preflight("https://evil.example")
	if p.preflights != 0 {
		if got.Status != p.preflights || got.Reached {
			p.t.Errorf("preflight of another origin: got %v, want %d", got, p.preflights)
		}
	} else {
		p.want("preflight of another origin", got, 403, "Origin not allowed")
	}
	p.header("preflight of another origin", got, "Access-Control-Allow-Origin", "")
	for _, c := range []struct {
		name, origin, allowed string
		header                []string
		status                int
	}{
		{"request", app, app, bearer(p.bed.mint(nil)), 200},
		{"refused request", app, app, nil, 401},
		{"request of another origin", "https://evil.example", "", bearer(p.bed.mint(nil)), 200},
		{"request of no origin", "", "", bearer(p.bed.mint(nil)), 200},
	} {
		header := slices.Clone(c.header)
		if c.origin != "" {
			header = append(header, "Origin", c.origin)
		}
		got := p.send(request{Header: header})
		p.want(c.name, got, c.status, "")
		p.header(c.name, got, "Access-Control-Allow-Origin", c.allowed)
		if !strings.Contains(strings.ToLower(strings.Join(got.Header.Values("Vary"), ",")), "origin") {
			p.t.Errorf("%s: got Vary %q, want Origin", c.name, got.Header.Values("Vary"))
		}
	}
}

// once: the second use of a token reaches nothing, so the proxy asks once.
func (p *proxy) once() {
	raw := p.bed.mint(nil)
	p.want("first use", p.send(request{Method: "POST", Target: "/pay", Body: "1", Header: bearer(raw)}), 200, "")
	p.want("second use", p.send(request{Method: "POST", Target: "/pay", Body: "1", Header: bearer(raw)}), 401, "Invalid token")
}

// rate: who sends bad tokens waits; others do not, so the guard knows the
// client's address. Nobody chooses another address by a header.
func (p *proxy) rate() {
	from := stranger()
	var got reply
	for range 25 {
		got = p.send(request{From: from, Header: append(bearer(p.bed.mint(map[string]any{"aud": "else"})), "X-Forwarded-For", stranger())})
		if got.Status == http.StatusTooManyRequests {
			break
		}
	}
	p.want("too many failures", got, 429, "Too many requests")
	if got.Header.Get("Retry-After") == "" {
		p.t.Errorf("got %v, want Retry-After", got)
	}
	p.want("another client", p.send(request{Header: bearer(p.bed.mint(nil))}), 200, "")
}

// webSocket: a handshake is a request as any other.
func (p *proxy) webSocket() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	dial := func(header ...string) (*websocket.Conn, *http.Response, error) {
		h := http.Header{}
		for i := 0; i+1 < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		tr := &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return p.dial(request{From: stranger()}) }}
		defer tr.CloseIdleConnections()
		return websocket.Dial(ctx, "wss://"+host+"/socket", &websocket.DialOptions{HTTPClient: &http.Client{Transport: tr}, HTTPHeader: h})
	}
	if c, res, err := dial(); err == nil || res == nil || res.StatusCode != 401 {
		p.t.Errorf("without a token: got %v, %v, want 401", res, err)
		if c != nil {
			_ = c.CloseNow()
		}
	}
	c, _, err := dial(bearer(p.bed.mint(nil))...)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	if err := c.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		p.t.Fatal(err)
	}
	if _, text, err := c.Read(ctx); err != nil || string(text) != "hello" {
		p.t.Errorf("got %q, %v, want hello", text, err)
	}
}

// clear: plain HTTP is the guard's to answer too, and burns a token that came by it.
func (p *proxy) clear() {
	got := p.send(request{Plain: true, Target: "/items?x=1"})
	p.want("without a credential", got, 308, "")
	p.header("without a credential", got, "Location", "https://"+host+"/items?x=1")
	raw := p.bed.mint(nil)
	p.want("before", p.send(request{Header: bearer(raw)}), 200, "")
	p.want("with a token", p.send(request{Plain: true, Header: append(bearer(raw), "X-Forwarded-Proto", "https")}), 403, "HTTPS required")
	p.want("after", p.send(request{Header: bearer(raw)}), 401, "Invalid token")
	p.want("public path", p.send(request{Plain: true, Method: "POST", Target: "/public/x", Body: "x"}), 403, "HTTPS required")
}

// checked: the guard's own trial of the proxy finds nothing to say.
func (p *proxy) checked() {
	p.bed.write("token.txt", []byte(p.bed.mint(nil)))
	_, port, err := net.SplitHostPort(p.tls)
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(program, "authorizer", "check", "--through", "https://"+host+":"+port+"/items",
		"--resolve", host+":"+port+":"+p.bed.ip, "--ca", "fullchain.pem", "--token-file", "token.txt")
	cmd.Dir = p.bed.dir
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "\nunknown") != 1 { // what happens while the guard is away
		p.t.Errorf("authorizer check: %v\n%s", err, out)
	}
}

// alone: nothing passes while the guard is away, and all is well after.
func (p *proxy) alone() {
	raw := p.bed.mint(nil)
	p.want("before", p.send(request{Header: bearer(raw)}), 200, "")
	p.bed.stopGuard()
	p.unanswered("nobody to ask", raw)
	mute, err := net.Listen("tcp", p.bed.ip+":9181")
	if err != nil {
		p.t.Fatal(err)
	}
	p.unanswered("no answer", raw)
	if err := mute.Close(); err != nil {
		p.t.Fatal(err)
	}
	p.bed.startGuard()
	p.want("after", p.send(request{Header: bearer(p.bed.mint(nil))}), 200, "")
	said := p.process.String() + p.bed.guard.String()
	for _, part := range strings.Split(raw, ".")[1:] {
		if strings.Contains(said, part) {
			p.t.Error("a token stands in a log of the proxy or the guard")
		}
	}
}

// unanswered sends requests side by side, none of which may pass.
func (p *proxy) unanswered(why, raw string) {
	p.t.Helper()
	var all sync.WaitGroup
	for name, r := range map[string]request{
		"good token": {Header: bearer(raw)}, "none": {}, "public": {Target: "/public/x"}, "plain": {Plain: true},
		"preflight": {Method: "OPTIONS", Header: []string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "GET"}},
	} {
		all.Go(func() {
			got, err := p.exchange(r)
			own := name == "preflight" && p.preflights != 0 && got.Status == p.preflights
			if err != nil || got.Reached || got.Status < 400 && !own {
				p.t.Errorf("%s, %s: got %v, %v", why, name, got, err)
			}
		})
	}
	all.Wait()
}
