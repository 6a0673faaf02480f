package catalog

// jwtClaims are about what a token says, and whether anybody looks at it.
var jwtClaims = []Entry{
	{
		ID: "jwt.expired-accepted", Severity: High, CWE: []string{"CWE-613"}, Needs: NeedsToken,
		Title: "An expired token is accepted",
		Why:   "The end of a token is what limits the harm when it is stolen from a log, a backup or a browser. Without it, every token that ever leaked is good today.",
		How: "A token that has expired more than five minutes ago by the server's own clock is sent: the scan's own, that of --expired-token, or one signed " +
			"with the known secret. A service that keeps sessions apart from the token may refuse for another reason.",
		Fix:   fixes("Let the library check exp, and require that it is there. The leeway for clocks is a minute at most.", verifying),
		Guard: "tokens.issuers.require", GuardNote: "exp is required and checked on every request, for remembered tokens too; tokens.leeway is 30 s.",
		References: []string{"https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4", cwe613},
	},
	{
		ID: "jwt.not-before-ignored", Severity: Low, CWE: []string{"CWE-613"}, Needs: NeedsSecret,
		Title: "A token whose nbf lies in the future is accepted",
		Why:   "A token that was issued for later is good now: a booking, a shift or an embargo begins early. It also shows that not all claims are looked at.",
		How:   "A token with nbf an hour ahead is signed with the known secret. One without that has to be accepted.",
		Fix:   fixes("Let the library check nbf. PyJWT, jsonwebtoken, golang-jwt and Spring do so where the claim is there, unless told otherwise.", verifying),
		Guard: "tokens.issuers", GuardNote: "The guard checks nbf without being told.",
		References: []string{"https://www.rfc-editor.org/rfc/rfc7519#section-4.1.5", cwe613},
	},
	{
		ID: "jwt.no-expiry", Severity: High, CWE: []string{"CWE-613"}, Needs: NeedsToken,
		Title: "The token has no exp claim",
		Why:   "Such a token is a password that cannot be changed: whoever copies it once has it until the key is replaced, which logs everybody out.",
		How:   "The payload is read. An exp that is no number of seconds, as a text or milliseconds, counts as none: libraries disagree about it.",
		Fix:   fixes("Give access tokens an end of 5 to 15 minutes, and a refresh token to those who need longer. Require exp when you verify.", issuing),
		Guard: "tokens.issuers.require", GuardNote: "Tokens without exp are refused. With issuer.enabled, the embedded issuer makes tokens of five minutes.",
		References: []string{"https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4", cwe613},
	},
	{
		ID: "jwt.long-lived", Severity: Medium, CWE: []string{"CWE-613"}, Needs: NeedsToken,
		Title: "The access token lives longer than one hour",
		Why:   "Nobody asks again for as long as the token lives: a user who was dismissed, a device that was lost, a token from last week's log are all still in.",
		How: "exp less iat, or less now where there is no iat. Over a day it is high. Tokens that say of themselves that they are refresh or ID tokens " +
			"do not count.",
		Fix:   fixes("Make access tokens for 5 to 15 minutes and renew them with a refresh token that is replaced at each use.", issuing),
		Guard: "tokens.issuers.max_lifetime", GuardNote: "Tokens that are good for longer are refused; zero is one hour.",
		References: []string{"https://www.rfc-editor.org/rfc/rfc9700#section-2.2", cwe613},
	},
	{
		ID: "jwt.missing-claims", Severity: Medium, CWE: []string{"CWE-345"}, Needs: NeedsToken,
		Title: "The token has no iss or no aud claim",
		Why: "A token that does not say for whom it is fits every service with the same key: one that the user gave to a small service opens the large one. " +
			"Without iss, the same holds between issuers.",
		How:   "The payload is read. An empty text, or one of another type, counts as absent.",
		Fix:   fixes("Write iss and aud into every token, and require both when you verify.", issuing),
		Guard: "tokens.issuers.audiences", GuardNote: "Tokens without iss or aud are refused, unless accept_risk says otherwise.",
		References: []string{rfc8725 + "#section-3.8", rfc8725 + "#section-3.9", cwe345},
	},
	{
		ID: "jwt.issuer-unchecked", Severity: High, CWE: []string{"CWE-345"}, Needs: NeedsSecret,
		Title: "A correctly signed token of another issuer is accepted",
		Why: "Where a key or its provider serves several issuers, as tenants of one identity service do, the users of any of them are let in under the names " +
			"that their own issuer gives them.",
		How: "Tokens with another iss, with more or less of the true one, with an array, and without any are signed with the known secret. A token with nothing " +
			"wrong has to be accepted. --other-token serves where it is of another issuer.",
		Fix:   fixes("Compare iss with the one issuer of the key, as a whole and with its case.", verifying),
		Guard: "tokens.issuers.issuer", GuardNote: "iss is compared byte for byte, and chooses the only keys that may have signed.",
		References: []string{rfc8725 + "#section-3.8", cwe345},
	},
	{
		ID: "jwt.audience-unchecked", Severity: High, CWE: []string{"CWE-345"}, Needs: NeedsSecret,
		Title: "A correctly signed token for another audience is accepted",
		Why: "A token that a user gave to some other application is accepted here. Whoever runs that application, or breaks into it, can use its users' " +
			"tokens against this API.",
		How: "Tokens with another aud, an array of others, a part of the true one, or none are signed with the known secret; or --other-token is sent, a genuine " +
			"token for another audience. A genuine token without aud makes it not applicable.",
		Fix:   fixes("Name your own audience when you verify, and require aud. Compare whole values: a library that looks for a part of a text is not enough.", verifying),
		Guard: "tokens.issuers.audiences", GuardNote: "aud must hold one of the listed audiences, exactly.",
		References: []string{rfc8725 + "#section-3.9", "https://nvd.nist.gov/vuln/detail/CVE-2024-53861", cwe345},
	},
	{
		ID: "jwt.type-confusion", Severity: High, CWE: []string{"CWE-345"}, Needs: NeedsLogin,
		Title: "A refresh or ID token is accepted as an access token",
		Why: "A refresh token that opens the API directly makes the short life of access tokens pointless, and ID tokens go through many more hands: " +
			"browsers, logs, support tools.",
		How: "The refresh token and the ID token of a login are sent as access tokens. With the secret known, the access token is also signed anew with the typ of " +
			"other kinds; where the service's own tokens say JWT, that alone is of low confidence.",
		Fix:   fixes("Write the kind into typ, as at+jwt, and into its own audience, and refuse any other kind. Keep refresh tokens random rather than JWTs.", kinds),
		Guard: "tokens.issuers.types", GuardNote: "typ has to be one of the listed types; zero is at+jwt and JWT.",
		References: []string{rfc8725 + "#section-3.11", "https://www.rfc-editor.org/rfc/rfc9068#section-4", cwe345},
	},
	{
		ID: "jwt.sensitive-claims", Severity: High, CWE: []string{"CWE-261"}, Needs: NeedsToken,
		Title: "The payload, which is only encoded, carries a password, secret or personal data",
		Why: "A JWT is signed, not encrypted. Everybody through whose hands it goes, its user first, can read the payload: logs, browser extensions, " +
			"support staff.",
		How: "The payload is read to the last level for names and forms of passwords, hashes, keys, second factors, card numbers (with their check digit) and " +
			"personal data. An address for mail alone is low. Values are never shown.",
		Fix: fixes("Put an identifier into the token, and look everything else up. Replace what was in tokens so far: treat it as published.", issuing),
		GuardNote: "The guard cannot take claims out of a signed token. With tokens.forward: internal the upstream gets a token of the guard's own, and with " +
			"issuer.enabled tokens hold no such claims.",
		References: []string{"https://www.rfc-editor.org/rfc/rfc7519#section-12", "https://cwe.mitre.org/data/definitions/261.html"},
	},
}

