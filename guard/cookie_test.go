package guard_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCookies(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	hard := "; Secure; HttpOnly; SameSite=Lax"
	for _, c := range []struct {
		name string
		set  []string
		want []string
	}{
		{"bare", []string{"sid=1"}, []string{"sid=1" + hard}},
		{"two", []string{"a=1", "b=2"}, []string{"a=1" + hard, "b=2" + hard}},
		{
			"attributes stay",
			[]string{"sid=1; Path=/app; Domain=example.com; Max-Age=60; Partitioned"},
			[]string{"sid=1; Path=/app; Domain=example.com; Max-Age=60; Partitioned" + hard},
		},
		{"all there", []string{"sid=1; secure; HTTPONLY; samesite=strict"}, []string{"sid=1; secure; HTTPONLY; SameSite=Strict"}},
		{"Strict stays", []string{"sid=1; SameSite=Strict"}, []string{"sid=1; Secure; HttpOnly; SameSite=Strict"}},
		{"None stays, with Secure", []string{"sid=1; SameSite=None"}, []string{"sid=1; Secure; HttpOnly; SameSite=None"}},
		{"SameSite unknown", []string{"sid=1; SameSite=Maybe"}, []string{"sid=1" + hard}},
		{"SameSite empty", []string{"sid=1; SameSite="}, []string{"sid=1" + hard}},
		{"SameSite without a value", []string{"sid=1; SameSite"}, []string{"sid=1" + hard}},
		{"SameSite with blanks", []string{"sid=1;  samesite = none "}, []string{"sid=1; Secure; HttpOnly; SameSite=None"}},
		{"Secure with a value is Secure", []string{"sid=1; Secure=false"}, []string{"sid=1; Secure=false; HttpOnly; SameSite=Lax"}},
		{"a value like an attribute", []string{"sid=Secure"}, []string{"sid=Secure" + hard}},
		{"an attribute like Secure", []string{"sid=1; Securely; X-HttpOnly"}, []string{"sid=1; Securely; X-HttpOnly" + hard}},
		{"quotes hide no attribute", []string{`sid="a; Secure; b"`}, []string{`sid="a; Secure; b"; HttpOnly; SameSite=Lax`}},
		{"empty attributes", []string{"sid=1; ; ;"}, []string{"sid=1" + hard}},
		{"deletion", []string{"sid=; Max-Age=0; Path=/"}, []string{"sid=; Max-Age=0; Path=/" + hard}},
		{"deletion by date", []string{"sid=; expires=Thu, 01 Jan 1970 00:00:00 GMT"}, []string{"sid=; expires=Thu, 01 Jan 1970 00:00:00 GMT" + hard}},
		{"double submit", []string{"csrftoken=1"}, []string{"csrftoken=1; Secure; SameSite=Lax"}},
		{"double submit in capitals", []string{"XSRF-TOKEN=1"}, []string{"XSRF-TOKEN=1; Secure; SameSite=Lax"}},
		{"double submit that wants HttpOnly", []string{"csrftoken=1; HttpOnly"}, []string{"csrftoken=1; HttpOnly; Secure; SameSite=Lax"}},
		{"like a double submit", []string{"csrftoken2=1"}, []string{"csrftoken2=1" + hard}},
		{"__Host- is made whole", []string{"__Host-sid=1; Path=/"}, []string{"__Host-sid=1; Path=/" + hard}},
		{"__Secure- is made whole", []string{"__Secure-sid=1"}, []string{"__Secure-sid=1" + hard}},
		{"no name", []string{"=1"}, []string{"=1" + hard}},
		{"no equals sign", []string{"sid"}, []string{"sid" + hard}},
		{"the guard's refresh", []string{"__Host-refresh=evil; Path=/; Secure"}, nil},
		{"the guard's access", []string{"__Host-access=evil"}, nil},
		{"the guard's fingerprint", []string{"__Host-fingerprint=evil"}, nil},
		{"the guard's among others", []string{"a=1", "__Host-refresh=evil", "b=2"}, []string{"a=1" + hard, "b=2" + hard}},
		{"the guard's with blanks", []string{" __Host-refresh =evil"}, nil},
		{"the guard's in another case", []string{"__HOST-Refresh=evil"}, nil},
		{"the guard's, deleted", []string{"__Host-refresh=; Max-Age=0"}, nil},
		{"the guard's as a value without a name", []string{"=__Host-refresh=evil"}, nil},
		{"the guard's without a value", []string{"__Host-refresh"}, nil},
	} {
		for _, status := range []int{200, 404} {
			t.Run(c.name+" "+http.StatusText(status), func(t *testing.T) {
				f.upstream.answers(func(w http.ResponseWriter, _ *http.Request) {
					w.Header()["Set-Cookie"] = slices.Clone(c.set)
					w.WriteHeader(status)
				})
				got := f.get("/x", "Authorization", f.bearer())
				if diff := cmp.Diff(c.want, got.header["Set-Cookie"]); got.status != status || diff != "" {
					t.Errorf("status %d, cookies (-want +got):\n%s", got.status, diff)
				}
			})
		}
	}
}

