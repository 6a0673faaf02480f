package checks

import (
	"net/http"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/catalog"
)

// withHSTS is list, with a value of Strict-Transport-Security on what keep
// chooses.
func withHSTS(value string, keep func(path string) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if keep(r.URL.Path) {
			w.Header()[strictTransport] = strings.Split(value, "|")
		}
		list(w, r)
	}
}

func everywhere(string) bool { return true }
func nowhere(string) bool    { return false }

func TestTransportNoHSTS(t *testing.T) {
	t.Parallel()
	named := func(h http.Handler) *fixture { return serve(t, server{Name: "api.test", Bare: true, Handler: h}) }
	e := mustFind(t, named(withHSTS("", nowhere)), transportNoHSTS, "the root", "404", "curl")
	if e[0].Severity != "" {
		t.Errorf("got severity %q, want the catalog's", e[0].Severity)
	}
	e = mustFind(t, named(withHSTS("max-age=31536000", func(p string) bool { return p == "/" })), transportNoHSTS, "404", "with "+strictTransport)
	if e[0].Severity != catalog.Low {
		t.Errorf("got severity %q where some answers have it, want low", e[0].Severity)
	}
	mustPass(t, named(withHSTS("max-age=31536000", everywhere)), transportNoHSTS)
	mustSkip(t, serve(t, server{Bare: true, Handler: withHSTS("", nowhere)}), transportNoHSTS) // an address
	mustSkip(t, serve(t, server{Insecure: true, Handler: withHSTS("", nowhere)}), transportNoHSTS)
}

func TestTransportWeakHSTS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		value string
		want  string // a part of what is wrong; empty: nothing
	}{
		{"max-age=300", "300 s"},
		{"max-age=0", "forget"},
		{"max-age=15551999", "180 days"},
		{"includeSubDomains", "missing"},
		{"max-age", "no number"},
		{"max-age=", "no number"},
		{"max-age=-1", "no number"},
		{"max-age=+31536000", "no number"},
		{"max-age=1 year", "no number"},
		{"max-age=31536000; max-age=31536000", "twice"},
		{"max-age=31536000; includeSubDomains; includesubdomains", "twice"},
		{"max-age=31536000|max-age=31536000", "several"},
		{"max-age=31536000, includeSubDomains", "no number"},
		{"", "missing"},
		{"max-age=15552000", ""},
		{"max-age=31536000", ""},
		{`max-age="31536000"`, ""},
		{" MAX-AGE = 31536000 ; includeSubDomains; preload", ""},
		{"includeSubDomains; max-age=63072000", ""},
		{"max-age=31536000;", ""},
		{"max-age=31536000; future=1", ""},
		{"max-age=99999999999999999999999", ""},
	}
	for _, tt := range tests {
		got := hstsFault(strings.Split(tt.value, "|"))
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.value, got, tt.want)
		}
	}
	named := func(value string, keep func(string) bool) *fixture {
		return serve(t, server{Name: "api.test", Bare: true, Handler: withHSTS(value, keep)})
	}
	mustFind(t, named("max-age=300", everywhere), transportWeakHSTS, "300", "curl")
	mustFind(t, named("max-age=300", func(p string) bool { return p != "/" }), transportWeakHSTS, "300")
	mustPass(t, named("max-age=31536000", everywhere), transportWeakHSTS)
	mustSkip(t, named("", nowhere), transportWeakHSTS)
}

func FuzzHSTSFault(f *testing.F) {
	f.Add("max-age=31536000; includeSubDomains")
	f.Add(`max-age="300";;=;`)
	f.Fuzz(func(t *testing.T, value string) {
		fault := hstsFault([]string{value})
		if !strings.Contains(strings.ToLower(value), "max-age") && fault == "" {
			t.Errorf("%q: got no fault, though there is no max-age", value)
		}
		if again := hstsFault([]string{value + " "}); again != fault {
			t.Errorf("%q: got %q, and %q with a space after it", value, fault, again)
		}
	})
}
