package fastapi_test

import "strings"

// flaw is a mistake in one or more parts of the sound service, and where the
// catalog's code goes.
type flaw struct {
	id    string
	parts map[string]string
	// mend returns the parts that have the catalog's code in the place of the
	// mistake.
	mend func(code string) map[string]string
	// other are the claims of a genuine token that the scan is given as
	// --other-token. token gives it one of its own in the place of the login.
	other map[string]any
	token bool
}

// whole puts the code in the place of a part.
func whole(part string) func(string) map[string]string {
	return func(code string) map[string]string { return map[string]string{part: code} }
}

// verifying has the code define verify, which reads tokens.
func verifying(code string) map[string]string {
	return map[string]string{"verify": code + "\ncheck = verify\n" + headerOnly}
}

// careless is a verifier that believes what mistake returns, and else is strict.
func careless(mistake string) map[string]string {
	return map[string]string{"verify": `
def b64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def check(token):
    head, body, signature = token.split(".")
    header = json.loads(b64(head))
` + indented(strings.TrimSpace(mistake)) + `    return strict(token)
` + headerOnly}
}

// issued has create_access_token make a token of claims.
func issued(claims string) map[string]string {
	return map[string]string{"issue": "counter = []\n\n\ndef create_access_token(subject):\n    return sign(" + claims + ")\n"}
}

func flaws() []flaw {
	var all []flaw
	for _, list := range [][]flaw{forgeryFlaws(), claimFlaws(), lifecycleFlaws(), browserFlaws(), leakFlaws()} {
		all = append(all, list...)
	}
	return all
}

func forgeryFlaws() []flaw {
	verifier := whole("verify")
	return []flaw{
		{id: "jwt.signature-unverified", parts: careless(`return unverified(token)`), mend: verifier},
		{id: "jwt.null-signature", parts: careless(`if not signature: return unverified(token)`), mend: verifier},
		{id: "jwt.alg-none", parts: careless(`if header.get("alg", "").lower() == "none": return json.loads(b64(body))`), mend: verifier},
		{id: "jwt.psychic-signature", parts: careless(`if not any(b64(signature)): return json.loads(b64(body))`), mend: verifier},
		{id: "jwt.alg-confusion", parts: careless(`
if header["alg"] == "HS256":
    if hmac.digest(PUBLIC.encode(), (head + "." + body).encode(), "sha256") == b64(signature):
        return json.loads(b64(body))`), mend: verifier},
		{id: "jwt.blank-secret", parts: careless(`
if header["alg"] == "HS256":
    if hmac.digest(b"", (head + "." + body).encode(), "sha256") == b64(signature):
        return json.loads(b64(body))`), mend: hmacService},
		{id: "jwt.embedded-key", parts: careless(`
if "jwk" in header:
    return jwt.decode(token, jwt.PyJWK.from_dict(header["jwk"], header["alg"]).key, algorithms=[header["alg"]], audience=AUDIENCE)`), mend: verifying},
		{id: "jwt.key-fetch", parts: careless(`
if "jku" in header:
    urllib.request.urlopen(header["jku"], timeout=2).read()`), mend: verifying},
		{id: "jwt.kid-injection", parts: careless(`
if header["alg"] == "HS256":
    with open(os.path.join("keys", header["kid"]), "rb") as f:
        key = f.read()
    if hmac.digest(key, (head + "." + body).encode(), "sha256") == b64(signature):
        return json.loads(b64(body))`), mend: verifying},
		{id: "jwt.weak-secret", parts: map[string]string{
			"verify": "SECRET = \"changethis\"\n\n\ndef check(token):\n    return jwt.decode(token, SECRET, [\"HS256\"], audience=AUDIENCE)\n" + headerOnly,
			"issue":  hmacIssue,
		}, mend: hmacService},
	}
}

const hmacIssue = "def create_access_token(subject):\n    return jwt.encode(claims_for(subject), SECRET, \"HS256\")\n"

// hmacService signs and verifies with the SECRET of the code.
func hmacService(code string) map[string]string {
	return map[string]string{"verify": code + "\ncheck = verify\n" + headerOnly, "issue": hmacIssue}
}

