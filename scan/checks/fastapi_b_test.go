package checks

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/wiretight/wiretight/scan"
)

// strictPython is what every service begins with: a right verifier, which the cases
// spoil.
const strictPython = `
import base64, hashlib, hmac, json, os, time, jwt
from fastapi import Depends, FastAPI, Form, Header, HTTPException, Query

def part(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

def strict(token, key=None, **more):
    return jwt.decode(token, key or os.environ["JWT_PUBLIC_KEY"], algorithms=["ES256"], issuer=os.environ["JWT_ISSUER"], audience=os.environ["JWT_AUDIENCE"], **more)

def unverified(token):
    return json.loads(part(token.split(".")[1]))

def current_claims(authorization: str = Header(""), access_token: str = Query("")):
    try:
        return verify(authorization[7:])
    except Exception:
        raise HTTPException(401, "Not authenticated")
`

// routes use what the code before them defines.
const routesPython = `
app = FastAPI(openapi_url=None)

@app.get("/me")
def me(claims: dict = Depends(current_claims)):
    return {"name": claims["sub"]}

@app.post("/login")
def login(username: str = Form(...), password: str = Form(...)):
    if password != "correct horse":
        raise HTTPException(401, "Wrong")
    return {"access_token": create_access_token(username), "refresh_token": refresh_token(username)}

def refresh_token(name):
    return signed(name, {"typ": "refresh+jwt"})

def signed(name, header, **more):
    now = int(time.time())
    claims = {"iss": os.environ["JWT_ISSUER"], "aud": os.environ["JWT_AUDIENCE"], "sub": name, "iat": now, "exp": now + 600, **more}
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, os.environ["JWT_PRIVATE_KEY"], algorithm="ES256", headers=header)

if "create_access_token" not in globals():
    import uuid
    def create_access_token(name):
        return signed(name, {"typ": "at+jwt"}, jti=token_id() if "token_id" in globals() else str(uuid.uuid4()))
if "router" in globals():
    app.include_router(router)
`

// useVerify makes the route use the pasted function.
const useVerify = "\nverify = globals().get('verify_access_token') or verify\n"

type fastAPICase struct {
	check scan.Check
	// weak is the flawed code. Where it defines only what the catalog's code does not,
	// shared stays beside both.
	weak, shared string
	login        bool
	change       func(f *fixture)
}

func fastAPICases(expired, elsewhere, stranger string) []fastAPICase {
	verifier := func(body string) string { return "\ndef verify(token):\n    " + body + "\n" }
	strict := verifier("return strict(token)")
	issuer := func(more string) string {
		return strict + "\ndef create_access_token(name):\n    return signed(name, {}, " + more + ")\n"
	}
	return []fastAPICase{
		{check: jwtSignatureUnverified, weak: verifier("return unverified(token)")},
		{check: jwtNullSignature, weak: verifier(`return unverified(token) if token.endswith(".") and jwt.get_unverified_header(token)["alg"] == "ES256" else strict(token)`)},
		{check: jwtAlgNone, weak: verifier(`return unverified(token) if jwt.get_unverified_header(token)["alg"] == "none" else strict(token)`)},
		{check: jwtPsychicSignature, weak: verifier(`return unverified(token) if not any(part(token.split(".")[2])) else strict(token)`)},
		{check: jwtAlgConfusion, weak: verifier(`h, p, s = token.split(".")
    mac = hmac.new(os.environ["JWT_PUBLIC_KEY"].encode(), (h + "." + p).encode(), hashlib.sha256).digest()
    return unverified(token) if hmac.compare_digest(mac, part(s)) else strict(token)`)},
		{check: jwtEmbeddedKey, weak: verifier(`jwk = jwt.get_unverified_header(token).get("jwk")
    return strict(token, jwt.PyJWK.from_dict(jwk).key if jwk else None)`)},
		{check: jwtKeyFetch, weak: "\nimport urllib.request\n" + verifier(`jku = jwt.get_unverified_header(token).get("jku")
    if jku:
        urllib.request.urlopen(jku, timeout=1)
    return strict(token)`)},
		{check: jwtKidInjection, weak: verifier(`kid = jwt.get_unverified_header(token)["kid"]
    if kid == "k1":
        return strict(token)
    return jwt.decode(token, open(kid).read(), algorithms=["HS256"], options={"verify_aud": False})`)},
		{check: jwtExpiredAccepted, weak: verifier(`return strict(token, options={"verify_exp": False})`), change: func(f *fixture) { f.Config.ExpiredToken = text(expired) }},
		{check: jwtIssuerUnchecked, weak: verifier(`return jwt.decode(token, os.environ["JWT_PUBLIC_KEY"], algorithms=["ES256"], audience=os.environ["JWT_AUDIENCE"])`), change: func(f *fixture) { f.Config.OtherToken = text(stranger) }},
		{check: jwtAudienceUnchecked, weak: verifier(`return strict(token, options={"verify_aud": False})`), change: func(f *fixture) { f.Config.OtherToken = text(elsewhere) }},
		{check: jwtTokenInURL, weak: strict + `
def current_claims(authorization: str = Header(""), access_token: str = Query("")):
    try:
        return verify(authorization[7:] or access_token)
    except Exception:
        raise HTTPException(401, "Not authenticated")
`},
		{check: jwtNoExpiry, weak: issuer("exp=None"), shared: strict, login: true},
		{check: jwtLongLived, weak: issuer("exp=int(time.time()) + 8 * 86400"), shared: strict, login: true},
		{check: jwtMissingClaims, weak: issuer("iss=None, aud=None") + verifier(`return jwt.decode(token, os.environ["JWT_PUBLIC_KEY"], algorithms=["ES256"])`), shared: strict, login: true},
		{check: jwtSensitiveClaims, weak: issuer(`password="hunter22"`), shared: strict, login: true},
		{check: jwtTypeConfusion, weak: strict, login: true},
		{check: jwtPredictableID, weak: strict + "\nimport itertools\ncount = itertools.count(1000)\ndef token_id():\n    return str(next(count))\n", shared: strict, login: true},
		{check: jwtNotRevoked, weak: strict + `
from fastapi import APIRouter
router = APIRouter()

@router.post("/logout")
def logout():
    return {"detail": "bye"}
`, login: true},
	}
}

