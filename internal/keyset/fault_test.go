package keyset_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/keyset"
)

type fault struct {
	name   string
	answer http.HandlerFunc
	reason string
}

func faults(t *testing.T) []fault {
	good := jwks(jwk(t, "evil"))
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	if _, err := zip.Write([]byte(good)); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	private := `{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","kid":"o"}`
	return []fault{
		{"500", status(500), "answers 500 Internal Server Error"},
		{"500 with a set", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			_, _ = w.Write([]byte(good))
		}, "answers 500"},
		{"503", status(503), "answers 503"},
		{"404", status(404), "answers 404 Not Found"},
		{"401", status(401), "answers 401"},
		{"an unknown status", status(599), "answers 599"},
		{"204", status(204), "answers 204"},
		{"206", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(206)
			_, _ = w.Write([]byte(good))
		}, "answers 206"},
		{"304 unasked", status(304), "without condition"},
		{"nothing", body(""), "not a JSON object"},
		{"garbage", body("\x00\xff\xfegarbage"), "key set"},
		{"HTML", body("<!doctype html><title>Sign in</title>", "Content-Type", "text/html"), "not a JSON object"},
		{"another object", body(`{"error":"nope"}`), "no array"},
		{"an array", body("[" + jwk(t, "evil") + "]"), "not a JSON object"},
		{"null", body(`{"keys":null}`), "no array"},
		{"keys is an object", body(`{"keys":{}}`), "no array"},
		{"KEYS", body(strings.Replace(good, "keys", "KEYS", 1)), "no array"},
		{"keys twice", body(`{"keys":[],` + good[1:]), "twice"},
		{"two documents", body(good + good), "not valid JSON"},
		{"empty set", body(jwks()), "no usable key"},
		{"no usable key", body(jwks(private, `{"kty":"EC"}`)), "no usable key"},
		{"one kid for all", body(jwks(jwk(t, "evil"), jwk(t, "evil"))), "no usable key"},
		{"101 keys", body(jwks(strings.Repeat(jwk(t, "evil")+",", 100) + jwk(t, "evil"))), "more than 100"},
		{"huge", body(good + strings.Repeat(" ", 1<<20)), "longer than 1048576 bytes"},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			chunk := []byte(strings.Repeat(" ", 1<<16))
			for r.Context().Err() == nil {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, "longer than 1048576 bytes"},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write([]byte(good))
		}, "unexpected EOF"},
		{"compressed unasked", body(zipped.String(), "Content-Encoding", "gzip"), "key set"},
		{"huge header", body(good, "X-Long", strings.Repeat("x", 1<<17)), "header"},
		{"hung up", func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = c.Close()
			}
		}, "EOF"},
		{"not HTTP", func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = c.Write([]byte("220 mail.example.com ESMTP\r\n\r\n"))
				_ = c.Close()
			}
		}, "malformed HTTP"},
	}
}

// A fault at start leaves no keys; a fault later leaves the last good ones; a
// good answer mends both. Nothing of a faulty answer is ever trusted.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, f := range faults(t) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			c, i := newClock(), newIssuer(t, f.answer)
			s := source(t, keyset.Remote{URL: i.URL + "/jwks?canary=canary", Now: c.now})

			fetch(t, s, c)
			mustBeUnavailable(t, s)
			mustFail(t, s, f.reason)
			mustFail(t, s, i.URL+"/jwks")

			i.set(body(jwks(jwk(t, "good"))))
			fetch(t, s, c)
			generation := mustHave(t, s, "good")
			if err := s.Err(); err != nil {
				t.Errorf("Err after a good answer: got %v, want nil", err)
			}

			good := *i.handler.Load()
			i.set(f.answer)
			fetch(t, s, c)
			mustFail(t, s, f.reason)
			if got := mustHave(t, s, "good"); got != generation {
				t.Errorf("generation after a fault: got %d, want %d", got, generation)
			}
			if age, ok := s.Age(c.now()); !ok || age != 11*time.Second {
				t.Errorf("Age: got %v, %v, want 11s since the last success", age, ok)
			}
			if strings.Contains(s.Err().Error(), "canary") {
				t.Errorf("Err: got %v, want no query in it", s.Err())
			}

			i.set(good)
			fetch(t, s, c)
			if got := mustHave(t, s, "good"); got != generation || s.Err() != nil {
				t.Errorf("after recovery: got generation %d, %v, want %d, nil", got, s.Err(), generation)
			}
		})
	}
}

