package guard

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
)

// record writes the one record of a request, and one more for each refusal
// that a rule on trial would have made, and counts it.
func (x *exchange) record(failed any) {
	end := x.guard.now()
	took := end.Sub(x.now)
	decision, rule, reason := "allowed", Rule(""), ""
	level := slog.LevelInfo
	switch f := x.answer.refused; {
	case f != nil && f.rule == "":
		decision, reason, level = "failed", f.reason, slog.LevelWarn
	case f != nil:
		decision, rule, reason = "refused", f.rule, f.reason
	case len(x.observed) > 0:
		decision, rule, reason = "observed", x.observed[0].rule, x.observed[0].reason
	}
	if cut := x.flight.cut.Load(); cut != "" && x.answer.refused == nil {
		decision, reason = "cut", cut
	}
	if err, _ := failed.(error); failed != nil && !errors.Is(err, http.ErrAbortHandler) {
		decision, reason, level = "failed", x.withoutSecrets(fmt.Sprintf("panic: %v", failed)), slog.LevelError
	} else if x.answer.aborted != "" && reason == "" {
		reason = x.answer.aborted
	}
	x.guard.metrics.count(x, decision, rule, took)
	log := x.guard.logger
	ctx := x.r.Context()
	for _, f := range x.observed {
		log.LogAttrs(ctx, slog.LevelInfo, "would refuse", slog.String("request_id", x.id),
			slog.String("rule", string(f.rule)), slog.String("reason", f.reason))
	}
	if !log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 13)
	attrs = append(attrs,
		slog.String("request_id", x.id),
		slog.String("peer", x.client.String()),
		slog.String("method", x.r.Method),
		slog.String("route", x.routeLabel()),
		slog.Int("status", x.answer.status),
		slog.String("decision", decision),
		slog.Float64("seconds", took.Seconds()),
		slog.Int64("bytes", x.answer.bytes),
	)
	if rule != "" {
		attrs = append(attrs, slog.String("rule", string(rule)))
	}
	if reason != "" {
		attrs = append(attrs, slog.String("reason", reason))
	}
	if x.asked != nil {
		attrs = append(attrs, slog.String("asked_by", x.asked.Asker.String()))
	}
	if x.verified {
		attrs = append(attrs, slog.String("subject", hex16(uint64(x.facts.ids.sub))))
	}
	// A Logger would find out first where it was called from.
	record := slog.NewRecord(end, level, "request", 0)
	record.AddAttrs(attrs...)
	_ = log.Handler().Handle(ctx, record) // as a Logger, which has nobody to tell either
}

// hex16 is %016x.
func hex16(v uint64) string {
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], v)
	return hex.EncodeToString(raw[:])
}

func (x *exchange) routeLabel() string {
	if x.route == nil {
		return "none"
	}
	return x.route.label
}
