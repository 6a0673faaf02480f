package redact_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/redact"
)

// page is an error page of a framework, without a token.
var page = strings.Repeat(`<li><a href="/docs/errors?code=500&amp;lang=en">ValueError: key "name" was not found in the
mapping</a> at File "/usr/lib/python3/dist-packages/starlette/routing.py", line 677, in __call__ &#x27;</li>
{"detail":[{"type":"missing","loc":["body","item"],"msg":"Field required","url":"https:\/\/errors.example.com\/v\/missing"}]}
`, 256)

func BenchmarkScrubber(b *testing.B) {
	prose := strings.Repeat("The quick brown fox jumps over the lazy dog, and everyone agrees that they were there.\n", 1024)
	for _, bench := range []struct {
		name, text string
		secrets    []string
	}{
		{"prose", prose, []string{token}},
		{"page", page, []string{token}},
		{"page and opaque secret", page, []string{token, opaque}},
		{"json", strings.Repeat(`{"id":123,"name":"item","price":9.5,"tags":["a","b"]},`, 1024), []string{token}},
		{"tokens", strings.Repeat(token+"\n", 256), []string{token}},
		{"hostile headers", strings.Repeat("eyJ", 32<<10), []string{token}},
		{"hostile escapes", strings.Repeat("%65", 32<<10), []string{token}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := redact.NewScrubber(io.Discard, bench.secrets...)
			text := []byte(bench.text)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Write(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNewScrubber(b *testing.B) {
	for _, size := range []int{512, 8 << 10} {
		secret := headerPart + "." + strings.Repeat("aB3_", size/4) + "." + signature
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				redact.NewScrubber(io.Discard, secret)
			}
		})
	}
}

func BenchmarkMask(b *testing.B) {
	for name, text := range map[string]string{
		"short": "request refused: audience mismatch", "url": "GET /api/items/5?limit=10&page=2&sort=name HTTP/1.1",
		"token": "refused " + token, "page": page,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				redact.Mask(text)
			}
		})
	}
}

func BenchmarkHandler(b *testing.B) {
	ctx := b.Context()
	clean, dirty := cleanRecord(), cleanRecord()
	dirty.AddAttrs(slog.Any("error", fmt.Errorf("refused %s", token)))
	for name, r := range map[string]slog.Record{"clean": clean, "dirty": dirty} {
		b.Run(name, func(b *testing.B) {
			h := redact.NewHandler(discard{})
			b.ReportAllocs()
			for b.Loop() {
				_ = h.Handle(ctx, r)
			}
		})
	}
	b.Run("clean, JSON alone", func(b *testing.B) {
		var out bytes.Buffer
		h := slog.NewJSONHandler(&out, nil)
		b.ReportAllocs()
		for b.Loop() {
			out.Reset()
			_ = h.Handle(ctx, clean)
		}
	})
	b.Run("clean, JSON masked", func(b *testing.B) {
		var out bytes.Buffer
		h := redact.NewHandler(slog.NewJSONHandler(&out, nil))
		b.ReportAllocs()
		for b.Loop() {
			out.Reset()
			_ = h.Handle(ctx, clean)
		}
	})
}