// 5 s are for the fetch in all, whatever the issuer makes them last with. The
// cases wait for real time, side by side.
func TestSlow(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	wait := func(r *http.Request, d time.Duration) bool {
		select {
		case <-release:
		case <-r.Context().Done():
		case <-time.After(d):
			return true
		}
		return false
	}
	tests := []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"no answer", func(_ http.ResponseWriter, r *http.Request) { wait(r, time.Minute) }},
		{"byte by byte", func(w http.ResponseWriter, r *http.Request) {
			for wait(r, 50*time.Millisecond) {
				_, _ = w.Write([]byte(" "))
				_ = http.NewResponseController(w).Flush()
			}
		}},
		{"redirect by redirect", func(w http.ResponseWriter, r *http.Request) {
			if wait(r, 2*time.Second) {
				redirect("/again")(w, r)
			}
		}},
	}
	sources := make([]*keyset.Source, len(tests))
	for n, tt := range tests {
		i := newTLSIssuer(t, tt.answer)
		sources[n] = source(t, keyset.Remote{URL: i.URL, CA: i.ca()})
	}
	var all sync.WaitGroup // rather than t.Parallel, which two cores would make wait in turn
	for n, tt := range tests {
		all.Go(func() {
			began := time.Now()
			if _, _, err := sources[n].Refetch(t.Context(), "a"); !errors.Is(err, keyset.ErrUnavailable) {
				t.Errorf("%s: Refetch: got %v, want %v", tt.name, err, keyset.ErrUnavailable)
			}
			if took := time.Since(began); took < 4900*time.Millisecond || took > 25*time.Second {
				t.Errorf("%s: took %v, want 5s, and little more", tt.name, took)
			}
		})
	}
	all.Wait()
	for n, tt := range tests {
		until(t, tt.name, 20*time.Second, func() bool {
			return strings.Contains(sources[n].Err().Error(), context.DeadlineExceeded.Error())
		})
		mustFail(t, sources[n], "must answer within 5s")
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	set := body(jwks(jwk(t, "a")))
	tests := []struct {
		name   string
		remote func(*issuer) keyset.Remote
		tls    *tls.Config
		reason string // empty: keys
	}{
		{"own CA", func(i *issuer) keyset.Remote { return keyset.Remote{URL: i.URL, CA: i.ca()} }, nil, ""},
		{
			"system's roots", func(i *issuer) keyset.Remote { return keyset.Remote{URL: i.URL} }, nil,
			"name the CA of the issuer's server in jwks_ca",
		},
		{"other name", func(i *issuer) keyset.Remote {
			return keyset.Remote{URL: "https://issuer.test:" + i.port(), CA: i.ca()}
		}, nil, "valid now and for this name"},
		{
			"TLS 1.1", func(i *issuer) keyset.Remote { return keyset.Remote{URL: i.URL, CA: i.ca()} },
			&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "protocol version",
		},
		{
			"TLS 1.2", func(i *issuer) keyset.Remote { return keyset.Remote{URL: i.URL, CA: i.ca()} },
			&tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}, "",
		},
		{"plain text on the TLS port", func(i *issuer) keyset.Remote {
			return keyset.Remote{URL: strings.Replace(newIssuer(t, set).URL, "http:", "https:", 1), CA: i.ca()}
		}, nil, "not look like a TLS handshake"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, i := newClock(), newTLSIssuer(t, set, tt.tls)
			r := tt.remote(i)
			r.Now = c.now
			s := source(t, r)
			fetch(t, s, c)
			if tt.reason == "" {
				mustHave(t, s, "a")
				return
			}
			mustBeUnavailable(t, s)
			mustFail(t, s, tt.reason)
		})
	}
}

