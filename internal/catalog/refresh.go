package catalog

var refreshEntries = []Entry{
	{
		ID: "refresh.reuse-accepted", Severity: High, CWE: []string{"CWE-294"}, Needs: NeedsLogin,
		Title: "A refresh token can be used twice",
		Why: "A stolen refresh token keeps working beside the owner's, unseen, for as long as the session lives. Reuse is the one sign by which the theft shows: " +
			"whoever ignores it loses it.",
		How: "One login's refresh token is used, its successor is used, and then the first is tried again. A grace period for lost answers is over once the successor was used.",
		Fix: map[string]Remediation{
			"": {Text: "Give a new refresh token with each use, remember the family, and end the whole family when an old one is shown again (RFC 9700 §4.14)."},
			"FastAPI": {Text: "Store the identifier of the family's current token, and swap it in one atomic step.", Code: `updated = db.execute(
    "UPDATE sessions SET current = :new WHERE id = :sid AND current = :old AND ended IS NULL",
    {"new": new_jti, "sid": claims["sid"], "old": claims["jti"]},
)
if updated.rowcount != 1:  # an old token: somebody else has one too
    db.execute("UPDATE sessions SET ended = now() WHERE id = :sid", {"sid": claims["sid"]})
    raise HTTPException(status_code=401, detail="Invalid refresh token")`, Language: "python"},
		},
		Guard:      "issuer",
		References: []string{"https://www.rfc-editor.org/rfc/rfc9700#section-4.14", "https://cwe.mitre.org/data/definitions/294.html"},
	},
	{
		ID: "refresh.predictable", Severity: High, CWE: []string{"CWE-338"}, Needs: NeedsLogin,
		Title: "Opaque refresh tokens come from a predictable generator: sequential, seeded from the time, or short",
		Why:   "Who can tell the next refresh token from the last one needs to steal nothing.",
		How: "The refresh tokens of eight logins are searched for steps, times, hashes of small numbers and times, UUIDs made of the time, and for too little that changes; and for what the generators of " +
			"Python, PHP and Java give when seeded with the time of the login in seconds or milliseconds, for which no request is made. " +
			"Refresh tokens that are JWTs are left to jwt.predictable-id.",
		Fix: map[string]Remediation{
			"":        {Text: "Make refresh tokens of at least 128 bits from the system's generator."},
			"FastAPI": {Text: "Use secrets, never random.", Code: "refresh_token = secrets.token_urlsafe(32)", Language: "python"},
			"Express": {Text: "Use crypto, never Math.random.", Code: `const refreshToken = crypto.randomBytes(32).toString("base64url");`, Language: "javascript"},
			"Go":      {Text: "Use crypto/rand, never math/rand.", Code: "refreshToken := rand.Text() + rand.Text()", Language: "go"},
		},
		Guard:      "issuer",
		References: []string{"https://cwe.mitre.org/data/definitions/338.html", "https://www.rfc-editor.org/rfc/rfc6749#section-10.10"},
	},
	{
		ID: "refresh.not-rotated", Severity: Medium, CWE: []string{"CWE-294"}, Needs: NeedsLogin,
		Title: "Refreshing returns the same refresh token, or never invalidates it",
		Why:   "A refresh token that never changes is a password that nobody chose: stolen once, it works until the session's end, and nobody can tell.",
		How:   "A refresh must bring another refresh token, or make the first worthless. Tokens that are bound to the client's key may stay.",
		Fix: map[string]Remediation{
			"": {Text: "Rotate refresh tokens at every use, or bind them to the client's key."},
			"FastAPI": {Text: "Answer each refresh with a new refresh token, and forget the one that was used.", Code: `subject = sessions.pop(refresh_token, None)  # good once
if subject is None:
    raise HTTPException(status_code=401, detail="Invalid refresh token")
successor = secrets.token_urlsafe(32)
sessions[successor] = subject
return {"access_token": create_access_token(subject), "refresh_token": successor, "token_type": "bearer"}`, Language: "python"},
		},
		Guard:      "issuer",
		References: []string{"https://www.rfc-editor.org/rfc/rfc9700#section-4.14"},
	},
}
