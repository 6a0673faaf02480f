package catalog

// The remedies of tokens are few: verify strictly, load the secret strictly, find
// keys by a fixed list, issue well. The texts of the entries say what about them
// matters.

// fixes joins what to do, in words, with the code for each framework. The text
// stands alone where no framework is known.
func fixes(text string, code map[string]Remediation) map[string]Remediation {
	all := map[string]Remediation{"": {Text: text}}
	for framework, r := range code {
		r.Text = text
		all[framework] = r
	}
	return all
}

// verifying is a verifier with one algorithm, one issuer and one audience for each
// framework.
var verifying = map[string]Remediation{
	"FastAPI": {Language: "python", Code: verifyFastAPI},
	"Flask":   {Language: "python", Code: verifyFlask},
	"Django":  {Language: "python", Code: verifyDjango},
	"Express": {Language: "javascript", Code: verifyExpress},
	"Spring":  {Language: "java", Code: verifySpring},
	"Go":      {Language: "go", Code: verifyGo},
}

const verifyFastAPI = `import os
from typing import Optional

import jwt
from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

PUBLIC_KEY = os.environ["JWT_PUBLIC_KEY"]  # PEM, from your issuer
ISSUER = os.environ["JWT_ISSUER"]
AUDIENCE = os.environ["JWT_AUDIENCE"]

bearer = HTTPBearer(auto_error=False)


def current_claims(credentials: Optional[HTTPAuthorizationCredentials] = Depends(bearer)) -> dict:
    try:
        if credentials is None:
            raise jwt.InvalidTokenError("no token")
        return jwt.decode(
            credentials.credentials,
            PUBLIC_KEY,
            algorithms=["ES256"],  # never from the token
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except jwt.PyJWTError:
        raise HTTPException(401, "Not authenticated", headers={"WWW-Authenticate": "Bearer"})


# @app.get("/items")
# def items(claims: dict = Depends(current_claims)): ...
`

const verifyFlask = `import os
from functools import wraps

import jwt
from flask import g, jsonify, request

PUBLIC_KEY = os.environ["JWT_PUBLIC_KEY"]  # PEM, from your issuer
ISSUER = os.environ["JWT_ISSUER"]
AUDIENCE = os.environ["JWT_AUDIENCE"]


def token_required(view):
    @wraps(view)
    def checked(*args, **kwargs):
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise jwt.InvalidTokenError("no token")
            g.claims = jwt.decode(
                token, PUBLIC_KEY, algorithms=["ES256"], issuer=ISSUER, audience=AUDIENCE,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError:
            return jsonify(detail="Not authenticated"), 401, {"WWW-Authenticate": "Bearer"}
        return view(*args, **kwargs)
    return checked
`

const verifyDjango = `# settings.py, with djangorestframework-simplejwt
import os

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
}
SIMPLE_JWT = {
    "ALGORITHM": "ES256",
    "SIGNING_KEY": os.environ["JWT_PRIVATE_KEY"],  # PEM; leave it empty where tokens are only verified
    "VERIFYING_KEY": os.environ["JWT_PUBLIC_KEY"],
    "ISSUER": os.environ["JWT_ISSUER"],
    "AUDIENCE": os.environ["JWT_AUDIENCE"],
}
`

const verifyExpress = `const jwt = require("jsonwebtoken"); // 9.0.0 or newer

const publicKey = process.env.JWT_PUBLIC_KEY; // PEM, from your issuer

function authenticated(req, res, next) {
  const [scheme, token] = (req.get("Authorization") || "").split(" ");
  try {
    if (scheme.toLowerCase() !== "bearer") throw new Error("no token");
    req.claims = jwt.verify(token, publicKey, {
      algorithms: ["ES256"], // never from the token
      issuer: process.env.JWT_ISSUER,
      audience: process.env.JWT_AUDIENCE,
    });
    if (!req.claims.exp || !req.claims.sub) throw new Error("claims are missing");
  } catch {
    return res.set("WWW-Authenticate", "Bearer").status(401).json({ detail: "Not authenticated" });
  }
  next();
}
`