func TestOneBadKeyAmongGood(t *testing.T) {
	t.Parallel()
	var log record
	bad := `{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"short"}`
	c, i := newClock(), newIssuer(t, nil)
	good := jwk(t, "good")
	i.set(body(jwks(bad, good)))
	s := source(t, keyset.Remote{URL: i.URL, Now: c.now, Logger: log.logger()})
	for range 3 {
		fetch(t, s, c)
		mustHave(t, s, "good")
	}
	if got := strings.Count(log.String(), `\"short\"`); got != 1 {
		t.Errorf("warnings of the bad key in 3 fetches: got %d, want 1 in\n%s", got, log.String())
	}
	generation := mustHave(t, s, "good")
	i.set(body(jwks(good)))
	fetch(t, s, c)
	if got := mustHave(t, s, "good"); got != generation {
		t.Errorf("generation without the unused key: got %d, want %d", got, generation)
	}
}

// An issuer that invents faulty keys without end does not fill our memory: what
// was said long ago is forgotten, and said again.
func TestWarningsAreForgotten(t *testing.T) {
	t.Parallel()
	var log record
	c, i := newClock(), newIssuer(t, nil)
	s := source(t, keyset.Remote{URL: i.URL, Now: c.now, Logger: log.logger()})
	good := jwk(t, "good")
	invent := func(round int) http.HandlerFunc {
		keys := []string{good}
		for n := range 99 {
			keys = append(keys, fmt.Sprintf(`{"kty":"EC","kid":"bad-%d-%d"}`, round, n))
		}
		return body(jwks(keys...))
	}
	for round := range 12 {
		i.set(invent(round))
		fetch(t, s, c)
	}
	i.set(invent(0))
	fetch(t, s, c)
	if got := strings.Count(log.String(), `\"bad-0-0\"`); got != 2 {
		t.Errorf("warnings of a key that came back after 1089 others: got %d, want 2", got)
	}
	mustHave(t, s, "good")
}

func TestRotation(t *testing.T) {
	t.Parallel()
	a, b := jwk(t, "a"), jwk(t, "b")
	c, i := newClock(), newIssuer(t, nil)
	s := source(t, keyset.Remote{URL: i.URL, Now: c.now})
	var last uint64
	steps := []struct {
		name  string
		set   string
		kids  []string
		grows bool
	}{
		{"first", jwks(a), []string{"a"}, true},
		{"same", jwks(a), []string{"a"}, false},
		{"added", jwks(a, b), []string{"a", "b"}, true},
		{"reordered", `{ "keys": [` + b + `, ` + a + `], "x": 1 }`, []string{"a", "b"}, false},
		{"removed", jwks(b), []string{"b"}, true},
		{"another key under the same kid", jwks(jwk(t, "b")), []string{"b"}, true},
	}
	for _, step := range steps {
		i.set(body(step.set))
		fetch(t, s, c)
		generation := mustHave(t, s, step.kids...)
		if grew := generation > last; grew != step.grows || generation < last {
			t.Errorf("%s: generation from %d to %d, want growth %v", step.name, last, generation, step.grows)
		}
		last = generation
	}
}