// kinds tell one kind of token from another by typ.
var kinds = map[string]Remediation{
	"FastAPI": {Language: "python", Code: kindsPython},
	"Flask":   {Language: "python", Code: kindsPython},
	"Express": {Language: "javascript", Code: `const { header, payload } = jwt.verify(token, publicKey, {
  algorithms: ["ES256"], issuer, audience, complete: true,
});
if (!["at+jwt", "application/at+jwt"].includes((header.typ || "").toLowerCase())) {
  throw new Error("no access token");
}
`},
	"Spring": {Language: "java", Code: `DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();
processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt")));
processor.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.ES256, jwkSource));
NimbusJwtDecoder decoder = new NimbusJwtDecoder(processor);
`},
	"Go": {Language: "go", Code: `token, err := jwt.ParseWithClaims(raw, claims, keyFunc,
	jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired())
if typ, _ := token.Header["typ"].(string); err != nil || !strings.EqualFold(typ, "at+jwt") {
	http.Error(w, "Not authenticated", http.StatusUnauthorized)
	return
}
`},
}

const kindsPython = `import os

import jwt

PUBLIC_KEY = os.environ["JWT_PUBLIC_KEY"]  # PEM, from your issuer


def verify_access_token(token: str) -> dict:
    decoded = jwt.api_jwt.decode_complete(
        token, PUBLIC_KEY, algorithms=["ES256"], issuer=os.environ["JWT_ISSUER"], audience=os.environ["JWT_AUDIENCE"],
        options={"require": ["exp", "iss", "aud", "sub"]},
    )
    if str(decoded["header"].get("typ", "")).lower() not in ("at+jwt", "application/at+jwt"):
        raise jwt.InvalidTokenError("no access token")
    return decoded["payload"]
`
