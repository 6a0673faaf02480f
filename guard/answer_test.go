package guard_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
)

func TestAnswerHeaders(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) { c.Routes = []guard.Route{{Path: "/public", Public: true}} })
	with := []string{"Authorization", f.bearer()}
	const hsts = "max-age=31536000"
	for _, c := range []struct {
		name     string
		upstream http.Header
		path     string
		send     []string
		want     map[string]string // "": not there
	}{
		{
			"what runs behind",
			http.Header{"Server": {"uvicorn"}, "X-Powered-By": {"Express"}, "X-AspNet-Version": {"4"}, "X-Runtime": {"0.1"}},
			"/x", with,
			map[string]string{"Server": "", "X-Powered-By": "", "X-Aspnet-Version": "", "X-Runtime": ""},
		},
		{"HSTS is the guard's", http.Header{"Strict-Transport-Security": {"max-age=0"}}, "/x", with, map[string]string{"Strict-Transport-Security": hsts}},
		{"HSTS on public routes", nil, "/public", nil, map[string]string{"Strict-Transport-Security": hsts}},
		{"nosniff", nil, "/x", with, map[string]string{"X-Content-Type-Options": "nosniff"}},
		{"nosniff in place of anything else", http.Header{"X-Content-Type-Options": {"sniff"}}, "/x", with, map[string]string{"X-Content-Type-Options": "nosniff"}},
		{"no-store with a credential", nil, "/x", with, map[string]string{"Cache-Control": "no-store"}},
		{"no-store with a credential on a public route", nil, "/public", with, map[string]string{"Cache-Control": "no-store"}},
		{"caching as the upstream says", http.Header{"Cache-Control": {"private, max-age=5"}}, "/x", with, map[string]string{"Cache-Control": "private, max-age=5"}},
		{"caching without a credential", nil, "/public", nil, map[string]string{"Cache-Control": ""}},
		{"other services", http.Header{"Alt-Svc": {`h3=":443"`}}, "/x", with, map[string]string{"Alt-Svc": ""}},
		{
			"CORS is the guard's",
			http.Header{"Access-Control-Allow-Origin": {"*"}, "Access-Control-Allow-Credentials": {"true"}},
			"/x", with,
			map[string]string{"Access-Control-Allow-Origin": "", "Access-Control-Allow-Credentials": ""},
		},
		{
			"hop by hop",
			http.Header{"Connection": {"X-Hop"}, "X-Hop": {"1"}, "Keep-Alive": {"timeout=5"}, "Proxy-Authenticate": {"Basic"}, "Upgrade": {"h2c"}},
			"/x", with,
			map[string]string{"X-Hop": "", "Keep-Alive": "", "Proxy-Authenticate": "", "Upgrade": ""},
		},
		{
			"the guard's header cannot be taken away",
			http.Header{"Connection": {"Strict-Transport-Security, X-Content-Type-Options"}},
			"/x", with,
			map[string]string{"Strict-Transport-Security": hsts, "X-Content-Type-Options": "nosniff"},
		},
		{
			"everything else",
			http.Header{"X-Custom": {"1"}, "Etag": {`"a"`}, "Vary": {"Accept"}, "Content-Language": {"de"}, "Last-Modified": {"x"}},
			"/x", with,
			map[string]string{"X-Custom": "1", "Etag": `"a"`, "Vary": "Accept", "Content-Language": "de", "Last-Modified": "x"},
		},
	} {
		for name, client := range map[string]*http.Client{"HTTP/1.1": f.h1, "HTTP/2": f.h2} {
			t.Run(c.name+" "+name, func(t *testing.T) {
				f.upstream.answers(func(w http.ResponseWriter, _ *http.Request) {
					for k, v := range c.upstream {
						w.Header()[k] = v
					}
					_, _ = io.WriteString(w, "hello")
				})
				got := f.send(client, "GET", c.path, "", c.send...)
				if got.status != 200 || got.body != "hello" {
					t.Fatalf("got %v", got)
				}
				for k, want := range c.want {
					if v := strings.Join(got.header[k], "|"); v != want {
						t.Errorf("%s: got %q, want %q", k, v, want)
					}
				}
			})
		}
	}
}

