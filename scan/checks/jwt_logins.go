package checks

import (
	"context"
	"time"

	"github.com/wiretight/wiretight/scan"
)

// enoughLogins is how many identifiers it takes to see a pattern in them.
const enoughLogins = 8

// timedLogin is a session and when it was made.
type timedLogin struct {
	scan.Session
	Began, Ended time.Time
}

// severalLogins logs in eight times, once in a scan.
func severalLogins(ctx context.Context, t *scan.Target) ([]timedLogin, error) {
	return scan.Memo(t, "logins.several", func() ([]timedLogin, error) {
		var list []timedLogin
		for range enoughLogins {
			began := clock(t)
			s, err := t.Login(ctx)
			if err != nil {
				return list, err
			}
			list = append(list, timedLogin{s, began, clock(t)})
		}
		return list, nil
	})
}
