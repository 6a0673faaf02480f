package front2_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
)

// TestAnswersArriveAlike runs handlers on our server and on net/http's.
func TestAnswersArriveAlike(t *testing.T) {
	t.Parallel()
	handlers := map[string]http.HandlerFunc{
		"nothing":      func(http.ResponseWriter, *http.Request) {},
		"status alone": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) },
		"short":        func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") },
		"in parts": func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				_, _ = io.WriteString(w, "hello")
			}
		},
		"long": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2<<20)) },
		"announced": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "300000")
			w.Header().Set("Content-Type", "text/x")
			for range 3 {
				_, _ = w.Write(make([]byte, 100_000))
			}
		},
		"flushed": func(w http.ResponseWriter, _ *http.Request) {
			for i := range 3 {
				fmt.Fprint(w, i)
				_ = http.NewResponseController(w).Flush()
			}
		},
		"header, then flush": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(201)
			w.Header().Set("X-Late", "1")
			_ = http.NewResponseController(w).Flush()
		},
		"no type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			_, _ = io.WriteString(w, "<html>")
		},
		"guessed type": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"own date":     func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Date", "today") },
		"204":          func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204); _, _ = io.WriteString(w, "no") },
		"304": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			w.WriteHeader(304)
		},
		"bad fields": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["X-Bad"] = []string{"a\r\nX-Evil: b", "good"}
			w.Header()["X Bad"] = []string{"a"}
			w.Header().Set("Connection", "keep-alive")
			w.Header().Set("Transfer-Encoding", "chunked")
		},
		"cookies": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
		},
		"large header": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-A", strings.Repeat("a", 50_000))
			_, _ = io.WriteString(w, "hello")
		},
		"trailers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			_, _ = io.WriteString(w, "hello")
			w.Header().Set("X-Sum", "1")
			w.Header().Set(http.TrailerPrefix+"X-Other", "2")
		},
		"trailer without a body": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(200)
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		},
		"early hints": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</a>")
			w.WriteHeader(103)
			w.Header().Del("Link")
			_, _ = io.WriteString(w, "hello")
		},
		"two statuses": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202); w.WriteHeader(500) },
		"aborted":      func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"aborted within": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, 100_000))
			panic(http.ErrAbortHandler)
		},
		"panic": func(http.ResponseWriter, *http.Request) { panic("oh") },
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1")
			_, _ = io.WriteString(w, "ab")
		},
	}
	stricter := map[string]bool{"too much": true, "aborted within": true}
	ours, theirs := servers(t, reusing(func(w http.ResponseWriter, r *http.Request) {
		handlers[strings.ReplaceAll(r.URL.Path[1:], "_", " ")](w, r)
	}))
	for name := range handlers {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			got := [2]string{}
			for i, s := range []*http.Client{ours.Client(), theirs.Client()} {
				hints := ""
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
					hints += fmt.Sprint(code, h)
					return nil
				}})
				r, _ := http.NewRequestWithContext(ctx, method, []string{ours.URL, theirs.URL}[i]+"/"+strings.ReplaceAll(name, " ", "_"), http.NoBody)
				res, err := s.Do(r)
				if err != nil {
					got[i] = "no answer"
					continue
				}
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				if d := res.Header.Get("Date"); d != "today" && d != "" {
					res.Header.Set("Date", "some")
				}
				got[i] = fmt.Sprintln(hints, res.StatusCode, res.Header, len(body), fmt.Sprintf("%.100q", body), res.Trailer, res.ContentLength, err != nil)
				if err != nil {
					got[i] = "cut"
				}
			}
			if stricter[name] {
				if method != "HEAD" && got[0] != "no answer" && got[0] != "cut" {
					t.Errorf("%s %s: got %s, want no whole answer", method, name, got[0])
				}
				continue
			}
			if diff := cmp.Diff(got[1], got[0]); diff != "" {
				t.Errorf("%s %s (-net/http +ours):\n%s", method, name, diff)
			}
		}
	}
}

// TestShortBodiesAreNotWhole is an answer with less than its length: the client
// must not take it for whole, which net/http's server leaves to the client.
func TestShortBodiesAreNotWhole(t *testing.T) {
	t.Parallel()
	p, _ := frames(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "hello")
	}), nil)
	p.ask(1, true, usual("GET", "/")...)
	if got := p.until(1); got.what != "reset" || got.reset != http2.ErrCodeInternal {
		t.Errorf("got %+v, want a reset", got)
	}
	p.alive()
}