func claimFlaws() []flaw {
	verifier, issuer := whole("verify"), whole("issue")
	return []flaw{
		{id: "jwt.expired-accepted", parts: careless(`return strict(token, options={"verify_exp": False})`), mend: verifier},
		{
			id: "jwt.audience-unchecked", parts: careless(`return jwt.decode(token, PUBLIC, ["ES256"], issuer=ISSUER, options={"verify_aud": False})`),
			mend: verifier, other: map[string]any{"aud": "billing-api"},
		},
		{
			id: "jwt.issuer-unchecked", parts: careless(`return jwt.decode(token, PUBLIC, ["ES256"], audience=AUDIENCE)`),
			mend: verifier, other: map[string]any{"iss": "https://other.example.com/"},
		},
		{id: "jwt.token-in-url", parts: map[string]string{"verify": strings.Replace(sound["verify"], `.partition(" ")[2]`, `.partition(" ")[2] or request.query_params.get("token")`, 1)}, mend: verifier},
		{id: "jwt.no-expiry", parts: issued(`{k: v for k, v in claims_for(subject).items() if k != "exp"}`), mend: issuer},
		{id: "jwt.long-lived", parts: issued(`claims_for(subject, exp=int(time.time()) + 8 * 24 * 3600)`), mend: issuer},
		{id: "jwt.missing-claims", parts: func() map[string]string {
			p := issued(`{k: v for k, v in claims_for(subject).items() if k not in ("iss", "aud")}`)
			p["verify"] = "def check(token):\n    return jwt.decode(token, PUBLIC, [\"ES256\"], options={\"verify_aud\": False})\n" + headerOnly
			return p
		}(), mend: issuer},
		{id: "jwt.sensitive-claims", parts: issued(`claims_for(subject, password="wonderland-7")`), mend: issuer},
		{id: "jwt.weak-algorithm", parts: map[string]string{
			"verify": "SECRET = secrets.token_hex(32)\n\n\ndef check(token):\n    if jwt.get_unverified_header(token)[\"alg\"] == \"ES256\":\n        return strict(token)\n    return jwt.decode(token, SECRET, [\"HS256\"], audience=AUDIENCE)\n" + headerOnly,
			"issue":  hmacIssue,
		}, mend: issuer},
		{id: "jwt.predictable-id", parts: issued(`claims_for(subject, jti="%06d" % (counter.append(1) or len(counter)))`), mend: func(code string) map[string]string {
			return map[string]string{"issue": code + issued(`claims_for(subject, jti=token_id())`)["issue"]}
		}},
		{id: "jwt.type-confusion", parts: map[string]string{
			"refresh": "def new_refresh(subject):\n    return sign(claims_for(subject), \"refresh+jwt\")\n",
		}, mend: func(code string) map[string]string {
			return map[string]string{"verify": code + "\ncheck = verify_access_token\n" + headerOnly}
		}},
	}
}

// inFunction puts the code into the body of a function of a part.
func inFunction(part, text string) func(string) map[string]string {
	return func(code string) map[string]string {
		return map[string]string{part: strings.Replace(text, "    CODE\n", indented(code), 1)}
	}
}

