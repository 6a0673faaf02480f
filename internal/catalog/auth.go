package catalog

var authEntries = []Entry{
	{
		ID: "auth.missing", Severity: High, CWE: []string{"CWE-306"}, Needs: NeedsNothing,
		Title: "An operation that declares security answers without credentials",
		Why:   "The description says that a credential is needed, and the code does not ask for it: whoever reads the description knows where to go.",
		How: "Each GET that declares security, or that is named with --protected, is called without a credential. It must answer as it does with the genuine token; " +
			"where there is none, a success counts with less confidence. Operations whose parameters had to be made up and answer 404 or 422 say nothing.",
		Fix: map[string]Remediation{
			"":        {Text: "Enforce authentication for everything, and name what is public, not the other way round."},
			"FastAPI": {Text: "Make the check a dependency of the whole application, and of nothing less.", Code: `app = FastAPI(dependencies=[Depends(current_user)])  # public paths go into another app or router`, Language: "python"},
			"Spring":  {Text: "Deny by default.", Code: `http.authorizeHttpRequests(a -> a.requestMatchers("/healthz").permitAll().anyRequest().authenticated());`, Language: "java"},
		},
		Guard:      "routes: what no route names needs a valid token",
		References: []string{"https://cwe.mitre.org/data/definitions/306.html"},
	},
	{
		ID: "auth.method-bypass", Severity: High, CWE: []string{"CWE-650"}, Needs: NeedsNothing,
		Title: "Another method or an override header reaches a protected operation without credentials",
		Why:   "A rule that names GET and POST says nothing about HEAD, get, or a header that changes the method behind the rule.",
		How: "Operations that refuse a GET without a credential are asked by HEAD, in lower case, by an unknown method, and with override headers. " +
			"The answer must be the protected one. Nothing that could change state is sent, unless with --intrusive.",
		Fix: map[string]Remediation{
			"":        {Text: "Check credentials before the method is looked at, list the methods that exist, and do not honour override headers."},
			"FastAPI": {Text: "Check in a dependency, not in middleware that compares methods.", Code: "router = APIRouter(dependencies=[Depends(current_user)])", Language: "python"},
		},
		Guard:      "routes[].methods",
		References: []string{"https://cwe.mitre.org/data/definitions/650.html"},
	},
	{
		ID: "auth.encoded-password", Severity: High, CWE: []string{"CWE-261"}, Needs: NeedsNothing,
		Title: "Passwords travel merely encoded (HTTP Basic, query string) instead of in a protected body",
		Why: "Basic sends the password itself with every request, in an encoding that a child can undo; a query string leaves it in logs, histories and Referer headers. " +
			"One leak is enough, and it does not expire.",
		How: "Refusals are searched for a Basic challenge, the description for operations that take Basic, and for passwords among query parameters. " +
			"Clients that show their own credentials to a token endpoint that way do not count.",
		Fix: map[string]Remediation{
			"": {Text: "Take the password once, in the body of a POST over TLS, and give a short-lived token for it."},
			"FastAPI": {Text: "Use the OAuth 2.0 password form or JSON for the login, and bearer tokens after it.", Code: `@app.post("/token")
def login(form: OAuth2PasswordRequestForm = Depends()):
    user = authenticate(form.username, form.password)
    if user is None:
        raise HTTPException(status_code=401, detail="Wrong name or password")
    return {"access_token": issue(user), "token_type": "bearer"}`, Language: "python"},
		},
		Guard:      "issuer",
		References: []string{"https://www.rfc-editor.org/rfc/rfc7617#section-4", "https://cwe.mitre.org/data/definitions/261.html"},
	},
	{
		ID: "auth.no-rate-limit", Severity: Medium, CWE: []string{"CWE-307"}, Needs: NeedsLogin,
		Title: "Repeated failed logins are never slowed or refused",
		Why:   "Lists of names with passwords from other places are tried at the speed of the network. What is never slowed is found in the end.",
		How: "A dozen logins of a user who does not exist, with random passwords. 429, Retry-After, a lock, or answers that take longer each time are a limit. " +
			"No real user is tried, so a limit by user alone is not seen.",
		Fix: map[string]Remediation{
			"": {Text: "Count failures by address and by user, answer 429 with Retry-After beyond a few a minute, and count unknown users alike."},
			"FastAPI": {Text: "Limit by address, with slowapi or in front of the application.", Code: `limiter = Limiter(key_func=get_remote_address)
app.state.limiter = limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)

@app.post("/token")
@limiter.limit("10/minute")
def login(request: Request, form: OAuth2PasswordRequestForm = Depends()):
    ...`, Language: "python"},
		},
		Guard:      "rate_limit.login",
		References: []string{"https://cwe.mitre.org/data/definitions/307.html"},
	},
}
