package redact

import (
	"context"
	"io"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// NewJSONHandler returns a handler for records of level and above that writes,
// byte for byte, what NewHandler before slog's JSON handler would write. Records
// of texts and numbers, as most are, cost it a third of that; those of requests
// cost less still by way of Records. It gives w whole lines, one at a time.
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
	stamp atomic.Pointer[stamp] // of the last record
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
	line, ordinary := h.appendLine((*buf)[:0], &r)
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
func (h *jsonHandler) appendLine(b []byte, r *slog.Record) (line []byte, ordinary bool) {
	b, ordinary = h.appendHead(b, r.Time, r.Level, r.Message)
	if !ordinary {
		return b, false
	}
	r.Attrs(func(a slog.Attr) bool {
		b, ordinary = appendAttr(b, &a)
		return ordinary
	})
	return append(b, '}', '\n'), ordinary
}

// appendHead writes what every record begins with. It is not ok for times that
// have no such form.
func (h *jsonHandler) appendHead(b []byte, at time.Time, level slog.Level, message string) (line []byte, ok bool) {
	s := h.stamp.Load()
	if s == nil || s.second != at.Unix() || s.zone != at.Location() {
		if at.IsZero() || at.Year() < 0 || at.Year() > 9999 {
			return b, false
		}
		s = newStamp(at)
		h.stamp.Store(s)
	}
	b = append(b, `{"time":"`...)
	b = s.append(b, at.Nanosecond())
	b = append(b, `","level":"`...)
	b = append(b, level.String()...)
	b = append(b, `","msg":`...)
	return appendText(b, message), true
}

// stamp is the form of the times of one second, which is the same for many
// records.
type stamp struct {
	second int64
	zone   *time.Location
	text   string // up to the seconds
	offset string
}

func newStamp(at time.Time) *stamp {
	const seconds = len("2026-11-21T12:30:45")
	text := at.Format(time.RFC3339)
	return &stamp{at.Unix(), at.Location(), text[:seconds], text[seconds:]}
}

// append writes the time that is so many nanoseconds after the second, as
// time.RFC3339Nano has it.
func (s *stamp) append(b []byte, nanoseconds int) []byte {
	b = append(b, s.text...)
	b = appendFraction(b, nanoseconds)
	return append(b, s.offset...)
}

// appendFraction writes the decimals of a second, without zeros at their end
// and, where all are, without the point.
func appendFraction(b []byte, nanoseconds int) []byte {
	if nanoseconds == 0 {
		return b
	}
	digits := [10]byte{'.'}
	end := len(digits)
	for nanoseconds%10 == 0 {
		nanoseconds /= 10
		end--
	}
	for i := end - 1; i > 0; i-- {
		digits[i] = byte('0' + nanoseconds%10)
		nanoseconds /= 10
	}
	return append(b, digits[:end]...)
}

func appendAttr(b []byte, a *slog.Attr) (line []byte, ok bool) {
	if nameOf(a.Key) != ordinary {
		return b, false
	}
	b = append(b, ',')
	b = appendText(b, a.Key)
	b = append(b, ':')
	switch v := a.Value; v.Kind() {
	case slog.KindString:
		return appendText(b, v.String()), true
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

// appendText writes a text between quotes, masked and without a character that
// JSON or a terminal must not see as it is.
func appendText(b []byte, s string) []byte {
	var class uint8
	for i := range len(s) {
		class |= texts[s[i]]
	}
	if class&textEscaped != 0 || class&textDoubtful != 0 && Mask(s) != s {
		return appendCleaned(b, s)
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// appendCleaned is appendText for a text that does not stay as it is. What clean
// returns prints, and of that JSON escapes two characters.
func appendCleaned(b []byte, s string) []byte {
	b = append(b, '"')
	for _, c := range []byte(clean(s)) {
		if c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return append(b, '"')
}

// What a character means for a text of a record: one without a mark stands for
// itself, textDoubtful does so unless Mask finds a secret there, and
// textEscaped is one that JSON or the terminal may not see as it is.
const (
	textDoubtful uint8 = 1 << iota
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
