package catalog

// jwtUse are about how tokens are made, carried and ended.
var jwtUse = []Entry{
	{
		ID: "jwt.predictable-id", Severity: Medium, CWE: []string{"CWE-330"}, Needs: NeedsLogin,
		Title: "Token identifiers (jti, sid) are sequential, time-derived or of low entropy",
		Why: "Who can tell the identifiers of others revokes their sessions, finds them in interfaces that take an identifier, or makes two tokens pass for " +
			"one where replays are detected by it. A counter also tells how many users there are.",
		How: "Eight logins are made. Identifiers that repeat, grow by small steps, are the time, a UUID of the time, a hash of a small number, or change in " +
			"fewer than 64 bits are found. UUIDs of version 7 and ULIDs have a time and enough random bits besides.",
		Fix: fixes("Make identifiers of at least 128 random bits, from a generator made for secrets.", map[string]Remediation{
			"FastAPI": {Language: "python", Code: "import secrets\n\n\ndef token_id() -> str:\n    return secrets.token_urlsafe(16)\n"},
			"Flask":   {Language: "python", Code: "import secrets\n\n\ndef token_id() -> str:\n    return secrets.token_urlsafe(16)\n"},
			"Django":  {Language: "python", Code: "import secrets\n\n\ndef token_id() -> str:\n    return secrets.token_urlsafe(16)\n"},
			"Express": {Language: "javascript", Code: "const { randomUUID } = require(\"crypto\");\nconst jwtid = randomUUID();\n"},
			"Spring":  {Language: "java", Code: "claims.id(UUID.randomUUID().toString());\n"},
			"Go":      {Language: "go", Code: "jti := rand.Text() // crypto/rand\n"},
		}),
		Guard: "issuer.enabled", GuardNote: "The embedded issuer makes random identifiers. Those of another issuer stay as they are.",
		References: []string{"https://www.rfc-editor.org/rfc/rfc7519#section-4.1.7", "https://www.rfc-editor.org/rfc/rfc9562#section-8", "https://cwe.mitre.org/data/definitions/330.html"},
	},
	{
		ID: "jwt.token-in-url", Severity: Medium, CWE: []string{"CWE-598"}, Needs: NeedsToken,
		Title: "A token in the query string is accepted",
		Why:   "URLs are written down: in access logs, histories, proxies, monitoring and the Referer of the next page. Each of these then holds a credential.",
		How: "The genuine token is sent without a header, as access_token, token, jwt, auth, api_key and whatever the description names. The operation has to refuse " +
			"a request without a credential. Documented use for event streams and WebSockets is found as well.",
		Fix: fixes("Take the token from the Authorization header only. Where a browser cannot set one, as for WebSockets and event streams, "+
			"use a cookie, or a ticket that is good once and for seconds.", verifying),
		Guard: "tokens.sources", GuardNote: "A query string is never a source: without a header or a cookie, the request has no token.",
		References: []string{"https://www.rfc-editor.org/rfc/rfc9700#section-4.3.2", "https://www.rfc-editor.org/rfc/rfc6750#section-5.3", "https://cwe.mitre.org/data/definitions/598.html"},
	},
	{
		ID: "jwt.not-revoked", Severity: Medium, CWE: []string{"CWE-613"}, Needs: NeedsLogin,
		Title: "A token is still accepted after logout",
		Why:   "The user has logged out, and believes that the session has ended. Whoever copied the token before goes on with it until it expires.",
		How: "The scan logs in anew, uses the token, logs out, which has to succeed, and uses it again for up to five seconds. Services without " +
			"any state have this by design; how long the token still lives is said.",
		Fix:   fixes("Remember the jti of tokens that were ended until their exp, where all instances see it, and look it up on each request. Short lives keep the list short.", revoking),
		Guard: "store", GuardNote: "Logout at the embedded issuer, and wiretight revoke, end tokens on every instance within a second.",
		References: []string{"https://www.rfc-editor.org/rfc/rfc7009", cwe613},
	},
}

// revoking remembers tokens that were ended.
var revoking = map[string]Remediation{
	"FastAPI": {Language: "python", Code: `import os
import time
from typing import Dict, Optional

import jwt
from fastapi import APIRouter, Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

PUBLIC_KEY = os.environ["JWT_PUBLIC_KEY"]  # PEM, from your issuer
bearer = HTTPBearer(auto_error=False)
revoked: Dict[str, float] = {}  # jti -> exp; in Redis where there are several instances
router = APIRouter()


def current_claims(credentials: Optional[HTTPAuthorizationCredentials] = Depends(bearer)) -> dict:
    try:
        if credentials is None:
            raise jwt.InvalidTokenError("no token")
        claims = jwt.decode(
            credentials.credentials, PUBLIC_KEY, algorithms=["ES256"],
            issuer=os.environ["JWT_ISSUER"], audience=os.environ["JWT_AUDIENCE"],
            options={"require": ["exp", "iss", "aud", "sub", "jti"]},
        )
        if claims["jti"] in revoked:
            raise jwt.InvalidTokenError("revoked")
        return claims
    except jwt.PyJWTError:
        raise HTTPException(401, "Not authenticated", headers={"WWW-Authenticate": "Bearer"})


@router.post("/logout", status_code=204)
def logout(claims: dict = Depends(current_claims)) -> None:
    now = time.time()
    for jti in [j for j, exp in revoked.items() if exp < now]:
        del revoked[jti]
    revoked[claims["jti"]] = claims["exp"]


# app.include_router(router)
`},
	"Django": {Language: "python", Code: `# settings.py: with short access tokens, the refresh tokens are what logout has to end
INSTALLED_APPS += ["rest_framework_simplejwt.token_blacklist"]
SIMPLE_JWT = {"ACCESS_TOKEN_LIFETIME": timedelta(minutes=5), "ROTATE_REFRESH_TOKENS": True, "BLACKLIST_AFTER_ROTATION": True}
# urls.py
urlpatterns += [path("logout/", TokenBlacklistView.as_view())]
`},
	"Express": {Language: "javascript", Code: `app.post("/logout", authenticated, async (req, res) => {
  const left = req.claims.exp - Math.floor(Date.now() / 1000);
  if (left > 0) await redis.set("revoked:" + req.claims.jti, "1", { EX: left });
  res.sendStatus(204);
});
// in authenticated, after jwt.verify:
// if (await redis.exists("revoked:" + req.claims.jti)) throw new Error("revoked");
`},
	"Go": {Language: "go", Code: `// on logout: until exp, where all instances see it
err := redis.Set(ctx, "revoked:"+jti, 1, time.Until(exp)).Err()
// on each request, after the token was verified; a store that does not answer refuses
n, err := redis.Exists(ctx, "revoked:"+jti).Result()
if err != nil || n > 0 {
	http.Error(w, "Not authenticated", http.StatusUnauthorized)
	return
}
`},
}
