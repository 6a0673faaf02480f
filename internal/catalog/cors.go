package catalog

// corsFix is the remedy that all of CORS shares: an exact list.
func corsFix(text string) map[string]Remediation {
	return map[string]Remediation{
		"": {Text: text},
		"FastAPI": {Text: text, Code: `from fastapi.middleware.cors import CORSMiddleware

app.add_middleware(
    CORSMiddleware,
    allow_origins=["https://app.example.com"],
    allow_credentials=False,
    allow_methods=["GET", "POST"],
    allow_headers=["Authorization", "Content-Type"],
)`, Language: "python"},
		"Flask": {Text: text, Code: `from flask_cors import CORS

CORS(app, origins=["https://app.example.com"], methods=["GET", "POST"], allow_headers=["Authorization", "Content-Type"])`, Language: "python"},
		"Django": {Text: text, Code: `CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_METHODS = ["GET", "POST"]
CORS_ALLOW_HEADERS = ["authorization", "content-type"]`, Language: "python"},
		"Express": {Text: text, Code: `app.use(cors({ origin: ["https://app.example.com"], methods: ["GET", "POST"], allowedHeaders: ["Authorization", "Content-Type"] }));`, Language: "javascript"},
		"Spring": {Text: text, Code: `registry.addMapping("/**")
    .allowedOrigins("https://app.example.com")
    .allowedMethods("GET", "POST")
    .allowedHeaders("Authorization", "Content-Type");`, Language: "java"},
		"Go": {Text: text, Code: `if origin := r.Header.Get("Origin"); origin == "https://app.example.com" {
	w.Header().Set("Access-Control-Allow-Origin", origin)
}
w.Header().Add("Vary", "Origin")`, Language: "go"},
	}
}

var corsReferences = []string{"https://fetch.spec.whatwg.org/#http-cors-protocol", "https://cwe.mitre.org/data/definitions/942.html"}

var corsEntries = []Entry{
	{
		ID: "cors.wildcard", Severity: Medium, CWE: []string{"CWE-942"}, Needs: NeedsNothing,
		Title: "Any origin may read responses of a protected or token endpoint",
		Why: "A page of anybody's that gets hold of a token, or that runs inside the user's network, can use the API from the user's browser and read " +
			"the answers. The wildcard says that nobody has thought about who should.",
		How: "A request with the genuine token and an origin that nobody has must answer with the star, and with the data. A star on refusals or on " +
			"public data is no finding. With credentials browsers ignore it, so that makes it no worse.",
		Fix: corsFix("Name the origins that may read answers, in full. Leave CORS out altogether if no browser of another origin uses the API."), Guard: "cors.origins",
		References: corsReferences,
	},
	{
		ID: "cors.reflected-origin", Severity: High, CWE: []string{"CWE-942"}, Needs: NeedsNothing,
		Title: "An arbitrary Origin is reflected, with credentials allowed",
		Why: "Whatever origin asks is told that it is allowed. With cookies, every page that a user visits can read and change what is the user's; " +
			"this is what the wildcard is not allowed to do, done by hand.",
		How: "An origin that nobody has comes back in Access-Control-Allow-Origin, on an answer with data. Where the login sets cookies, it is asked with them too: " +
			"middlewares that answer others with a star may name the origin then. It counts less where no cookie is the credential: " +
			"then a page can only use a token that it already has.",
		Fix: corsFix("Compare the origin with a list, byte for byte, and answer without CORS headers if it is not on it. Never echo what was sent."), Guard: "cors.origins",
		References: corsReferences,
	},
	{
		ID: "cors.null-origin", Severity: High, CWE: []string{"CWE-942"}, Needs: NeedsNothing,
		Title: "The origin null is allowed with credentials",
		Why:   "Every page can have the origin null: a sandboxed frame or a local file has it. Allowing it allows everybody.",
		How:   "A request from the origin null is told that null is allowed, on an answer with data.",
		Fix:   corsFix("Take null off the list of origins. What needs it in development belongs into the development configuration."), Guard: "cors.origins",
		References: corsReferences,
	},
	{
		ID: "cors.weak-origin-match", Severity: High, CWE: []string{"CWE-942"}, Needs: NeedsNothing,
		Title: "The origin check is fooled by a prefix, a suffix, a scheme downgrade or a look-alike",
		Why: "A check for a beginning, an end or a pattern lets names pass that an attacker can register: app.example.com.attacker.example, " +
			"evilapp.example.com where only the end counts, or appxexample.com where a dot means any character. Plain http lets anybody on the path speak for the origin.",
		How: "Look-alikes are made from the origins that are really allowed (the one of --origin and the API's own) while an unrelated one must be refused. " +
			"Without an allowed origin nothing can be derived.",
		Fix: corsFix("Compare whole origins, byte for byte, with a list. If subdomains must be allowed, parse the origin and compare scheme, port and labels."), Guard: "cors.origins",
		References: corsReferences,
	},
	{
		ID: "cors.broad-methods", Severity: Low, CWE: []string{"CWE-942"}, Needs: NeedsNothing,
		Title: "A preflight grants every method or header that is asked for",
		Why: "The preflight is the browser's question whether an unusual request may be made. An answer that grants everything to everybody takes that " +
			"protection from every operation, also from those that come later.",
		How: "A preflight from an origin that nobody has asks for DELETE and a header that nobody knows. Only an ok answer that grants both to that origin counts: " +
			"browsers do not take a refusal that lists methods.",
		Fix: corsFix("List the methods and headers that the pages really use."), Guard: "cors.methods",
		References: corsReferences,
	},
	{
		ID: "cors.missing-vary", Severity: Low, CWE: []string{"CWE-524"}, Needs: NeedsNothing,
		Title: "An origin-dependent CORS answer lacks Vary: Origin",
		Why: "A cache between browser and API stores the answer made for one origin and gives it to another: pages break, or an answer becomes readable " +
			"for an origin that it was not made for.",
		How:        "Two origins get different answers, and Vary does not name Origin. An answer that is the same for all needs no Vary.",
		Fix:        corsFix("Send Vary: Origin with every answer whose CORS headers depend on the origin, also with those that have none."),
		GuardNote:  "With cors the guard sets Vary itself.",
		References: []string{"https://fetch.spec.whatwg.org/#cors-protocol-and-http-caches", "https://cwe.mitre.org/data/definitions/524.html"},
	},
}
