package issuer_test

import (
	"log/slog"

	"github.com/wiretight/wiretight/internal/testproc"
)

// logBuffer keeps what was logged.
type logBuffer struct{ testproc.Output }

func (l *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
