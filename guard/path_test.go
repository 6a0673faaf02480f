package guard_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wiretight/wiretight/guard"
)

// TestPaths holds that a path is forwarded in the form in which it is matched,
// and that a path of two forms goes nowhere.
func TestPaths(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	header := " HTTP/1.1\r\nHost: " + testHost + "\r\nAuthorization: " + f.bearer() + "\r\n\r\n"
	for _, c := range []struct{ name, target, want string }{
		// want is what the upstream gets; empty: refused.
		{"root", "/", "/"},
		{"plain", "/items", "/items"},
		{"trailing slash", "/items/", "/items/"},
		{"unreserved", "/a-b_c.d~e", "/a-b_c.d~e"},
		{"sub-delimiters", "/a!$&'()*+,=:@b", "/a!$&'()*+,=:@b"},
		{"sub-delimiters beside an escape", "/a!$&'()*+,=:@b%20", "/a!$&'()*+,=:@b%20"},
		{"escaped letter", "/%69tems", "/items"},
		{"escaped tilde", "/%7euser", "/~user"},
		{"escaped sub-delimiter", "/a%27b%2b%40", "/a%27b%2B%40"},
		{"small hex digits", "/%c3%a4", "/%C3%A4"},
		{"raw UTF-8", "/ä", "/%C3%A4"},
		{"space", "/a%20b", "/a%20b"},
		{"percent sign", "/100%25", "/100%25"},
		{"percent sign before no digits", "/100%25zz", "/100%25zz"},
		{"percent sign before one digit", "/100%254", "/100%254"},
		{"escaped question mark", "/a%3fb", "/a%3Fb"},
		{"escaped hash", "/a%23b", "/a%23b"},
		{"bytes that URLs should escape", "/a|b\"<>^`{}[]", "/a%7Cb%22%3C%3E%5E%60%7B%7D%5B%5D"},
		{"three dots", "/...", "/..."},
		{"hidden file", "/.well-known/x", "/.well-known/x"},
		{"dots within", "/a..b/c.", "/a..b/c."},
		{"capitals", "/ITEMS", "/ITEMS"},
		{"query", "/a?b=c", "/a?b=c"},
		{"query is none of a path's", "/a?b=/../%2f;%5c//%00%zz", "/a?b=/../%2f;%5c//%00%zz"},
		{"empty query", "/a?", "/a?"},
		{"two question marks", "/a??b", "/a??b"},
		{"query with raw UTF-8", "/a?ä", "/a?ä"},

		{"dot segment", "/./a", ""},
		{"dot segment at the end", "/a/.", ""},
		{"two dots", "/../a", ""},
		{"two dots within", "/a/../b", ""},
		{"two dots at the end", "/a/..", ""},
		{"only two dots", "/..", ""},
		{"escaped dot", "/%2e/a", ""},
		{"escaped dots", "/a/%2e%2E/b", ""},
		{"one dot escaped", "/a/.%2e/b", ""},
		{"dots behind an escaped slash", "/a%2f..%2fb", ""},
		{"two slashes", "//a", ""},
		{"two slashes within", "/a//b", ""},
		{"two slashes at the end", "/a//", ""},
		{"only two slashes", "//", ""},
		{"escaped slash", "/a%2fb", ""},
		{"escaped slash in capitals", "/a%2Fb", ""},
		{"backslash", "/a\\b", ""},
		{"escaped backslash", "/a%5cb", ""},
		{"dots with a backslash", "/a/..\\b", ""},
		{"semicolon", "/a;b", ""},
		{"semicolon with dots", "/a/..;/b", ""},
		{"path parameter", "/admin;x=y/users", ""},
		{"escaped semicolon", "/a%3bb", ""},
		{"escaped semicolon in capitals", "/a%3Bb", ""},
		{"NUL", "/a%00b", ""},
		{"line feed", "/a%0ab", ""},
		{"carriage return and line feed", "/a%0d%0aX-A:%20b", ""},
		{"tab", "/a%09b", ""},
		{"delete", "/a%7fb", ""},
		{"encoded twice: slash", "/a%252fb", ""},
		{"encoded twice: dots", "/%252e%252e/a", ""},
		{"encoded twice: any", "/a%2541", ""},
		{"encoded three times", "/a%25252f", ""},
		{"encoded twice, digits too", "/a%25%32%65", ""},
		{"encoded twice, one digit too", "/a%252%65", ""},
		{"encoded twice, first digit", "/a%25%32e", ""},
		{"encoded in UTF-16", "/a%u002fb", ""},
		{"percent sign at the end", "/a%", ""},
		{"percent sign and one digit", "/a%2", ""},
		{"percent sign and no digits", "/a%zz", ""},
		{"overlong slash", "/a%c0%afb", ""},
		{"overlong dots", "/%c0%ae%c0%ae/a", ""},
		{"overlong slash of three", "/a%e0%80%afb", ""},
		{"invalid UTF-8", "/a%ff", ""},
		{"half a rune", "/a%c3", ""},
		{"surrogate", "/a%ed%a0%80", ""},
		{"raw invalid UTF-8", "/a\xff", ""},
		{"raw overlong slash", "/a\xc0\xafb", ""},
		{"fragment", "/a#b", ""},
		{"fragment behind a query", "/a?b#c", ""},
		{"space in a query", "/a?b c", ""},
		{"control byte in a query", "/a?b\x01", ""},
		{"raw control byte", "/a\x01", ""},
		{"no slash", "a", ""},
		{"query alone", "?a", ""},
		{"asterisk", "*", ""},
		{"absolute", "https://" + testHost + "/a", ""},
		{"scheme-relative", "//" + testHost + "/a", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := f.upstream.count()
			got := f.raw(testHost, "GET "+c.target+header)
			if len(got) != 1 {
				t.Fatalf("got %d answers", len(got))
			}
			if c.want == "" {
				if p := got[0].problem(); got[0].status != 400 || p.Status != 0 && p.Detail != "Invalid request" {
					t.Errorf("got %v, want 400 Invalid request", got[0])
				}
				if n := f.upstream.count(); n != before {
					t.Errorf("%q reached the upstream", f.upstream.last(t).target)
				}
				return
			}
			if got[0].status != 200 {
				t.Fatalf("got %v, want 200", got[0])
			}
			if up := f.upstream.last(t); up.target != c.want {
				t.Errorf("upstream got %q, want %q", up.target, c.want)
			}
		})
	}
}

