package redact

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"
)

// Records writes log records whose attributes have the same names each time, as
// those of requests, by a shorter way than a slog.Record: to a handler of
// NewJSONHandler it appends to one line what others have to collect first. What
// is masked, and how it is written, is the same; other handlers get a
// slog.Record and do with it what they do. It may be used by many goroutines.
type Records struct {
	to     slog.Handler
	direct *jsonHandler // to, if it is one
}

// NewRecords writes to that handler. Nil discards.
func NewRecords(to slog.Handler) *Records {
	if to == nil {
		to = slog.DiscardHandler
	}
	direct, _ := to.(*jsonHandler)
	return &Records{to: to, direct: direct}
}

// Key is the name of an attribute, made ready. Make it once, with NewKey.
type Key struct {
	name   string
	text   string // as it stands in a line
	hidden bool   // the value is secret by the name
}

// NewKey makes a name ready.
func NewKey(name string) Key {
	text := append(appendText([]byte{','}, name), ':')
	return Key{name: name, text: string(text), hidden: nameOf(name) != ordinary}
}

// Line is one record, from Begin to End. It belongs to one goroutine. All
// methods of nil do nothing: it is a record that nobody wants.
type Line struct {
	records *Records
	ctx     context.Context
	record  slog.Record
	attrs   []slog.Attr // where the handler is not ours
	text    []byte      // where it is
}

var lines = sync.Pool{New: func() any { return &Line{text: make([]byte, 0, 512)} }}

// Begin begins a record. It returns nil if the handler does not want those of
// that level.
func (r *Records) Begin(ctx context.Context, at time.Time, level slog.Level, message string) *Line {
	if !r.to.Enabled(ctx, level) {
		return nil
	}
	l := lines.Get().(*Line)
	l.records = r
	if r.direct != nil {
		var ok bool
		if l.text, ok = r.direct.appendHead(l.text[:0], at, level, message); ok {
			return l
		}
	}
	l.text, l.ctx, l.record = nil, ctx, slog.NewRecord(at, level, message, 0)
	return l
}

// key begins an attribute and reports whether its value goes into the line.
func (l *Line) key(k *Key) (inLine bool) {
	if l.text != nil {
		l.text = append(l.text, k.text...)
		return true
	}
	return false
}

// Text adds an attribute. The text is masked, whatever it is.
func (l *Line) Text(k *Key, value string) {
	switch {
	case l == nil:
	case !l.key(k):
		l.attrs = append(l.attrs, slog.String(k.name, value))
	case k.hidden:
		l.hide(slog.StringValue(value))
	default:
		l.text = appendText(l.text, value)
	}
}

// Int adds an attribute.
func (l *Line) Int(k *Key, value int64) {
	switch {
	case l == nil:
	case !l.key(k):
		l.attrs = append(l.attrs, slog.Int64(k.name, value))
	case k.hidden:
		l.hide(slog.Int64Value(value))
	default:
		l.text = strconv.AppendInt(l.text, value, 10)
	}
}

// Seconds adds an attribute: a number of seconds with up to nine decimals.
func (l *Line) Seconds(k *Key, value time.Duration) {
	switch {
	case l == nil:
	case !l.key(k):
		l.attrs = append(l.attrs, slog.Float64(k.name, value.Seconds()))
	case k.hidden:
		l.hide(slog.Float64Value(value.Seconds()))
	default:
		l.text = appendSeconds(l.text, value)
	}
}

func appendSeconds(b []byte, d time.Duration) []byte {
	whole, rest := int64(d/time.Second), int(d%time.Second)
	if d < 0 {
		b = append(b, '-')
		whole, rest = -whole, -rest
	}
	b = strconv.AppendInt(b, whole, 10)
	return appendFraction(b, rest)
}

// hide adds a value that is secret by its key.
func (l *Line) hide(v slog.Value) { l.text = appendText(l.text, hide(v).String()) }

// End writes the record. The Line must not be used after it.
func (l *Line) End() error {
	if l == nil {
		return nil
	}
	var err error
	if l.text != nil {
		l.text = append(l.text, '}', '\n')
		_, err = l.records.direct.lines.Write(l.text)
	} else {
		l.record.AddAttrs(l.attrs...)
		err = l.records.to.Handle(l.ctx, l.record)
	}
	if cap(l.text) > 0 && cap(l.text) <= lineMax {
		*l = Line{text: l.text}
		lines.Put(l)
	}
	return err
}
