package keyset_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/keyset"
)

const (
	openID = "/.well-known/openid-configuration"
	oauth  = "/.well-known/oauth-authorization-server"
)

// metadata is a document with %s for the server's own URL.
func metadata(doc string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		scheme := "http://"
		if r.TLS != nil {
			scheme = "https://"
		}
		body(strings.ReplaceAll(doc, "%s", scheme+r.Host))(w, r)
	}
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	const good = `{"issuer":"%s","jwks_uri":"%s/jwks"}`
	tests := []struct {
		name   string
		path   string // of the issuer
		places map[string]http.HandlerFunc
		reason string // empty: keys
	}{
		{"OpenID", "", map[string]http.HandlerFunc{openID: metadata(good)}, ""},
		{"OAuth", "", map[string]http.HandlerFunc{oauth: metadata(good)}, ""},
		{"OAuth, where all other paths give a page", "", map[string]http.HandlerFunc{
			"/": body("<!doctype html>"), oauth: metadata(good),
		}, ""},
		{"OpenID of a tenant", "/t/1", map[string]http.HandlerFunc{
			"/t/1" + openID: metadata(`{"issuer":"%s/t/1","jwks_uri":"%s/jwks"}`),
		}, ""},
		{"OAuth of a tenant", "/t/1", map[string]http.HandlerFunc{
			oauth + "/t/1": metadata(`{"issuer":"%s/t/1","jwks_uri":"%s/jwks"}`),
		}, ""},
		{"slash at the end", "/t/", map[string]http.HandlerFunc{
			"/t" + openID: metadata(`{"issuer":"%s/t/","jwks_uri":"%s/jwks"}`),
		}, ""},
		{"OAuth, slash at the end", "/", map[string]http.HandlerFunc{
			oauth: metadata(`{"issuer":"%s/","jwks_uri":"%s/jwks"}`),
		}, ""},
		{"redirected", "", map[string]http.HandlerFunc{
			openID: redirect("/doc"), "/doc": metadata(good),
		}, ""},

		{"nothing", "", nil, "answers 404"},
		{"down", "", map[string]http.HandlerFunc{openID: status(503), oauth: metadata(good)}, "answers 503"},
		{
			"other issuer", "",
			map[string]http.HandlerFunc{
				openID: metadata(`{"issuer":"https://evil.test","jwks_uri":"%s/jwks"}`), oauth: metadata(good),
			},
			`issuer is "https://evil.test", want `,
		},
		{"slash too many", "", map[string]http.HandlerFunc{
			openID: metadata(`{"issuer":"%s/","jwks_uri":"%s/jwks"}`),
		}, "trailing slashes count"},
		{"slash missing", "/", map[string]http.HandlerFunc{
			openID: metadata(good),
		}, "trailing slashes count"},
		{"issuer twice", "", map[string]http.HandlerFunc{
			openID: metadata(`{"issuer":"https://evil.test","jwks_uri":"%s/jwks","issuer":"%s"}`),
		}, `"issuer" is there twice`},
		{"issuer in capitals", "", map[string]http.HandlerFunc{
			openID: metadata(`{"Issuer":"%s","jwks_uri":"%s/jwks"}`),
		}, "lacks issuer"},
		{"issuer is a list", "", map[string]http.HandlerFunc{
			openID: metadata(`{"issuer":["%s"],"jwks_uri":"%s/jwks"}`),
		}, "issuer is not a string"},
		{"no jwks_uri", "", map[string]http.HandlerFunc{
			openID: metadata(`{"issuer":"%s"}`),
		}, "lacks jwks_uri"},
		{"empty jwks_uri", "", map[string]http.HandlerFunc{
			openID: metadata(`{"issuer":"%s","jwks_uri":""}`),
		}, "jwks_uri is not a string, or empty"},
		{"relative jwks_uri", "", map[string]http.HandlerFunc{
			openID: metadata(`{"issuer":"%s","jwks_uri":"/jwks"}`),
		}, "not an absolute URL"},
		{"jwks_uri at metadata service", "", map[string]http.HandlerFunc{
			openID: metadata(`{"issuer":"%s","jwks_uri":"https://169.254.169.254/"}`),
		}, "link-local"},
		{"jwks_uri with password", "", map[string]http.HandlerFunc{
			openID: metadata(`{"issuer":"%s","jwks_uri":"https://u:canary@issuer.test/"}`),
		}, "user name or password"},
		{"jwks_uri over http", "", map[string]http.HandlerFunc{
			openID: metadata(`{"issuer":"%s","jwks_uri":"http://id.example.com/"}`),
		}, "http"},
		{"huge", "", map[string]http.HandlerFunc{
			openID: metadata(strings.Repeat(" ", 1<<20) + good),
		}, "longer than"},
		{"a key set", "", map[string]http.HandlerFunc{
			openID: body(jwks()), oauth: body(jwks()),
		}, "lacks issuer"},
		{"cut off", "", map[string]http.HandlerFunc{openID: metadata(good[:20])}, "not valid JSON"},
		{"bad name", "", map[string]http.HandlerFunc{openID: metadata(`{"issuer":"%s",7:1}`)}, "not valid JSON"},
		{"bad value", "", map[string]http.HandlerFunc{openID: metadata(`{"issuer":"%s","jwks_uri":nope}`)}, "not valid JSON"},
		{"two documents", "", map[string]http.HandlerFunc{openID: metadata(good + good)}, "something follows"},
	}
	set := body(jwks(jwk(t, "a")))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			mux := http.NewServeMux()
			mux.Handle("/jwks", set)
			for path, h := range tt.places {
				mux.Handle(path, h)
			}
			c, i := newClock(), newTLSIssuer(t, mux.ServeHTTP)
			s := source(t, keyset.Remote{Discovery: true, Issuer: i.URL + tt.path, CA: i.ca(), Now: c.now})
			fetch(t, s, c)
			if tt.reason == "" {
				mustHave(t, s, "a")
				return
			}
			mustBeUnavailable(t, s)
			mustFail(t, s, tt.reason)
			if strings.Contains(s.Err().Error(), "canary") {
				t.Errorf("Err: got %v, want no password in it", s.Err())
			}
		})
	}
}

