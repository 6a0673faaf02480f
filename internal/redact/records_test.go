package redact_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/redact"
)

var someDay = time.Date(2026, 11, 21, 12, 30, 45, 123456789, time.FixedZone("", 3600))

// recorded is what a record of these texts is written as: by Records, by
// Records before a handler that they do not know, and as a slog.Record by the
// two handlers that say what it must be.
func recorded(t *testing.T, at time.Time, message string, texts map[string]string) (direct, foreign, want string) {
	t.Helper()
	var a, b, c bytes.Buffer
	masked := redact.NewHandler(slog.NewJSONHandler(&b, nil))
	for _, to := range []slog.Handler{redact.NewJSONHandler(&a, nil), masked} {
		line := redact.NewRecords(to).Begin(t.Context(), at, slog.LevelInfo, message)
		for name, text := range texts {
			key := redact.NewKey(name)
			line.Text(&key, text)
			line.Int(&key, 42)
		}
		if err := line.End(); err != nil {
			t.Fatal(err)
		}
	}
	r := slog.NewRecord(at, slog.LevelInfo, message, 0)
	for name, text := range texts {
		r.AddAttrs(slog.String(name, text), slog.Int(name, 42))
	}
	if err := redact.NewHandler(slog.NewJSONHandler(&c, nil)).Handle(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return a.String(), b.String(), c.String()
}

func TestRecordsAreWrittenAndMaskedAsOthers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, message, key, text string
		at                       time.Time
	}{
		{"a request", "request", "route", "/items/{id}/*", someDay},
		{"another second", "request", "route", "/", someDay.Add(time.Hour)},
		{"no fraction", "request", "route", "/", someDay.Truncate(time.Second)},
		{"a short fraction", "request", "route", "/", someDay.Truncate(time.Millisecond)},
		{"UTC", "request", "route", "/", someDay.UTC()},
		{"before 1970", "request", "route", "/", time.Date(1969, 1, 1, 0, 0, 0, 5, time.UTC)},
		{"no time", "request", "route", "/", time.Time{}},
		{"a year of five digits", "request", "route", "/", someDay.AddDate(9000, 0, 0)},
		{"token in a text", "request", "reason", "refused " + token, someDay},
		{"token in the message", "refused " + token, "reason", "x", someDay},
		{"token in a key", "request", token, "x", someDay},
		{"secret by its key", "request", "password", "hunter2", someDay},
		{"password in a URL", "request", "reason", "https://user:hunter2@a.example/", someDay},
		{"a record of its own", "request", "method", "GET\"}\n{\"decision\":\"allowed", someDay},
		{"terminal", "request\x1b[2J", "method", "\x1b[31m\u2028\u202ee\xff", someDay},
		{"other scripts", "request", "reason", "ключ 鍵 é \\ \"", someDay},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			direct, foreign, want := recorded(t, c.at, c.message, map[string]string{c.key: c.text})
			if direct != want || foreign != want {
				t.Errorf("got  %sand  %swant %s", direct, foreign, want)
			}
			if strings.Contains(direct, signature) || strings.Contains(direct, "hunter2") {
				t.Errorf("a secret shows in %s", direct)
			}
			if strings.Count(direct, "\n") != 1 || strings.Contains(direct, "\x1b") {
				t.Errorf("got %q, want one line that prints", direct)
			}
		})
	}
}

func TestRecordsOfNumbers(t *testing.T) {
	t.Parallel()
	seconds, secret := redact.NewKey("seconds"), redact.NewKey("access_token")
	for _, c := range []struct {
		value time.Duration
		want  string
	}{
		{0, "0"},
		{1, "0.000000001"},
		{1500 * time.Microsecond, "0.0015"},
		{time.Second, "1"},
		{100*time.Second + 10, "100.00000001"},
		{-1500 * time.Microsecond, "-0.0015"},
		{-2 * time.Second, "-2"},
	} {
		var b bytes.Buffer
		line := redact.NewRecords(redact.NewJSONHandler(&b, nil)).Begin(t.Context(), someDay, slog.LevelWarn, "m")
		line.Seconds(&seconds, c.value)
		line.Seconds(&secret, c.value)
		if err := line.End(); err != nil {
			t.Fatal(err)
		}
		got := parseJSON(t, b.Bytes())
		if text := `"seconds":` + c.want + `,`; !strings.Contains(b.String(), text) || got["access_token"] != redact.Redacted {
			t.Errorf("%d: got %s, want it to have %s", c.value, b.String(), text)
		}
	}
}

