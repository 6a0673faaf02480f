package tlsprobe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// EarlyData is how a peer takes a request in the first flight of a resumed
// TLS 1.3 session (RFC 8446 §2.3), which anybody on the path can replay.
type EarlyData struct {
	// Outcome is Accepted when the early data was taken.
	Outcome
	// MaxSize is max_early_data_size of the ticket, in bytes.
	MaxSize uint32
	// Status is that of the HTTP answer to the early request. Zero: none came.
	// A 425 (RFC 8470 §5.2) is a right answer.
	Status int
	// Unconfirmed says that the answer came before the client had finished the
	// handshake: a replayed first flight is answered alike. A server that waits
	// for the end of the handshake (RFC 8470 §3) cannot be replayed to.
	Unconfirmed bool
}

// EarlyData makes a whole handshake to get a ticket, and, if that allows early
// data, resumes by it with EarlyRequest as early data: two connections.
func (p *Probe) EarlyData(ctx context.Context, v Versions) EarlyData {
	switch {
	case v.Best() == 0:
		return EarlyData{Outcome: v.none()}
	case v[TLS13].Verdict != Accepted:
		return EarlyData{Outcome: notApplicable("TLS 1.3 is not accepted")}
	}
	request := p.EarlyRequest
	if len(request) == 0 {
		request = p.plainRequest()
	}
	t, err := p.ticket(ctx)
	switch {
	case err != nil:
		return EarlyData{Outcome: inconclusive("no ticket: %v", err)}
	case t == nil:
		return EarlyData{Outcome: refused("the server issues no tickets")}
	case t.maxEarly == 0:
		return EarlyData{Outcome: refused("the server's tickets allow no early data")}
	case int64(len(request)) > int64(t.maxEarly):
		return EarlyData{MaxSize: t.maxEarly, Outcome: inconclusive("the request is longer than the %d bytes allowed", t.maxEarly)}
	}
	return p.sendEarly(ctx, t, request)
}

// plainRequest is a GET of the root that asks to hang up afterwards.
func (p *Probe) plainRequest() []byte {
	host := p.ServerName
	if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
		host = "[" + host + "]"
	}
	return fmt.Appendf(nil, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
}

// ticket returns the first ticket of a new session, or nil when there is none
// before the server answers, hangs up or falls silent.
func (p *Probe) ticket(ctx context.Context) (*ticket, error) {
	c := newClient13(goalTicket, p.ServerName, handshakeSuites(), p.now)
	c.hello.ALPN = []string{"http/1.1"}
	c.request = p.plainRequest()
	err := p.converse(ctx, c)
	if len(c.tickets) > 0 {
		return &c.tickets[0], nil
	}
	var alert alertError
	ended := closed(err) || errors.As(err, &alert) && alert.code == alertCloseNotify
	if c.connected() && (err == nil || ended || silent(err)) {
		return nil, nil
	}
	return nil, err
}

func (p *Probe) sendEarly(ctx context.Context, t *ticket, request []byte) EarlyData {
	c := newClient13(goalAnswer, p.ServerName, nil, p.now)
	c.hello.ALPN = []string{"http/1.1"}
	c.resume, c.request = t, request
	err := p.converse(ctx, c)
	out := EarlyData{MaxSize: t.maxEarly, Status: httpStatus(c.answer), Unconfirmed: c.unconfirmed}
	switch {
	case c.earlyTaken && c.connected():
		out.Outcome = accepted("%d bytes of early data were taken", len(request))
	case err == nil && c.server.PSK:
		out.Outcome = refused("the early data was declined")
	case err == nil:
		out.Outcome = refused("the ticket was declined")
	default:
		out.Outcome = outcomeOf(err)
	}
	return out
}

// httpStatus reads the status of the start of an HTTP/1 answer, or zero.
func httpStatus(answer []byte) int {
	rest, ok := bytes.CutPrefix(answer, []byte("HTTP/1."))
	if !ok || len(rest) < 5 || rest[1] != ' ' {
		return 0
	}
	code, err := strconv.Atoi(string(rest[2:5]))
	if err != nil || code < 100 {
		return 0
	}
	return code
}