// Plain http stays possible on loopback, all the way, but never after https.
func TestDiscoveryOnLoopback(t *testing.T) {
	t.Parallel()
	plain := newIssuer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == openID {
			metadata(`{"issuer":"%s","jwks_uri":"%s/jwks"}`)(w, r)
			return
		}
		body(jwks(jwk(t, "a")))(w, r)
	})
	c := newClock()
	s := source(t, keyset.Remote{Discovery: true, Issuer: plain.URL, Now: c.now})
	fetch(t, s, c)
	mustHave(t, s, "a")

	before := plain.requests.Load()
	secure := newTLSIssuer(t, metadata(fmt.Sprintf(`{"issuer":"%%s","jwks_uri":%q}`, plain.URL)))
	s = source(t, keyset.Remote{Discovery: true, Issuer: secure.URL, CA: secure.ca(), Now: c.now})
	fetch(t, s, c)
	mustFail(t, s, "leads to http")
	if got := plain.requests.Load(); got != before {
		t.Errorf("requests over http: got %d, want 0", got-before)
	}
}

// The URL may differ from the name: an issuer behind another address.
func TestDiscoveryAtAnotherURL(t *testing.T) {
	t.Parallel()
	c, i := newClock(), newIssuer(t, nil)
	i.set(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == openID {
			metadata(`{"issuer":"https://id.example.com","jwks_uri":"%s/moved"}`)(w, r)
			return
		}
		body(jwks(jwk(t, strings.TrimPrefix(r.URL.Path, "/"))))(w, r)
	})
	s := source(t, keyset.Remote{Discovery: true, URL: i.URL, Issuer: "https://id.example.com", Now: c.now})
	fetch(t, s, c)
	mustHave(t, s, "moved")
	// An issuer that begins to call itself something else is no longer believed.
	i.set(metadata(`{"issuer":"https://evil.test","jwks_uri":"%s/evil"}`))
	fetch(t, s, c)
	mustHave(t, s, "moved")
	mustFail(t, s, `want "https://id.example.com"`)
}
