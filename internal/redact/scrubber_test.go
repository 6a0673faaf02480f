package redact_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/wiretight/wiretight/internal/redact"
)

// jwtShape is what no output may contain.
var jwtShape = regexp.MustCompile(`eyJ[A-Za-z0-9_-]*\.(?:[A-Za-z0-9_-]+\.|\.[A-Za-z0-9_-]|eyJ)`)

const opaque = "s3cr3t+/with=signs~and.dots"

// scrub passes text through in pieces of the given sizes, then the rest.
func scrub(t interface{ Fatalf(string, ...any) }, text string, sizes []int, secrets ...string) string {
	var out bytes.Buffer
	s := redact.NewScrubber(&out, secrets...)
	for _, size := range append(sizes, len(text)) {
		size = min(size, len(text))
		if n, err := s.Write([]byte(text[:size])); n != size || err != nil {
			t.Fatalf("Write of %d bytes = %d, %v", size, n, err)
		}
		text = text[size:]
	}
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	return out.String()
}

func scrubReader(t interface{ Fatalf(string, ...any) }, src io.Reader, secrets ...string) string {
	got, err := io.ReadAll(redact.NewScrubReader(src, secrets...))
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(got)
}

func escapeAll(format string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			fmt.Fprintf(&b, format, s[i])
		}
		return b.String()
	}
}

func TestScrub(t *testing.T) {
	t.Parallel()
	secrets := []string{token, opaque, "", `back\slash%41"quote&#65;`}
	twice := func(s string) string { return url.QueryEscape(url.QueryEscape(s)) }
	replace := func(old, fresh string) func(string) string {
		return func(s string) string { return strings.ReplaceAll(s, old, fresh) }
	}
	for _, test := range []struct {
		name   string
		secret string
		write  func(string) string
	}{
		{"token", token, nil},
		{"token without signature", signed, nil},
		{"token with another signature", signed + ".forged", nil},
		{"signature", signature, nil},
		{"encoded dots", token, replace(".", "%2e")},
		{"encoded dots without signature", signed, replace(".", "%2E")},
		{"every byte percent-encoded", token, escapeAll("%%%02X")},
		{"every byte percent-encoded twice", token, escapeAll("%%25%02x")},
		{"every byte a JSON escape", token, escapeAll(`\u%04X`)},
		{"every byte an HTML reference", token, escapeAll("&#x%x;")},
		{"opaque", opaque, nil},
		{"opaque in a query", opaque, url.QueryEscape},
		{"opaque in a path", opaque, url.PathEscape},
		{"opaque in a query within a query", opaque, twice},
		{"opaque in JSON with escaped slashes", opaque, replace("/", `\/`)},
		{"opaque in strict JSON", opaque, replace("+", `\u002B`)},
		{"opaque in HTML", opaque, replace("+", "&#43;")},
		{"secret that holds escapes", secrets[3], nil},
		{"secret that holds escapes, in JSON", secrets[3], func(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `"`, `\"`) }},
		{"another's token", "eyJhbGciOiJub25lIn0.e30.c2ln", nil},
		{"another's token without signature", "eyJhbGciOiJub25lIn0.eyJhIjoxfQ", nil},
		{"token with a detached payload", "eyJhbGciOiJub25lIn0..c2ln", nil},
		{"encrypted token", jwe, nil},
		{"encrypted token, encoded dots", jwe, replace(".", "%2E")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.write == nil {
				test.write = func(s string) string { return s }
			}
			for i, around := range [][2]string{{"%2", "\r\n"}, {"", ""}, {"a ", " b"}, {`{"detail":"`, `"}`}, {"?t=", "&x"}, {"a%20", "%20b"}, {`\n`, `\n`}, {"<p>", "<"}} {
				text := around[0] + test.write(test.secret) + around[1]
				want := around[0] + "[redacted]" + around[1]
				if got := scrub(t, text, nil, secrets...); got != want {
					t.Errorf("scrub(%q)\n got %q\nwant %q", text, got, want)
				}
				for cut := 0; i == 0 && cut < len(text); cut++ { // the others byte by byte only
					if got := scrub(t, text, []int{cut}, secrets...); got != want {
						t.Fatalf("scrub(%q) cut at %d: got %q, want %q", text, cut, got, want)
					}
				}
				ones := strings.NewReader(text)
				if got := scrubReader(t, iotest.OneByteReader(ones), secrets...); got != want {
					t.Errorf("read byte by byte: got %q, want %q", got, want)
				}
			}
		})
	}
}

