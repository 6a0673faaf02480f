package checks

import (
	"net/http"
	"testing"
)

// Without a description, an operation that took the token is the only one known
// to be there: it decides, wherever it stands among those that were guessed.
func TestHostUnvalidatedAsksWhatTakesTheToken(t *testing.T) {
	t.Parallel()
	token := goodToken(t)
	only := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/userinfo" {
			answer(w, http.StatusNotFound, `{"detail":"Not Found"}`)
			return
		}
		guarded(token)(w, r)
	}
	mustFind(t, serve(t, server{Token: token, Bare: true, Handler: http.HandlerFunc(only)}), hostUnvalidated, "/userinfo", ".invalid")
	mustPass(t, serve(t, server{Token: token, Handler: http.HandlerFunc(only)}), hostUnvalidated)
	mustBeUnsure(t, serve(t, server{Token: token, Handler: http.HandlerFunc(only)}), hostUnvalidated)
}
