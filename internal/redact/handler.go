package redact

import (
	"context"
	"log/slog"
)

// handler is the slog.Handler that NewHandler returns.
type handler struct {
	next slog.Handler
	// hidden is set within a group that is secret by its name.
	hidden bool
}

// NewHandler returns a handler that passes records on to next without what Mask
// masks: in the message, in keys, and in values of whatever kind. A value that
// is secret by its key, as token or cookie, becomes "[redacted]", a group too,
// unless it is a token as Token shows it. Characters that do not print are
// written as escapes, so that no text can forge a record.
//
// Values that are neither text nor number are resolved once: errors, Stringers
// and marshalers to their text, everything else to a copy of what is exported
// in it, bounded in depth and size. A value that panics is replaced. Records in
// which nothing has to be masked are passed on as they are, and nothing is
// allocated for them. A nil next discards.
func NewHandler(next slog.Handler) slog.Handler {
	if next == nil {
		next = slog.DiscardHandler
	}
	return &handler{next: next}
}

// Enabled reports what the next handler says.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle masks the record and passes it on.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	message := clean(r.Message)
	untouched := message == r.Message
	r.Attrs(func(a slog.Attr) bool {
		untouched = untouched && h.untouched(a, 0)
		return untouched
	})
	if untouched {
		return h.next.Handle(ctx, r)
	}
	masked := slog.NewRecord(r.Time, r.Level, message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		masked.AddAttrs(h.attr(a, 0))
		return true
	})
	return h.next.Handle(ctx, masked)
}

// WithAttrs masks the attributes once, for all records to come.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	masked := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		masked[i] = h.attr(a, 0)
	}
	return &handler{next: h.next.WithAttrs(masked), hidden: h.hidden}
}

// WithGroup opens a group. All that is in one of a secret name is secret.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &handler{
		next:   h.next.WithGroup(clean(name)),
		hidden: h.hidden || nameOf(name) != ordinary,
	}
}

// secretKey tells whether an attribute is secret by its key.
func (h *handler) secretKey(a slog.Attr) bool { return h.hidden || nameOf(a.Key) != ordinary }

// untouched tells whether an attribute would come out of attr as it is. What
// has to be resolved first is not: it could resolve to something else next time.
func (h *handler) untouched(a slog.Attr, depth int) bool {
	if h.secretKey(a) && !a.Equal(slog.Attr{}) || clean(a.Key) != a.Key {
		return false
	}
	switch a.Value.Kind() {
	case slog.KindString:
		s := a.Value.String()
		return clean(s) == s
	case slog.KindGroup:
		for _, member := range a.Value.Group() {
			if depth == depthMax || !h.untouched(member, depth+1) {
				return false
			}
		}
	case slog.KindAny:
		return a.Value.Any() == nil
	case slog.KindLogValuer:
		return false
	}
	return true
}

// attr returns the masked attribute.
func (h *handler) attr(a slog.Attr, depth int) slog.Attr {
	key := clean(a.Key)
	if h.secretKey(a) && !a.Equal(slog.Attr{}) {
		return slog.Attr{Key: key, Value: hide(a.Value)}
	}
	return slog.Attr{Key: key, Value: h.value(a.Value.Resolve(), depth)}
}

// value returns the masked value. v has been resolved.
func (h *handler) value(v slog.Value, depth int) slog.Value {
	switch v.Kind() {
	case slog.KindString:
		return slog.StringValue(clean(v.String()))
	case slog.KindGroup:
		if depth == depthMax {
			return slog.StringValue(ellipsis)
		}
		members := make([]slog.Attr, 0, len(v.Group()))
		for _, member := range v.Group() {
			members = append(members, h.attr(member, depth+1))
		}
		return slog.GroupValue(members...)
	case slog.KindAny:
		return slog.AnyValue(newPlain().value(v.Any()))
	case slog.KindLogValuer:
		return slog.StringValue(Redacted)
	default:
		return v
	}
}

// hide returns what may be seen of a secret value.
func hide(v slog.Value) slog.Value {
	if v.Kind() == slog.KindString {
		if s := v.String(); s != "" && maskedLen(s) == len(s) {
			return v
		}
	}
	return slog.StringValue(Redacted)
}