// TestRoutes holds which route a path has, over every form of the path that is
// let in.
func TestRoutes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) {
		c.Routes = []guard.Route{
			{Path: "/healthz", Public: true},
			{Path: "/admin/*", Scopes: []string{"admin"}},
			{Path: "/admin/status", Public: true},
			{Path: "/docs/*", Public: true},
			{Path: "/docs/private/*"},
			{Path: "/items", Methods: []string{"GET", "POST"}, Public: true},
			{Path: "/ä", Public: true},
		}
	})
	bearer := f.bearer() // without any scope
	for _, c := range []struct {
		name, method, target string
		token                bool
		status               int
		allow                string
	}{
		{"exact", "GET", "/healthz", false, 200, ""},
		{"exact covers a trailing slash", "GET", "/healthz/", false, 200, ""},
		{"exact covers nothing below", "GET", "/healthz/x", false, 401, ""},
		{"exact is no prefix", "GET", "/healthzz", false, 401, ""},
		{"exact in an escaped form", "GET", "/%68ealthz", false, 200, ""},
		{"exact with a query", "GET", "/healthz?/admin", false, 200, ""},
		{"exact in capitals", "GET", "/Healthz", false, 401, ""},
		{"query is not part of the path", "GET", "/admin?/healthz", true, 403, ""},
		{"escaped question mark is", "GET", "/healthz%3f", false, 401, ""},
		{"tree covers its root", "GET", "/admin", true, 403, ""},
		{"tree covers its root with a slash", "GET", "/admin/", true, 403, ""},
		{"tree covers all below", "GET", "/admin/a/b/c", true, 403, ""},
		{"tree in an escaped form", "GET", "/%61dmin/x", true, 403, ""},
		{"tree in capitals is another path", "GET", "/Admin/x", true, 200, ""},
		{"tree is no prefix", "GET", "/administrator", true, 200, ""},
		{"exact within a tree", "GET", "/admin/status", false, 200, ""},
		{"beside it", "GET", "/admin/status/x", true, 403, ""},
		{"tree within a tree", "GET", "/docs/private/x", false, 401, ""},
		{"root of a tree within a tree", "GET", "/docs/private", false, 401, ""},
		{"outer tree", "GET", "/docs/privately", false, 200, ""},
		{"UTF-8", "GET", "/%c3%a4", false, 200, ""},
		{"what no route names", "GET", "/other", false, 401, ""},
		{"listed method", "POST", "/items", false, 200, ""},
		{"HEAD goes where GET goes", "HEAD", "/items", false, 200, ""},
		{"method that is not listed", "DELETE", "/items", false, 405, "HEAD, GET, POST"},
		{"and with a token", "DELETE", "/items/", true, 405, "HEAD, GET, POST"},
		{"OPTIONS that is no preflight", "OPTIONS", "/items", false, 405, "HEAD, GET, POST"},
		{"any method where none is listed", "PROPFIND", "/docs/x", false, 200, ""},
		{"TRACE", "TRACE", "/docs/x", false, 400, ""},
		{"small letters", "get", "/docs/x", false, 400, ""},
		{"method and path of an override", "GET", "/items?_method=DELETE", false, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := []string{}
			if c.token {
				header = []string{"Authorization", bearer}
			}
			for proto, client := range map[string]*http.Client{"HTTP/1.1": f.h1, "HTTP/2": f.h2} {
				got := f.send(client, c.method, c.target, "", header...)
				if got.status != c.status || got.header.Get("Allow") != c.allow {
					t.Errorf("%s: got %v, want %d and Allow %q", proto, got, c.status, c.allow)
				}
				if c.status == 405 && got.problem().Detail != "Method not allowed" {
					t.Errorf("%s: got detail %q", proto, got.problem().Detail)
				}
			}
		})
	}
}

