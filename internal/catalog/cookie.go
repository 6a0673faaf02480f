package catalog

// cookieFastAPI sets the cookie with every attribute.
const cookieFastAPI = `response.set_cookie(
    "__Host-session", token,
    secure=True, httponly=True, samesite="strict", path="/", max_age=300,
)`

// cookieFix is the remedy that the three attributes share.
func cookieFix(text string) map[string]Remediation {
	return map[string]Remediation{
		"":        {Text: text, Code: "Set-Cookie: __Host-session=…; Path=/; Secure; HttpOnly; SameSite=Strict", Language: "http"},
		"FastAPI": {Text: text, Code: cookieFastAPI, Language: "python"},
		"Flask": {Text: text, Code: `app.config.update(
    SESSION_COOKIE_SECURE=True, SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_SAMESITE="Strict",
)`, Language: "python"},
		"Django": {Text: text, Code: `SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Strict"`, Language: "python"},
		"Express": {Text: text, Code: `res.cookie("__Host-session", token, { secure: true, httpOnly: true, sameSite: "strict", path: "/" });`, Language: "javascript"},
		"Spring": {Text: text, Code: `server.servlet.session.cookie.secure=true
server.servlet.session.cookie.http-only=true
server.servlet.session.cookie.same-site=strict`, Language: "properties"},
		"Go": {Text: text, Code: `http.SetCookie(w, &http.Cookie{Name: "__Host-session", Value: token, Path: "/",
	Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})`, Language: "go"},
	}
}

const cookieNote = "The guard adds what is missing to every cookie of the upstream, without being told."

var cookieEntries = []Entry{
	{
		ID: "cookie.not-secure", Severity: High, CWE: []string{"CWE-614"}, Needs: NeedsNothing,
		Title: "A cookie that carries a credential lacks Secure",
		Why: "Without Secure, a browser sends the cookie over plain HTTP as well. One link or image to http:// on the same host is enough, " +
			"and whoever listens on the path has the credential.",
		How: "Cookies of the login and of ordinary answers are looked at when they carry a credential: their value is a JWT or a token of the scan, " +
			"or their name says so. Cookies that are being deleted do not count.",
		Fix:        cookieFix("Set the cookie with Secure, and let its name begin with __Host-, which browsers take only with Secure, Path=/ and no Domain."),
		GuardNote:  cookieNote,
		References: []string{"https://www.rfc-editor.org/rfc/rfc6265#section-4.1.2.5", "https://cwe.mitre.org/data/definitions/614.html"},
	},
	{
		ID: "cookie.not-httponly", Severity: Medium, CWE: []string{"CWE-1004"}, Needs: NeedsNothing,
		Title: "A cookie that carries a credential lacks HttpOnly",
		Why: "Any script on the page can read the cookie and send it elsewhere: one injected line, or one bad dependency, steals the session " +
			"for use on another machine.",
		How:        "As for cookie.not-secure. Cookies whose purpose is to be read and copied into a header (csrf, xsrf) do not count.",
		Fix:        cookieFix("Set the cookie with HttpOnly. A page that needs to know who is logged in can ask the API."),
		GuardNote:  cookieNote,
		References: []string{"https://www.rfc-editor.org/rfc/rfc6265#section-4.1.2.6", "https://cwe.mitre.org/data/definitions/1004.html"},
	},
	{
		ID: "cookie.same-site", Severity: Medium, CWE: []string{"CWE-1275"}, Needs: NeedsNothing,
		Title: "A cookie that carries a credential lacks SameSite, or sets None",
		Why: "The browser sends the cookie with requests that other sites cause: a form on any page can act as the user. Without the attribute " +
			"browsers differ, and those that assume Lax make an exception for the first two minutes.",
		How: "As for cookie.not-secure. SameSite=None is right for an interface that lives on another site, and then needs another defence.",
		Fix: cookieFix("Set the cookie with SameSite=Strict, or Lax where links from other sites have to arrive logged in. " +
			"Where None is really needed, check Origin on every unsafe request."),
		GuardNote:  "The guard adds SameSite=Lax where nothing is said, and refuses other sites' unsafe requests that carry a token cookie.",
		References: []string{"https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis", "https://cwe.mitre.org/data/definitions/1275.html"},
	},
}
