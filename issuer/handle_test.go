package issuer_test

import (
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/wiretight/wiretight/issuer"
)

// handle sends a form without a network.
func handle(is *issuer.Issuer, path, body string, h http.Header) (int, string) {
	r := httptest.NewRequest("POST", testURL+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for k, v := range h {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	is.Handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}
