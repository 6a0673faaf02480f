package keyset

import (
	"crypto/rand"
	"encoding/binary"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// How often a remote set is fetched, and how long it lives without.
const (
	paceMin     = 30 * time.Second
	paceDefault = 5 * time.Minute
	paceMax     = time.Hour

	// StaleAfter is how long a key set is served beyond the time at which it
	// should have been refreshed.
	StaleAfter = time.Hour

	retryMin = time.Second
	// retryMax is for a Source that still has keys, retryBare for one that
	// has none: it must be back within 5 s of its issuer.
	retryMax  = 30 * time.Second
	retryBare = 4 * time.Second
)

// pace reads Cache-Control's max-age less Age (RFC 9111 §4.2), held within
// paceMin and paceMax. no-store, no-cache and an unreadable max-age count as
// zero; of several, the smallest counts. ok is false where the header says
// nothing of it, and the pace then is paceDefault. A shared cache's s-maxage
// is no concern of ours.
func pace(h http.Header) (d time.Duration, ok bool) {
	seconds := int64(-1)
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		var n int64
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "no-store", "no-cache":
		case "max-age":
			n = deltaSeconds(strings.Trim(strings.TrimSpace(value), `"`))
		default:
			continue
		}
		if seconds < 0 || n < seconds {
			seconds = n
		}
	}
	if seconds < 0 {
		return paceDefault, false
	}
	seconds -= min(seconds, deltaSeconds(strings.TrimSpace(h.Get("Age"))))
	return min(max(time.Duration(seconds)*time.Second, paceMin), paceMax), true
}

// deltaSeconds reads RFC 9111 §1.2.2: what is too large to count is a day,
// what is no number is zero.
func deltaSeconds(s string) int64 {
	const day = 24 * 60 * 60
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > day {
		return day
	}
	return n
}

// untilRefresh is the time between a success and the next fetch.
func untilRefresh(pace time.Duration) time.Duration { return spread(pace, paceMin) }

// untilRetry is the time between a failure and the next fetch: it grows from
// retryMin by doubling. bare says that there are no keys.
func untilRetry(failures int, bare bool) time.Duration {
	most := retryMax
	if bare {
		most = retryBare
	}
	return spread(min(most, retryMin<<min(failures-1, 5)), retryMin)
}

// spread keeps many instances from asking at the same moment: it draws from
// the last tenth before d, or from the tenth after least where d is least.
func spread(d, least time.Duration) time.Duration {
	return between(max(least, d-d/10), max(d, least+least/10))
}

// between draws a time from [low, high). The bias of the remainder is of no
// account here.
func between(low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return low + time.Duration(binary.NativeEndian.Uint64(b[:])%uint64(high-low))
}
