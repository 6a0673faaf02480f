package catalog

// Code of FastAPI goes below the line that makes app.
const (
	fastAPIRefuse = `from fastapi import Request
from fastapi.responses import JSONResponse


@app.middleware("http")
async def require_https(request: Request, call_next):
    if request.url.scheme != "https":
        return JSONResponse(
            {"detail": "HTTPS required"}, status_code=403, headers={"Connection": "close"}
        )
    return await call_next(request)
`
	fastAPIUpgrade = `from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse


@app.middleware("http")
async def upgrade_or_refuse(request: Request, call_next):
    if request.url.scheme == "https":
        return await call_next(request)
    credential = {"authorization", "cookie"} & set(request.headers.keys())
    if request.method in ("GET", "HEAD") and not credential and not request.url.query:
        secure = request.url.replace(scheme="https", port=None)
        return RedirectResponse(str(secure), status_code=308)
    return JSONResponse(
        {"detail": "HTTPS required"}, status_code=403, headers={"Connection": "close"}
    )
`
	fastAPIHSTS = `from fastapi import Request


@app.middleware("http")
async def strict_transport_security(request: Request, call_next):
    response = await call_next(request)
    response.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return response
`
	nginxRefuse = `server {
    listen 80 default_server;
    server_name _;
    return 403;
}
server {
    listen 443 ssl;
    server_name api.example.com;
    ssl_certificate     fullchain.pem;
    ssl_certificate_key privkey.pem;
    location / { proxy_pass http://127.0.0.1:8000; }
}
`
	nginxUpgrade = `server {
    listen 80 default_server;
    server_name api.example.com;
    if ($request_method !~ ^(GET|HEAD)$) { return 403; }
    if ($http_authorization) { return 403; }
    return 308 https://api.example.com$request_uri;
}
`
	nginxHSTS = `# "always" covers error answers too; repeat it in each location that has an
# add_header of its own.
add_header Strict-Transport-Security "max-age=31536000; includeSubDomains" always;
`
	springSecure = `@Bean
SecurityFilterChain api(HttpSecurity http) throws Exception {
    return http.redirectToHttps(Customizer.withDefaults())
        .headers(h -> h.httpStrictTransportSecurity(s -> s.maxAgeInSeconds(31536000).includeSubDomains(true)))
        .build();
}
`
	djangoSecure = `# settings.py
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 31536000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
`
)

const (
	rfc6750   = "https://www.rfc-editor.org/rfc/rfc6750#section-5.3"
	rfc6797   = "https://www.rfc-editor.org/rfc/rfc6797"
	rfc9325   = "https://www.rfc-editor.org/rfc/rfc9325"
	rfc9110At = "https://www.rfc-editor.org/rfc/rfc9110#section-"
	cwePage   = "https://cwe.mitre.org/data/definitions/"
)

