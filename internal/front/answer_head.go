package front

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// begun writes the status line and the fields that are the handler's. Framing
// waits until it is known.
func (a *answer) begun() {
	a.out = gathered.Get().(*[]byte)
	b := appendStatus(*a.out, a.status)
	suppressed := a.status == http.StatusNotModified
	for name, values := range a.header {
		switch name {
		case "Content-Length", "Transfer-Encoding":
			continue // ours to say
		case "Content-Type":
			if suppressed {
				continue
			}
		case "Connection":
			for _, v := range values {
				a.close = a.close || lists(v, "close")
			}
			continue
		case "Trailer":
			a.announce(values)
		default:
			if strings.HasPrefix(name, http.TrailerPrefix) {
				continue
			}
		}
		b = appendFields(b, name, values)
	}
	if _, ok := a.header["Date"]; !ok {
		b = append(b, "Date: "...)
		b = append(b, date(time.Now())...)
		b = append(b, '\r', '\n')
	}
	*a.out = b
}

// announce notes the trailers that may follow.
func (a *answer) announce(values []string) {
	for _, v := range values {
		for name := range strings.SplitSeq(v, ",") {
			name = canonical(strings.Trim(name, " \t"))
			switch name {
			case "", "Content-Length", "Transfer-Encoding", "Trailer", "Host", "Connection", "Content-Encoding", "Content-Type", "Content-Range":
				continue // of no effect there (RFC 9110 §6.5.1)
			}
			a.trailer = append(a.trailer, name)
		}
	}
}

// frame ends the header, when it is known how the body ends. first is the body
// that comes next; last says that nothing follows what came so far.
func (a *answer) frame(first []byte, last bool) {
	a.framed = true
	var early []byte
	if a.early != nil {
		early = *a.early
	}
	b := *a.out
	if a.sniff {
		sample := early
		if len(sample) == 0 {
			sample = first
		}
		if len(sample) > 0 {
			b = appendField(b, "Content-Type", http.DetectContentType(sample))
		}
	}
	if last && a.length < 0 && hasBody(a.status) && !a.trailing() && (!a.isHead || len(early) > 0) {
		a.length = int64(len(early))
	}
	switch {
	case a.length >= 0 && hasBody(a.status):
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, a.length, 10)
		b = append(b, '\r', '\n')
	case !a.bare:
		a.chunked = true
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	if body := a.conn.body; body != nil && body.tooLong() {
		a.close = true
	}
	if a.close {
		b = append(b, "Connection: close\r\n"...)
	}
	*a.out = append(b, '\r', '\n')
	a.body(early)
}

// trailing reports whether trailers follow the body.
func (a *answer) trailing() bool {
	if len(a.trailer) > 0 {
		return true
	}
	for name := range a.header {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			return true
		}
	}
	return false
}

// inform sends a 1xx answer.
func (a *answer) inform(status int) {
	b := appendStatus(nil, status)
	for name, values := range a.header {
		if name != "Content-Length" && name != "Transfer-Encoding" && name != "Connection" {
			b = appendFields(b, name, values)
		}
	}
	if a.err == nil {
		_, a.err = a.conn.tls.Write(append(b, '\r', '\n'))
	}
}

func appendStatus(b []byte, status int) []byte {
	if status == http.StatusOK {
		return append(b, "HTTP/1.1 200 OK\r\n"...)
	}
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	if text := http.StatusText(status); text != "" {
		b = append(b, text...)
	} else {
		b = append(b, "status code "...)
		b = strconv.AppendInt(b, int64(status), 10)
	}
	return append(b, '\r', '\n')
}

func appendFields(b []byte, name string, values []string) []byte {
	for i := range len(name) {
		if !tokenByte[name[i]] {
			return b // would be another field, or none
		}
	}
	if name == "" {
		return b
	}
	for _, v := range values {
		b = appendField(b, name, v)
	}
	return b
}

// appendField writes one field line. What would end the line becomes a space.
func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ':', ' ')
	begin := len(b)
	b = append(b, strings.Trim(value, " \t\r\n")...)
	for i := begin; i < len(b); i++ {
		if b[i] == '\r' || b[i] == '\n' || b[i] == 0 {
			b[i] = ' '
		}
	}
	return append(b, '\r', '\n')
}
