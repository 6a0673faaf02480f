package checks

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Tokens that look random, and come from a generator whose seed is the time of
// the login: a few thousand seeds are all that there is to try. No request is
// made for it. The generators are those of Python and PHP (the Mersenne Twister
// MT19937) and of Java (a linear congruence of 48 bits).

// seedWindow is how many seconds a target's clock may differ from ours.
const seedWindow = 10

// generator makes the numbers of one seed.
type generator interface {
	bits32() uint32
}

// seeding is a generator and how it takes its seed.
type seeding struct {
	name string
	make func(seed uint64) generator
}

var seedings = []seeding{
	{"Python's random", func(s uint64) generator { return newTwister(s, true) }},
	{"the Mersenne Twister of PHP and C++", func(s uint64) generator { return newTwister(s, false) }},
	{"Java's Random", func(s uint64) generator { return newCongruence(s) }},
}

// seeded says from which generator and time all identifiers come. Empty: from
// none that is known. The first one is searched for; the others have to agree.
func seeded(ids []identifier) string {
	if len(ids) == 0 {
		return ""
	}
	prefix := sharedStart(ids, func(s string) string { return s })
	prefix = prefix[:strings.LastIndexAny(prefix, "_.:-")+1] // as in rt_
	if n := len(ids[0].text) - len(prefix); n < 8 || n > 256 {
		return ""
	}
	for _, unit := range []struct {
		name  string
		scale int64 // of a second
	}{{"seconds", 1}, {"milliseconds", 1000}} {
		for _, g := range seedings {
			all := everyID(ids, func(id identifier) bool {
				if len(id.text)-len(prefix) < 8 {
					return false
				}
				from := (id.began.Unix() - seedWindow) * unit.scale
				to := (id.ended.Unix() + 1 + seedWindow) * unit.scale
				for s := from; s <= to && s-from < 100_000; s++ {
					if writes(g, uint64(s), strings.TrimPrefix(id.text, prefix)) {
						return true
					}
				}
				return false
			})
			if all {
				return fmt.Sprintf("they come from %s, seeded with the time of the login in %s", g.name, unit.name)
			}
		}
	}
	return ""
}

// alphabets are what tokens are usually drawn from, letter by letter.
var alphabets = []string{
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
	"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
	"abcdefghijklmnopqrstuvwxyz0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
	"0123456789abcdefghijklmnopqrstuvwxyz", "0123456789abcdef", "0123456789",
	"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
}

// firstLook is how many outputs of a seed are looked at first: they refuse nearly
// every token by its first letters.
const firstLook = 4

// writes tells whether a seed makes the text in one of the usual ways.
func writes(g seeding, seed uint64, text string) bool {
	source := g.make(seed)
	var ahead [firstLook]uint32
	for i := range ahead {
		ahead[i] = source.bits32()
	}
	for _, raw := range decoded(text) {
		if spells(g, seed, ahead[0], ahead[1], raw) {
			return true
		}
	}
	for _, a := range alphabets {
		for _, draw := range draws {
			if drawn(&replay{ahead: ahead[:]}, draw, a, text[:2]) && drawn(g.make(seed), draw, a, text) {
				return true
			}
		}
	}
	return false
}

// decoded are the bytes that a text stands for, by each encoding that it fits.
func decoded(text string) [][]byte {
	var list [][]byte
	if raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", "")); err == nil {
		list = append(list, raw)
	}
	for _, e := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
		if raw, err := e.DecodeString(strings.TrimRight(text, "=")); err == nil {
			list = append(list, raw)
		}
	}
	return list
}

// spellings are how outputs become bytes: in their order; as one number, the
// first at its low end; low bytes first; and as Java's longs, in which a negative
// low half takes one from the high half.
var spellings = []struct {
	backwards, little, longs bool
}{{}, {backwards: true}, {little: true}, {longs: true}}

// spells tells whether bytes are a seed's outputs, written one after another. The
// bits that a random UUID has fixed (RFC 9562 §5.4) are not compared.
func spells(g seeding, seed uint64, first, second uint32, raw []byte) bool {
	if len(raw) < 8 || len(raw)%4 != 0 {
		return false
	}
	mask := bytes.Repeat([]byte{0xff}, len(raw))
	if len(raw) == 16 && raw[6]>>4 == 4 && raw[8]>>6 == 2 {
		mask[6], mask[8] = 0x0f, 0x3f
	}
	for _, s := range spellings {
		word := func(b []byte, i int) uint32 {
			at := 4 * i
			if s.backwards {
				at = len(b) - 4 - at
			}
			if s.little {
				return binary.LittleEndian.Uint32(b[at:])
			}
			return binary.BigEndian.Uint32(b[at:])
		}
		borrow := func(next uint32) uint32 {
			if s.longs {
				return next >> 31
			}
			return 0
		}
		if (word(raw, 0)^(first-borrow(second)))&word(mask, 0) != 0 {
			continue
		}
		source, same := g.make(seed), true
		for i := 0; i < len(raw)/4 && same; i += 2 {
			high, low := source.bits32(), source.bits32()
			same = (word(raw, i)^(high-borrow(low)))&word(mask, i) == 0 &&
				(i+1 == len(raw)/4 || (word(raw, i+1)^low)&word(mask, i+1) == 0)
		}
		if same {
			return true
		}
	}
	return false
}

// draws are ways to choose one of n.
var draws = []func(g generator, n uint32) (uint32, bool){byBits, byFraction, byJava}

// byBits takes as many high bits as n has, until they are less than n: Python's
// choice.
func byBits(g generator, n uint32) (uint32, bool) {
	size := uint(len(strconv.FormatUint(uint64(n), 2)))
	for range 64 {
		if v := g.bits32() >> (32 - size); v < n {
			return v, true
		}
	}
	return 0, false
}

// byFraction multiplies a fraction of 53 bits: Python's choices, and what is
// written with random().
func byFraction(g generator, n uint32) (uint32, bool) {
	a, b := g.bits32()>>5, g.bits32()>>6
	return uint32((float64(a)*67108864 + float64(b)) / 9007199254740992 * float64(n)), true
}

// byJava is nextInt(n): 31 bits, by their high end where n is a power of two.
func byJava(g generator, n uint32) (uint32, bool) {
	for range 64 {
		v := uint64(g.bits32() >> 1)
		if n&(n-1) == 0 {
			return uint32(uint64(n) * v >> 31), true
		}
		if r := v % uint64(n); v-r+uint64(n)-1 < 1<<31 {
			return uint32(r), true
		}
	}
	return 0, false
}

// drawn tells whether a text is drawn from an alphabet, letter by letter.
func drawn(g generator, draw func(generator, uint32) (uint32, bool), alphabet, text string) bool {
	for i := range len(text) {
		v, ok := draw(g, uint32(len(alphabet)))
		if r, is := g.(*replay); is && r.out {
			return true // more than was looked at: not refused yet
		}
		if !ok || alphabet[v%uint32(len(alphabet))] != text[i] {
			return false
		}
	}
	return true
}

// replay is a generator of outputs that were made before.
type replay struct {
	ahead []uint32
	next  int
	out   bool // there are no more
}

func (r *replay) bits32() uint32 {
	if r.next >= len(r.ahead) {
		r.out = true
		return 0
	}
	r.next++
	return r.ahead[r.next-1]
}
