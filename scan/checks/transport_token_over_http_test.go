package checks

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/wiretight/wiretight/scan"
)

// loginAnd answers POST /login as an API does, and all else by next.
func loginAnd(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/login" && r.Method == http.MethodPost:
			answer(w, http.StatusUnprocessableEntity, `{"detail":[{"loc":["body","username"],"msg":"field required"}]}`)
		case r.Method == http.MethodPost:
			answer(w, http.StatusNotFound, `{"detail":"Not Found"}`)
		default:
			next(w, r)
		}
	}
}

func refuse(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusForbidden, `{"detail":"HTTPS required"}`)
}

func TestTransportTokenOverHTTP(t *testing.T) {
	t.Parallel()
	token := goodToken(t)
	fix := func(s server) *fixture {
		s.Token = token
		f := serve(t, s)
		f.Config.Protected = []string{"/items"}
		return f
	}
	mustFind(t, fix(server{Insecure: true, Handler: guarded(token)}), transportTokenOverHTTP, "without a token", "with the genuine token", "$TOKEN")
	mustFind(t, fix(server{Handler: guarded(token), Plain: guarded(token)}), transportTokenOverHTTP, "made-up token", "with the genuine token")
	mustPass(t, fix(server{Handler: guarded(token)}), transportTokenOverHTTP)
	mustPass(t, fix(server{Handler: guarded(token), Plain: http.HandlerFunc(toHTTPS)}), transportTokenOverHTTP)

	// The API itself refuses by 403, with other words than for plain HTTP.
	forbidding := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer "+token {
			answer(w, 200, `{"items":[1]}`)
			return
		}
		answer(w, 403, `{"detail":"Not authenticated"}`)
	})
	mustPass(t, fix(server{Handler: forbidding}), transportTokenOverHTTP)
	mustFind(t, fix(server{Handler: forbidding, Plain: forbidding}), transportTokenOverHTTP)

	issuing := func(plain http.HandlerFunc) *fixture {
		f := fix(server{Handler: loginAnd(guarded(token)), Plain: plain})
		f.Config.LoginURL, f.Config.LoginData = "/login", "username=a&password=b"
		return f
	}
	mustFind(t, issuing(loginAnd(refuse)), transportTokenOverHTTP, "POST http://", "empty form", "control: ")
	mustPass(t, issuing(refuse), transportTokenOverHTTP)
	blanket := func(w http.ResponseWriter, r *http.Request) {
		answer(w, 422, `{"detail":[{"loc":["x"],"msg":"https"}]}`)
	}
	mustPass(t, issuing(blanket), transportTokenOverHTTP)
}

// The genuine token is never sent in clear to a server that turns tokens away
// there: one that burns them would end the user's session.
func TestTokenIsNotBurnt(t *testing.T) {
	t.Parallel()
	token := goodToken(t)
	var mu sync.Mutex
	var seen []string
	plain := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Header.Get("Authorization"))
		refuse(w, r)
	}
	f := serve(t, server{Handler: guarded(token), Plain: http.HandlerFunc(plain), Token: token})
	f.Config.Protected = []string{"/items"}
	mustPass(t, f, transportTokenOverHTTP)
	mu.Lock()
	defer mu.Unlock()
	if len(seen) == 0 {
		t.Error("got no request in clear, want some")
	}
	for _, s := range seen {
		if strings.Contains(s, token) {
			t.Errorf("the genuine token was sent in clear")
		}
	}
}

// Off loopback nothing genuine is sent in clear, whatever the server does.
func TestTokenStaysPrivate(t *testing.T) {
	t.Parallel()
	token := goodToken(t)
	var mu sync.Mutex
	leaked := false
	plain := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		leaked = leaked || strings.Contains(r.Header.Get("Authorization"), token)
		mu.Unlock()
		guarded(token)(w, r)
	}
	f := serve(t, server{Handler: guarded(token), Plain: http.HandlerFunc(plain), Token: token})
	f.Config.Protected, f.Config.Strict = []string{"/items"}, true
	e := mustFind(t, f, transportTokenOverHTTP, "made-up token", "was not sent")
	mu.Lock()
	defer mu.Unlock()
	if leaked || e[0].Confidence != "medium" {
		t.Errorf("got the genuine token sent %v, confidence %q; want false, medium", leaked, e[0].Confidence)
	}
	if !transportTokenOverHTTP.Last {
		t.Error("got Last false, want true: the token may be burnt")
	}
}

func TestTokenOverHTTPNeedsAPlace(t *testing.T) {
	t.Parallel()
	f := serve(t, server{Plain: http.HandlerFunc(toHTTPS), Token: goodToken(t)})
	if v := look(t, f, transportTokenOverHTTP); v.Outcome != scan.Inconclusive {
		t.Errorf("got %s, want inconclusive", describe(v))
	}
}
