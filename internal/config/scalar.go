package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/token"
)

// mistake is the error of a scalar: what is wrong, and what to write instead.
type mistake struct{ what, instead string }

func (m mistake) Error() string { return m.what + "; " + m.instead }

// Duration is a time as Go writes it: 30s, 5m, 8760h, 1m30s.
type Duration time.Duration

// UnmarshalText refuses a number without unit, and what is negative.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	switch {
	case err == nil && v < 0:
		return mistake{fmt.Sprintf("%s is negative", quoted(string(text))), "write a duration like 30s, 5m or 24h"}
	case err == nil:
		*d = Duration(v)
		return nil
	}
	if _, err := strconv.Atoi(string(text)); err == nil {
		return mistake{fmt.Sprintf("%s has no unit", quoted(string(text))), fmt.Sprintf("write %ss if seconds are meant", text)}
	}
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return mistake{fmt.Sprintf("%s counts in days, which is no unit here", quoted(string(text))), fmt.Sprintf("write %dh", n*24)}
		}
	}
	return mistake{fmt.Sprintf("%s is no duration", quoted(string(text))), "write a duration like 30s, 5m or 24h"}
}

// Size is a number of bytes: 4096, 8KiB, 1MiB.
type Size int64

// UnmarshalText takes a whole number with an optional unit B, KiB, MiB or GiB.
func (s *Size) UnmarshalText(text []byte) error {
	number, unit := string(text), int64(1)
	for suffix, n := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if rest, ok := strings.CutSuffix(number, suffix); ok {
			number, unit = rest, n
			break
		}
	}
	if unit == 1 {
		number = strings.TrimSuffix(number, "B")
	}
	n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 63)
	if err != nil || strings.HasPrefix(number, "+") {
		return mistake{fmt.Sprintf("%s is no size", quoted(string(text))), "write bytes, or a size like 8KiB or 1MiB"}
	}
	if n > math.MaxInt64/uint64(unit) {
		return mistake{fmt.Sprintf("%s is too large", quoted(string(text))), "write a size like 8KiB or 1MiB"}
	}
	*s = Size(int64(n) * unit)
	return nil
}

// Rate is a number of events in a time: 20/m.
type Rate guard.Rate

// UnmarshalText takes N/s, N/m or N/h with N of at least 1.
func (r *Rate) UnmarshalText(text []byte) error {
	count, per, _ := strings.Cut(string(text), "/")
	n, err := strconv.ParseUint(count, 10, 31)
	unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[per]
	if err != nil || n == 0 || n > 1_000_000 || unit == 0 {
		return mistake{fmt.Sprintf("%s is no rate", quoted(string(text))), "write a number of at least 1 by s, m or h, as in 20/m"}
	}
	*r = Rate{Count: int(n), Per: unit}
	return nil
}

// Addr is where a listener listens: host:port, :port.
type Addr string

// UnmarshalText takes an optional IP address or localhost and a port. Port 0
// lets the system choose.
func (a *Addr) UnmarshalText(text []byte) error {
	s := string(text)
	if _, err := strconv.ParseUint(s, 10, 16); err == nil {
		return mistake{fmt.Sprintf("%s is a port without a colon", quoted(s)), fmt.Sprintf("write \":%s\", or \"127.0.0.1:%s\" for this machine only", s, s)}
	}
	if strings.Contains(s, "://") {
		return mistake{fmt.Sprintf("%s is a URL", quoted(s)), "write host:port, as \"127.0.0.1:8443\""}
	}
	if _, _, err := splitAddr(s); err != nil {
		return mistake{fmt.Sprintf("%s is no address: %v", quoted(s), err), "write an IP address and a port, as \"127.0.0.1:8443\" or \":8443\""}
	}
	*a = Addr(s)
	return nil
}

// splitAddr gives host and port of an address for a listener.
func splitAddr(s string) (host string, port uint16, err error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", 0, errors.New("it has no port")
	}
	host = s[:i]
	n, err := strconv.ParseUint(s[i+1:], 10, 16)
	if err != nil || (len(s[i+1:]) > 1 && s[i+1] == '0') {
		return "", 0, errors.New("the port is no number from 0 to 65535")
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		ip, err := netip.ParseAddr(inner)
		if !ok || err != nil || !ip.Is6() {
			return "", 0, errors.New("what is in brackets is no IPv6 address")
		}
		return inner, uint16(n), nil
	}
	if host != "" && host != "localhost" {
		if ip, err := netip.ParseAddr(host); err != nil || !ip.Is4() {
			return "", 0, errors.New("the host is no IP address (IPv6 stands in brackets)")
		}
	}
	return host, uint16(n), nil
}

// Algorithm is a signature algorithm of tokens (RFC 7518, RFC 8037).
type Algorithm string

// UnmarshalText takes the registered names, and Ed25519 for EdDSA (RFC 9864).
// Nothing opens "none".
func (a *Algorithm) UnmarshalText(text []byte) error {
	s := string(text)
	switch {
	case strings.EqualFold(s, "none"):
		return mistake{"the algorithm \"none\" means no signature and is never accepted", "write what the issuer signs with, as RS256, ES256 or EdDSA"}
	case s == "Ed25519":
		s = "EdDSA"
	case !slices.Contains(token.Algorithms(), s):
		instead := oneOf(token.Algorithms())
		if near := nearest(s, token.Algorithms()); near != "" {
			instead = fmt.Sprintf("did you mean %s?", near)
		}
		return mistake{fmt.Sprintf("%s is no algorithm for tokens that is known here", quoted(s)), instead}
	}
	*a = Algorithm(s)
	return nil
}
