package main

import (
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/wiretight/wiretight/internal/config"
	"github.com/wiretight/wiretight/internal/redact"
)

// newLogger makes the one logger. Every record passes the redacting handler.
func newLogger(l config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.Level)) // checked by the configuration; empty is info
	if l.Format == "text" {
		return slog.New(redact.NewHandler(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})))
	}
	return slog.New(redact.NewJSONHandler(w, level))
}

// batch gathers log lines for a moment, so that a busy guard makes one system
// call for many of them. Nothing waits longer than batchDelay, and Flush and
// Close wait for nothing.
type batch struct {
	mu    sync.Mutex
	w     io.Writer
	buf   []byte
	armed bool
}

const (
	batchDelay = 50 * time.Millisecond
	batchSize  = 32 << 10
)

// Write implements io.Writer. It keeps whole lines together.
func (b *batch) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf = append(b.buf, p...)
	if len(b.buf) >= batchSize {
		return len(p), b.flush()
	}
	if !b.armed {
		b.armed = true
		time.AfterFunc(batchDelay, func() { _ = b.Flush() }) // nowhere left to say that stderr is gone
	}
	return len(p), nil
}

// Flush writes what waits.
func (b *batch) Flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.armed = false
	return b.flush()
}

func (b *batch) flush() error {
	if len(b.buf) == 0 {
		return nil
	}
	_, err := b.w.Write(b.buf)
	b.buf = b.buf[:0]
	return err
}
