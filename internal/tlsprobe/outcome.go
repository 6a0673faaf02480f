package tlsprobe

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// Verdict is the answer to one question put to a peer.
type Verdict int

// The verdicts. The zero Verdict is Inconclusive: what was not asked is not known.
const (
	// Inconclusive says that the peer's behaviour decides nothing.
	Inconclusive Verdict = iota
	// Accepted says that the peer agreed to what was offered.
	Accepted
	// Refused says that the peer declined what was offered.
	Refused
	// NotApplicable says that the question has no meaning for this peer.
	NotApplicable
)

// String returns the verdict in lower case words.
func (v Verdict) String() string {
	switch v {
	case Accepted:
		return "accepted"
	case Refused:
		return "refused"
	case NotApplicable:
		return "not applicable"
	}
	return "inconclusive"
}

// Outcome is a verdict with what the peer did to earn it. Reason is a short
// sentence for people and never empty once a question was put.
type Outcome struct {
	Verdict Verdict
	Reason  string
}

// String returns the verdict and, in brackets, the reason.
func (o Outcome) String() string {
	if o.Reason == "" {
		return o.Verdict.String()
	}
	return fmt.Sprintf("%s (%s)", o.Verdict, o.Reason)
}

func accepted(format string, a ...any) Outcome {
	return Outcome{Accepted, fmt.Sprintf(format, a...)}
}

func refused(format string, a ...any) Outcome {
	return Outcome{Refused, fmt.Sprintf(format, a...)}
}

func inconclusive(format string, a ...any) Outcome {
	return Outcome{Inconclusive, fmt.Sprintf(format, a...)}
}

func notApplicable(format string, a ...any) Outcome {
	return Outcome{NotApplicable, fmt.Sprintf(format, a...)}
}

// alertError is an alert that ended a handshake.
type alertError struct{ level, code byte }

func (a alertError) Error() string { return fmt.Sprintf("alert %s", alertName(a.code)) }

// dialError says that there was no connection to ask on. It does not unwrap: a
// dial that timed out is not a peer that kept silent.
type dialError struct{ err error }

func (d dialError) Error() string { return fmt.Sprintf("connect: %v", d.err) }

// malformedError says that the peer speaks, but no TLS that can be read.
type malformedError struct{ what string }

func (m malformedError) Error() string { return m.what }

func malformed(format string, a ...any) error {
	return malformedError{fmt.Sprintf(format, a...)}
}

// errSilent is a peer that said nothing in time.
var errSilent = fmt.Errorf("no answer in time: %w", os.ErrDeadlineExceeded)

// foreignError says that the peer insists on a suite that was not offered: it
// does not take what was.
type foreignError struct{ suite Suite }

func (f foreignError) Error() string {
	return fmt.Sprintf("the server chose %v, which was not offered", f.suite)
}

// silent reports whether err is a peer that said nothing in time.
func silent(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// closed reports whether err is a peer that hung up.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}

// outcomeOf judges a handshake that ended without the answer it was made for.
// An alert or a closed connection is a refusal; silence, garbage and whatever
// is unknown are no answer.
func outcomeOf(err error) Outcome {
	var alert alertError
	var foreign foreignError
	switch {
	case errors.As(err, &alert), errors.As(err, &foreign):
		return refused("%v", err)
	case closed(err):
		return refused("connection closed")
	case silent(err):
		return inconclusive("no answer in time")
	}
	return inconclusive("%v", err)
}

// plainRefusal reports whether err is the refusal that RFC 5246 §7.2.2 wants
// for an offer without common ground, and not a stumble over the offer itself.
func plainRefusal(err error) bool {
	var alert alertError
	var foreign foreignError
	if !errors.As(err, &alert) {
		return errors.As(err, &foreign)
	}
	switch alert.code {
	case alertHandshakeFailure, alertInsufficientSecurity, alertProtocolVersion:
		return true
	}
	return false
}
