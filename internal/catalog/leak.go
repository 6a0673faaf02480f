package catalog

var leakEntries = []Entry{
	{
		ID: "leak.token-echo", Severity: High, CWE: []string{"CWE-209"}, Needs: NeedsToken,
		Title: "A response echoes the Authorization header or the token's payload",
		Why: "What an error answer shows ends up in logs, in error trackers, in screenshots of tickets and in pages that other scripts can read. " +
			"A token in it is a token given away.",
		How: "Requests that must fail carry a canary token of the scan's own; the answer's header and body are searched for it, its payload, and, in errors, " +
			"what the payload says. Answers to the genuine token are searched for the token itself, where it is sent in the Authorization header. An endpoint that tells " +
			"users their own claims is no finding.",
		Fix: map[string]Remediation{
			"": {Text: "Never put request headers into answers. Answer errors with a fixed text and an id under which the details are in the log, without the token."},
			"FastAPI": {Text: "Let exception handlers answer with a fixed text; log the details without headers.", Code: `@app.exception_handler(Exception)
async def unexpected(request: Request, exc: Exception):
    error_id = uuid.uuid4().hex
    logging.getLogger("app").error("error %s at %s", error_id, request.url.path, exc_info=exc)
    return JSONResponse({"detail": "Internal error", "id": error_id}, status_code=500)`, Language: "python"},
		},
		GuardNote:  "The guard replaces tokens in error answers while they stream, without being told.",
		References: []string{"https://cwe.mitre.org/data/definitions/209.html", "https://www.rfc-editor.org/rfc/rfc6750#section-5.3"},
	},
	{
		ID: "leak.stack-trace", Severity: Medium, CWE: []string{"CWE-209"}, Needs: NeedsNothing,
		Title: "An error response exposes a stack trace or internal exception",
		Why:   "A trace names files, libraries with versions, queries and sometimes values of variables: a map for the next step of an attack.",
		How: "Requests with broken JSON, odd parameters in path and query, bad tokens and unknown paths are sent; error answers are searched for the forms that traces have " +
			"in each language. Examples in the API's description do not count.",
		Fix: map[string]Remediation{
			"":        {Text: "Turn off debugging in production, and answer unexpected errors with a fixed text and an id."},
			"FastAPI": {Text: "Do not set debug, and do not put exceptions into detail.", Code: "app = FastAPI(debug=False)", Language: "python"},
			"Flask":   {Text: "Never run with the debugger in production.", Code: "app.run(debug=False)  # or better: gunicorn app:app", Language: "python"},
			"Django":  {Text: "Turn off debugging.", Code: "DEBUG = False", Language: "python"},
			"Express": {Text: "Run with NODE_ENV=production, and end the chain with a handler of your own.", Code: `app.use((err, req, res, next) => res.status(500).json({ error: "internal error" }));`, Language: "javascript"},
			"Spring":  {Text: "Keep traces out of error answers.", Code: "server.error.include-stacktrace=never\nserver.error.include-message=never", Language: "properties"},
		},
		GuardNote:  "The guard takes tokens out of error answers, but not the rest: mend the application.",
		References: []string{"https://cwe.mitre.org/data/definitions/209.html"},
	},
	{
		ID: "leak.cacheable-token", Severity: Medium, CWE: []string{"CWE-525"}, Needs: NeedsLogin,
		Title: "A response that carries a token may be stored by caches",
		Why:   "Browsers and proxies keep what they may. A token on disk outlives the session, and is read by the next user of the machine or by a proxy's administrator.",
		How:   "The answers of the login and of a refresh must have Cache-Control: no-store. private and no-cache forbid something else.",
		Fix: map[string]Remediation{
			"": {Text: "Send Cache-Control: no-store with every answer that carries a token (RFC 6749 §5.1).", Code: "Cache-Control: no-store", Language: "http"},
			"FastAPI": {Text: "Set the header where tokens are given out.", Code: `@app.post("/token")
def token(response: Response, form: OAuth2PasswordRequestForm = Depends()):
    response.headers["Cache-Control"] = "no-store"
    return {"access_token": issue(form), "token_type": "bearer"}`, Language: "python"},
		},
		GuardNote:  "The guard adds no-store to answers to requests with a credential; its own issuer always sends it. An application's login must do so itself.",
		References: []string{"https://www.rfc-editor.org/rfc/rfc6749#section-5.1", "https://cwe.mitre.org/data/definitions/525.html"},
	},
	{
		ID: "leak.server-version", Severity: Low, CWE: []string{"CWE-200"}, Needs: NeedsNothing,
		Title: "A header names the exact version of a server or framework",
		Why:   "The version tells which published weaknesses to try, without a single suspicious request.",
		How:   "Server, X-Powered-By, Via and their kin are searched for a number with a dot. A name without a version is no finding.",
		Fix: map[string]Remediation{
			"":        {Text: "Leave the headers out, or the versions out of them."},
			"FastAPI": {Text: "Start uvicorn without its header.", Code: "uvicorn app:app --no-server-header", Language: "shell"},
			"Express": {Text: "Turn the header off.", Code: `app.disable("x-powered-by");`, Language: "javascript"},
			"nginx":   {Text: "Turn the version off.", Code: "server_tokens off;", Language: "nginx"},
		},
		GuardNote:  "The guard removes these headers, without being told.",
		References: []string{"https://cwe.mitre.org/data/definitions/200.html"},
	},
	{
		ID: "leak.debug-endpoint", Severity: High, CWE: []string{"CWE-215"}, Needs: NeedsNothing,
		Title: "A debug, metrics or environment endpoint answers to anyone",
		Why:   "Environments hold database passwords and signing secrets; metrics tell who uses what; a debug console runs what it is told.",
		How: "The usual paths, and those that the description names like them, are asked for without a credential. Only content of the right kind counts: " +
			"Prometheus' format, environment variables, members with secrets, consoles.",
		Fix: map[string]Remediation{
			"": {Text: "Serve such endpoints on another port that only the inside reaches, or not at all in production."},
			"FastAPI": {Text: "Put metrics on a port of their own, and make debug routes depend on the environment.", Code: `from prometheus_client import start_http_server

start_http_server(9100, addr="127.0.0.1")`, Language: "python"},
			"Spring": {Text: "Expose health alone.", Code: "management.endpoints.web.exposure.include=health", Language: "properties"},
		},
		Guard:      "routes: without a public route for it, every path needs a token",
		References: []string{"https://cwe.mitre.org/data/definitions/215.html"},
	},
	{
		ID: "leak.key-file", Severity: Critical, CWE: []string{"CWE-538"}, Needs: NeedsNothing,
		Title: "A key, environment or configuration file with secrets is served",
		Why:   "With the signing key anybody makes tokens for anyone. The rest of such files opens what lies behind the API.",
		How:   "The usual names are asked for. A finding needs the content: a private key in PEM, lines that set secrets, a repository's configuration.",
		Fix: map[string]Remediation{
			"":        {Text: "Take the files out of what is served, and replace every secret that was in them: assume that it was read."},
			"FastAPI": {Text: "Mount only a folder that holds nothing else.", Code: `app.mount("/static", StaticFiles(directory="public"), name="static")`, Language: "python"},
			"nginx":   {Text: "Refuse names that begin with a dot.", Code: `location ~ /\. { deny all; }`, Language: "nginx"},
		},
		Guard:      "routes: without a public route for it, every path needs a token",
		References: []string{"https://cwe.mitre.org/data/definitions/538.html"},
	},
}
