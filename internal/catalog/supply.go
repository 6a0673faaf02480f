package catalog

var supplyEntries = []Entry{
	{
		ID: "supply.vulnerable-version", Severity: High, CWE: []string{"CWE-1395"}, Needs: NeedsNothing,
		Title: "A framework or JWT library with a published advisory is in use",
		Why:   "The weakness is public, and so is the way to use it. Those who scan for it need no more than the version.",
		How: "Headers and error answers are searched for names with versions, which are compared with a table of advisories. Distributions mend weaknesses under the old number: " +
			"such versions count with low confidence.",
		Fix: map[string]Remediation{
			"":        {Text: "Update to a version without the advisory, and let a tool tell you of the next one."},
			"FastAPI": {Text: "Update, and audit what is installed.", Code: "pip install --upgrade fastapi starlette pyjwt python-multipart && pip-audit", Language: "shell"},
			"Express": {Text: "Update, and audit what is installed.", Code: "npm update && npm audit", Language: "shell"},
			"Go":      {Text: "Update, and check what is called.", Code: "go get -u ./... && govulncheck ./...", Language: "shell"},
		},
		GuardNote:  "The guard verifies tokens before the library sees them, and hides versions. Update all the same.",
		References: []string{"https://osv.dev", "https://cwe.mitre.org/data/definitions/1395.html"},
	},
	{
		ID: "supply.docs-exposed", Severity: Info, CWE: []string{"CWE-200"}, Needs: NeedsNothing,
		Title: "Interactive API documentation is public",
		Why:   "It saves an attacker the search. For a public API it is meant to be there; for an internal one it is not.",
		How:   "The usual paths are asked for. A finding needs the marks of Swagger UI, ReDoc or their kin in the page.",
		Fix: map[string]Remediation{
			"":        {Text: "Leave the documentation out of production, or put it behind the login."},
			"FastAPI": {Text: "Turn it off where it is not wanted.", Code: "app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)", Language: "python"},
		},
		Guard:      "routes: without a public route for it, every path needs a token",
		References: []string{"https://cwe.mitre.org/data/definitions/200.html"},
	},
}
