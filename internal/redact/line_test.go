package redact_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/wiretight/wiretight/internal/redact"
)

func TestJSONHandlerKeepsSlogsRules(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		b.Reset()
		return redact.NewJSONHandler(&b, nil)
	}, func(t *testing.T) map[string]any { return parseJSON(t, b.Bytes()) })
}

// bothWays writes r by both handlers, which must agree.
func bothWays(t *testing.T, r slog.Record) string {
	t.Helper()
	var fast, slow bytes.Buffer
	for _, h := range []slog.Handler{redact.NewJSONHandler(&fast, nil), redact.NewHandler(slog.NewJSONHandler(&slow, nil))} {
		if err := h.Handle(t.Context(), r.Clone()); err != nil {
			t.Fatal(err)
		}
	}
	if fast.String() != slow.String() {
		t.Errorf("got  %swant %s", fast.String(), slow.String())
	}
	return fast.String()
}

func TestJSONHandlerWritesTheSame(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 12, 30, 45, 123456789, time.FixedZone("", 3600))
	for name, attrs := range map[string][]slog.Attr{
		"nothing":      nil,
		"a request":    {slog.String("request_id", "0123456789abcdef"), slog.String("peer", "192.0.2.1"), slog.String("route", "/items/{id}/*"), slog.Int("status", 200), slog.Float64("seconds", 0.00123)},
		"a token":      {slog.String("reason", "refused "+token)},
		"a token bare": {slog.String("method", token)},
		"in a key":     {slog.String(token, "x")},
		"secret key":   {slog.String("password", "hunter2"), slog.Int("token", 42)},
		"a parameter":  {slog.String("url", "https://a.example/?access_token=abcdef")},
		"userinfo":     {slog.String("url", "https://user:pw@a.example/")},
		"escapes":      {slog.String("agent", "a\"b\\c\n\x1b[31m<&>\u2028é\xff")},
		"IPv6":         {slog.String("peer", "2001:db8::1")},
		"numbers":      {slog.Int64("a", math.MinInt64), slog.Uint64("b", math.MaxUint64), slog.Bool("c", true), slog.Duration("d", time.Second)},
		"floats":       {slog.Float64("a", 0), slog.Float64("b", math.Copysign(0, -1)), slog.Float64("c", 1e-7), slog.Float64("d", -2.5e20), slog.Float64("e", 1e21), slog.Float64("f", 100)},
		"no number":    {slog.Float64("a", math.NaN()), slog.Float64("b", math.Inf(-1))},
		"others":       {slog.Time("at", at), slog.Any("error", errors.New("no "+token)), slog.Any("nil", nil), slog.Group("g", slog.String("cookie", "a=b"))},
		"empty":        {{}, slog.String("", ""), slog.String("a", "")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelError, slog.LevelWarn + 1} {
				r := slog.NewRecord(at, level, "request", 0)
				r.AddAttrs(attrs...)
				if line := bothWays(t, r); strings.Contains(line, signature) || strings.Contains(line, "hunter2") {
					t.Errorf("a secret shows in %s", line)
				}
			}
		})
	}
	bothWays(t, slog.NewRecord(time.Time{}, slog.LevelInfo, "no time", 0))
	bothWays(t, slog.NewRecord(at.AddDate(9000, 0, 0), slog.LevelInfo, "far away", 0))
	bothWays(t, slog.NewRecord(at, slog.LevelInfo, "password: hunter2 Bearer "+token, 0))
}

// A disk that is full is an error, not a loss that nobody hears of.
func TestJSONHandlerTellsOfFailedWrites(t *testing.T) {
	t.Parallel()
	full := errors.New("no space left")
	h := redact.NewJSONHandler(fullDisk{full}, slog.LevelInfo)
	for _, text := range []string{"plain", "escaped\n"} {
		if err := h.Handle(t.Context(), slog.NewRecord(time.Now(), slog.LevelInfo, text, 0)); !errors.Is(err, full) {
			t.Errorf("%q: got %v, want %v", text, err, full)
		}
	}
	if h.Enabled(t.Context(), slog.LevelDebug) {
		t.Error("a level below the handler's is enabled")
	}
}

type fullDisk struct{ err error }

func (f fullDisk) Write([]byte) (int, error) { return 0, f.err }

func FuzzJSONHandler(f *testing.F) {
	for _, s := range []string{"plain", token, "Bearer " + opaque, "a=b", "\x1b[31m", "https://u:p@h/", "-----BEGIN PRIVATE KEY-----", "ключ"} {
		f.Add("request", "key", s, 0.5)
	}
	f.Fuzz(func(t *testing.T, message, key, value string, number float64) {
		r := slog.NewRecord(time.Unix(1_800_000_000, 5).UTC(), slog.LevelInfo, message, 0)
		r.AddAttrs(slog.String(key, value), slog.Float64("seconds", number))
		bothWays(t, r)
	})
}

func BenchmarkJSONHandler(b *testing.B) {
	for name, h := range map[string]slog.Handler{
		"ordinary": redact.NewJSONHandler(io.Discard, nil), "two handlers": redact.NewHandler(slog.NewJSONHandler(io.Discard, nil)),
	} {
		b.Run(name, func(b *testing.B) {
			r := cleanRecord()
			b.ReportAllocs()
			for b.Loop() {
				if err := h.Handle(context.Background(), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