var transportEntries = []Entry{
	{
		ID: "transport.no-tls", Severity: High, CWE: []string{"CWE-319"}, Needs: NeedsNothing,
		Title: "The API answers application requests over plain HTTP",
		Why: "Whoever is on the path, in a café's network, at a provider or on a rented router, reads every request and answer " +
			"and changes them at will. A bearer token seen once is enough to act as its owner until it expires.",
		How: "Asks for the root and a few operations in clear, on the port that belongs to the URL and its usual neighbours, and compares with HTTPS. " +
			"Data, a demand for a credential or a complaint about parameters count as served; a closed port, a refusal or a redirect to HTTPS do not. " +
			"It is of medium severity where the same is served over HTTPS too. An API of which only 404 is known cannot be judged.",
		Fix: map[string]Remediation{
			"": {
				Text: "Serve the API over TLS only. Listen for plain HTTP on loopback behind a proxy that ends TLS, or not at all.",
				Code: nginxRefuse, Language: "nginx",
			},
			"FastAPI": {
				Text: "Let uvicorn listen on loopback behind a proxy that ends TLS, or give it a certificate, and refuse what still comes in clear.",
				Code: fastAPIRefuse, Language: "python",
			},
			"Flask": {Text: "Refuse whatever did not come over TLS.", Code: `from flask import abort, request


@app.before_request
def require_https():
    if not request.is_secure:
        abort(403, "HTTPS required")
`, Language: "python"},
			"Django": {Text: "Let SecurityMiddleware send plain HTTP away, and mark cookies Secure.", Code: djangoSecure, Language: "python"},
			"Express": {Text: "Refuse whatever did not come over TLS. Set \"trust proxy\" to the addresses of your own proxy only.", Code: `app.use((req, res, next) => {
  if (req.secure) return next();
  res.set("Connection", "close").status(403).json({ detail: "HTTPS required" });
});
`, Language: "javascript"},
			"Spring": {Text: "Demand a secure channel in the filter chain.", Code: springSecure, Language: "java"},
			"Go": {Text: "Serve by ListenAndServeTLS, and nothing beside it.", Code: `srv := &http.Server{Addr: ":8443", Handler: mux, ReadHeaderTimeout: 10 * time.Second}
log.Fatal(srv.ListenAndServeTLS("fullchain.pem", "privkey.pem"))
`, Language: "go"},
			"nginx": {Text: "Have nginx end TLS and refuse plain HTTP.", Code: nginxRefuse, Language: "nginx"},
		},
		Guard:      "listen",
		References: []string{rfc6750, rfc9325, cwePage + "319.html"},
	},
	{
		ID: "transport.token-over-http", Severity: Critical, CWE: []string{"CWE-319"}, Needs: NeedsToken,
		Title: "A credential is issued or accepted over plain HTTP",
		Why: "The token or the password crosses the network readable. Anybody who sees it has the session, and nothing in the logs tells " +
			"the thief from the user. That a redirect to HTTPS follows does not help: by then it has been sent.",
		How: "Sends an empty login and a made-up token in clear and looks whether the API itself judges them, as it does over HTTPS. " +
			"The genuine token follows only to a target on loopback, and only where the made-up one was judged, so that a server which burns exposed tokens is left alone. " +
			"Off loopback the finding has medium confidence, since the proof would be the leak.",
		Fix: map[string]Remediation{
			"": {Text: "Refuse requests in clear before any credential is looked at, and revoke tokens that were seen there.", Code: nginxRefuse, Language: "nginx"},
			"FastAPI": {
				Text: "Refuse in a middleware, which runs before any dependency reads the token. Replace the secrets of tokens that have already travelled in clear.",
				Code: fastAPIRefuse, Language: "python",
			},
			"Django": {Text: "SecurityMiddleware comes first in MIDDLEWARE, before any authentication.", Code: djangoSecure, Language: "python"},
			"Express": {Text: "Refuse before the routes and before passport or express-jwt.", Code: `app.use((req, res, next) => {
  if (req.secure) return next();
  res.set("Connection", "close").status(403).json({ detail: "HTTPS required" });
});
`, Language: "javascript"},
			"nginx": {Text: "Answer 403 on port 80 instead of a redirect where clients send tokens.", Code: nginxRefuse, Language: "nginx"},
		},
		Guard:      "plaintext_token",
		References: []string{rfc6750, "https://www.rfc-editor.org/rfc/rfc9700#section-2.6", cwePage + "319.html"},
	},
	{
		ID: "transport.no-https-redirect", Severity: Low, CWE: []string{"CWE-693"}, Needs: NeedsNothing,
		Title: "Plain HTTP neither refuses nor upgrades a safe request although HTTPS is served",
		Why: "Clients that were given an http:// address by mistake go on using it, and nobody notices that what they say is public. " +
			"Refusing shows the mistake at once; a redirect mends it for browsers.",
		How: "Asks for the root and a few operations in clear. A refusal, a closed port, and a redirect to HTTPS of the same site pass; any other answer does not. " +
			"Refusing is the better of the two for an API. What is not safe, as a POST, must be refused and never redirected.",
		Fix: map[string]Remediation{
			"":        {Text: "Refuse plain HTTP, or send safe requests without a credential to HTTPS and refuse the rest.", Code: nginxUpgrade, Language: "nginx"},
			"FastAPI": {Text: "Starlette's HTTPSRedirectMiddleware redirects everything, credentials included; this upgrades what is harmless and refuses the rest.", Code: fastAPIUpgrade, Language: "python"},
			"Django":  {Text: "Let SecurityMiddleware redirect.", Code: djangoSecure, Language: "python"},
			"Spring":  {Text: "Redirect in the filter chain.", Code: springSecure, Language: "java"},
			"Go": {Text: "Give port 80 a handler of its own.", Code: `plain := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	if !safe || r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" {
		w.Header().Set("Connection", "close")
		http.Error(w, "HTTPS required", http.StatusForbidden)
		return
	}
	http.Redirect(w, r, "https://api.example.com"+r.URL.RequestURI(), http.StatusPermanentRedirect)
})
`, Language: "go"},
			"nginx": {Text: "Upgrade what is safe on port 80.", Code: nginxUpgrade, Language: "nginx"},
		},
		Guard:      "plaintext",
		References: []string{rfc9110At + "15.4.9", rfc6797 + "#section-7.2", cwePage + "693.html"},
	},
	{
		ID: "transport.redirect-downgrade", Severity: High, CWE: []string{"CWE-757"}, Needs: NeedsNothing,
		Title: "A redirect leads from HTTPS to plain HTTP",
		Why: "The client follows into clear text, often with its token, and stays there. It is the usual mistake of a framework behind a proxy: " +
			"it corrects a slash at the end of a path and takes its own http:// for the client's address.",
		How: "Asks over HTTPS for paths that frameworks redirect: a slash too many or too few, the documentation with a slash, two slashes in front, " +
			"and operations that redirect whoever has no credential, or those who may call them. Chains are followed on the target's own host for ten hops; nothing is asked for in clear.",
		Fix: map[string]Remediation{
			"": {
				Text: "Make redirects relative, or tell the application its public https address; let the proxy rewrite what is left.",
				Code: "proxy_redirect http:// https://;\nproxy_set_header X-Forwarded-Proto https;\n", Language: "nginx",
			},
			"FastAPI": {Text: "Turn the correction of slashes off: a wrong path is then 404. Behind a proxy, also start uvicorn with --proxy-headers and " +
				"--forwarded-allow-ips set to the proxy's address.", Code: `app.router.redirect_slashes = False
`, Language: "python"},
			"Flask": {Text: "Turn the correction of slashes off, and build https addresses.", Code: `app.url_map.strict_slashes = False
app.config["PREFERRED_URL_SCHEME"] = "https"
`, Language: "python"},
			"Django": {Text: "Believe the proxy's header, which it must set itself, and do not append slashes.", Code: `# settings.py
APPEND_SLASH = False
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
`, Language: "python"},
			"Spring": {Text: "Use the headers of the proxy, and relative redirects.", Code: "server.forward-headers-strategy=native\nserver.tomcat.use-relative-redirects=true\n", Language: "properties"},
			"nginx":  {Text: "Rewrite what the application sends, and let nginx's own redirects be relative.", Code: "absolute_redirect off;\nproxy_redirect http:// https://;\n", Language: "nginx"},
		},
		GuardNote: "The guard closes it without being told: a Location on an allowed host becomes https, any other way down is refused.",
		References: []string{
			"https://github.com/fastapi/fastapi/issues/4990", rfc9325,
			cwePage + "757.html",
		},
	},
	{
		ID: "transport.redirect-leaks-token", Severity: High, CWE: []string{"CWE-522"}, Needs: NeedsToken,
		Title: "A redirect carries a credential to another host or in a URL",
		Why: "What stands in a URL lands in histories, logs and Referer headers; what goes to another host belongs to whoever runs it. " +
			"One click on such a redirect gives the token away.",
		How: "Sends made-up tokens in the header and in the query to paths that redirect, and looks for them in Location. " +
			"Operations that redirect only those who may call them are asked with the genuine token, over trusted TLS or on loopback. " +
			"A token of the query that stays on its host, and an OAuth authorization code, are fine. " +
			"An operation that sends callers to another site without their token is low.",
		Fix: map[string]Remediation{
			"": {Text: "Never build a Location from a credential. Send clients to other hosts without one, by a code that is good once and for seconds."},
			"FastAPI": {Text: "Take tokens out of every Location, whoever built it, and drop the operation's habit of adding them.", Code: `from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from fastapi import Request

TOKEN_PARAMETERS = {"access_token", "id_token", "refresh_token", "token", "jwt", "auth", "api_key"}


@app.middleware("http")
async def no_token_in_redirects(request: Request, call_next):
    response = await call_next(request)
    location = response.headers.get("location")
    if location:
        bearer = request.headers.get("authorization", "").partition(" ")[2]
        parts = urlsplit(location)
        kept = [
            (name, value)
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
            if name.lower() not in TOKEN_PARAMETERS and not (bearer and bearer in value)
        ]
        response.headers["location"] = urlunsplit(parts._replace(query=urlencode(kept), fragment=""))
    return response
`, Language: "python"},
			"Express": {Text: "Redirect to fixed addresses; hand the other host a code of your own.", Code: `app.get("/export", requireToken, async (req, res) => {
  const code = await saveOneTimeCode(req.auth.sub, { ttlSeconds: 30 });
  res.redirect(303, "https://files.example.com/export?code=" + encodeURIComponent(code));
});
`, Language: "javascript"},
			"nginx": {Text: "Do not carry the query along when another host is named.", Code: "return 308 https://files.example.com$uri;\n", Language: "nginx"},
		},
		Guard:      "tokens.forward",
		GuardNote:  "With claims, internal or none the application never gets the client's token, and so cannot put it in a Location.",
		References: []string{"https://www.rfc-editor.org/rfc/rfc6750#section-2.3", "https://www.rfc-editor.org/rfc/rfc9700#section-4.3.2", "https://www.rfc-editor.org/rfc/rfc9700#section-4.12", cwePage + "522.html"},
	},
	{
		ID: "transport.forwarded-proto-trusted", Severity: High, CWE: []string{"CWE-348"}, Needs: NeedsNothing,
		Title: "A client-set X-Forwarded-Proto or Forwarded header disables HTTPS enforcement",
		Why: "Anybody who adds one header is served in clear, as if TLS had been there. A client library with a wrong setting, or an attacker who strips TLS, " +
			"keeps the whole session readable while the server believes it secure.",
		How: "Where plain HTTP is refused or redirected, asks again with each header that proxies set for HTTPS; being served then is the finding. " +
			"Over HTTPS, claims the contrary and looks whether redirects turn to http. Servers such as uvicorn trust loopback by default, " +
			"so a scan from loopback finds this with low confidence: scan from another host to be sure.",
		Fix: map[string]Remediation{
			"": {
				Text: "Believe such headers only from the addresses of your own proxies, and let the proxy replace what the client sent.",
				Code: "proxy_set_header X-Forwarded-Proto $scheme;\nproxy_set_header Forwarded \"\";\n", Language: "nginx",
			},
			"FastAPI": {
				Text: "Run uvicorn without proxy headers where clients reach it directly; behind a proxy name exactly that, as --forwarded-allow-ips 10.0.0.5.",
				Code: `import uvicorn

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=8000, proxy_headers=False)
`, Language: "python",
			},
			"Flask": {Text: "Use ProxyFix with the exact number of proxies, and only behind them.", Code: `from werkzeug.middleware.proxy_fix import ProxyFix

app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=0)
`, Language: "python"},
			"Django":  {Text: "Set SECURE_PROXY_SSL_HEADER only if the proxy strips the header from requests; otherwise leave it out.", Code: "# settings.py\nSECURE_PROXY_SSL_HEADER = None\n", Language: "python"},
			"Express": {Text: "Name the proxies; true believes everybody.", Code: "app.set(\"trust proxy\", [\"10.0.0.5\"]);\n", Language: "javascript"},
			"Spring":  {Text: "Let the container decide by its internal proxies.", Code: "server.forward-headers-strategy=native\nserver.tomcat.remoteip.internal-proxies=10\\\\.0\\\\.0\\\\.5\n", Language: "properties"},
			"nginx":   {Text: "Overwrite the header instead of passing it on.", Code: "proxy_set_header X-Forwarded-Proto $scheme;\n", Language: "nginx"},
		},
		Guard:      "trusted_proxies",
		References: []string{"https://www.rfc-editor.org/rfc/rfc7239#section-8.1", "https://www.uvicorn.org/settings/#http", cwePage + "348.html"},
	},
	{
		ID: "transport.no-hsts", Severity: Medium, CWE: []string{"CWE-693"}, Needs: NeedsNothing,
		Title: "HTTPS responses carry no Strict-Transport-Security",
		Why: "Without it a browser goes to http:// whenever it is told to, and an attacker on the path keeps it there. With it the browser upgrades by itself " +
			"and lets nobody click a certificate warning away.",
		How: "Looks at answers of each kind: the root, data, a demand for a credential, 404, a redirect. Where only some carry the header, the finding is low and names the others. " +
			"Addresses and plain HTTP are left out, since the header means nothing there. Clients that are not browsers ignore it.",
		Fix: map[string]Remediation{
			"":        {Text: "Send Strict-Transport-Security with every answer over HTTPS, for a year.", Code: nginxHSTS, Language: "nginx"},
			"FastAPI": {Text: "Add it in the outermost middleware, so that errors carry it too.", Code: fastAPIHSTS, Language: "python"},
			"Flask": {Text: "Add it to every response.", Code: `@app.after_request
def strict_transport_security(response):
    response.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return response
`, Language: "python"},
			"Django": {Text: "SecurityMiddleware sends it.", Code: djangoSecure, Language: "python"},
			"Express": {Text: "Let helmet send it.", Code: `app.use(helmet.strictTransportSecurity({ maxAge: 31536000, includeSubDomains: true }));
`, Language: "javascript"},
			"Spring": {Text: "The header is on by default for secure requests; do not disable headers().", Code: springSecure, Language: "java"},
			"Go": {Text: "Wrap the outermost handler.", Code: `func strictTransport(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		next.ServeHTTP(w, r)
	})
}
`, Language: "go"},
			"nginx": {Text: "Send it with errors too.", Code: nginxHSTS, Language: "nginx"},
		},
		Guard:      "tls.hsts",
		References: []string{rfc6797, cwePage + "693.html"},
	},
	{
		ID: "transport.weak-hsts", Severity: Low, CWE: []string{"CWE-693"}, Needs: NeedsNothing,
		Title: "Strict-Transport-Security is shorter than 180 days or malformed",
		Why: "A browser that has not come by for longer than max-age has forgotten, and can be led to http:// again. A malformed header is ignored as a whole, " +
			"so that the site is as unprotected as without.",
		How: "Reads the header as browsers do: only the first counts, directives come in any order and case, values may be quoted. " +
			"Missing, zero, short or unreadable max-age, a directive given twice and several headers are findings.",
		Fix: map[string]Remediation{
			"":        {Text: "Send exactly one header, with max-age of a year.", Code: nginxHSTS, Language: "nginx"},
			"FastAPI": {Text: "Set it in one place; assignment replaces what other code has set.", Code: fastAPIHSTS, Language: "python"},
			"Django":  {Text: "Raise SECURE_HSTS_SECONDS.", Code: djangoSecure, Language: "python"},
			"Express": {Text: "Give helmet a year, in seconds.", Code: "app.use(helmet.strictTransportSecurity({ maxAge: 31536000 }));\n", Language: "javascript"},
			"nginx":   {Text: "One add_header, and none in the application; hide the application's by proxy_hide_header.", Code: "proxy_hide_header Strict-Transport-Security;\n" + nginxHSTS, Language: "nginx"},
		},
		Guard:      "tls.hsts.max_age",
		References: []string{rfc6797 + "#section-6.1", rfc6797 + "#section-8.1", cwePage + "693.html"},
	},
	{
		ID: "transport.cleartext-reference", Severity: Medium, CWE: []string{"CWE-319"}, Needs: NeedsNothing,
		Title: "The API description, discovery document or JWKS location names plain-HTTP URLs",
		Why: "Clients are built from these documents. A server, token endpoint or key set under http:// has them send credentials in clear, " +
			"or fetch the keys that they trust from whoever answers first.",
		How: "Reads servers, token, authorization, refresh and discovery URLs of the API description, endpoints, issuer and jwks_uri of metadata documents, " +
			"and jku and x5u of the token. Links for people and names of schemas do not count, nor does loopback where the target itself is there.",
		Fix: map[string]Remediation{
			"": {Text: "Write https:// wherever clients follow, or relative URLs."},
			"FastAPI": {Text: "Name the public server, and give security schemes relative URLs, as OAuth2PasswordBearer(tokenUrl=\"token\").", Code: `app.servers = [{"url": "https://api.example.com"}]
app.openapi_schema = None
`, Language: "python"},
			"Spring": {Text: "Name the public server for springdoc.", Code: "@OpenAPIDefinition(servers = @Server(url = \"https://api.example.com\"))\nclass ApiDescription {}\n", Language: "java"},
		},
		GuardNote:  "The guard does not change what the application's documents say; its own issuer's metadata are https.",
		References: []string{"https://www.rfc-editor.org/rfc/rfc8414#section-2", "https://spec.openapis.org/oas/v3.1.0#server-object", cwePage + "319.html"},
	},
	{
		ID: "transport.websocket-cleartext", Severity: High, CWE: []string{"CWE-319"}, Needs: NeedsNothing,
		Title: "A WebSocket endpoint is served over ws://",
		Why:   "A socket lives for hours and carries its token in the first message or in the URL. In clear everything on it can be read, and messages of the attacker's can be put in.",
		How: "Asks for the upgrade in clear at the paths that the description hints at and the usual ones. Only 101 Switching Protocols counts. " +
			"A socket at a path of its own is missed; one that asks for a credential first is shown the genuine one on loopback only, and undecided elsewhere.",
		Fix: map[string]Remediation{
			"": {Text: "Serve sockets over wss:// only: refuse the upgrade in clear.", Code: nginxRefuse, Language: "nginx"},
			"FastAPI": {Text: "HTTP middlewares do not see sockets; this one does.", Code: `class RequireWSS:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "websocket" and scope.get("scheme") != "wss":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await self.app(scope, receive, send)


app.add_middleware(RequireWSS)
`, Language: "python"},
			"Express": {Text: "Refuse in the upgrade handler.", Code: `server.on("upgrade", (req, socket) => {
  if (!req.socket.encrypted) socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n");
});
`, Language: "javascript"},
			"Go": {Text: "Look at r.TLS before the upgrade.", Code: `if r.TLS == nil {
	http.Error(w, "wss required", http.StatusForbidden)
	return
}
`, Language: "go"},
		},
		Guard:      "plaintext",
		References: []string{"https://www.rfc-editor.org/rfc/rfc6455#section-10.6", cwePage + "319.html"},
	},
}