const verifySpring = `@Bean
JwtDecoder jwtDecoder() {
    NimbusJwtDecoder decoder = NimbusJwtDecoder.withJwkSetUri(jwkSetUri)
        .jwsAlgorithm(SignatureAlgorithm.ES256)
        .build();
    OAuth2TokenValidator<Jwt> audience = new JwtClaimValidator<List<String>>(
        JwtClaimNames.AUD, aud -> aud != null && aud.contains(expectedAudience));
    OAuth2TokenValidator<Jwt> ends = new JwtClaimValidator<Instant>(
        JwtClaimNames.EXP, exp -> exp != null);
    decoder.setJwtValidator(new DelegatingOAuth2TokenValidator<>(
        JwtValidators.createDefaultWithIssuer(issuer), audience, ends));
    return decoder;
}
`

const verifyGo = `// with github.com/golang-jwt/jwt/v5
claims := jwt.MapClaims{}
_, err := jwt.ParseWithClaims(raw, claims,
	func(*jwt.Token) (any, error) { return publicKey, nil }, // *ecdsa.PublicKey
	jwt.WithValidMethods([]string{"ES256"}),
	jwt.WithIssuer(issuer),
	jwt.WithAudience(audience),
	jwt.WithExpirationRequired(),
)
if err != nil {
	http.Error(w, "Not authenticated", http.StatusUnauthorized)
	return
}
`

// keeping loads an HMAC secret and stops where it is weak.
var keeping = map[string]Remediation{
	"FastAPI": {Language: "python", Code: secretPython},
	"Flask":   {Language: "python", Code: secretPython},
	"Django": {Language: "python", Code: `# settings.py
import os

JWT_SECRET = os.environ["JWT_SECRET"]  # made by: openssl rand -base64 48
if len(JWT_SECRET.encode()) < 48:
    raise RuntimeError("JWT_SECRET is too short: make one with openssl rand -base64 48")
SIMPLE_JWT = {"ALGORITHM": "HS256", "SIGNING_KEY": JWT_SECRET}  # not SECRET_KEY
`},
	"Express": {Language: "javascript", Code: `// made by: openssl rand -base64 48
const secret = process.env.JWT_SECRET || "";
if (Buffer.byteLength(secret) < 48) {
  throw new Error("JWT_SECRET is missing or too short: make one with openssl rand -base64 48");
}
// jwt.verify(token, secret, { algorithms: ["HS256"], issuer, audience });
`},
	"Go": {Language: "go", Code: `secret := []byte(os.Getenv("JWT_SECRET")) // made by: openssl rand -base64 48
if len(secret) < 48 {
	log.Fatal("JWT_SECRET is missing or too short: make one with openssl rand -base64 48")
}
`},
}

const secretPython = `import os

import jwt

SECRET = os.environ["JWT_SECRET"]  # made by: openssl rand -base64 48
if len(SECRET.encode()) < 48:
    raise RuntimeError("JWT_SECRET is too short: make one with openssl rand -base64 48")


def verify(token: str) -> dict:
    return jwt.decode(
        token, SECRET, algorithms=["HS256"], issuer=os.environ["JWT_ISSUER"], audience=os.environ["JWT_AUDIENCE"],
        options={"require": ["exp", "iss", "aud", "sub"]},
    )
`

// fixedKeys find a key by its kid among those that the service knows, and nowhere
// else.
var fixedKeys = map[string]Remediation{
	"FastAPI": {Language: "python", Code: keysPython},
	"Flask":   {Language: "python", Code: keysPython},
	"Express": {Language: "javascript", Code: `const { createRemoteJWKSet, jwtVerify } = require("jose");

// The URL is the service's own, never the token's. kid only chooses among these.
const keys = createRemoteJWKSet(new URL(process.env.JWKS_URL));
const { payload } = await jwtVerify(token, keys, {
  algorithms: ["ES256"], issuer: process.env.JWT_ISSUER, audience: process.env.JWT_AUDIENCE,
});
`},
	"Spring": {Language: "java", Code: verifySpring},
	"Go": {Language: "go", Code: `keys := map[string]*ecdsa.PublicKey{"2026-01": publicKey} // the service's own list
claims := jwt.MapClaims{}
_, err := jwt.ParseWithClaims(raw, claims, func(t *jwt.Token) (any, error) {
	kid, _ := t.Header["kid"].(string)
	key, ok := keys[kid]
	if !ok {
		return nil, errors.New("no key has this kid")
	}
	return key, nil
}, jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired())
`},
}

