package redact_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/redact"
)

func TestHandlerKeepsSlogsRules(t *testing.T) {
	t.Parallel()
	t.Run("json", func(t *testing.T) {
		var b bytes.Buffer
		slogtest.Run(t, func(*testing.T) slog.Handler {
			b.Reset()
			return redact.NewHandler(slog.NewJSONHandler(&b, nil))
		}, func(t *testing.T) map[string]any { return parseJSON(t, b.Bytes()) })
	})
	t.Run("text", func(t *testing.T) {
		var b bytes.Buffer
		slogtest.Run(t, func(*testing.T) slog.Handler {
			b.Reset()
			return redact.NewHandler(slog.NewTextHandler(&b, nil))
		}, func(t *testing.T) map[string]any { return parseText(b.String()) })
	})
}

func parseJSON(t *testing.T, line []byte) map[string]any {
	t.Helper()
	var record map[string]any
	if err := json.Unmarshal(line, &record); err != nil {
		t.Fatalf("parse %q: %v", line, err)
	}
	return record
}

// parseText reads a line of slog's text form, without quotes, into nested maps.
func parseText(line string) map[string]any {
	record := make(map[string]any)
	for field := range strings.FieldsSeq(line) {
		key, value, _ := strings.Cut(field, "=")
		group := record
		names := strings.Split(key, ".")
		for _, name := range names[:len(names)-1] {
			inner, ok := group[name].(map[string]any)
			if !ok {
				inner = make(map[string]any)
				group[name] = inner
			}
			group = inner
		}
		group[names[len(names)-1]] = value
	}
	return record
}

// logged returns the attributes of one record as JSON shows them.
func logged(t *testing.T, log func(*slog.Logger)) map[string]any {
	t.Helper()
	var b bytes.Buffer
	log(slog.New(redact.NewHandler(slog.NewJSONHandler(&b, nil))))
	if n := bytes.Count(b.Bytes(), []byte("\n")); n != 1 {
		t.Errorf("got %d lines %q, want 1", n, b.Bytes())
	}
	record := parseJSON(t, b.Bytes())
	delete(record, slog.TimeKey)
	delete(record, slog.LevelKey)
	return record
}

type valuer struct{ value any }

func (v valuer) LogValue() slog.Value { return slog.AnyValue(v.value) }

type endless struct{}

func (endless) LogValue() slog.Value { return slog.AnyValue(endless{}) }

type nested struct{}

func (nested) LogValue() slog.Value { return slog.GroupValue(slog.Any("in", nested{})) }

type stringer string

func (s stringer) String() string { return string(s) }

type marshaler struct{ text string }

func (m marshaler) MarshalText() ([]byte, error) { return []byte(m.text), nil }

type panicker struct{}

func (panicker) String() string { panic(token) }

type failing struct{}

func (failing) MarshalText() ([]byte, error) { return nil, errors.New("no " + token) }

type formatter struct{}

func (formatter) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, token) }

type credentials struct {
	User     string `json:"user"`
	Password string `json:"pw"`
	Code     string `json:"client_secret"`
	Left     string `json:"-"`
	Note     any
	hidden   string
}

type cycle struct{ Next *cycle }