func lifecycleFlaws() []flaw {
	return []flaw{
		{id: "jwt.not-revoked", parts: map[string]string{"logout": "@app.post(\"/logout\")\ndef logout():\n    return {\"detail\": \"logged out\"}\n"}, mend: func(code string) map[string]string {
			return map[string]string{"verify": code, "logout": "app.include_router(router)\n"}
		}},
		{
			id: "refresh.predictable", parts: map[string]string{"refresh": strings.Replace(soundRefresh, "secrets.token_urlsafe(32)", `"refresh-%09d" % len(sessions)`, 1)},
			mend: inFunction("refresh", strings.Replace(soundRefresh, "    token = secrets.token_urlsafe(32)\n", "    CODE\n    token = refresh_token\n", 1)),
		},
		{id: "refresh.not-rotated", parts: map[string]string{"refresh": strings.NewReplacer(
			"sessions.pop(refresh_token, None)", "sessions.get(refresh_token)", `"refresh_token": new_refresh(subject), `, "",
		).Replace(soundRefresh)}, mend: inFunction("refresh", rotating)},
		{
			id: "refresh.reuse-accepted", parts: map[string]string{"refresh": strings.Replace(soundRefresh, "sessions.pop(refresh_token, None)", "sessions.get(refresh_token)", 1)},
			mend: inFunction("refresh", familyInDatabase),
		},
		{id: "jwks.weak-key", parts: map[string]string{"keys": `
from cryptography.hazmat.primitives.asymmetric import rsa

small = rsa.generate_private_key(65537, 1024).public_key().public_numbers()


@app.get("/.well-known/jwks.json")
def keys():
    n = base64.urlsafe_b64encode(small.n.to_bytes(128, "big")).rstrip(b"=").decode()
    return {"keys": [{"kty": "RSA", "kid": "small", "n": n, "e": "AQAB"}]}
`}, mend: func(code string) map[string]string {
			return map[string]string{"keys": code + `

@app.get("/.well-known/jwks.json")
def keys():
    numbers = signing_key.public_key().public_numbers()
    x, y = (base64.urlsafe_b64encode(n.to_bytes(32, "big")).rstrip(b"=").decode() for n in (numbers.x, numbers.y))
    return {"keys": [{"kty": "EC", "crv": "P-256", "kid": "2026-11", "x": x, "y": y}]}
`}
		}},
		{id: "jwks.private-key-exposed", parts: map[string]string{"keys": strings.Replace(publishing, "PUBLIC_HALF(jwk)", "jwk", 1)}, mend: func(code string) map[string]string {
			return map[string]string{"keys": code + strings.Replace(publishing, "PUBLIC_HALF", "public_jwk", 1)}
		}},
		{id: "jwks.inconsistent", parts: map[string]string{"keys": strings.Replace(keySet, "CONTENT", "secrets.token_bytes(8)", 1)}, mend: func(code string) map[string]string {
			return map[string]string{"keys": code + strings.Replace(keySet, "CONTENT", "signing_key()", 1)}
		}},
	}
}

// rotating has a session for each refresh token.
const rotating = `
sessions = {}


def new_refresh(subject):
    token = secrets.token_urlsafe(32)
    sessions[token] = subject
    return token


@app.post("/refresh")
def refresh(refresh_token: str = Body(embed=True)):
    CODE
`

// familyInDatabase keeps the current token of each family, and knows a token by
// what it says of itself.
const familyInDatabase = `
db = sqlite3.connect(":memory:", check_same_thread=False)
db.create_function("now", 0, time.time)
db.execute("CREATE TABLE sessions (id TEXT PRIMARY KEY, sub TEXT, current TEXT, ended REAL)")
SECRET = secrets.token_hex(32)


def new_refresh(subject):
    sid, jti = uuid.uuid4().hex, uuid.uuid4().hex
    db.execute("INSERT INTO sessions VALUES (?, ?, ?, NULL)", (sid, subject, jti))
    return jwt.encode({"sid": sid, "sub": subject, "jti": jti}, SECRET, "HS256")


@app.post("/refresh")
async def refresh(refresh_token: str = Body(embed=True)):
    claims, new_jti = jwt.decode(refresh_token, SECRET, ["HS256"]), uuid.uuid4().hex
    CODE
    token = jwt.encode({**claims, "jti": new_jti}, SECRET, "HS256")
    return {"access_token": create_access_token(claims["sub"]), "refresh_token": token, "token_type": "headerOnly"}
`

// publishing has a key set of a whole key.
const publishing = `
from cryptography.hazmat.primitives.serialization import load_pem_private_key

number = load_pem_private_key(PRIVATE.encode(), None).private_numbers().private_value
jwk = {**PUBLISHED["keys"][0], "d": base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()}


@app.get("/.well-known/jwks.json")
def keys():
    return {"keys": [PUBLIC_HALF(jwk)]}
`

// keySet names its key after its content, as every instance finds it.
const keySet = `
@app.get("/.well-known/jwks.json")
def keys():
    return {"keys": [{**PUBLISHED["keys"][0], "kid": hashlib.sha256(CONTENT).hexdigest()}]}
`

