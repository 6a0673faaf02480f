package front

import (
	"net/http"
	"sync/atomic"
	"time"
)

// stamp is a Date, which is the same for all answers of one second.
type stamp struct {
	second int64
	text   string
}

var lastStamp atomic.Pointer[stamp]

// date is the value of the Date header (RFC 9110 §6.6.1).
func date(now time.Time) string {
	second := now.Unix()
	if s := lastStamp.Load(); s != nil && s.second == second {
		return s.text
	}
	s := &stamp{second, now.UTC().Format(http.TimeFormat)}
	lastStamp.Store(s)
	return s.text
}