func TestHandlerMasksEveryKind(t *testing.T) {
	t.Parallel()
	round := &cycle{}
	round.Next = round
	list := []any{nil}
	list[0] = list
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	var none *stringer
	deep := "…"
	for _, test := range []struct {
		name  string
		value any
		want  any
	}{
		{"string", "got " + token, "got " + shown},
		{"error", errors.New("refused " + token), "refused " + shown},
		{"wrapped error", fmt.Errorf("a: %w", errors.New(token)), "a: " + shown},
		{"bytes", []byte("x " + token), "x " + shown},
		{"JSON", json.RawMessage(`{"t":"` + token + `"}`), `{"t":"` + shown + `"}`},
		{"stringer", stringer(token), shown},
		{"marshaler", marshaler{token}, shown},
		{"failing marshaler", failing{}, "!ERROR: no " + shown},
		{"formatter", formatter{}, shown},
		{"panic", panicker{}, "panic in redact_test.panicker"},
		{"valuer", valuer{token}, shown},
		{"valuer of an error", valuer{errors.New(token)}, shown},
		{"URL", &url.URL{Scheme: "https", Host: "x", RawQuery: "token=abc"}, "https://x?token=[redacted]"},
		{"URL with password", &url.URL{Scheme: "redis", User: url.UserPassword("", "abc"), Host: "x"}, "redis://:[redacted]@x"},
		{"header", http.Header{"Authorization": {"Digest abc"}, "X-A": {token, "b"}}, map[string]any{"Authorization": "[redacted]", "X-A": []any{shown, "b"}}},
		{"form", url.Values{"password": {"abc"}, "a": {"b"}}, map[string]any{"password": "[redacted]", "a": []any{"b"}}},
		{"cookie", &http.Cookie{Name: "sid", Value: "abc"}, "[redacted]"},
		{"private key", key, "[redacted]"},
		{"secret", redact.NewText("abc"), "[redacted]"},
		{"struct", credentials{User: "bob", Password: "a", Code: "b", Left: "c", Note: token, hidden: "d"}, map[string]any{"user": "bob", "pw": "[redacted]", "client_secret": "[redacted]", "Note": shown}},
		{"pointer", &credentials{User: "bob"}, map[string]any{"user": "bob", "pw": "[redacted]", "client_secret": "[redacted]", "Note": nil}},
		{"map with a token as key", map[string]int{token: 1}, map[string]any{shown: 1.0}},
		{"list", []any{1, true, 2.5, "a", nil, uint8(3), time.Second}, []any{1.0, true, 2.5, "a", nil, 3.0, "1s"}},
		{"not a number", []float64{math.NaN(), math.Inf(-1)}, []any{"NaN", "-Inf"}},
		{"array of bytes", [4]byte{1, 2, 3, 4}, "[4 bytes]"},
		{"function", []any{func() {}}, []any{"func()"}},
		{"nil", nil, nil},
		{"nil pointer to a stringer", none, nil},
		{"nil error", error(nil), nil},
		{"cycle of pointers", round, map[string]any{"Next": map[string]any{"Next": map[string]any{"Next": map[string]any{"Next": deep}}}}},
		{"cycle of lists", list, []any{[]any{[]any{[]any{[]any{deep}}}}}},
		{"valuer within a list", []any{valuer{token}}, []any{shown}},
		{"group within a list", []any{valuer{[]slog.Attr{slog.String("password", "abc"), slog.String("b", token)}}}, []any{map[string]any{"password": "[redacted]", "b": shown}}},
		{"list of attributes", []slog.Attr{slog.String("password", "abc")}, map[string]any{"password": "[redacted]"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := logged(t, func(l *slog.Logger) { l.Info("m", "value", test.value) })
			want := map[string]any{"msg": "m", "value": test.want}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
			got = logged(t, func(l *slog.Logger) { l.With("value", test.value).Info("m") })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("through With: want -, got +:\n%s", diff)
			}
		})
	}
}

