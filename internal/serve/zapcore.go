package serve

import (
	"context"
	"log/slog"

	"go.uber.org/zap/zapcore"
)

// zapCore writes what certmagic logs to a slog.Logger, and so through its
// redaction.
type zapCore struct {
	logger *slog.Logger
}

var levels = map[zapcore.Level]slog.Level{
	zapcore.DebugLevel: slog.LevelDebug,
	zapcore.InfoLevel:  slog.LevelInfo,
	zapcore.WarnLevel:  slog.LevelWarn,
}

// slogLevel takes everything above a warning for an error.
func slogLevel(l zapcore.Level) slog.Level {
	if s, ok := levels[l]; ok {
		return s
	}
	return slog.LevelError
}

// Enabled is zapcore.LevelEnabler.
func (z *zapCore) Enabled(l zapcore.Level) bool {
	return z.logger.Enabled(context.Background(), slogLevel(l))
}

// With is zapcore.Core.
func (z *zapCore) With(fields []zapcore.Field) zapcore.Core {
	return &zapCore{logger: slog.New(z.logger.Handler().WithAttrs(attrs(fields)))}
}

// Check is zapcore.Core.
func (z *zapCore) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if z.Enabled(e.Level) {
		return c.AddCore(e, z)
	}
	return c
}

// Write is zapcore.Core.
func (z *zapCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	z.logger.LogAttrs(context.Background(), slogLevel(e.Level), e.Message, attrs(fields)...)
	return nil
}

// Sync is zapcore.Core.
func (z *zapCore) Sync() error { return nil }

func attrs(fields []zapcore.Field) []slog.Attr {
	out := make([]slog.Attr, 0, len(fields))
	for _, f := range fields {
		m := zapcore.NewMapObjectEncoder()
		f.AddTo(m)
		for k, v := range m.Fields {
			out = append(out, slog.Any(k, v))
		}
	}
	return out
}
