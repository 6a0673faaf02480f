package front2

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2/hpack"
)

// snapshot keeps the header as it is now. What HTTP/2 has no place for is left
// out (RFC 9113 §8.2.2).
func (a *answer) snapshot(status int) {
	a.fields = a.fields[:0]
	informing := status < 200
	a.length, a.typed = -1, false
	if !informing {
		a.announce(a.header["Trailer"])
	}
	for name, values := range a.header {
		switch name {
		case "Connection":
			a.quit = a.quit || !informing && len(values) == 1 && strings.EqualFold(values[0], "close")
			continue
		case "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade", "Te":
			continue
		case "Content-Length":
			if informing || status == http.StatusNoContent || !a.setLength(values) {
				continue // RFC 9110 §8.6
			}
		case "Content-Type", "Content-Encoding":
			a.typed = true
		}
		if strings.HasPrefix(name, http.TrailerPrefix) {
			continue
		}
		if len(a.trailer) > 0 && announced(a.trailer, name) {
			continue
		}
		a.fields = appendField(a.fields, name, values)
	}
	a.typed = a.typed || !hasBody(status)
}

// announce reads which fields follow the body.
func (a *answer) announce(values []string) {
	for _, line := range values {
		for name := range strings.SplitSeq(line, ",") {
			name = textproto.CanonicalMIMEHeaderKey(textproto.TrimString(name))
			switch name {
			case "", "Transfer-Encoding", "Content-Length", "Trailer":
			default:
				if !announced(a.trailer, name) {
					a.trailer = append(a.trailer, name)
				}
			}
		}
	}
}

func announced(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// setLength takes the handler's word for the length of the body.
func (a *answer) setLength(values []string) bool {
	if len(values) != 1 {
		return false
	}
	n, err := strconv.ParseUint(values[0], 10, 63)
	if err != nil {
		return false
	}
	a.length = int64(n)
	return true
}

// appendField appends the values of one field that may be sent.
func appendField(to []hpack.HeaderField, name string, values []string) []hpack.HeaderField {
	if len(values) == 0 {
		return to
	}
	wire := lower(name)
	if !validName(wire) {
		return to
	}
	for _, v := range values {
		if all(v, inValue) {
			to = append(to, hpack.HeaderField{Name: wire, Value: textproto.TrimString(v), Sensitive: passing(wire)})
		}
	}
	return to
}

// passing reports fields whose values no later answer repeats, or that should
// not be compressed next to what an attacker chooses (RFC 7541 §7.1).
func passing(name string) bool {
	switch name {
	case "x-request-id", "set-cookie", "etag", "location", "content-range", "www-authenticate":
		return true
	}
	return false
}

// complete adds the fields that the handler has left out. whole says that the
// body has been gathered; next follows what has been.
func (a *answer) complete(whole bool, next []byte) {
	if !a.typed && (len(a.early) > 0 || len(next) > 0) {
		begin := a.early
		if len(begin) == 0 {
			begin = next
		}
		a.fields = append(a.fields, hpack.HeaderField{Name: "content-type", Value: http.DetectContentType(begin)})
	}
	if whole && a.length < 0 && hasBody(a.status) && (!a.head || a.written > 0 && a.written <= gather) {
		a.fields = append(a.fields, hpack.HeaderField{Name: "content-length", Value: strconv.Itoa(len(a.early))})
	}
	if _, ok := a.header["Date"]; !ok {
		a.fields = append(a.fields, hpack.HeaderField{Name: "date", Value: date(time.Now())})
	}
}

// stamp is a Date, which all answers of one second share.
type stamp struct {
	second int64
	text   string
}

var newest atomic.Pointer[stamp]

// date is the value of the Date field (RFC 9110 §6.6.1).
func date(now time.Time) string {
	s := newest.Load()
	if second := now.Unix(); s == nil || s.second != second {
		s = &stamp{second, now.UTC().Format(http.TimeFormat)}
		newest.Store(s)
	}
	return s.text
}