func TestHandlerMasksPlaces(t *testing.T) {
	t.Parallel()
	tok := slog.String("t", token)
	for _, test := range []struct {
		name string
		log  func(*slog.Logger)
		want map[string]any
	}{
		{"message", func(l *slog.Logger) { l.Info("got " + token) }, map[string]any{"msg": "got " + shown}},
		{"key", func(l *slog.Logger) { l.Info("m", token, 1) }, map[string]any{"msg": "m", shown: 1.0}},
		{"missing key", func(l *slog.Logger) { l.Info("m", []any{token}...) }, map[string]any{"msg": "m", "!BADKEY": shown}},
		{"name of a group", func(l *slog.Logger) { l.WithGroup(token).Info("m", "a", 1) }, map[string]any{"msg": "m", shown: map[string]any{"a": 1.0}}},
		{"group", func(l *slog.Logger) { l.Info("m", slog.Group("g", tok, slog.Group("h", tok))) }, map[string]any{"msg": "m", "g": map[string]any{"t": shown, "h": map[string]any{"t": shown}}}},
		{"many attributes", func(l *slog.Logger) { l.Info("m", "a", 1, "b", 2, "c", 3, "d", 4, "e", 5, "f", 6, tok) }, map[string]any{"msg": "m", "a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "e": 5.0, "f": 6.0, "t": shown}},
		{"secret names", func(l *slog.Logger) {
			l.Info("m", "password", "a", "Set-Cookie", 1, "accessToken", true, "client_secret", []byte("a"), "token_type", "Bearer")
		}, map[string]any{"msg": "m", "password": "[redacted]", "Set-Cookie": "[redacted]", "accessToken": "[redacted]", "client_secret": "[redacted]", "token_type": "Bearer"}},
		{"masked under a secret name", func(l *slog.Logger) { l.Info("m", "token", shown) }, map[string]any{"msg": "m", "token": shown}},
		{"token under a secret name", func(l *slog.Logger) { l.Info("m", "token", token) }, map[string]any{"msg": "m", "token": "[redacted]"}},
		{"group of a secret name", func(l *slog.Logger) { l.Info("m", slog.Group("cookie", "a", "b")) }, map[string]any{"msg": "m", "cookie": "[redacted]"}},
		{"within a group of a secret name", func(l *slog.Logger) { l.WithGroup("cookie").With("a", "b").WithGroup("g").Info("m", "c", 1) }, map[string]any{"msg": "m", "cookie": map[string]any{"a": "[redacted]", "g": map[string]any{"c": "[redacted]"}}}},
		{"endless valuer", func(l *slog.Logger) { l.Info("m", "v", endless{}) }, nil},
		{"endless groups", func(l *slog.Logger) { l.Info("m", "v", nested{}) }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := logged(t, test.log)
			if test.want == nil {
				if got["msg"] != "m" || got["v"] == nil {
					t.Errorf("got %v, want a record that ends", got)
				}
				return
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

// lineHandler is a handler that escapes nothing by itself.
type lineHandler struct{ io.Writer }

func (lineHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h lineHandler) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h lineHandler) WithGroup(string) slog.Handler          { return h }
func (h lineHandler) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.Key + "=" + a.Value.String()
		return true
	})
	_, err := io.WriteString(h, line+"\n")
	return err
}

func TestHandlerLetsNoTextForgeARecord(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, want string }{
		{"line feed", "a\nlevel=INFO msg=forged", `a\nlevel=INFO msg=forged`},
		{"carriage return", "a\rb", `a\rb`},
		{"escape sequence", "a\x1b[2Jb", `a\x1b[2Jb`},
		{"NUL", "a\x00b", `a\x00b`},
		{"delete", "a\x7fb", `a\x7fb`},
		{"C1 control", "a\u0085b\u009b", `a\u0085b\u009b`},
		{"line separator", "a\u2028b", `a\u2028b`},
		{"right to left", "a\u202eb", `a\u202eb`},
		{"byte order mark", "\ufeffa", `\ufeffa`},
		{"invalid UTF-8", "a\xff\xc3b", `a\xff\xc3b`},
		{"beyond 16 bits", "a\U000e0001b", `a\U000e0001b`},
		{"replacement character itself", "a\ufffdb", "a\ufffdb"},
		{"ordinary", "straße 日本 🙂 \"x\" \\n", "straße 日本 🙂 \"x\" \\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			logger := slog.New(redact.NewHandler(lineHandler{&b}))
			logger.Info(test.text, test.text, test.text)
			logger.Info("m", "e", errors.New(test.text))
			want := test.want + " " + test.want + "=" + test.want + "\nm e=" + test.want + "\n"
			if got := b.String(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestHandlerBoundsWhatItRenders(t *testing.T) {
	t.Parallel()
	wide := make(map[int][]string)
	for i := range 10000 {
		wide[i] = []string{strings.Repeat("x", 100)}
	}
	for name, value := range map[string]any{
		"wide":         wide,
		"long text":    stringer(strings.Repeat("ä", 1<<20)),
		"long list":    make([]int, 1<<20),
		"many texts":   strings.Split(strings.Repeat(strings.Repeat("y", 4000)+" ", 1000), " "),
		"cut in token": stringer(strings.Repeat("z ", 4000) + token),
	} {
		var b bytes.Buffer
		slog.New(redact.NewHandler(slog.NewJSONHandler(&b, nil))).Info("m", "v", value)
		if b.Len() > 128<<10 || !strings.Contains(b.String(), "…") {
			t.Errorf("%s: got %d bytes, want at most 128 KiB and an ellipsis", name, b.Len())
		}
		mustHide(t, name, b.String())
	}
}

type brokenHandler struct{ slog.Handler }

func (brokenHandler) Handle(context.Context, slog.Record) error { return errors.New("disk full") }

func TestHandlerReportsErrors(t *testing.T) {
	t.Parallel()
	h := redact.NewHandler(brokenHandler{slog.DiscardHandler})
	for _, message := range []string{"clean", token} {
		if err := h.Handle(t.Context(), slog.NewRecord(time.Time{}, slog.LevelInfo, message, 0)); err == nil {
			t.Errorf("Handle(%q): got nil, want the error of the next handler", message)
		}
	}
	if redact.NewHandler(nil).Enabled(t.Context(), slog.LevelError) {
		t.Error("a handler without next must discard")
	}
}

// TestNoSinkShowsAToken writes a token by every way that a program may take.
func TestNoSinkShowsAToken(t *testing.T) {
	t.Parallel()
	wrapped := fmt.Errorf("verify: %w", errors.New("signature of "+token))
	request, err := http.NewRequest(http.MethodGet, "https://u:"+signature+"@x/?access_token="+token+"&password="+signature, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Cookie", "a="+signature+"; b="+token)
	request.AddCookie(&http.Cookie{Name: "c", Value: signature})
	values := map[string]any{
		"string": token, "bytes": []byte(token), "error": wrapped, "joined": errors.Join(wrapped, wrapped), "request": request,
		"header": request.Header, "URL": request.URL, "struct": credentials{Note: token, Password: token, hidden: token}, "list": []string{token},
		"any": []any{map[string]any{"x": token, "secret": signature}}, "text": redact.NewText(token), "pointer": &credentials{Note: token},
		"verbs":   fmt.Sprintf("%v %+v %#v %s %q", token, credentials{Note: token}, request.Header, wrapped, token),
		"escaped": url.QueryEscape("Bearer " + token), "JSON": fmt.Sprintf(`{"authorization":"Bearer %s"}`, token),
	}
	for name, value := range values {
		for sink, handler := range map[string]func(io.Writer) slog.Handler{
			"text": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
			"json": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
			"line": func(w io.Writer) slog.Handler { return lineHandler{w} },
		} {
			var b bytes.Buffer
			logger := slog.New(redact.NewHandler(handler(&b)))
			logger.Info(fmt.Sprint("m ", value), "v", value)
			logger.With("v", value).WithGroup("g").Warn("m", slog.Group("h", "v", value))
			logger.Error("m", "v", valuer{value})
			logger.Error(fmt.Errorf("e: %v", value).Error(), "v", fmt.Errorf("e: %+v", value))
			if strings.Contains(b.String(), signature) || strings.Contains(b.String(), signed) {
				t.Errorf("%s in %s shows the token: %s", name, sink, b.String())
			}
		}
	}
}

func TestHandlerDoesNotAllocateForCleanRecords(t *testing.T) {
	h := redact.NewHandler(discard{})
	r := cleanRecord()
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _ = h.Handle(ctx, r) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

type discard struct{ slog.Handler }

func (discard) Handle(context.Context, slog.Record) error { return nil }

// cleanRecord is an access record as a proxy writes it.
func cleanRecord() slog.Record {
	r := slog.NewRecord(time.Unix(0, 0), slog.LevelInfo, "request", 0)
	r.AddAttrs(
		slog.String("request_id", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"), slog.String("peer", "192.0.2.7:51334"),
		slog.String("method", "GET"), slog.String("path", "/api/v2/items/5"), slog.Int("status", 200),
		slog.String("decision", "allow"), slog.Duration("duration", time.Millisecond), slog.String("subject", "d41d8cd98f00b204"),
	)
	return r
}
