package catalog

import "slices"

// jwtEntries are about tokens and those who verify them.
var jwtEntries = slices.Concat(jwtForgeries, jwtClaims, jwtUse)

// The references that many of them share.
const (
	rfc8725 = "https://www.rfc-editor.org/rfc/rfc8725"
	cwe347  = "https://cwe.mitre.org/data/definitions/347.html"
	cwe613  = "https://cwe.mitre.org/data/definitions/613.html"
	cwe345  = "https://cwe.mitre.org/data/definitions/345.html"
)

// verifiedAhead says what the guard does about every forged token.
const verifiedAhead = "The guard verifies every token against the issuer's own keys and algorithms before the upstream sees the request."

// jwtForgeries are tokens that nobody but the issuer should be able to make.
var jwtForgeries = []Entry{
	{
		ID: "jwt.signature-unverified", Severity: Critical, CWE: []string{"CWE-347"}, Needs: NeedsToken,
		Title: "A token with an altered payload or signature is accepted",
		Why: "The signature is not looked at. Anybody who has seen one token, or knows what one looks like, writes their own: with another user's " +
			"name in it, with every role, without an end.",
		How: "The genuine token is sent with its first signature bytes changed, with a random signature, and with a claim added; where unsigned tokens are " +
			"refused, also signed by a key of the scan's own under other algorithms, and under one that nobody knows. If an operation that " +
			"demands a credential answers such a token as the genuine one, twice, it is found; most other checks of tokens then have nothing to tell. " +
			"A gateway that keeps verified tokens by their text may hide it, so altered payloads are always new.",
		Fix: fixes("Verify the signature before you read anything of the token, with a library, the key and the one algorithm given by you. "+
			"Never call a function whose name says decode without verification.", verifying),
		Guard: "tokens.issuers", GuardNote: verifiedAhead,
		References: []string{rfc8725 + "#section-3.3", "https://www.rfc-editor.org/rfc/rfc7515#section-5.2", cwe347},
	},
	{
		ID: "jwt.null-signature", Severity: Critical, CWE: []string{"CWE-347"}, Needs: NeedsToken,
		Title: "A token with an empty signature under its original algorithm is accepted",
		Why: "The verifier takes a missing signature for a good one, while it still refuses a wrong one. Whoever deletes the third part of a token can " +
			"change the second as they like.",
		How: "The genuine header and payload are sent with nothing, or one zero byte, as the signature, and the same with a claim added. A token under a " +
			"random key has to be refused. Such a service accepts alg none as well; only this is reported then.",
		Fix:   fixes("Replace the verifier: one that lets an empty signature pass cannot be mended from outside. Refuse tokens whose third part is empty.", verifying),
		Guard: "tokens.issuers", GuardNote: verifiedAhead,
		References: []string{rfc8725 + "#section-3.3", "https://nvd.nist.gov/vuln/detail/CVE-2020-28042", cwe347},
	},
	{
		ID: "jwt.alg-none", Severity: Critical, CWE: []string{"CWE-347"}, Needs: NeedsToken,
		Title: "An unsigned token (alg none, any letter case) is accepted",
		Why:   "The token itself says that it needs no signature, and is believed. Anybody can write a token for any user with a text editor.",
		How: "Tokens with alg none in several spellings, with no alg, an empty one, or one of another type are sent, each with the signature emptied and " +
			"kept, with the payload altered and as it was. The same token with its own algorithm and no signature has to be refused; otherwise that is the finding.",
		Fix:   fixes("Give the verifier the list of algorithms that your issuer uses, and nothing else. A list of what is forbidden misses a spelling.", verifying),
		Guard: "tokens.issuers.algorithms", GuardNote: "none cannot be listed there, and nothing opens it. " + verifiedAhead,
		References: []string{rfc8725 + "#section-3.2", "https://nvd.nist.gov/vuln/detail/CVE-2015-9235", cwe347},
	},
	{
		ID: "jwt.blank-secret", Severity: Critical, CWE: []string{"CWE-326"}, Needs: NeedsToken,
		Title: "A token signed by HMAC with the empty secret is accepted",
		Why: "The secret is empty, most often because a setting is missing where the service runs. Signing with nothing is something that everybody " +
			"can do.",
		How:   "Tokens under HS256, HS384 and HS512 with the empty secret are sent; those under a random secret have to be refused.",
		Fix:   fixes("Stop at start when the secret is missing or shorter than the hash. Make one with: openssl rand -base64 48.", keeping),
		Guard: "tokens.issuers.secret_file", GuardNote: "An empty or short secret keeps the guard from starting.",
		References: []string{rfc8725 + "#section-3.5", "https://www.rfc-editor.org/rfc/rfc7518#section-3.2", "https://cwe.mitre.org/data/definitions/326.html"},
	},
	{
		ID: "jwt.psychic-signature", Severity: Critical, CWE: []string{"CWE-347"}, Needs: NeedsToken,
		Title: "An ECDSA signature of zeros is accepted (CVE-2022-21449)",
		Why: "The verifier does not look whether the two numbers of an ECDSA signature are in their range. With both zero, the equation holds for every " +
			"key and every text, so that one signature fits all tokens.",
		How: "Tokens under ES256, ES384 and ES512 with zeros, or with the order of the curve, as the signature are sent, raw and in ASN.1. It applies where " +
			"the token or a published key is of ECDSA.",
		Fix: fixes("Update the runtime: Java 15 to 18 need 17.0.3, 18.0.1 or newer. Verify with a library that checks the range itself, as current ones do.",
			map[string]Remediation{
				"Spring": {Language: "dockerfile", Code: "# Java 17.0.3, 18.0.1 or newer\nFROM eclipse-temurin:21-jre\n"}, "FastAPI": verifying["FastAPI"],
				"Flask": verifying["Flask"], "Express": verifying["Express"], "Go": verifying["Go"],
			}),
		Guard: "tokens.issuers", GuardNote: verifiedAhead,
		References: []string{"https://nvd.nist.gov/vuln/detail/CVE-2022-21449", cwe347},
	},
	{
		ID: "jwt.alg-confusion", Severity: Critical, CWE: []string{"CWE-757"}, Needs: NeedsToken,
		Title: "A token signed by HMAC with the public key as its secret is accepted",
		Why:   "The token chooses HMAC, and the verifier uses the only key that it has as the secret. That key is public: whoever fetches it can sign.",
		How: "The key that is published, that of a certificate, or one computed from two tokens is used as an HMAC secret in every form in which a service " +
			"may hold it: PEM with and without the last newline, DER, JWK, as served. A token under a random secret has to be refused. A key that is " +
			"nowhere to be found makes the check inconclusive.",
		Fix:   fixes("Give the verifier the algorithms of the key, and never one that the token names. Keep HMAC and public keys in separate verifiers.", verifying),
		Guard: "tokens.issuers.algorithms", GuardNote: "Each key works with its own algorithms only; HMAC needs a secret_file and stands alone.",
		References: []string{rfc8725 + "#section-3.1", "https://nvd.nist.gov/vuln/detail/CVE-2016-5431", "https://nvd.nist.gov/vuln/detail/CVE-2022-29217", "https://cwe.mitre.org/data/definitions/757.html"},
	},
	{
		ID: "jwt.embedded-key", Severity: Critical, CWE: []string{"CWE-347"}, Needs: NeedsToken,
		Title: "A key supplied in the token itself (jwk, jku, x5u, x5c) is trusted",
		Why:   "The signature is verified with a key that came along with it. It proves that whoever wrote the token had a key of their own, which everybody has.",
		How: "Tokens are signed with a new key, which they hold in jwk or x5c, or whose URL they name in jku, x5u, kid or iss. The URL is a listener of the " +
			"scan's own; where the target cannot reach it, that half is inconclusive.",
		Fix:   fixes("Take keys from your own configuration only. Let kid choose among them, and ignore jwk, jku, x5u and x5c, or refuse tokens that have them.", fixedKeys),
		Guard: "tokens.issuers.jwks_url", GuardNote: "The guard takes keys from its configuration only; what a token says about keys is not read but for kid.",
		References: []string{rfc8725 + "#section-3.10", "https://nvd.nist.gov/vuln/detail/CVE-2018-0114", cwe347},
	},
	{
		ID: "jwt.key-fetch", Severity: High, CWE: []string{"CWE-918"}, Needs: NeedsToken,
		Title: "A URL in the token (jku, x5u, iss) makes the server fetch it, accepted or not",
		Why: "The server asks whatever address a token names, before it knows who wrote it. From inside the network that reaches metadata services, " +
			"administration pages and neighbours; from outside it is a way to have requests made in somebody else's name.",
		How: "Tokens whose jku, x5u, kid and iss name new URLs on a listener of the scan's own are sent. Any call to one of them is the finding, whatever " +
			"the API answers; whether the key found there is trusted too is told by jwt.embedded-key. Fetching that takes longer than a second, or insists on https, is missed.",
		Fix:   fixes("Fetch keys from URLs of your own configuration only. Where several issuers are allowed, compare iss with their list before anything is fetched.", fixedKeys),
		Guard: "tokens.issuers.jwks_url", GuardNote: "The guard fetches from its configured URLs only, and never because a token says so.",
		References: []string{rfc8725 + "#section-3.10", "https://cwe.mitre.org/data/definitions/918.html"},
	},
	{
		ID: "jwt.kid-injection", Severity: Critical, CWE: []string{"CWE-347"}, Needs: NeedsToken,
		Title: "The kid header reaches a file path or a query",
		Why: "The name of the key is pasted into a path or a query, before anything of the token was verified. The token then points to a file, or makes " +
			"the database return a text, that its author knows, and is signed with just that.",
		How: "Tokens with paths to files of known content, and with queries that return a known text, are signed with that content. The same key without " +
			"that kid has to be refused. That a quote makes the service fail is a lead of low confidence. Commands are tried only with --intrusive.",
		Fix:   fixes("Look kid up in a fixed map of keys. What is not in the map is refused; kid never becomes part of a path, a query or a command.", fixedKeys),
		Guard: "tokens.issuers", GuardNote: "The guard compares kid with the kids of its key sets, and uses it for nothing else.",
		References: []string{rfc8725 + "#section-3.10", "https://cwe.mitre.org/data/definitions/22.html", "https://cwe.mitre.org/data/definitions/89.html", cwe347},
	},
	{
		ID: "jwt.weak-secret", Severity: Critical, CWE: []string{"CWE-326"}, Needs: NeedsToken,
		Title: "The HMAC secret is a published or guessable one",
		Why: "One token is enough to try secrets offline, hundreds of thousands a second, without a request that anybody could notice. Who finds the " +
			"secret signs tokens for every user until it is changed.",
		How: "The signature of the token is computed anew with secrets from documentation and examples, words made of the host's name, the API's title and " +
			"the issuer, every number of up to six digits, and the words of --wordlist. A match is exact. The secret found signs one token, to see whether it is " +
			"still in use; it is not shown.",
		Fix: fixes("Replace the secret by 48 random bytes: openssl rand -base64 48. Every token signed so far becomes invalid, which is what you want. "+
			"Keep it out of the source code.", keeping),
		Guard: "tokens.issuers.secret_file", GuardNote: "The guard refuses short and published secrets at start.",
		References: []string{rfc8725 + "#section-3.5", "https://www.rfc-editor.org/rfc/rfc7518#section-3.2", "https://cwe.mitre.org/data/definitions/326.html"},
	},
	{
		ID: "jwt.weak-algorithm", Severity: Medium, CWE: []string{"CWE-327"}, Needs: NeedsToken,
		Title: "The token is signed with an algorithm outside current recommendations, or with a shared secret where keys cross services",
		Why: "An HMAC secret that several services hold lets the weakest of them sign for all others, and an RSA key under 2048 bits can be factored by " +
			"those who care. Algorithms that nobody registered are verified by code that nobody reviewed.",
		How: "The header of the token is read. HMAC is right for a service that verifies its own tokens; it is found where public keys are published beside " +
			"it, where the token has several audiences, or one that is another host.",
		Fix:   fixes("Sign with ES256 or EdDSA, keep the private key with the issuer, and publish the public one as a key set.", issuing),
		Guard: "tokens.issuers.algorithms", GuardNote: "With the embedded issuer, tokens are signed with ES256 or EdDSA.",
		References: []string{rfc8725 + "#section-3.2", "https://www.rfc-editor.org/rfc/rfc7518#section-3", "https://cwe.mitre.org/data/definitions/327.html"},
	},
}
