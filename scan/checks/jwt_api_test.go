package checks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// tokenAPI is an API behind JWTs: GET /me needs one. The zero value makes and takes
// tokens of ES256 as strictly as it should; each field opens something.
type tokenAPI struct {
	// alg is HS256, RS256 or ES256. Empty: HS256 if there is a secret.
	alg string
	// secret is that of HS256.
	secret []byte
	// header and claims change its tokens; nil takes a member away.
	header, claims map[string]any
	// signature takes a token whose signature is wrong.
	signature func(a *tokenAPI, s sent) bool
	// overlook names the members that are not looked at: exp, nbf, iss, aud, typ.
	overlook string
	// optional names the claims that may be absent.
	optional string
	// fails tells which tokens are answered with 500.
	fails func(s sent) bool
	// before is called with each token, good or bad.
	before func(a *tokenAPI, s sent)
	// query takes tokens from a query parameter of that name.
	query string
	// publish shows the public key, behind beside, which sign nothing here.
	publish bool
	beside  []crypto.PublicKey
	// withheld leaves the key out of what is shown.
	withheld bool
	// login gives tokens at /login, refresh tokens with them if refresh makes one.
	login   bool
	refresh func(a *tokenAPI) string
	// id makes jti. Nil: random.
	id func(n int) string
	// logout is what /logout does: "" it is not there, "revoke" or "nothing".
	logout string
	// sick answers 500 to every bad token, locked refuses the good one after the
	// first bad one.
	sick, locked bool

	key crypto.Signer
	*apiState
}

// apiState is what a running tokenAPI remembers.
type apiState struct {
	mu      sync.Mutex
	made    int
	failed  int
	bad     bool
	revoked map[string]bool
}

// sent is a token as it came.
type sent struct {
	text, signed string
	header       map[string]any
	claims       map[string]any
	signature    []byte
}

var testKeys = sync.OnceValue(func() map[string]crypto.Signer {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return map[string]crypto.Signer{"RS256": r, "ES256": e}
})

// start serves the API.
func (a *tokenAPI) start(t testing.TB) *fixture {
	t.Helper()
	switch {
	case a.alg == "" && a.secret != nil:
		a.alg = "HS256"
	case a.alg == "":
		a.alg = "ES256"
	}
	a.key, a.apiState = testKeys()[a.alg], &apiState{revoked: map[string]bool{}}
	s := server{Handler: http.HandlerFunc(a.serve)}
	if !a.login {
		s.Token = a.mint(nil, nil)
	}
	f := serve(t, s)
	f.Config.Protected = []string{"/me"}
	if a.login {
		f.Config.LoginURL, f.Config.LoginData = "/login", "username=alice&password=correct+horse"
	}
	return f
}

// mint makes a token, changed once more.
func (a *tokenAPI) mint(header, claims map[string]any) string {
	a.mu.Lock()
	a.made++
	id := rand.Text()
	if a.id != nil {
		id = a.id(a.made)
	}
	a.mu.Unlock()
	now := time.Now().Unix()
	h := map[string]any{"alg": a.alg, "typ": "JWT"}
	c := map[string]any{"iss": "https://id.example/", "aud": "api.example", "sub": "alice", "jti": id, "iat": now, "exp": now + 600}
	for _, change := range []struct{ of, to map[string]any }{{a.header, h}, {header, h}, {a.claims, c}, {claims, c}} {
		maps.Copy(change.to, change.of)
		maps.DeleteFunc(change.to, func(_ string, v any) bool { return v == nil })
	}
	head, _ := json.Marshal(h)
	body, _ := json.Marshal(c)
	text := b64(head) + "." + b64(body)
	return text + "." + b64(a.sign(text))
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func hmac256(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func (a *tokenAPI) sign(text string) []byte {
	if a.key == nil {
		return hmac256(a.secret, text)
	}
	sum := sha256.Sum256([]byte(text))
	if k, ok := a.key.(*ecdsa.PrivateKey); ok {
		r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
		if err != nil {
			panic(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	signature, err := a.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		panic(err)
	}
	return signature
}

// genuine tells whether the signature is the API's own.
func (a *tokenAPI) genuine(s sent) bool {
	if s.header["alg"] != a.alg {
		return false
	}
	if a.key == nil {
		return hmac.Equal(s.signature, hmac256(a.secret, s.signed))
	}
	return verifies(a.key.Public(), s)
}

func verifies(key any, s sent) bool {
	sum := sha256.Sum256([]byte(s.signed))
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return len(s.signature) == 64 && ecdsa.Verify(k, sum[:], new(big.Int).SetBytes(s.signature[:32]), new(big.Int).SetBytes(s.signature[32:]))
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], s.signature) == nil
	case []byte:
		return hmac.Equal(s.signature, hmac256(k, s.signed))
	}
	return false
}

// parse reads a token, with a signature or without.
func parse(text string) (s sent, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) < 2 || len(parts) > 3 {
		return s, false
	}
	s.text, s.signed = text, parts[0]+"."+parts[1]
	for i, into := range []*map[string]any{&s.header, &s.claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(raw, into) != nil {
			return s, false
		}
	}
	if len(parts) == 3 {
		s.signature, _ = base64.RawURLEncoding.DecodeString(parts[2])
	}
	return s, true
}