// The weak service has each flaw; with the catalog's code in its place, it does
// not.
func TestFastAPIFixesB(t *testing.T) {
	t.Parallel()
	key := testKeys()["ES256"]
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	environment, err := json.Marshal(map[string]string{
		"JWT_PRIVATE_KEY": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		"JWT_PUBLIC_KEY":  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		"JWKS":            string(set), "JWT_ISSUER": "https://id.example/", "JWT_AUDIENCE": "api.example",
	})
	if err != nil {
		t.Fatal(err)
	}
	begin := fmt.Sprintf("import json, os\nos.environ.update(json.loads(%q))\n", environment) + strictPython
	signer := tokenAPI{alg: "ES256", key: key, apiState: &apiState{}, header: map[string]any{"kid": "k1"}}
	now := time.Now().Unix()
	cases := fastAPICases(signer.mint(nil, map[string]any{"iat": now - 7200, "exp": now - 3600}),
		signer.mint(nil, map[string]any{"aud": "billing.example"}), signer.mint(nil, map[string]any{"iss": "https://other.example/"}))
	var sources []string
	for _, c := range cases {
		code := pasted(t, c.check.ID)
		if strings.Contains(code, "def verify") {
			code += useVerify
		}
		sources = append(sources, begin+c.weak+routesPython, begin+c.shared+code+routesPython)
	}
	ports := applications(t, sources)
	keys := map[string]string{"/.well-known/jwks.json": string(set)}
	for i, c := range cases {
		t.Run(c.check.ID, func(t *testing.T) {
			t.Parallel()
			at := func(port string) *fixture {
				s := server{Handler: beside(keys, proxied(port, "https"))}
				if !c.login {
					s.Token = signer.mint(nil, nil)
				}
				f := serve(t, s)
				f.Config.Protected = []string{"/me"}
				if c.login {
					f.Config.LoginURL, f.Config.LoginData = "/login", "username=alice&password=correct+horse"
				}
				if c.change != nil {
					c.change(f)
				}
				return f
			}
			mustFind(t, at(ports[2*i]), c.check)
			mustPass(t, at(ports[2*i+1]), c.check)
		})
	}
}

// beside answers documents, and gives the rest to next.
func beside(documents map[string]string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if doc := documents[r.URL.Path]; doc != "" {
			answer(w, 200, doc)
			return
		}
		next.ServeHTTP(w, r)
	})
}
