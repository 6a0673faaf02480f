package guard_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// compress names the codings of HTTP with the way to make them.
var compress = map[string]func(io.Writer) io.WriteCloser{
	"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"x-gzip":  func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
	"deflate, bare": func(w io.Writer) io.WriteCloser {
		z, _ := flate.NewWriter(w, flate.DefaultCompression) // fails for unknown levels only
		return z
	},
}

func compressed(t testing.TB, coding, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := compress[coding](&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const anothersToken = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJlLW9mLWJvYg"

// TestErrorsAreScrubbed sends the client's token and another's back in the
// body of an error, in every coding.
func TestErrorsAreScrubbed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	own := f.mint(nil)
	signature := own[strings.LastIndexByte(own, '.')+1:]
	page := func(own, anothers, signature string) string {
		return fmt.Sprintf(`{"detail":"bad token %s","seen":["%s"],"headers":{"authorization":"Bearer %s"},"part":"%s","pad":"%s"}`,
			own, anothers, own, signature, strings.Repeat("all is well. ", 3000))
	}
	text := page(own, anothersToken, signature)
	want := page("[redacted]", "[redacted]", "[redacted]")
	codings := []string{"", "identity"}
	for name := range compress {
		codings = append(codings, name)
	}
	for _, coding := range codings {
		for _, status := range []int{400, 401, 404, 422, 500, 503} {
			for proto, client := range map[string]*http.Client{"HTTP/1.1": f.h1, "HTTP/2": f.h2} {
				t.Run(fmt.Sprintf("%s %d %s", coding, status, proto), func(t *testing.T) {
					f.upstream.answers(func(w http.ResponseWriter, _ *http.Request) {
						h := w.Header()
						h.Set("Content-Type", "application/json")
						h.Set("Etag", `"of-the-plain-text"`)
						body := []byte(text)
						if name, _, _ := strings.Cut(coding, ","); name != "" {
							h.Set("Content-Encoding", name)
						}
						if compress[coding] != nil {
							body = compressed(t, coding, text)
						}
						h.Set("Content-Length", fmt.Sprint(len(body)))
						w.WriteHeader(status)
						_, _ = w.Write(body)
					})
					got := f.send(client, "GET", "/x", "", "Authorization", "Bearer "+own, "Accept-Encoding", "gzip, deflate, br")
					if got.status != status || got.header.Get("Content-Type") != "application/json" {
						t.Errorf("got %d %v", got.status, got.header)
					}
					if diff := cmp.Diff(want, got.body); diff != "" {
						t.Errorf("body (-want +got):\n%s", diff)
					}
					for _, name := range []string{"Content-Encoding", "Etag"} {
						if v := got.header.Get(name); v != "" {
							t.Errorf("%s: got %q, which is not that of the body", name, v)
						}
					}
				})
			}
		}
	}
}

// TestScrubbingAcrossPieces has the token come in two pieces, cut at each
// place.
func TestScrubbingAcrossPieces(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	own := f.mint(nil)
	text := "<p>" + own + "</p>"
	for cut := 1; cut < len(text); cut += 7 {
		f.upstream.answers(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, text[:cut])
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, text[cut:])
		})
		if got := f.get("/x", "Authorization", "Bearer "+own); got.body != "<p>[redacted]</p>" {
			t.Fatalf("cut at %d: got %q", cut, got.body)
		}
	}
}

// TestErrorHeadersAreScrubbed has the token in the header of an error.
func TestErrorHeadersAreScrubbed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	own := f.mint(nil)
	signature := own[strings.LastIndexByte(own, '.')+1:]
	for _, c := range []struct{ name, value, want string }{
		{"X-Debug", "token=" + own + "; user=alice", "token=[redacted]; user=alice"},
		{"X-Other", anothersToken, "[redacted]"},
		{"X-Signature", "sig " + signature, "sig [redacted]"},
		{"Www-Authenticate", `Bearer error="invalid_token", error_description="` + own + `"`, `Bearer error="invalid_token", error_description="[redacted]"`},
		{"Location", "/login?next=%2Fx%3Ftoken%3D" + url.QueryEscape(own), "/login?next=%2Fx%3Ftoken%3D[redacted]"},
		{"Set-Cookie", "session=" + own, "session=[redacted]; Secure; HttpOnly; SameSite=Lax"},
		{"X-Plain", "eyJust a word", "eyJust a word"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.upstream.answers(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set(c.name, c.value)
				w.WriteHeader(http.StatusUnauthorized)
			})
			got := f.get("/x", "Authorization", "Bearer "+own)
			if got.status != 401 || got.header.Get(c.name) != c.want {
				t.Errorf("got %d %q, want %q", got.status, got.header.Get(c.name), c.want)
			}
		})
	}
}

// TestUnreadableErrorsAreWithheld is a coding that the guard cannot open.
func TestUnreadableErrorsAreWithheld(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, coding := range []string{"br", "zstd", "compress", "gzip, gzip", "gzip, br", "unknown"} {
		f.upstream.answers(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", coding)
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "unreadable")
		})
		got := f.get("/x", "Authorization", f.bearer())
		if got.status != 500 || got.body != "[redacted]" || got.header.Get("Content-Encoding") != "" {
			t.Errorf("%s: got %v", coding, got)
		}
	}
}