const keysPython = `import json
import os

import jwt

# The keys are the service's own, read once: {"keys": [...]} from your issuer.
# The kid of a token only chooses among them; jwk, jku, x5u and x5c are not looked at.
KEYS = {k["kid"]: jwt.PyJWK.from_dict(k).key for k in json.loads(os.environ["JWKS"])["keys"]}


def verify(token: str) -> dict:
    key = KEYS.get(jwt.get_unverified_header(token).get("kid"))
    if key is None:
        raise jwt.InvalidTokenError("no key has this kid")
    return jwt.decode(
        token, key, algorithms=["ES256"], issuer=os.environ["JWT_ISSUER"], audience=os.environ["JWT_AUDIENCE"],
        options={"require": ["exp", "iss", "aud", "sub"]},
    )
`

// issuing makes short access tokens that say who made them and for whom.
var issuing = map[string]Remediation{
	"FastAPI": {Language: "python", Code: issuePython},
	"Flask":   {Language: "python", Code: issuePython},
	"Django": {Language: "python", Code: `# settings.py, with djangorestframework-simplejwt
import os
from datetime import timedelta

SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "ALGORITHM": "ES256",
    "SIGNING_KEY": os.environ["JWT_PRIVATE_KEY"],
    "VERIFYING_KEY": os.environ["JWT_PUBLIC_KEY"],
    "ISSUER": os.environ["JWT_ISSUER"],
    "AUDIENCE": os.environ["JWT_AUDIENCE"],
}
`},
	"Express": {Language: "javascript", Code: `const { randomUUID } = require("crypto");
const jwt = require("jsonwebtoken");

function accessToken(userId) {
  return jwt.sign({}, process.env.JWT_PRIVATE_KEY, {
    algorithm: "ES256", expiresIn: "15m", issuer: process.env.JWT_ISSUER, audience: process.env.JWT_AUDIENCE,
    subject: userId, jwtid: randomUUID(), header: { typ: "at+jwt" },
  });
}
`},
	"Spring": {Language: "java", Code: `Instant now = Instant.now();
JwtClaimsSet claims = JwtClaimsSet.builder()
    .issuer(issuer).audience(List.of(audience)).subject(userId)
    .issuedAt(now).expiresAt(now.plus(Duration.ofMinutes(15)))
    .id(UUID.randomUUID().toString())
    .build();
JwsHeader header = JwsHeader.with(SignatureAlgorithm.ES256).type("at+jwt").build();
String token = encoder.encode(JwtEncoderParameters.from(header, claims)).getTokenValue();
`},
	"Go": {Language: "go", Code: `now := time.Now()
token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
	"iss": issuer, "aud": audience, "sub": userID, "jti": rand.Text(), // crypto/rand
	"iat": now.Unix(), "exp": now.Add(15 * time.Minute).Unix(),
})
token.Header["typ"] = "at+jwt"
raw, err := token.SignedString(privateKey)
`},
}

const issuePython = `import os
import time
import uuid

import jwt

PRIVATE_KEY = os.environ["JWT_PRIVATE_KEY"]  # PEM, made by: openssl ecparam -name prime256v1 -genkey -noout
LIFETIME = 15 * 60


def create_access_token(subject: str) -> str:
    now = int(time.time())
    claims = {
        "iss": os.environ["JWT_ISSUER"],
        "aud": os.environ["JWT_AUDIENCE"],
        "sub": subject,  # an identifier: what else the service needs, it looks up
        "jti": str(uuid.uuid4()),
        "iat": now,
        "exp": now + LIFETIME,
    }
    return jwt.encode(claims, PRIVATE_KEY, algorithm="ES256", headers={"typ": "at+jwt"})
`
