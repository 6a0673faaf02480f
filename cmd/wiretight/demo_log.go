package main

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// ruleLog is the guard's log, read for what it says about each request.
type ruleLog struct {
	mu      sync.Mutex
	records map[string]logged // by request_id
}

// logged is what the guard has recorded about one request.
type logged struct{ decision, rule, reason string }

// maxLogged bounds how many requests are remembered.
const maxLogged = 100000

// Enabled implements slog.Handler.
func (*ruleLog) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs implements slog.Handler.
func (l *ruleLog) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler.
func (l *ruleLog) WithGroup(string) slog.Handler { return l }

// Handle implements slog.Handler.
func (l *ruleLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "request" {
		return nil
	}
	var id string
	var rec logged
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "request_id":
			id = a.Value.String()
		case "decision":
			rec.decision = a.Value.String()
		case "rule":
			rec.rule = a.Value.String()
		case "reason":
			rec.reason = a.Value.String()
		}
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.records == nil || len(l.records) >= maxLogged {
		l.records = map[string]logged{}
	}
	l.records[id] = rec
	return nil
}

// of returns the record of a request, once it has been written: a client may
// have its answer a moment sooner. It is false if none came in time.
func (l *ruleLog) of(ctx context.Context, id string) (logged, bool) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		l.mu.Lock()
		rec, ok := l.records[id]
		l.mu.Unlock()
		if ok || id == "" {
			return rec, ok
		}
		select {
		case <-ctx.Done():
			return rec, false
		case <-tick.C:
		}
	}
}
