package guard_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/guard"
)

// TestLocations sends redirects through the guard. want of "" is a refusal: no
// client may be led from https to http.
func TestLocations(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	own := "https://" + testHost
	upstream := strings.TrimPrefix(f.upstream.URL, "http://")
	cases := []struct{ name, location, want string }{
		{"own host", "http://api.example.com/x/?a=b#c", own + "/x/?a=b#c"},
		{"own host, port 80", "http://api.example.com:80/x", own + "/x"},
		{"own host, another port", "http://api.example.com:8000/x", own + "/x"},
		{"own host in capitals", "HTTP://API.example.COM/x", own + "/x"},
		{"own host without a path", "http://api.example.com", own},
		{"own host, escapes stay", "http://api.example.com/a%20b/%C3%A9?q=%2F", own + "/a%20b/%C3%A9?q=%2F"},
		{"own host, a backslash in the query stays", `http://api.example.com/?q=a\b`, own + `/?q=a\b`},
		{"another of our hosts", "http://www.example.com/x", "https://www.example.com/x"},
		{"WebSocket on our host", "ws://api.example.com/x", "wss://" + testHost + "/x"},
		{"upstream's own address", "http://" + upstream + "/x", own + "/x"},
		{"upstream's own address over https", "https://" + upstream + "/x", own + "/x"},
		{"https", "https://api.example.com/x", "https://api.example.com/x"},
		{"https elsewhere", "https://login.example.net/x?next=http://a.test", "https://login.example.net/x?next=http://a.test"},
		{"path", "/x?next=http://evil.example", "/x?next=http://evil.example"},
		{"relative path", "x/y", "x/y"},
		{"relative path with a colon behind a slash", "x/http://evil.example", "x/http://evil.example"},
		{"query", "?a=http://b", "?a=http://b"},
		{"fragment", "#http://a", "#http://a"},
		{"protocol-relative", "//evil.example/x", "//evil.example/x"},
		{"backslashes", `\\evil.example/x`, `\\evil.example/x`},
		{"empty", "", "/"},
		{"another scheme", "myapp://callback?code=1", "myapp://callback?code=1"},
		{"own host with tabs", "ht\ttp://api.exa\tmple.com/x", own + "/x"},

		{"http elsewhere", "http://evil.example/x", ""},
		{"http elsewhere in capitals", "HtTp://evil.example/x", ""},
		{"http elsewhere with tabs", "h\tttp:/\t/evil.example/x", ""},
		{"http elsewhere with leading blanks", " \t http://evil.example/x", ""},
		{"http without slashes", "http:evil.example/x", ""},
		{"http with one slash", "http:/evil.example/x", ""},
		{"http with many slashes", "http:////evil.example/x", ""},
		{"http with backslashes", `http:\\evil.example/x`, ""},
		{"http with mixed slashes", `http:/\evil.example/x`, ""},
		{"own host as user", "http://api.example.com@evil.example/x", ""},
		{"own host as user and password", "http://api.example.com:80@evil.example/x", ""},
		{"own host behind a backslash", `http://evil.example\@api.example.com/x`, ""},
		{"own host as prefix", "http://api.example.com.evil.example/x", ""},
		{"own host with a trailing dot", "http://api.example.com./x", ""},
		{"host with an escape", "http://ap%69.example.com/x", ""},
		{"http without a host", "http:///", ""},
		{"http alone", "http:", ""},
		{"ws elsewhere", "ws://evil.example/x", ""},
		{"ftp", "ftp://api.example.com/x", ""},
		{"another port of the upstream", "http://127.0.0.1:1/x", ""},
		{"a port that is none", "http://api.example.com:99999999/x", ""},
	}
	for _, c := range cases {
		for _, header := range []string{"Location", "Content-Location"} {
			t.Run(c.name+" in "+header, func(t *testing.T) {
				f.upstream.answers(func(w http.ResponseWriter, _ *http.Request) {
					w.Header()[header] = []string{c.location}
					w.WriteHeader(http.StatusFound)
				})
				got := f.get("/x", "Authorization", f.bearer())
				if c.want == "" {
					if got.status != 502 || got.header.Get(header) != "" || got.problem().Detail != "Bad gateway" || strings.Contains(got.body, "evil") {
						t.Errorf("got %v, want 502 without a word about it", got)
					}
					return
				}
				if got.status != 302 || c.location != "" && got.header.Get(header) != c.want {
					t.Errorf("got %d %q, want %q", got.status, got.header.Get(header), c.want)
				}
			})
		}
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, c := range []struct{ name, refresh, want string }{
		{"own host", "5; url=http://api.example.com/x", "5; url=https://api.example.com/x"},
		{"own host in quotes", `5;URL="http://api.example.com/x"`, `5;URL="https://api.example.com/x"`},
		{"own host in single quotes, then more", "0;url='http://api.example.com/x' y", "0;url='https://api.example.com/x' y"},
		{"no delay that is whole", "0.5; url=http://api.example.com/", "0.5; url=https://api.example.com/"},
		{"delay alone", "30", "30"},
		{"path", "5; url=/x?y=http://z", "5; url=/x?y=http://z"},
		{"https", "5; url=https://a.test/", "5; url=https://a.test/"},
		{"elsewhere", "5; url=http://evil.example/", ""},
		{"elsewhere without the word", "0;http://evil.example/?a=b", ""},
		{"elsewhere behind a comma", "0,http://evil.example/", ""},
		{"elsewhere behind a blank", "0 http://evil.example/", ""},
		{"elsewhere with blanks", "0 ; URL = http://evil.example/", ""},
		{"elsewhere with an open quote", `0;url="http://evil.example/`, ""},
		{"elsewhere with tabs", "0;url=ht\ttp://evil.example/", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.upstream.answers(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Refresh", c.refresh) })
			got := f.get("/x", "Authorization", f.bearer())
			if c.want == "" {
				if got.status != 502 || got.header.Get("Refresh") != "" {
					t.Errorf("got %v, want 502", got)
				}
				return
			}
			if got.status != 200 || got.header.Get("Refresh") != c.want {
				t.Errorf("got %d %q, want %q", got.status, got.header.Get("Refresh"), c.want)
			}
		})
	}
}

// TestRefusedRedirectIsRecorded looks for the reason, which only the operator
// gets to know.
func TestRefusedRedirectIsRecorded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.upstream.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://evil.example/")
		w.Header().Set("Set-Cookie", "a=b")
		w.WriteHeader(http.StatusFound)
		_, _ = w.Write([]byte("moved to evil.example"))
	})
	got := f.get("/x", "Authorization", f.bearer())
	if got.status != 502 || strings.Contains(got.String(), "evil") || len(got.header["Set-Cookie"]) > 0 {
		t.Fatalf("got %v, want a refusal without anything of the answer", got)
	}
	records := f.log.of(t, got.header.Get("X-Request-Id"))
	if reason, _ := records[len(records)-1]["reason"].(string); !strings.Contains(reason, "evil.example") {
		t.Errorf("got the record %v, want the target in its reason", records)
	}
}

