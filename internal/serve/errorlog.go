package serve

import (
	"context"
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// quiet is the time in which one kind of record is written once. What peers
// send decides how often these records arise, so they must not fill a disk.
const quiet = 10 * time.Second

// kinds sorts what net/http reports by how it begins. The last one fits all.
var kinds = []struct {
	prefix string
	kind   string
	level  slog.Level
}{
	{"http: TLS handshake error", "handshake", slog.LevelDebug},
	{"http: panic serving", "panic", slog.LevelError},
	{"http2: panic serving", "panic", slog.LevelError},
	{"http: Accept error", "accept", slog.LevelWarn},
	{"http2:", "http2", slog.LevelDebug},
	{"", "other", slog.LevelWarn},
}

// errorLog turns the lines of http.Server.ErrorLog into rate-limited records.
type errorLog struct {
	logger *slog.Logger
	now    func() time.Time

	mu   sync.Mutex
	seen map[string]*repeat
}

// repeat is one kind of record: when it was last written, and how many were
// left out since.
type repeat struct {
	last time.Time
	left int
}

func newErrorLog(logger *slog.Logger, now func() time.Time) *errorLog {
	return &errorLog{logger: logger, now: now, seen: make(map[string]*repeat)}
}

// named is the logger for one listener's http.Server.
func (e *errorLog) named(listener string) *log.Logger {
	return log.New(lines{e, listener}, "", 0)
}

type lines struct {
	log      *errorLog
	listener string
}

// Write takes one line; package log calls it once a record.
func (l lines) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	for _, k := range kinds {
		if strings.HasPrefix(text, k.prefix) {
			l.log.record(l.listener, k.kind, k.level, text)
			break
		}
	}
	return len(line), nil
}

func (e *errorLog) record(listener, kind string, level slog.Level, text string) {
	if !e.logger.Enabled(context.Background(), level) {
		return
	}
	left, ok := e.due(listener + " " + kind)
	if !ok {
		return
	}
	e.logger.LogAttrs(context.Background(), level, "connection trouble",
		slog.String("listener", listener), slog.String("kind", kind),
		slog.String("error", text), slog.Int("left_out", left))
}

// due says whether a record of this key may be written, and how many were left
// out since the last. Keys are listeners times kinds, hence few.
func (e *errorLog) due(key string) (left int, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.seen[key]
	if r == nil {
		r = &repeat{}
		e.seen[key] = r
	} else if e.now().Sub(r.last) < quiet {
		r.left++
		return 0, false
	}
	left, r.left, r.last = r.left, 0, e.now()
	return left, true
}