func browserFlaws() []flaw {
	cookie := strings.Replace(sound["login"], "    return {", "    token = create_access_token(username)\n    CODE\n    return {", 1)
	weakly := func(attributes string) map[string]string {
		return inFunction("login", cookie)(`response.set_cookie("session", token, ` + attributes + `)`)
	}
	cors := func(options string) map[string]string {
		return map[string]string{"more": "app.add_middleware(CORSMiddleware, allow_headers=[\"Authorization\"], " + options + ")\n"}
	}
	strictly := inFunction("login", cookie)
	return []flaw{
		{id: "cookie.not-secure", parts: weakly(`httponly=True, samesite="strict"`), mend: strictly},
		{id: "cookie.not-httponly", parts: weakly(`secure=True, samesite="strict"`), mend: strictly},
		{id: "cookie.same-site", parts: weakly(`secure=True, httponly=True, samesite=None`), mend: strictly},
		{id: "cors.wildcard", parts: cors(`allow_origins=["*"]`), mend: whole("more")},
		{id: "cors.reflected-origin", parts: cors(`allow_origin_regex=".*", allow_credentials=True`), mend: whole("more")},
		{id: "cors.null-origin", parts: cors(`allow_origins=["null"], allow_credentials=True`), mend: whole("more")},
		{id: "cors.weak-origin-match", parts: cors(`allow_origin_regex="https://app.example.com.*", allow_credentials=True`), mend: whole("more")},
		{id: "cors.broad-methods", parts: map[string]string{"more": `app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])` + "\n"}, mend: whole("more")},
		{id: "cors.missing-vary", parts: map[string]string{"more": `
@app.middleware("http")
async def by_hand(request, call_next):
    response = await call_next(request)
    if request.headers.get("origin") == "https://app.example.com":
        response.headers["Access-Control-Allow-Origin"] = "https://app.example.com"
    return response
`}, mend: whole("more")},
	}
}

// falling is a verifier that lets the library's errors out.
const falling = "def current_claims(request: Request) -> dict:\n    return strict(request.headers.get(\"authorization\", \"\").partition(\" \")[2])\n"

func leakFlaws() []flaw {
	return []flaw{
		{id: "leak.token-echo", parts: map[string]string{"verify": falling, "more": `
@app.exception_handler(Exception)
async def told(request: Request, exc: Exception):
    return JSONResponse({"detail": str(exc), "headers": dict(request.headers)}, status_code=500)
`}, mend: whole("more")},
		{id: "leak.stack-trace", parts: map[string]string{"verify": falling, "app": "app = FastAPI(debug=True)\n"}, mend: whole("app")},
		{id: "leak.cacheable-token", parts: map[string]string{"login": strings.Replace(sound["login"], "    response.headers[\"Cache-Control\"] = \"no-store\"\n", "", 1)}, mend: func(code string) map[string]string {
			return map[string]string{"login": "def issue(form):\n    return create_access_token(form.username)\n\n\n" + code}
		}},
		{id: "leak.key-file", parts: map[string]string{"more": "app.mount(\"/\", StaticFiles(directory=\".\"))\n"}, mend: whole("more")},
		{id: "auth.missing", token: true, parts: map[string]string{
			"verify": sound["verify"] + "\ncurrent_user = current_claims\n",
			"items":  "@app.get(\"/items\")\ndef items():\n    return {\"items\": [1, 2, 3]}\n",
		}, mend: whole("app")},
		{id: "auth.method-bypass", parts: map[string]string{
			"verify": sound["verify"] + "\ncurrent_user = current_claims\n",
			"items": `
@app.middleware("http")
async def by_method(request, call_next):
    if request.method == "GET" and request.url.path == "/items":
        try:
            current_user(request)
        except HTTPException:
            return JSONResponse({"detail": "Not authenticated"}, 401)
    return await call_next(request)


@app.api_route("/items", methods=["GET", "HEAD"])
def items():
    return {"items": [1, 2, 3]}
`,
		}, mend: func(code string) map[string]string {
			return map[string]string{"items": code + `

@router.api_route("/items", methods=["GET", "HEAD"])
def items():
    return {"items": [1, 2, 3]}


app.include_router(router)
`}
		}},
		{id: "auth.encoded-password", parts: map[string]string{"login": sound["login"] + `

@app.get("/me")
def me(credentials: HTTPBasicCredentials = Depends(HTTPBasic())):
    return {"name": credentials.username}
`}, mend: func(code string) map[string]string {
			return map[string]string{"login": `
def authenticate(name, password):
    return name if password == "wonderland-7" else None


def issue(user):
    return create_access_token(user)


` + code + "\n"}
		}},
		{id: "supply.docs-exposed", parts: map[string]string{"app": "app = FastAPI()\n"}, mend: whole("app")},
	}
}