// TestLocationPort is a guard whose TLS listener has an unusual port.
func TestLocationPort(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) { c.RedirectPort = 8443 })
	f.upstream.answers(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://"+r.URL.Query().Get("to")+"/x")
		w.WriteHeader(http.StatusSeeOther)
	})
	for _, c := range []struct{ to, want string }{
		{"api.example.com", "https://api.example.com:8443/x"}, // as the client wrote it
		{"api.example.com:80", "https://api.example.com:8443/x"},
		{"www.example.com", "https://www.example.com:8443/x"},
		{"www.example.com:80", "https://www.example.com:8443/x"},
	} {
		got := f.get("/x?to="+c.to, "Authorization", f.bearer(), "Host", "api.example.com:8443")
		if got.header.Get("Location") != c.want {
			t.Errorf("%s: got %q, want %q", c.to, got.header.Get("Location"), c.want)
		}
	}
}

// FuzzLocation makes sure that no target of http, as a browser would read it,
// gets out.
func FuzzLocation(f *testing.F) {
	for _, s := range []string{"http://api.example.com/", "http:\\\\a", "ht\ttp:a", "//a", "/a", "https://a", "http://api.example.com@b", "\x01http:a", "0;url=http://a"} {
		f.Add(s)
	}
	in := newWrapped(f)
	f.Fuzz(func(t *testing.T, location string) {
		got := in.ask(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Location"] = []string{location}
			w.WriteHeader(http.StatusFound)
		})
		if got.Code != 302 {
			if got.Code != 502 || len(got.Header()["Location"]) > 0 {
				t.Fatalf("got %d %v for %q", got.Code, got.Header(), location)
			}
			return
		}
		out := browserScheme(got.Header().Get("Location"))
		if out == "http" || out == "ws" || out == "ftp" {
			t.Errorf("%q became %q", location, got.Header().Get("Location"))
		}
	})
}

// browserScheme is the scheme that a browser would use (WHATWG URL, basic URL
// parser), written anew from the standard.
func browserScheme(s string) string {
	s = strings.TrimFunc(s, func(r rune) bool { return r <= 0x20 })
	s = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s)
	i := strings.IndexByte(s, ':')
	if i <= 0 {
		return ""
	}
	for j := range i {
		b := s[j] | 0x20
		if letter := 'a' <= b && b <= 'z'; !letter && (j == 0 || !strings.ContainsRune("0123456789+-.", rune(s[j]))) {
			return ""
		}
	}
	return strings.ToLower(s[:i])
}

// wrapped is a guard around a handler, on which everything is public.
type wrapped struct {
	handler http.Handler
	inner   http.HandlerFunc
}

func newWrapped(t testing.TB) *wrapped {
	t.Helper()
	g, err := guard.New(guard.Config{Hosts: []string{testHost}, Routes: []guard.Route{{Path: "/*", Public: true}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	in := &wrapped{}
	in.handler = g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { in.inner(w, r) }))
	return in
}

// ask sends one request to h through the guard.
func (in *wrapped) ask(h http.HandlerFunc) *httptest.ResponseRecorder {
	in.inner = h
	w := httptest.NewRecorder()
	in.handler.ServeHTTP(w, secureRequest("GET", "/x"))
	return w
}
