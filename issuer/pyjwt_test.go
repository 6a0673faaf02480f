package issuer_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestPyJWTVerifiesOurTokens: an API in Python needs nothing but the issuer's
// URL, before and after a change of keys.
func TestPyJWTVerifiesOurTokens(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, nil, nil)
	control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := g.issuer.Ring().Rotate(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	defer control.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/usr/bin/python3", clientsDir+"/pyjwt.py", g.server.URL, control.URL, g.server.URL, testAudience, "alice", testPassword)
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+g.caFile())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v (it needs: apt-get install python3-jwt python3-cryptography)\n%s\nthe issuer's log:\n%s", err, out, g.log)
	}
}
