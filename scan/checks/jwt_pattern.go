package checks

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// identifier is a value that should be unpredictable, and between which times it
// was made.
type identifier struct {
	text         string
	began, ended time.Time
}

// enoughBits is how much of an identifier must be unpredictable.
const enoughBits = 64

var uuidForm = regexp.MustCompile(`(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?([0-9a-f])[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$`)

// idPattern says by what the next identifier can be told from these. Empty: by
// nothing that shows. The order of ids is that in which they were made.
func idPattern(ids []identifier) string {
	seen := map[string]bool{}
	for _, id := range ids {
		if seen[id.text] {
			return "the same value came twice"
		}
		seen[id.text] = true
	}
	for _, look := range []func([]identifier) string{timeUUID, clockwork, arithmetic, hashed} {
		if why := look(ids); why != "" {
			return why
		}
	}
	if bits := unpredictable(ids); bits < enoughBits {
		return fmt.Sprintf("at most %d bits of it change from one to the next", bits)
	}
	return ""
}

// timeUUID finds UUIDs of time and address (versions 1, 2 and 6, RFC 9562).
// Version 7 has 74 random bits beside the time.
func timeUUID(ids []identifier) string {
	for _, id := range ids {
		m := uuidForm.FindStringSubmatch(id.text)
		if m == nil || !strings.Contains("126", m[1]) {
			return ""
		}
	}
	return "they are UUIDs made of the time and the machine's address"
}

// arithmetic finds numbers, perhaps after a fixed text, that grow by the same or
// by small steps.
func arithmetic(ids []identifier) string {
	prefix := sharedStart(ids, func(s string) string { return s })
	for len(prefix) > 0 && isDigit(prefix[len(prefix)-1]) {
		prefix = prefix[:len(prefix)-1]
	}
	for _, base := range []int{10, 16} {
		if why := idSteps(ids, prefix, base); why != "" {
			return why
		}
	}
	return ""
}

func isDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// idSteps looks at the differences of the numbers after prefix.
func idSteps(ids []identifier, prefix string, base int) string {
	var last, step *big.Int
	same, small := true, true
	for _, id := range ids {
		n, ok := new(big.Int).SetString(strings.ReplaceAll(strings.TrimPrefix(id.text, prefix), "-", ""), base)
		if !ok {
			return ""
		}
		if last != nil {
			d := new(big.Int).Sub(n, last)
			if step != nil && d.Cmp(step) != 0 {
				same = false
			}
			if d.Sign() <= 0 || d.Cmp(big.NewInt(1000)) > 0 {
				small = false
			}
			step = d
		}
		last = n
	}
	switch {
	case step == nil:
		return ""
	case same:
		return "they grow by the same step, " + step.String()
	case small:
		return "they are numbers that grow by less than a thousand each time"
	}
	return ""
}

// clockwork finds identifiers that are the time of the login, in seconds or in
// parts of one, and nothing else.
func clockwork(ids []identifier) string {
	for name, unit := range map[string]float64{"seconds": 1, "milliseconds": 1e3, "microseconds": 1e6, "nanoseconds": 1e9} {
		for _, base := range []int{10, 16} {
			if everyID(ids, func(id identifier) bool {
				n, err := strconv.ParseUint(id.text, base, 64)
				at := float64(n) / unit
				return err == nil && at >= unixSeconds(id.began)-2 && at <= unixSeconds(id.ended)+2
			}) {
				return "they are the time of the login in " + name
			}
		}
	}
	return ""
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

// hashed finds hashes of small numbers and of the time, which look random and are
// not.
func hashed(ids []identifier) string {
	size := len(ids[0].text)
	if size != 32 && size != 40 && size != 64 {
		return ""
	}
	sum := func(s string) string {
		switch size {
		case 32:
			h := md5.Sum([]byte(s))
			return hex.EncodeToString(h[:])
		case 40:
			h := sha1.Sum([]byte(s))
			return hex.EncodeToString(h[:])
		}
		h := sha256.Sum256([]byte(s))
		return hex.EncodeToString(h[:])
	}
	table := map[string]bool{}
	const numbers = 20_000
	for n := range numbers {
		table[sum(strconv.Itoa(n))] = true
	}
	for s := ids[0].began.Unix() - 2; s <= ids[len(ids)-1].ended.Unix()+2 && len(table) < 2*numbers; s++ {
		table[sum(strconv.FormatInt(s, 10))] = true
	}
	if everyID(ids, func(id identifier) bool { return table[strings.ToLower(id.text)] }) {
		return "they are hashes of small numbers or of the time"
	}
	return ""
}

func everyID(ids []identifier, is func(identifier) bool) bool {
	for _, id := range ids {
		if !is(id) {
			return false
		}
	}
	return true
}

// unpredictable is an upper bound of the random bits: those places, counted from
// the nearer end, which are not the same in all, times the bits of the alphabet.
func unpredictable(ids []identifier) int {
	prefix := sharedStart(ids, func(s string) string { return s })
	suffix := sharedStart(ids, reversed)
	longest, alphabet := 0, map[byte]bool{}
	for _, id := range ids {
		rest := id.text
		if cut := len(prefix) + len(suffix); cut < len(rest) {
			rest = rest[len(prefix) : len(rest)-len(suffix)]
		}
		longest = max(longest, len(rest))
		for i := range len(rest) {
			alphabet[rest[i]] = true
		}
	}
	return int(float64(longest-fixedPlaces(ids, len(prefix), len(suffix))) * math.Log2(float64(alphabetSize(alphabet))))
}

// fixedPlaces counts the places between prefix and suffix that are the same in all, as
// dashes are, where all are of one length.
func fixedPlaces(ids []identifier, prefix, suffix int) int {
	first, n := ids[0].text, 0
	if !everyID(ids, func(id identifier) bool { return len(id.text) == len(first) }) {
		return 0
	}
	for i := prefix; i < len(first)-suffix; i++ {
		if everyID(ids, func(id identifier) bool { return id.text[i] == first[i] }) {
			n++
		}
	}
	return n
}

// alphabetSize is that of the smallest usual alphabet that has all of the characters.
func alphabetSize(seen map[byte]bool) int {
	digits, hexa, lower, upper := true, true, true, true
	for c := range seen {
		if c == '-' || c == '_' {
			continue
		}
		digits = digits && '0' <= c && c <= '9'
		hexa = hexa && isDigit(c)
		lower = lower && ('0' <= c && c <= '9' || 'a' <= c && c <= 'z')
		upper = upper && ('0' <= c && c <= '9' || 'A' <= c && c <= 'Z')
	}
	switch {
	case digits:
		return 10
	case hexa:
		return 16
	case lower || upper:
		return 36
	}
	return 64
}

// sharedStart is what all begin with, after each was turned.
func sharedStart(ids []identifier, turn func(string) string) string {
	prefix := turn(ids[0].text)
	for _, id := range ids[1:] {
		s, n := turn(id.text), 0
		for n < len(s) && n < len(prefix) && s[n] == prefix[n] {
			n++
		}
		prefix = prefix[:n]
	}
	return prefix
}

func reversed(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}
