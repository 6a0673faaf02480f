package guard

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/wiretight/wiretight/internal/redact"
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
	for _, f := range x.observed {
		x.guard.logger.LogAttrs(x.r.Context(), slog.LevelInfo, "would refuse", slog.String("request_id", x.id),
			slog.String("rule", string(f.rule)), slog.String("reason", f.reason))
	}
	line := x.guard.records.Begin(x.r.Context(), end, level, "request")
	if line == nil {
		return
	}
	line.Text(&keyRequestID, x.id)
	line.Text(&keyPeer, x.clientText())
	line.Text(&keyMethod, x.r.Method)
	line.Text(&keyRoute, x.routeLabel())
	line.Int(&keyStatus, int64(x.answer.status))
	line.Text(&keyDecision, decision)
	line.Seconds(&keySeconds, took)
	line.Int(&keyBytes, x.answer.bytes)
	if rule != "" {
		line.Text(&keyRule, string(rule))
	}
	if reason != "" {
		line.Text(&keyReason, reason)
	}
	if x.asked != nil {
		line.Text(&keyAskedBy, x.asked.Asker.String())
	}
	if x.verified {
		line.Text(&keySubject, hex16(uint64(x.facts.ids.sub)))
	}
	_ = line.End() // as a Logger, which has nobody to tell either
}

// The names of what a record of a request says.
var (
	keyRequestID = redact.NewKey("request_id")
	keyPeer      = redact.NewKey("peer")
	keyMethod    = redact.NewKey("method")
	keyRoute     = redact.NewKey("route")
	keyStatus    = redact.NewKey("status")
	keyDecision  = redact.NewKey("decision")
	keySeconds   = redact.NewKey("seconds")
	keyBytes     = redact.NewKey("bytes")
	keyRule      = redact.NewKey("rule")
	keyReason    = redact.NewKey("reason")
	keyAskedBy   = redact.NewKey("asked_by")
	keySubject   = redact.NewKey("subject")
)

// clientText is the client's address, which usually is the peer's.
func (x *exchange) clientText() string {
	if x.client == x.peer && x.peer.IsValid() {
		return x.peerText()
	}
	return x.client.String()
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
