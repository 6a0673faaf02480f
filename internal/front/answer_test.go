package front_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// answers are handlers whose answers must be those that net/http makes of them.
var answers = map[string]http.HandlerFunc{
	"nothing":      func(http.ResponseWriter, *http.Request) {},
	"text":         func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") },
	"HTML guessed": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html><body>") },
	"type set to nothing": func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		_, _ = io.WriteString(w, "<html>")
	},
	"compressed": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "<html>")
	},
	"length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(201)
		_, _ = io.WriteString(w, "hello")
	},
	"length, type guessed": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.WriteHeader(200)
		_, _ = io.WriteString(w, "hello")
	},
	"length of nothing": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "0") },
	"too much for the length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "3")
		_, err := io.WriteString(w, "hel")
		if _, more := io.WriteString(w, "lo"); err != nil || !errors.Is(more, http.ErrContentLength) {
			panic(fmt.Sprintf("got %v, %v", err, more))
		}
	},
	"too little for the length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "9")
		_, _ = io.WriteString(w, "hello")
	},
	"large, of known length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		_, _ = io.WriteString(w, strings.Repeat("x", 100000))
	},
	"large, in pieces": func(w http.ResponseWriter, _ *http.Request) {
		for range 1000 {
			_, _ = io.WriteString(w, strings.Repeat("x", 100))
		}
	},
	"large at once": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 100000)) },
	"flushed": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hel")
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, "lo")
	},
	"flushed before all": func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, "hello")
	},
	"flushed and no more": func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() },
	"trailers announced": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum, X-Other, Content-Length")
		_, _ = io.WriteString(w, "hello")
		w.Header().Set("X-Sum", "1")
		w.Header().Add("X-Sum", "2")
	},
	"trailers unannounced": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
		w.(http.Flusher).Flush()
		w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
	},
	"204": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(204)
		if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrBodyNotAllowed) {
			panic(err)
		}
	},
	"304": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "55")
		w.Header().Set("Etag", `"x"`)
		w.WriteHeader(304)
	},
	"unknown status":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(799) },
	"a second status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); w.WriteHeader(200) },
	"close":           func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") },
	"header after status": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		w.Header().Set("X-Late", "x")
	},
	"lines in values": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-A", "a\r\nX-Injected: b\n\n\r\rx")
		w.Header()["X-B"] = []string{" a ", "b\r\n"}
		w.Header()["X Bad: name\r\nX-Injected"] = []string{"a"}
		w.Header()["X:"] = []string{"a"}
		w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
	},
	"large header": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Large", strings.Repeat("x", 30000))
		_, _ = io.WriteString(w, "hello")
	},
	"abort": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	"abort within": func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	},
	"body, read": func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%q %v %d", b, err, r.ContentLength)
	},
	"what it was asked": func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.Method, r.RequestURI, r.Proto, r.ProtoMajor, r.ProtoMinor, r.Host, r.URL, r.Close, r.ContentLength,
			r.TLS.HandshakeComplete, r.TLS.NegotiatedProtocol, r.Context().Err(), r.Body == http.NoBody, len(r.RemoteAddr) > 0, r.Header)
	},
}

// TestAnswersAsStandard asks every handler in several ways, behind the front
// and behind net/http, twice on each connection.
func TestAnswersAsStandard(t *testing.T) {
	t.Parallel()
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answers[r.Header.Get("X-Answer")](w, r)
		if reuse, ok := w.(interface{ Reuse() }); ok && r.Header.Get("X-Reuse") != "" {
			reuse.Reuse()
		}
	}), nil)
	for name := range answers {
		for _, c := range []struct{ name, method, extra, body string }{
			{"GET", "GET", "", ""},
			{"GET, reused", "GET", "X-Reuse: 1\r\n", ""},
			{"HEAD", "HEAD", "", ""},
			{"POST", "POST", "Content-Length: 5\r\n", "hello"},
			{"close", "GET", "Connection: close\r\n", ""},
			{"OPTIONS", "OPTIONS", "Pragma: no-cache\r\nX-A: 1\r\nx-a: 2\r\n", ""},
			{"left to net/http", "POST", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"},
		} {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				text := fmt.Sprintf("%s /a%%20b?c=d HTTP/1.1\r\nHost: a.test\r\nX-Answer: %s\r\n%s\r\n%s", c.method, name, c.extra, c.body)
				got := s.talk(t, "", text+text, c.method, c.method)
				want := s.talk(t, s.standard.Listener.Addr().String(), text+text, c.method, c.method)
				if name == "what it was asked" {
					for i := range got {
						got[i].Body = strings.Replace(got[i].Body, "true http/1.1", "true ", 1) // the other offers no protocol
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("-net/http +front\n%s", diff)
				}
			})
		}
	}
}

// TestInformational sends what comes before an answer.
func TestInformational(t *testing.T) {
	t.Parallel()
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.Header().Set("Content-Length", "2")
		w.WriteHeader(103)
		w.WriteHeader(103)
		w.Header().Del("Link")
		_, _ = io.WriteString(w, "ok")
	}), nil)
	text := "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
	got := s.talk(t, "", text, "GET", "GET", "GET")
	want := s.talk(t, s.standard.Listener.Addr().String(), text, "GET", "GET", "GET")
	if diff := cmp.Diff(want, got); diff != "" || len(got) != 3 {
		t.Errorf("-net/http +front\n%s", diff)
	}
}

// TestDate looks that each answer has one, of now.
func TestDate(t *testing.T) {
	t.Parallel()
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/own" {
			w.Header().Set("Date", "today")
		}
	}), nil)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: s.clientTLS()}, Timeout: patience}
	defer c.CloseIdleConnections()
	for path, own := range map[string]bool{"/": false, "/own": true} {
		res, err := c.Get("https://" + s.addr + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		got := res.Header["Date"]
		if len(got) != 1 {
			t.Fatalf("got Date %q, want one", got)
		}
		at, err := http.ParseTime(got[0])
		if own && got[0] != "today" || !own && (err != nil || time.Since(at).Abs() > patience) {
			t.Errorf("%s: got Date %q", path, got[0])
		}
	}
}

// TestAbortSendsNoEnd cuts answers of every framing, which must not look whole.
func TestAbortSendsNoEnd(t *testing.T) {
	t.Parallel()
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", "10")
		}
		_, _ = io.WriteString(w, "hello")
		if r.URL.Path != "/early" {
			w.(http.Flusher).Flush()
		}
		panic(http.ErrAbortHandler)
	}), nil)
	for _, path := range []string{"/length", "/chunked", "/early"} {
		for _, r := range s.talk(t, "", "GET "+path+" HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET", "GET") {
			if !r.Broken {
				t.Errorf("%s: got %+v, want no whole answer", path, r)
			}
		}
	}
	if log := s.log.String(); strings.Contains(log, "panic") {
		t.Errorf("an abort was logged: %s", log)
	}
}
