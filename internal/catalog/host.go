package catalog

const fastAPIHosts = `from starlette.middleware.trustedhost import TrustedHostMiddleware

app.add_middleware(
    TrustedHostMiddleware,
    allowed_hosts=["api.example.com", "localhost", "127.0.0.1"],
    www_redirect=False,
)
`

const nginxHosts = `server {
    listen 443 ssl default_server;
    ssl_reject_handshake on;
}
server {
    listen 443 ssl;
    server_name api.example.com;
    ssl_certificate     fullchain.pem;
    ssl_certificate_key privkey.pem;
    location / {
        proxy_pass http://127.0.0.1:8000;
        proxy_set_header Host api.example.com;
        proxy_set_header X-Forwarded-Host "";
        proxy_set_header Forwarded "";
    }
}
`

var hostEntries = []Entry{
	{
		ID: "host.unvalidated", Severity: Medium, CWE: []string{"CWE-644"}, Needs: NeedsNothing,
		Title: "A request for an unknown Host is served as if it were the API's own",
		Why: "A name that resolves to the API's address reaches it, though it is somebody else's: pages of that name talk to the API as if it were their own (DNS rebinding), " +
			"and whatever the application builds from Host is the attacker's.",
		How: "Asks for three operations with a Host that does not exist, over a handshake for the right name, and compares with the answer to the right Host. " +
			"Then once more with the right name in X-Forwarded-Host. Health endpoints alone are worth an info. " +
			"A refusal, a hung up connection and another site's page pass. The absolute form of the request line is not judged, since servers may ignore its name.",
		Fix: map[string]Remediation{
			"":        {Text: "List the names that the API has, and refuse all others by 400 or 421.", Code: nginxHosts, Language: "nginx"},
			"FastAPI": {Text: "List your names; the middleware answers 400 to others.", Code: fastAPIHosts, Language: "python"},
			"Flask": {Text: "List your names; Flask 3.1 answers 400 to others.", Code: `app.config["TRUSTED_HOSTS"] = ["api.example.com"]
`, Language: "python"},
			"Django": {Text: "List your names, and no \"*\".", Code: "# settings.py\nALLOWED_HOSTS = [\"api.example.com\"]\nUSE_X_FORWARDED_HOST = False\n", Language: "python"},
			"Express": {Text: "Compare the Host before the routes.", Code: `const hosts = new Set(["api.example.com"]);
app.use((req, res, next) => {
  const name = (req.headers.host || "").toLowerCase().replace(/:\d+$/, "");
  if (hosts.has(name)) return next();
  res.status(421).json({ detail: "Host not allowed" });
});
`, Language: "javascript"},
			"Spring": {Text: "Name the hosts for the firewall.", Code: `@Bean
StrictHttpFirewall httpFirewall() {
    StrictHttpFirewall firewall = new StrictHttpFirewall();
    firewall.setAllowedHostnames("api.example.com"::equals);
    return firewall;
}
`, Language: "java"},
			"Go": {Text: "Compare the Host before the routes.", Code: `func onlyHost(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != name {
			http.Error(w, "host not allowed", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
`, Language: "go"},
			"nginx": {Text: "Give unknown names a default server that refuses.", Code: nginxHosts, Language: "nginx"},
		},
		Guard:      "hosts",
		References: []string{"https://www.rfc-editor.org/rfc/rfc9110#section-7.2", "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.20", cwePage + "644.html"},
	},
	{
		ID: "host.reflected", Severity: High, CWE: []string{"CWE-644"}, Needs: NeedsNothing,
		Title: "An attacker-set Host or X-Forwarded-Host appears in a link or redirect",
		Why: "A cache that keeps such an answer sends everybody to the attacker; a mail that resets a password carries his link, and with it the secret in it. " +
			"A client that follows takes its token along.",
		How: "Sends names that do not exist, each in a header of its own (Host, X-Forwarded-Host, X-Host, X-Forwarded-Server, X-Original-Host, Forwarded), and a strange port, " +
			"to the root, an operation and paths that redirect. Looks for them in Location, Link, cookies' Domain and links of the body. " +
			"A name that is merely shown is low, a port alone an info. Mails are not sent.",
		Fix: map[string]Remediation{
			"":        {Text: "Build absolute URLs from a configured public address and never from a header; refuse unknown names.", Code: nginxHosts, Language: "nginx"},
			"FastAPI": {Text: "List your names, and let wrong paths be 404 instead of redirecting to an address made of Host.", Code: fastAPIHosts + "app.router.redirect_slashes = False\n", Language: "python"},
			"Flask": {Text: "Keep redirects relative (the default since Werkzeug 2.1) and list your names.", Code: `app.config["TRUSTED_HOSTS"] = ["api.example.com"]
`, Language: "python"},
			"Django":  {Text: "List your names and ignore X-Forwarded-Host.", Code: "# settings.py\nALLOWED_HOSTS = [\"api.example.com\"]\nUSE_X_FORWARDED_HOST = False\n", Language: "python"},
			"Express": {Text: "Use a constant instead of req.hostname; \"trust proxy\" makes X-Forwarded-Host count.", Code: "const publicURL = \"https://api.example.com\";\nres.redirect(308, publicURL + \"/docs\");\n", Language: "javascript"},
			"Spring":  {Text: "Do not believe forwarded headers of clients.", Code: "server.forward-headers-strategy=none\nserver.tomcat.use-relative-redirects=true\n", Language: "properties"},
			"nginx":   {Text: "Pass a fixed Host on, and drop what clients claim.", Code: nginxHosts, Language: "nginx"},
		},
		Guard:      "hosts",
		References: []string{"https://www.rfc-editor.org/rfc/rfc9110#section-7.2", "https://www.rfc-editor.org/rfc/rfc7239#section-8.1", cwePage + "644.html"},
	},
}
