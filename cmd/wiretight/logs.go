package main

import (
	"bytes"
	"io"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

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

// lostLines is the record of lines that were lost, in the log's own form.
func lostLines(c config.Log) func(lost int, why error) []byte {
	return func(lost int, why error) []byte {
		var line bytes.Buffer
		reason := "its reader is too far behind"
		if why != nil {
			reason = why.Error()
		}
		newLogger(c, &line).Error("lines of the log are lost", "lines", lost, "reason", reason)
		return line.Bytes()
	}
}

// countLost registers the count of lines that were lost.
func countLost(r prometheus.Registerer, l *logWriter) error {
	return r.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "wiretight_log_lines_lost_total",
		Help: "Lines of the log that found no room, because its reader was too far behind or gone.",
	}, func() float64 { return float64(l.Lost()) }))
}