// TestBrokenCompressionIsNoCleanEnd sends errors whose compressed body is cut
// off or none at all: the client must see that the answer is not whole.
func TestBrokenCompressionIsNoCleanEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	text := strings.Repeat("a page of text, ", 1000)
	for _, c := range []struct {
		name, coding string
		body         []byte
		whole        bool
	}{
		{"gzip whole", "gzip", compressed(t, "gzip", text), true},
		{"gzip in two members", "gzip", append(compressed(t, "gzip", text[:5000]), compressed(t, "gzip", text[5000:])...), true},
		{"gzip of nothing", "gzip", compressed(t, "gzip", ""), true},
		{"deflate and more", "deflate", append(compressed(t, "deflate", text), make([]byte, 8000)...), true},
		{"gzip cut off in the middle", "gzip", compressed(t, "gzip", text)[:30], false},
		{"gzip without its checksum", "gzip", compressed(t, "gzip", text)[:len(compressed(t, "gzip", text))-4], false},
		{"gzip cut off in the header", "gzip", compressed(t, "gzip", text)[:5], false},
		{"gzip with a wrong checksum", "gzip", append(compressed(t, "gzip", text)[:len(compressed(t, "gzip", text))-8], make([]byte, 8)...), false},
		{"plain text called gzip", "gzip", []byte(text), false},
		{"one byte called gzip", "gzip", []byte("x"), false},
		{"zlib cut off", "deflate", compressed(t, "deflate", text)[:30], false},
		{"bare deflate cut off", "deflate", compressed(t, "deflate, bare", text)[:30], false},
	} {
		for proto, client := range map[string]*http.Client{"HTTP/1.1": f.h1, "HTTP/2": f.h2} {
			t.Run(c.name+" "+proto, func(t *testing.T) {
				f.upstream.answers(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Encoding", c.coding)
					w.WriteHeader(http.StatusBadRequest)
					_, _ = w.Write(c.body)
				})
				res, err := client.Do(f.request("https", "GET", "/x", "", "Authorization", f.bearer()))
				var body []byte
				if err == nil {
					defer res.Body.Close()
					body, err = io.ReadAll(res.Body)
				}
				if whole := err == nil; whole != c.whole {
					t.Errorf("got %q and error %v, want a whole answer: %v", body, err, c.whole)
				}
				if want := text; c.whole && c.name != "gzip of nothing" && string(body) != want {
					t.Errorf("got %d bytes, want %d", len(body), len(want))
				}
			})
		}
	}
}

// TestErrorsWithoutBody are answers that say a coding and have nothing to open.
func TestErrorsWithoutBody(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.upstream.answers(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", r.URL.RawQuery)
		w.Header().Set("Content-Length", map[bool]string{true: "1234", false: "0"}[r.Method == "HEAD"])
		w.WriteHeader(http.StatusNotFound)
	})
	for _, method := range []string{"HEAD", "GET"} {
		for _, coding := range []string{"gzip", "deflate", "br", "identity"} {
			for _, client := range []*http.Client{f.h1, f.h2} {
				got := f.send(client, method, "/x?"+coding, "", "Authorization", f.bearer())
				withheld := coding == "br" && method == "GET" && got.body == "[redacted]"
				if got.status != 404 || got.body != "" && !withheld || got.header.Get("Content-Length") == "1234" {
					t.Errorf("%s %s: got %v", method, coding, got)
				}
				if records := f.log.of(t, got.header.Get("X-Request-Id")); records[len(records)-1]["reason"] != nil {
					t.Errorf("%s %s: got the record %v, want no complaint", method, coding, records)
				}
			}
		}
	}
}

// TestBombIsNotHeld is an error of 96 MiB that came as an eighth of one. It streams
// through, and the guard holds next to nothing of it.
func TestBombIsNotHeld(t *testing.T) {
	f := newFixture(t, nil)
	const size = 96 << 20
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	zeroes := make([]byte, 1<<20)
	for range size >> 20 {
		_, _ = z.Write(zeroes)
	}
	_ = z.Close()
	f.upstream.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write(b.Bytes())
	})
	peak := watchHeap(t)
	res, err := f.h1.Do(f.request("https", "GET", "/x", "", "Authorization", f.bearer()))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	grown := peak()
	t.Logf("%d MiB from %d KiB, heap at most %d MiB more", n>>20, b.Len()>>10, grown>>20)
	if err != nil || n != size || grown > 32<<20 {
		t.Errorf("got %d bytes, %v, and %d MiB more heap; want %d bytes and at most 32 MiB", n, err, grown>>20, size)
	}
}

// watchHeap looks at the heap until the function that it returns is called,
// which says how much it grew at most.
func watchHeap(t testing.TB) func() int64 {
	t.Helper()
	heap := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse)
	}
	runtime.GC()
	before, peak := heap(), int64(0)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			peak = max(peak, heap())
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	return func() int64 { close(stop); <-done; return peak - before }
}