func TestScrubShape(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, in, want string }{
		{"empty third part", "eyJhIjoxfQ.e30. ", "[redacted] "},
		{"at the end", "eyJhIjoxfQ.e30.", "[redacted]"},
		{"within a word", "xeyJhIjoxfQ.e30.x", "x[redacted]"},
		{"begun twice", "eyeyJa.b.c", "ey[redacted]"},
		{"begun within an escape", "%2eyJa.b.c", "%2[redacted]"},
		{"begun within a JSON escape", `\u006eyJa.b.c`, `\u006[redacted]`},
		{"two", "eyJa.b.c eyJa.b.c", "[redacted] [redacted]"},
		{"two joined", "eyJa.b.c,eyJa.b.c", "[redacted],[redacted]"},
		{"end of a sentence", "see eyJa.b.c. Next", "see [redacted]. Next"},
		{"ellipsis", "eyJa.b.c...", "[redacted]..."},
		{"a dot and an escape", "eyJa.b.c.%20", "[redacted].%20"},
		{"followed by half an escape", "eyJa.b.c%2", "[redacted]%2"},
		{"a dot and half an escape", "eyJa.b.c.%2", "[redacted].%2"},
		{"too few parts", "eyJa.b", "eyJa.b"},
		{"too few parts, then a token", "eyJa.b eyJa.b.c", "eyJa.b [redacted]"},
		{"cut off", "eyJhbGciOi... ", "eyJhbGciOi... "},
		{"only dots", "eyJ...", "eyJ..."},
		{"half an escape", "eyJa%2", "eyJa%2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for cut := range len(test.in) {
				if got := scrub(t, test.in, []int{cut}); got != test.want {
					t.Errorf("scrub(%q) cut at %d: got %q, want %q", test.in, cut, got, test.want)
				}
			}
		})
	}
}

// TestScrubberDoesNotWait writes one piece and looks at what came out before
// the next.
func TestScrubberDoesNotWait(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, in, held string }{
		{"ordinary text", "data: 42\n\n", ""},
		{"a word", "cause", "e"},
		{"end of a line", "cause\n", ""},
		{"begin of a token", "x ey", "ey"},
		{"token without its second dot", "x " + headerPart + ".e30", headerPart + ".e30"},
		{"no token after all", "x " + headerPart + ".e30 ", ""},
		{"begin of a known secret", "x s3cr3t", "s3cr3t"},
		{"no known secret after all", "x s3cr3tly", ""},
		{"fallen back to a later begin", "s3s3cr", "s3cr"},
		{"half an escape", "100%", "%"},
		{"no escape", "100% ", ""},
		{"token known from its second part on", "x " + signed, ""},
		{"token", "x " + token, ""},
		{"token that may end a sentence", "x " + token + ".", "."},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			s := redact.NewScrubber(&out, opaque)
			if _, err := s.Write([]byte(test.in)); err != nil {
				t.Fatal(err)
			}
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
			early := out.String()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimPrefix(out.String(), early); got != test.held {
				t.Errorf("held back %q of %q, want %q", got, test.in, test.held)
			}
		})
	}
}

// TestScrubReaderDoesNotWait reads from a source that blocks after its text.
func TestScrubReaderDoesNotWait(t *testing.T) {
	t.Parallel()
	src, feed := io.Pipe()
	defer feed.Close()
	go func() { _, _ = io.WriteString(feed, "data: "+token+"\n\n") }()
	want := "data: [redacted]\n\n"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(redact.NewScrubReader(src), got); err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q while the source is still open", got, err, want)
	}
}