func TestStale(t *testing.T) {
	t.Parallel()
	c, i := newClock(), newIssuer(t, body(jwks(jwk(t, "a")), "Cache-Control", "max-age=60"))
	s := source(t, keyset.Remote{URL: i.URL, Now: c.now})
	fetch(t, s, c)
	generation := mustHave(t, s, "a")
	good := *i.handler.Load()
	i.set(status(502))
	c.advance(54*time.Second + keyset.StaleAfter - 20*time.Second)
	fetch(t, s, c)
	mustHave(t, s, "a")
	c.advance(20 * time.Second) // 65 s and StaleAfter since the success, the refresh was due after 60 s at most
	mustBeUnavailable(t, s)
	if _, _, err := s.Current(); !strings.Contains(err.Error(), "answers 502") {
		t.Errorf("Current: got %v, want the cause", err)
	}
	if age, ok := s.Age(c.now()); !ok || age < keyset.StaleAfter {
		t.Errorf("Age: got %v, %v, want more than %v", age, ok, keyset.StaleAfter)
	}
	i.set(good)
	fetch(t, s, c)
	if got := mustHave(t, s, "a"); got != generation {
		t.Errorf("generation of the same keys: got %d, want %d", got, generation)
	}
}

// Nobody fetched for too long, and nothing failed: the keys go all the same.
func TestStaleWithoutRun(t *testing.T) {
	t.Parallel()
	c, i := newClock(), newIssuer(t, body(jwks(jwk(t, "a"))))
	s := source(t, keyset.Remote{URL: i.URL, Now: c.now})
	fetch(t, s, c)
	mustHave(t, s, "a")
	c.advance(6*time.Minute + keyset.StaleAfter)
	mustBeUnavailable(t, s)
	if _, _, err := s.Current(); !strings.Contains(err.Error(), "not refreshed in time") {
		t.Errorf("Current: got %v, want the cause", err)
	}
}

func TestETag(t *testing.T) {
	t.Parallel()
	var conditions []string // of requests, which come one after the other
	set, tag := jwks(jwk(t, "a")), `"v1"`
	c, i := newClock(), newIssuer(t, nil)
	i.set(func(w http.ResponseWriter, r *http.Request) {
		conditions = append(conditions, r.Header.Get("If-None-Match"))
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write([]byte(set))
	})
	s := source(t, keyset.Remote{URL: i.URL, Now: c.now})
	fetch(t, s, c)
	generation := mustHave(t, s, "a")
	c.advance(time.Minute)
	fetch(t, s, c)
	if got := mustHave(t, s, "a"); got != generation || s.Err() != nil {
		t.Errorf("after 304: got generation %d, %v, want %d, nil", got, s.Err(), generation)
	}
	if age, _ := s.Age(c.now()); age != 0 {
		t.Errorf("Age after 304: got %v, want 0", age)
	}
	set, tag = jwks(jwk(t, "b")), `"v2"`
	fetch(t, s, c)
	mustHave(t, s, "b")
	set, tag = jwks(jwk(t, "c")), strings.Repeat("x", 2000) // too long to keep
	fetch(t, s, c)
	fetch(t, s, c)
	mustHave(t, s, "c")
	if got, want := strings.Join(conditions, " "), ` "v1" "v1" "v2" `; got != want {
		t.Errorf("If-None-Match: got %q, want %q", got, want)
	}
}

func TestNoSecretsInLogs(t *testing.T) {
	t.Parallel()
	var log record
	c, i := newClock(), newIssuer(t, status(500))
	s := source(t, keyset.Remote{URL: i.URL + "/jwks?key=canary", Now: c.now, Logger: log.logger()})
	for range 5 {
		fetch(t, s, c)
	}
	if got := strings.Count(log.String(), "key set not refreshed"); got != 3 {
		t.Errorf("records of 5 failures: got %d, want 3 (1st, 2nd, 4th) in\n%s", got, log.String())
	}
	i.set(body(jwks(jwk(t, "a"))))
	fetch(t, s, c)
	if !strings.Contains(log.String(), "refreshed again") {
		t.Errorf("log: got\n%s\nwant the recovery in it", log.String())
	}
	if strings.Contains(log.String(), "canary") {
		t.Errorf("log: got\n%s\nwant no query in it", log.String())
	}
}