// TestContentTypeIsNotGuessed is an upstream that names none.
func TestContentTypeIsNotGuessed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.upstream.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		_, _ = io.WriteString(w, "<html><script>alert(1)</script>")
	})
	if got := f.get("/x", "Authorization", f.bearer()); len(got.header["Content-Type"]) > 0 || got.status != 200 {
		t.Errorf("got %v, want no Content-Type", got)
	}
}

// TestSuccessIsUntouched sends bodies that hold tokens, compressed and not, in
// whole and in part: they are the client's, byte for byte.
func TestSuccessIsUntouched(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	text := strings.Repeat("token "+anothersToken+" and bytes \x00\xff\n", 500)
	modified := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, coding := range []string{"", "gzip", "deflate", "br"} {
		body := []byte(text)
		if compress[coding] != nil {
			body = compressed(t, coding, text)
		}
		f.upstream.answers(func(w http.ResponseWriter, r *http.Request) {
			if coding != "" {
				w.Header().Set("Content-Encoding", coding)
			}
			w.Header().Set("Etag", `"v1"`)
			w.Header().Set("Content-Type", "application/octet-stream")
			http.ServeContent(w, r, "", modified, bytes.NewReader(body))
		})
		for _, c := range []struct {
			name   string
			send   []string
			status int
			want   []byte
		}{
			{"whole", nil, 200, body},
			{"range", []string{"Range", "bytes=10-99"}, 206, body[10:100]},
			{"range to the end", []string{"Range", "bytes=-20"}, 206, body[len(body)-20:]},
			{"range if unchanged", []string{"Range", "bytes=0-0", "If-Range", `"v1"`}, 206, body[:1]},
			{"not modified", []string{"If-None-Match", `"v1"`}, 304, nil},
			{"no such range", []string{"Range", "bytes=9999999-"}, 416, nil},
		} {
			for _, client := range []*http.Client{f.h1, f.h2} {
				got := f.send(client, "GET", "/x", "", append([]string{"Authorization", f.bearer(), "Accept-Encoding", "gzip"}, c.send...)...)
				if got.status != c.status || c.status < 400 && (got.body != string(c.want) || got.header.Get("Etag") != `"v1"`) {
					t.Errorf("%s %s: got %d, %d bytes, %v; want %d and %d bytes", coding, c.name, got.status, len(got.body), got.header, c.status, len(c.want))
				}
				if c.status == 200 && (got.header.Get("Content-Encoding") != coding || got.header.Get("Accept-Ranges") != "bytes") {
					t.Errorf("%s %s: got %v", coding, c.name, got.header)
				}
			}
		}
		head := f.send(f.h1, "HEAD", "/x", "", "Authorization", f.bearer())
		if head.status != 200 || head.body != "" || coding == "" && head.header.Get("Content-Length") != fmt.Sprint(len(body)) {
			t.Errorf("%s HEAD: got %v, want the length %d and no body", coding, head, len(body))
		}
	}
	f.upstream.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	if got := f.send(f.h1, "DELETE", "/x", "", "Authorization", f.bearer()); got.status != 204 || got.body != "" || got.header.Get("Content-Length") != "" {
		t.Errorf("204: got %v", got)
	}
}

// TestOfferedCodings is what upstreams get to see of Accept-Encoding: nothing
// that the guard could not look into.
func TestOfferedCodings(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for accept, want := range map[string]string{
		"gzip": "gzip", "gzip, deflate, br, zstd": "gzip", "GZIP;q=0.5, br": "gzip", "br": "identity", "gzip;q=0": "identity",
		"gzip; q=0.000, br": "identity", "*": "identity", "deflate": "identity", "identity": "identity", "br;q=1.0, gzip;q=0.8": "gzip",
	} {
		f.get("/x", "Authorization", f.bearer(), "Accept-Encoding", accept)
		if got := f.upstream.last(t).header.Get("Accept-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: the upstream got %q, want %q", accept, got, want)
		}
	}
	if f.get("/x", "Authorization", f.bearer()); len(f.upstream.last(t).header["Accept-Encoding"]) > 0 {
		t.Errorf("the upstream got %v although the client named no coding", f.upstream.last(t).header["Accept-Encoding"])
	}
}
