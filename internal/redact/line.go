package redact

import (
	"context"
	"io"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"time"
)

// NewJSONHandler returns a handler for records of level and above that writes,
// byte for byte, what NewHandler before slog's JSON handler would write. Records
// of texts and numbers in which nothing has to be masked or escaped, as those of
// requests are, cost it a third of that. It gives w whole lines, one at a time.
func NewJSONHandler(w io.Writer, level slog.Leveler) slog.Handler {
	lines := &serial{w: w}
	return &jsonHandler{
		Handler: NewHandler(slog.NewJSONHandler(lines, &slog.HandlerOptions{Level: level})),
		lines:   lines,
	}
}

// jsonHandler writes ordinary records itself and leaves all others, and those
// of loggers with attributes or groups, to the handler in it.
type jsonHandler struct {
	slog.Handler
	lines *serial
}

// serial writes one line at a time.
type serial struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *serial) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// lineMax bounds the buffers that are kept.
const lineMax = 4 << 10

var lineBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

// Handle implements slog.Handler.
func (h *jsonHandler) Handle(ctx context.Context, r slog.Record) error {
	buf := lineBuffers.Get().(*[]byte)
	line, ordinary := appendLine((*buf)[:0], &r)
	var err error
	if ordinary {
		_, err = h.lines.Write(line)
	}
	if cap(line) <= lineMax {
		*buf = line
		lineBuffers.Put(buf)
	}
	if !ordinary {
		return h.Handler.Handle(ctx, r)
	}
	return err
}

// appendLine writes r if it is ordinary all through.
func appendLine(b []byte, r *slog.Record) (line []byte, ordinary bool) {
	if r.Time.IsZero() || r.Time.Year() < 0 || r.Time.Year() > 9999 {
		return b, false
	}
	b = append(b, `{"time":"`...)
	b = r.Time.Round(0).AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","level":"`...)
	b = append(b, r.Level.String()...)
	b = append(b, `","msg":`...)
	b, ordinary = appendText(b, r.Message)
	if !ordinary {
		return b, false
	}
	r.Attrs(func(a slog.Attr) bool {
		b, ordinary = appendAttr(b, &a)
		return ordinary
	})
	return append(b, '}', '\n'), ordinary
}

func appendAttr(b []byte, a *slog.Attr) (line []byte, ok bool) {
	if nameOf(a.Key) != ordinary {
		return b, false
	}
	b = append(b, ',')
	if b, ok = appendText(b, a.Key); !ok {
		return b, false
	}
	b = append(b, ':')
	switch v := a.Value; v.Kind() {
	case slog.KindString:
		return appendText(b, v.String())
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10), true
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10), true
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool()), true
	case slog.KindDuration:
		return strconv.AppendInt(b, int64(v.Duration()), 10), true
	case slog.KindFloat64:
		// Others are written with an exponent, or not at all.
		if f := v.Float64(); f == 0 && !math.Signbit(f) || math.Abs(f) >= 1e-6 && math.Abs(f) < 1e21 {
			return strconv.AppendFloat(b, f, 'f', -1, 64), true
		}
	}
	return b, false
}

// appendText writes a text that needs no escapes and in which Mask finds
// nothing.
func appendText(b []byte, s string) (line []byte, ok bool) {
	doubtful := false
	for i := range len(s) {
		switch class := texts[s[i]]; class {
		case textEscaped:
			return b, false
		case textDoubtful:
			doubtful = true
		}
	}
	if doubtful && Mask(s) != s {
		return b, false
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"'), true
}

// What a character means for a text of a record: textPlain stands for itself,
// textDoubtful does so unless Mask finds a secret there, and textEscaped is one
// that JSON or the terminal must not see as it is.
const (
	textPlain uint8 = iota
	textDoubtful
	textEscaped
)

var texts = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c < ' ' || c > '~' || c == '"' || c == '\\':
			t[c] = textEscaped
		case anchors[c]:
			t[c] = textDoubtful
		}
	}
	return t
}()