// takes is the whole judgement of a token.
func (a *tokenAPI) takes(text string) bool {
	s, ok := parse(text)
	if !ok {
		return false
	}
	if a.before != nil {
		a.before(a, s)
	}
	if !a.genuine(s) && (a.signature == nil || !a.signature(a, s)) {
		return false
	}
	return a.valid(s) && !a.ended(s)
}

// valid looks at the claims and at typ, except for what is overlooked. Members that
// the API's own tokens lack are not asked for.
func (a *tokenAPI) valid(s sent) bool {
	now := float64(time.Now().Unix())
	exp, dated := s.claims["exp"].(float64)
	nbf, hasNbf := s.claims["nbf"].(float64)
	typ, _ := s.header["typ"].(string)
	skip := func(name string) bool {
		v, changed := a.claims[name]
		return strings.Contains(a.overlook, name) || changed && v == nil
	}
	want := func(name, value string) bool {
		if list, ok := a.claims[name].([]any); ok {
			value = fmt.Sprint(list)
		}
		return skip(name) || s.claims[name] == nil && strings.Contains(a.optional, name) || fmt.Sprint(s.claims[name]) == value
	}
	return (skip("exp") || dated && exp > now) && (skip("nbf") || !hasNbf || nbf <= now) &&
		want("iss", "https://id.example/") && want("aud", "api.example") &&
		(skip("typ") || strings.EqualFold(typ, "JWT") || strings.EqualFold(typ, "at+jwt"))
}

func (a *tokenAPI) ended(s sent) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	id, _ := s.claims["jti"].(string)
	return a.revoked[id]
}

func (a *tokenAPI) serve(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if token == "" && a.query != "" {
		token = r.URL.Query().Get(a.query)
	}
	switch {
	case r.URL.Path == "/.well-known/jwks.json" && a.publish:
		var set jose.JSONWebKeySet
		for _, k := range a.beside {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: k, Use: "sig"})
		}
		if !a.withheld {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: a.key.Public(), Use: "sig", Algorithm: a.alg})
		}
		text, _ := json.Marshal(set)
		answer(w, 200, string(text))
	case r.URL.Path == "/login" && r.Method == "POST" && a.login:
		a.serveLogin(w, r)
	case r.URL.Path == "/logout" && r.Method == "POST" && a.logout != "":
		a.serveLogout(w, token)
	case r.URL.Path == "/me" && r.Method == "GET":
		a.serveMe(w, token)
	default:
		answer(w, 404, `{"detail":"Not Found"}`)
	}
}

func (a *tokenAPI) serveMe(w http.ResponseWriter, token string) {
	if s, ok := parse(token); ok && a.fails != nil && a.fails(s) {
		answer(w, 500, `{"detail":"Internal Server Error"}`)
		return
	}
	good := a.takes(token)
	a.mu.Lock()
	locked := a.locked && a.bad
	a.bad = a.bad || !good && strings.Contains(token, "eyJ")
	a.mu.Unlock()
	switch {
	case good && !locked:
		answer(w, 200, `{"name":"alice","items":[1,2]}`)
	case a.sick && strings.HasPrefix(token, "eyJ"):
		answer(w, 500, `{"detail":"Internal Server Error"}`)
	default:
		w.Header().Set("WWW-Authenticate", "Bearer")
		answer(w, 401, `{"detail":"Not authenticated"}`)
	}
}

// serveLogin refuses everybody after a few failures.
func (a *tokenAPI) serveLogin(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	limited := a.failed >= 5
	good := r.PostFormValue("username") == "alice" && r.PostFormValue("password") == "correct horse"
	if !good {
		a.failed++
	}
	a.mu.Unlock()
	switch {
	case !good && limited:
		w.Header().Set("Retry-After", "60")
		answer(w, 429, `{"detail":"Too many requests"}`)
	case !good:
		answer(w, 401, `{"detail":"Wrong"}`)
	default:
		more := ""
		if a.refresh != nil {
			more = `,"refresh_token":"` + a.refresh(a) + `"`
		}
		answer(w, 200, `{"access_token":"`+a.mint(nil, nil)+`","token_type":"bearer"`+more+`}`)
	}
}

func (a *tokenAPI) serveLogout(w http.ResponseWriter, token string) {
	if !a.takes(token) {
		answer(w, 401, `{"detail":"Not authenticated"}`)
		return
	}
	if s, _ := parse(token); a.logout == "revoke" {
		a.mu.Lock()
		id, _ := s.claims["jti"].(string)
		a.revoked[id] = true
		a.mu.Unlock()
	}
	w.WriteHeader(http.StatusNoContent)
}