// TestCookiesOverHTTP2 has its cookies in as many fields.
func TestCookiesOverHTTP2(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.upstream.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Set-Cookie"] = []string{"a=1", "__Host-refresh=evil", "b=2; SameSite=None"}
	})
	got := f.send(f.h2, "GET", "/x", "", "Authorization", f.bearer())
	want := []string{"a=1; Secure; HttpOnly; SameSite=Lax", "b=2; Secure; HttpOnly; SameSite=None"}
	if diff := cmp.Diff(want, got.header["Set-Cookie"]); diff != "" {
		t.Errorf("cookies (-want +got):\n%s", diff)
	}
}

// FuzzCookie holds of every cookie that gets out, as a browser parses it
// (RFC 6265bis §5.6): it is Secure, has a SameSite of the three, is HttpOnly
// unless scripts must read it, is none of the guard's, and has the name and the
// value that the upstream gave it.
func FuzzCookie(f *testing.F) {
	for _, s := range []string{"a=b", "a=b; Secure", "a=b;SameSite=None;samesite=x", "=a", "a", ";;", "csrftoken=1", "__Host-refresh=1", "=__host-REFRESH=1", "a=b; secure =1; HttpOnly\t"} {
		f.Add(s)
	}
	in := newWrapped(f)
	f.Fuzz(func(t *testing.T, line string) {
		out := in.ask(func(w http.ResponseWriter, _ *http.Request) { w.Header()["Set-Cookie"] = []string{line} }).Header()["Set-Cookie"]
		if len(out) == 0 {
			return
		}
		before, _ := browserCookie(line)
		pair, attributes := browserCookie(out[0])
		if pair != before || len(out) != 1 {
			t.Errorf("%q became %q: the pair is %q, want %q", line, out, pair, before)
		}
		_, secure := attributes["secure"]
		_, httpOnly := attributes["httponly"]
		name, _, named := strings.Cut(pair, "=")
		readable := named && slices.Contains([]string{"csrftoken", "xsrf-token", "csrf_token", "_csrf_token"}, strings.ToLower(strings.Trim(name, " \t")))
		if !secure || !httpOnly && !readable || !slices.Contains([]string{"lax", "strict", "none"}, attributes["samesite"]) {
			t.Errorf("%q became %q", line, out)
		}
		for _, own := range []string{"__host-refresh", "__host-access", "__host-fingerprint"} {
			sent, _, _ := strings.Cut(strings.TrimLeft(strings.ToLower(pair), "="), "=")
			if strings.Trim(sent, " \t") == own {
				t.Errorf("%q became %q, which is the guard's", line, out)
			}
		}
	})
}

// browserCookie takes a Set-Cookie apart as RFC 6265bis §5.6 says. Of an
// attribute that is there twice, the last one counts.
func browserCookie(line string) (pair string, attributes map[string]string) {
	pair, rest, _ := strings.Cut(line, ";")
	name, value, named := strings.Cut(pair, "=")
	pair = strings.Trim(name, " \t")
	if named {
		pair += "=" + strings.Trim(value, " \t")
	}
	attributes = map[string]string{}
	for a := range strings.SplitSeq(rest, ";") {
		n, v, _ := strings.Cut(a, "=")
		attributes[strings.ToLower(strings.Trim(n, " \t"))] = strings.ToLower(strings.Trim(v, " \t"))
	}
	return pair, attributes
}
