package front2_test

import (
	"net/http"
	"testing"
)

// TestNoContentHasNoLength is a 204 with a length, which RFC 9110 §8.6 forbids,
// and some clients take for a body that never comes. A 304 may have one.
func TestNoContentHasNoLength(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{http.StatusNoContent: "", http.StatusNotModified: "5"} {
		p, _ := frames(t, reusing(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			w.WriteHeader(status)
		}), nil)
		p.ask(1, true, usual("GET", "/")...)
		if got := p.until(1); got.what != "answer" || got.fields["content-length"] != want || got.body != "" {
			t.Errorf("%d: got %+v, want the length %q and no body", status, got, want)
		}
	}
}