func TestFlushedPartsArriveAtOnce(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	ours, _ := servers(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			_, _ = io.WriteString(w, "part")
			w.(http.Flusher).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	}))
	res, err := ours.Client().Get(ours.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for range 3 {
		if _, err := io.ReadFull(res.Body, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		next <- struct{}{}
	}
	if rest, err := io.ReadAll(res.Body); len(rest) > 0 || err != nil {
		t.Errorf("got %q, %v", rest, err)
	}
}

func TestContinue(t *testing.T) {
	t.Parallel()
	p, _ := frames(t, reusing(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/yes" {
			_, _ = io.Copy(w, r.Body)
		}
	}), nil)
	p.ask(1, false, usual("POST", "/yes", "expect", "100-continue", "content-length", "5")...)
	for {
		f, err := p.ReadFrame()
		p.must(err)
		if h, ok := f.(*http2.HeadersFrame); ok {
			fields, err := p.in.DecodeFull(h.HeaderBlockFragment())
			if err != nil || len(fields) != 1 || fields[0].Value != "100" || h.StreamEnded() {
				t.Fatalf("got %v, %v; want 100", fields, err)
			}
			break
		}
	}
	p.must(p.WriteData(1, true, []byte("hello")))
	if got := p.until(1); got.body != "hello" {
		t.Errorf("got %+v", got)
	}
	p.ask(3, false, usual("POST", "/no", "expect", "100-continue", "content-length", "5")...)
	if got := p.until(3); got.fields[":status"] != "200" {
		t.Errorf("got %+v, want 200 and no 100 before", got)
	}
	if got := p.until(3); got.what != "reset" || got.reset != http2.ErrCodeNo {
		t.Errorf("got %+v, want leave not to send the rest", got)
	}
}

// TestDeadlines sets them on another goroutine, as a guard that cuts streams.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	longAgo := time.Unix(1, 0)
	got := make(chan error, 1)
	for name, c := range map[string]struct {
		serve func(w http.ResponseWriter, r *http.Request) error
		want  error
	}{
		"reading": {func(w http.ResponseWriter, r *http.Request) error {
			time.AfterFunc(10*time.Millisecond, func() { _ = http.NewResponseController(w).SetReadDeadline(longAgo) })
			_, err := io.ReadAll(r.Body)
			return err
		}, os.ErrDeadlineExceeded},
		"reading, later": {func(w http.ResponseWriter, r *http.Request) error {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			_, err := io.ReadAll(r.Body)
			return err
		}, os.ErrDeadlineExceeded},
		"writing": {func(w http.ResponseWriter, _ *http.Request) error {
			time.AfterFunc(10*time.Millisecond, func() { _ = http.NewResponseController(w).SetWriteDeadline(longAgo) })
			_, err := w.Write(make([]byte, 1<<20)) // more than the window
			return err
		}, os.ErrDeadlineExceeded},
		"writing, later": {func(w http.ResponseWriter, _ *http.Request) error {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
			_, err := w.Write(make([]byte, 1<<20))
			return err
		}, os.ErrDeadlineExceeded},
	} {
		p, _ := frames(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got <- c.serve(w, r) }), nil)
		p.ask(1, false, usual("POST", "/")...)
		if err := <-got; !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if strings.HasPrefix(name, "writing") {
			if h := p.until(1); h.what != "reset" {
				t.Errorf("%s: got %+v, want a reset", name, h)
			}
		}
	}
}

// TestContextsEnd looks at what a handler sees of a client that gives up.
func TestContextsEnd(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(p *peer){
		"reset": func(p *peer) { p.must(p.WriteRSTStream(1, http2.ErrCodeCancel)) },
		"close": func(p *peer) { _ = p.conn.Close() },
	} {
		begun, ended := make(chan struct{}), make(chan string, 1)
		p, _ := frames(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			child, cancel := context.WithCancel(r.Context())
			defer cancel()
			before := r.Context().Err()
			close(begun)
			_, err := io.ReadAll(r.Body)
			<-child.Done()
			_, werr := w.Write(make([]byte, 1<<20))
			ended <- fmt.Sprintf("%v %v %v %v", before, r.Context().Err(), err != nil, werr != nil)
		}), nil)
		p.ask(1, false, usual("POST", "/")...)
		<-begun
		leave(p)
		select {
		case got := <-ended:
			if want := "<nil> context canceled true true"; got != want {
				t.Errorf("%s: got %s, want %s", name, got, want)
			}
		case <-time.After(patience):
			t.Errorf("%s: the handler hears nothing of it", name)
		}
	}
}