func TestScrubLongTokens(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("aB3_-xYz", 8<<10)
	words := strings.Repeat("correct horse ", 8<<10)
	for _, test := range []struct{ name, text, secret string }{
		{"64 KiB of payload", headerPart + "." + long + ".c2ln", ""},
		{"a header that never ends", "eyJ" + long + long + long, ""},
		{"a header beyond all bounds, encoded", "eyJ" + escapeAll("%%%02x")(long), ""},
		{"an own token of 64 KiB", headerPart + "." + long + "." + long, headerPart + "." + long + "." + long},
		{"an own token without signature", headerPart + "." + long, headerPart + "." + long + "." + long},
		{"an own opaque secret of 64 KiB", long, long},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{len(test.text) + 2, 1, 4096} {
				got := scrubReader(t, &pieces{text: "a " + test.text + " b", size: size}, test.secret)
				if want := "a [redacted] b"; got != want {
					t.Errorf("in pieces of %d: got %d bytes, %.60q, want %q", size, len(got), got, want)
				}
			}
		})
	}
	for name, write := range map[string]func(string) string{"plain": strings.Clone, "as JSON escapes": escapeAll(`\u%04x`)} {
		got := scrub(t, "a "+write(words)+"b", nil, words)
		if strings.Contains(got, "horse") || strings.Contains(got, write("horse")) || len(got) > 1000 {
			t.Errorf("a secret of 112 KiB that is no token, %s: got %d bytes, want nothing of it", name, len(got))
		}
	}
}

// pieces reads a text in pieces of a size.
type pieces struct {
	text string
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.text == "" {
		return 0, io.EOF
	}
	n := copy(b[:min(p.size, len(b))], p.text)
	p.text = p.text[n:]
	return n, nil
}

// TestScrubberHoldsLittle passes a stream without end through, made to be held
// back as long as possible.
func TestScrubberHoldsLittle(t *testing.T) {
	for name, unit := range map[string]string{
		"headers": "eyJ", "dots": "eyJa..", "parts": "eyJa.b ", "escapes": `eyJ%2E\u`, "known": "s3cr3t+/with=", "text": "hello ",
	} {
		t.Run(name, func(t *testing.T) {
			s := redact.NewScrubber(io.Discard, opaque)
			piece := bytes.Repeat([]byte(unit), 64<<10/len(unit))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range 64 {
				if _, err := s.Write(piece); err != nil {
					t.Fatal(err)
				}
			}
			runtime.ReadMemStats(&after)
			if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
				t.Errorf("4 MiB passed through allocate %d bytes, want at most 1 MiB", got)
			}
		})
	}
}

