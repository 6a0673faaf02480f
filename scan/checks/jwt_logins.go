package checks

import (
	"context"
	"strconv"
	"time"

	"github.com/wiretight/wiretight/scan"
)

// enoughLogins is how many identifiers it takes to see a pattern in them.
const enoughLogins = 8

// login is a session and when it was made.
type login struct {
	scan.Session
	Began, Ended time.Time
}

// severalLogins logs in eight times, once in a scan.
func severalLogins(ctx context.Context, t *scan.Target) ([]login, error) {
	return scan.Memo(t, "logins.several", func() ([]login, error) {
		var list []login
		for range enoughLogins {
			began := clock(t)
			s, err := t.Login(ctx)
			if err != nil {
				return list, err
			}
			list = append(list, login{s, began, clock(t)})
		}
		return list, nil
	})
}

func itoa(n int) string { return strconv.Itoa(n) }
