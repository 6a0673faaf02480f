package catalog

var jwksEntries = []Entry{
	{
		ID: "jwks.weak-key", Severity: High, CWE: []string{"CWE-326"}, Needs: NeedsNothing,
		Title: "A published key is weaker than RSA 2048 or a 256-bit curve",
		Why: "An RSA key of 512 bits is factored for the price of a lunch, one of 1024 bits by whoever has the means of a state. " +
			"With the private half anybody signs tokens that every service takes for genuine.",
		How: "Measures every key of the published sets and PEM files: RSA under 2048 bits or with an exponent that is even or under 3, curves under 256 bits. " +
			"The length of the token's RSA signature shows a key that is not published. A weak key that is no longer used is found as well: as long as it is published, it verifies.",
		Fix: map[string]Remediation{
			"": {
				Text: "Sign with a new key, P-256, Ed25519 or RSA of 2048 bits and more, publish both until the old tokens have expired, then take the weak one out.",
				Code: "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signing-key.pem\n", Language: "sh",
			},
			"FastAPI": {Text: "Make a P-256 key once, keep it in a file or a vault, and sign with ES256.", Code: `from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

signing_key = ec.generate_private_key(ec.SECP256R1())
signing_pem = signing_key.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)
# jwt.encode(claims, signing_pem, algorithm="ES256", headers={"kid": "2026-11"})
`, Language: "python"},
			"Go": {Text: "Make a P-256 key.", Code: "key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)\n", Language: "go"},
		},
		Guard:      "tokens.issuers",
		GuardNote:  "The guard leaves weak keys of a key set out, so that nothing signed by them is accepted; its own issuer makes strong ones.",
		References: []string{"https://www.rfc-editor.org/rfc/rfc7518#section-3.3", "https://www.rfc-editor.org/rfc/rfc8725#section-3.5", cwePage + "326.html"},
	},
	{
		ID: "jwks.private-key-exposed", Severity: Critical, CWE: []string{"CWE-522"}, Needs: NeedsNothing,
		Title: "A published key set holds private or symmetric key material",
		Why:   "Whoever fetches the document signs tokens for any user, and nothing tells them from the issuer's own. It stays so until the key is replaced everywhere.",
		How: "Looks at each published key for the members that must stay with its owner, d, p, q, dp, dq, qi, oth, for k, and for the type oct, which is symmetric as a whole. " +
			"Values are never shown. Private keys in PEM at the usual paths count too.",
		Fix: map[string]Remediation{
			"": {Text: "Replace the key at once and revoke what it signed; taking the member out is not enough. Publish the public members only, by a list of what is allowed."},
			"FastAPI": {Text: "Publish by a list of members instead of dumping the key, and keep the signing key elsewhere.", Code: `PUBLIC_MEMBERS = {
    "EC": ("kty", "kid", "use", "alg", "crv", "x", "y"),
    "RSA": ("kty", "kid", "use", "alg", "n", "e"),
    "OKP": ("kty", "kid", "use", "alg", "crv", "x"),
}


def public_jwk(jwk: dict) -> dict:
    """The half of a key that may be published; a symmetric key has none."""
    members = PUBLIC_MEMBERS[jwk["kty"]]
    return {name: jwk[name] for name in members if name in jwk}
`, Language: "python"},
			"Spring":  {Text: "Nimbus exports the public half.", Code: "return new JWKSet(rsaKey).toPublicJWKSet().toJSONObject();\n", Language: "java"},
			"Express": {Text: "jose exports what the key object holds: give it the public one.", Code: "const jwk = await jose.exportJWK(publicKey);\n", Language: "javascript"},
			"Go":      {Text: "go-jose gives the public half.", Code: "set.Keys = append(set.Keys, jwk.Public())\n", Language: "go"},
		},
		Guard:      "issuer.enabled",
		GuardNote:  "The embedded issuer publishes public halves only. A key that was published once has to be replaced, whoever stands before it.",
		References: []string{"https://www.rfc-editor.org/rfc/rfc7517#section-9.2", "https://www.rfc-editor.org/rfc/rfc7518#section-6", cwePage + "522.html"},
	},
	{
		ID: "jwks.inconsistent", Severity: Medium, CWE: []string{"CWE-693"}, Needs: NeedsNothing,
		Title: "Instances behind the same name publish different keys or disagree about one token",
		Why: "Tokens work by luck: users are logged out at random, clients retry until they meet the right instance, and a key that was withdrawn after a theft lives on where nobody looks. " +
			"Usually every instance has made a key of its own at its start.",
		How: "Fetches the key set ten times and uses the genuine token ten times, each over a new connection. Sets or answers that go back and forth are a finding. " +
			"A single change looks like a rotation and is inconclusive. Instances at other addresses of the name than the one connected to are not seen.",
		Fix: map[string]Remediation{
			"": {Text: "Keep signing keys in one place that all instances read. At a rotation, publish the new key everywhere before anything is signed by it."},
			"FastAPI": {Text: "Read the key from a secret that all workers share; uvicorn's workers would otherwise each make their own.", Code: `import os
from pathlib import Path

SIGNING_KEY_FILE = os.environ.get("SIGNING_KEY_FILE", "/run/secrets/signing-key.pem")


def signing_key() -> bytes:
    """The same key in every worker and on every instance."""
    return Path(SIGNING_KEY_FILE).read_bytes()
`, Language: "python"},
		},
		Guard:      "store",
		GuardNote:  "The embedded issuer keeps its keys in the store, which all instances share.",
		References: []string{"https://openid.net/specs/openid-connect-core-1_0.html#RotateSigningKeys", cwePage + "693.html"},
	},
}