// inProcess is a guard around a handler that notes what it gets, without
// sockets, for tests that need many requests.
type inProcess struct {
	guard   *guard.Guard
	handler http.Handler
	got     *http.Request
}

func newInProcess(t testing.TB, change func(*guard.Config)) *inProcess {
	t.Helper()
	cfg := guard.Config{Hosts: []string{testHost}, Routes: []guard.Route{{Path: "/*", Public: true}}}
	if change != nil {
		change(&cfg)
	}
	g, err := guard.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	p := &inProcess{guard: g}
	p.handler = g.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { p.got = r }))
	return p
}

// ask sends one request; got is nil if it did not pass.
func (p *inProcess) ask(r *http.Request) (got *http.Request, answer *httptest.ResponseRecorder) {
	p.got = nil
	answer = httptest.NewRecorder()
	p.handler.ServeHTTP(answer, r)
	return p.got, answer
}

// secureRequest is one as a server hands it on, except that its URL says
// something else than its request line: only the latter counts.
func secureRequest(method, target string) *http.Request {
	r := &http.Request{
		Method: method, RequestURI: target, Host: testHost, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		URL: &url.URL{Path: "/another", RawQuery: "another"}, Header: http.Header{}, Body: http.NoBody,
		RemoteAddr: "192.0.2.7:1234", TLS: &tls.ConnectionState{ServerName: testHost},
	}
	return r.WithContext(context.Background())
}

// FuzzCanonical holds of every path that passes: it is its own canonical form,
// decoding it gives what is matched, and nothing in it has a second meaning.
func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{
		"/", "/a/b?c=d", "/%2e%2e/a", "/a%2fb", "/a;b", "//a", "/a%25%32%65", "/a%252e", "/ä", "/%c0%af", "/a\\b", "/!$&'()*+,=:@",
		"/a#b", "*", "https://api.example.com/", "/%", "/a?%zz;#", "/a%3fb", "/.../..a", "/a/./",
	} {
		f.Add(seed)
	}
	p := newInProcess(f, nil)
	f.Fuzz(func(t *testing.T, target string) {
		if target == "" {
			return // no server hands on an empty request line
		}
		got, answer := p.ask(secureRequest("GET", target))
		if got == nil {
			if answer.Code != 400 {
				t.Fatalf("%q: refused with %d, want 400", target, answer.Code)
			}
			return
		}
		path, query, hasQuery := strings.Cut(target, "?")
		encoded, decoded := got.URL.EscapedPath(), got.URL.Path
		if back, err := url.PathUnescape(encoded); err != nil || back != decoded {
			t.Fatalf("%q: forwarded as %q, matched as %q", target, encoded, decoded)
		}
		if back, err := url.PathUnescape(path); err != nil || back != decoded {
			t.Fatalf("%q: matched as %q", target, decoded)
		}
		if strings.ContainsAny(decoded, "\\;\x00\r\n\x7f") || strings.Contains(decoded, "//") || !utf8.ValidString(decoded) || decoded[0] != '/' {
			t.Fatalf("%q: matched as %q", target, decoded)
		}
		for segment := range strings.SplitSeq(decoded, "/") {
			if segment == "." || segment == ".." {
				t.Fatalf("%q: matched as %q", target, decoded)
			}
		}
		if again, err := url.PathUnescape(decoded); err == nil && again != decoded {
			t.Fatalf("%q: %q can be decoded once more, to %q", target, decoded, again)
		}
		if got.URL.RawQuery != query || got.URL.ForceQuery != (hasQuery && query == "") {
			t.Fatalf("%q: query forwarded as %q (%v), want %q", target, got.URL.RawQuery, got.URL.ForceQuery, query)
		}
		again, _ := p.ask(secureRequest("GET", encoded))
		if again == nil || again.URL.EscapedPath() != encoded || again.URL.Path != decoded {
			t.Fatalf("%q: its canonical form %q is not its own", target, encoded)
		}
	})
}