// parts are what the property tests and the fuzzer build texts of.
var fragments = []string{
	"e", "ey", "eyJ", "eyJa", ".", "..", "%2E", "%2e", "%252E", "%", "%2", "%25", `\`, `\u`, `\u002e`, `\u00`, `\n`, "&#46;", "&#x2e;", "&#", "&",
	" ", "\n", "a", "b-_", "J", "s3", "s3cr3t", opaque, url.QueryEscape(opaque), token, signed, signature, headerPart, headerPart + ".", "[", "]", "=", "\xff", "x",
}

func TestScrubProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(fragments), 0, 30).Draw(t, "fragments"), "")
		secrets := rapid.SliceOfN(rapid.SampledFrom([]string{token, opaque, "aab", "s3s3cr3t", "..", "%2e", "="}), 0, 3).Draw(t, "secrets")
		if text != "" { // what the text holds, as it stands or as it reads
			from := rapid.IntRange(0, len(text)-1).Draw(t, "from")
			held := text[from:rapid.IntRange(from+1, min(len(text), from+12)).Draw(t, "to")]
			if read, err := url.QueryUnescape(held); err == nil && rapid.Bool().Draw(t, "read") {
				held = read
			}
			secrets = append(secrets, held)
		}
		sizes := rapid.SliceOfN(rapid.IntRange(0, 9), 0, 40).Draw(t, "sizes")
		checkScrub(t, text, sizes, secrets...)
	})
}

type failer interface {
	Errorf(string, ...any)
	Fatalf(string, ...any)
}

// checkScrub demands that output does not depend on how the input is cut, that
// nothing secret is in it, and that text without a secret stays as it is.
func checkScrub(t failer, text string, sizes []int, secrets ...string) {
	whole := scrub(t, text, nil, secrets...)
	if got := scrub(t, text, sizes, secrets...); got != whole {
		t.Errorf("%q in pieces of %v: got %q, want %q as in one piece", text, sizes, got, whole)
	}
	if got := scrubReader(t, iotest.OneByteReader(strings.NewReader(text)), secrets...); got != whole {
		t.Errorf("%q read byte by byte: got %q, want %q as in one piece", text, got, whole)
	}
	if found := jwtShape.FindString(whole); found != "" {
		t.Errorf("scrub(%q) = %q, want no JWT in it, found %q", text, whole, found)
	}
	known := jwtShape.MatchString(text) || strings.ContainsAny(text, `%\&`)
	for _, s := range secrets {
		known = known || strings.ContainsAny(s, `%\&`) || s != "" && (strings.Contains(text, s) || strings.Contains(s, signature) && (strings.Contains(text, signed) || strings.Contains(text, signature)))
		if s != "" && !strings.Contains(redact.Redacted, s) && !strings.ContainsAny(s, "[]") && strings.Contains(whole, s) {
			t.Errorf("scrub(%q) = %q, want no %q in it", text, whole, s)
		}
	}
	if !known && whole != text {
		t.Errorf("scrub(%q) = %q, want it unchanged", text, whole)
	}
}

func FuzzScrubber(f *testing.F) {
	for _, a := range fragments {
		f.Add(a+token, opaque, uint16(1), uint16(7))
		f.Add("eyJ"+a+".b"+a+".c", "secret", uint16(2), uint16(3))
	}
	f.Add("e00000%X0", "0", uint16(1), uint16(2))
	f.Add("with%3Dsigns.a\xff", "h=s", uint16(1), uint16(2))
	f.Fuzz(func(t *testing.T, text, secret string, first, second uint16) {
		checkScrub(t, text, []int{int(first), int(second)}, secret)
	})
}

func TestScrubberReportsErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection lost")
	w := &brokenWriter{err: broken}
	s := redact.NewScrubber(w)
	if n, err := s.Write([]byte("hello")); n != 0 || !errors.Is(err, broken) {
		t.Errorf("Write = %d, %v, want 0, %v", n, err, broken)
	}
	for name, err := range map[string]error{"Flush": s.Flush(), "Close": s.Close()} {
		if !errors.Is(err, broken) {
			t.Errorf("%s after a failed Write = %v, want %v", name, err, broken)
		}
	}
	if _, err := s.Write([]byte(token)); !errors.Is(err, broken) || w.calls != 1 {
		t.Errorf("Write after a failed Write = %v with %d writes to the destination, want %v and 1", err, w.calls, broken)
	}
	if _, err := redact.NewScrubber(&brokenWriter{}).Write([]byte("hello")); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("short write: got %v, want %v", err, io.ErrShortWrite)
	}
	closed := redact.NewScrubber(io.Discard)
	if err := errors.Join(closed.Close(), closed.Close()); err != nil {
		t.Errorf("closed twice: got %v, want nil", err)
	}
	if _, err := closed.Write([]byte("x")); err == nil {
		t.Error("Write after Close: got nil, want an error")
	}
}

// brokenWriter takes nothing.
type brokenWriter struct {
	err   error
	calls int
}

func (w *brokenWriter) Write([]byte) (int, error) { w.calls++; return 0, w.err }

func TestScrubReaderReportsErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection lost")
	src := io.MultiReader(strings.NewReader("text "+headerPart+".e30"), iotest.ErrReader(broken))
	got, err := io.ReadAll(redact.NewScrubReader(src))
	if want := "text "; string(got) != want || !errors.Is(err, broken) {
		t.Errorf("got %q, %v, want %q without the begun token, %v", got, err, want, broken)
	}
	if _, err := redact.NewScrubReader(idle{}).Read(make([]byte, 1)); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a source that gives nothing: got %v, want %v", err, io.ErrNoProgress)
	}
	if err := iotest.TestReader(redact.NewScrubReader(strings.NewReader("a "+token+" b")), []byte("a [redacted] b")); err != nil {
		t.Error(err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestScrubberFlushes(t *testing.T) {
	t.Parallel()
	broken := errors.New("cannot flush")
	plain := &flusher{}
	if err := redact.NewScrubber(plain).Flush(); err != nil || plain.flushed != 1 {
		t.Errorf("Flush() = %v, %d flushes, want nil and 1", err, plain.flushed)
	}
	if err := redact.NewScrubber(&errorFlusher{err: broken}).Flush(); !errors.Is(err, broken) {
		t.Errorf("Flush() = %v, want %v", err, broken)
	}
	if err := redact.NewScrubber(io.Discard).Flush(); err != nil {
		t.Errorf("Flush() = %v where nothing can be flushed, want nil", err)
	}
}

type flusher struct {
	bytes.Buffer
	flushed int
}

func (f *flusher) Flush() { f.flushed++ }

type errorFlusher struct {
	bytes.Buffer
	err error
}

func (f *errorFlusher) FlushError() error { return f.err }