func TestRecordsThatNobodyWants(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	key := redact.NewKey("route")
	for name, to := range map[string]slog.Handler{"level": redact.NewJSONHandler(&b, slog.LevelWarn), "nil": nil} {
		line := redact.NewRecords(to).Begin(t.Context(), someDay, slog.LevelInfo, "request")
		if line != nil {
			t.Errorf("%s: got a line, want none", name)
		}
		line.Text(&key, "/")
		line.Int(&key, 1)
		line.Seconds(&key, 1)
		if err := line.End(); err != nil || b.Len() > 0 {
			t.Errorf("%s: got %v and %q, want nothing", name, err, &b)
		}
	}
}

func TestRecordsTellOfFailedWrites(t *testing.T) {
	t.Parallel()
	full := errors.New("no space left")
	line := redact.NewRecords(redact.NewJSONHandler(fullDisk{full}, nil)).Begin(t.Context(), someDay, slog.LevelInfo, "request")
	if err := line.End(); !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
}

// TestRecordsDoNotMix has two tenants write at the same time: no line may have
// anything of another's, although lines are used again.
func TestRecordsDoNotMix(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	records := redact.NewRecords(redact.NewJSONHandler(&b, nil))
	first, second := redact.NewKey("first"), redact.NewKey("second")
	const each = 500
	var wg sync.WaitGroup
	for _, tenant := range []string{"aaaaaaaa", "bb", "an \"escaped\" one", "Bearer " + token} {
		wg.Go(func() {
			for range each {
				line := records.Begin(context.Background(), someDay, slog.LevelInfo, "request")
				line.Text(&first, tenant)
				line.Text(&second, tenant)
				if err := line.End(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	seen := map[any]int{}
	for text := range bytes.Lines(b.Bytes()) {
		got := parseJSON(t, text)
		if got["first"] != got["second"] || len(got) != 5 {
			t.Fatalf("got %s, want one tenant's words alone", text)
		}
		seen[got["first"]]++
	}
	for tenant, n := range seen {
		if n != each || len(seen) != 4 {
			t.Errorf("got %d lines of %v, want %d of each of 4", n, tenant, each)
		}
	}
}

func TestRecordsAllocateNothing(t *testing.T) {
	write := requestRecord(redact.NewRecords(redact.NewJSONHandler(io.Discard, nil)))
	write()
	if got := testing.AllocsPerRun(200, write); got > forgotten {
		t.Errorf("got %v allocations, want none", got)
	}
}

// requestRecord writes what a request is recorded as.
func requestRecord(records *redact.Records) func() {
	keys := map[string]*redact.Key{}
	for _, name := range []string{"request_id", "peer", "method", "route", "status", "decision", "seconds", "bytes", "subject"} {
		k := redact.NewKey(name)
		keys[name] = &k
	}
	id, peer, method, route, status := keys["request_id"], keys["peer"], keys["method"], keys["route"], keys["status"]
	decision, seconds, size, subject := keys["decision"], keys["seconds"], keys["bytes"], keys["subject"]
	return func() {
		line := records.Begin(context.Background(), someDay, slog.LevelInfo, "request")
		line.Text(id, "0123456789abcdef0123456789abcdef")
		line.Text(peer, "192.0.2.1")
		line.Text(method, "GET")
		line.Text(route, "/items/*")
		line.Int(status, 200)
		line.Text(decision, "allowed")
		line.Seconds(seconds, 1234567)
		line.Int(size, 200)
		line.Text(subject, "0123456789abcdef")
		_ = line.End()
	}
}

func BenchmarkRecords(b *testing.B) {
	for name, to := range map[string]slog.Handler{
		"direct": redact.NewJSONHandler(io.Discard, nil), "two handlers": redact.NewHandler(slog.NewJSONHandler(io.Discard, nil)),
	} {
		b.Run(name, func(b *testing.B) {
			write := requestRecord(redact.NewRecords(to))
			b.ReportAllocs()
			for b.Loop() {
				write()
			}
		})
	}
}

func FuzzRecords(f *testing.F) {
	for _, s := range []string{"plain", token, "Bearer " + opaque, "a=b", "\x1b[31m", "https://u:p@h/", "-----BEGIN PRIVATE KEY-----", "ключ", `a"b\c`} {
		f.Add("request", "key", s, int64(1_800_000_000), int64(5))
	}
	f.Fuzz(func(t *testing.T, message, key, value string, second, nanosecond int64) {
		at := time.Unix(second, nanosecond).UTC()
		direct, foreign, want := recorded(t, at, message, map[string]string{key: value})
		if direct != want || foreign != want {
			t.Errorf("got  %sand  %swant %s", direct, foreign, want)
		}
		if n := strings.Count(direct, "\n"); n != 1 {
			t.Errorf("got %d lines, want one: %s", n, fmt.Sprintf("%q", direct))
		}
	})
}
