package checks

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Tokens that look random, and come from a generator whose seed is the time of
// the login: a few thousand seeds are all that there is to try. No request is
// made for it. The generators are those of Python and PHP (the Mersenne Twister
// MT19937) and of Java (a linear congruence of 48 bits).

// clockSkew is how much a target's clock may differ from ours, where its answers
// do not tell the time.
const clockSkew = 10 * time.Second

// generator makes numbers from a seed.
type generator interface {
	seed(uint64)
	bits32() uint32
}

// seeding is a kind of generator.
type seeding struct {
	name string
	make func() generator
}

var seedings = []seeding{
	{"Python's random", func() generator { return &twister{words: true} }},
	{"the Mersenne Twister of PHP and C++", func() generator { return &twister{} }},
	{"Java's Random", func() generator { return &congruence{} }},
}

// seeded says from which generator all identifiers come, seeded not more than slack
// before or after they were made. Empty: from none that is known. The first one
// is searched for; the others have to agree.
func seeded(ids []identifier, slack time.Duration) string {
	if len(ids) == 0 {
		return ""
	}
	prefix := ""
	if len(ids) > 1 {
		prefix = sharedStart(ids, func(s string) string { return s })
		prefix = prefix[:strings.LastIndexAny(prefix, "_.:-")+1] // as in rt_
	}
	for _, unit := range []struct {
		name  string
		scale int64 // of a second
	}{{"seconds", 1}, {"milliseconds", 1000}} {
		for _, k := range seedings {
			g := k.make()
			all := everyID(ids, func(id identifier) bool {
				w, ok := newWriting(strings.TrimPrefix(id.text, prefix))
				from := id.began.Add(-slack).Unix() * unit.scale
				to := (id.ended.Add(slack).Unix() + 1) * unit.scale
				for s := from; ok && s <= to && s-from < 100_000; s++ {
					if w.by(g, uint64(s)) {
						return true
					}
				}
				return false
			})
			if all {
				return fmt.Sprintf("they come from %s, seeded with the time of the login in %s", k.name, unit.name)
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

// writing is a text and all that it may be made of.
type writing struct {
	text      string
	raw       [][]byte // what it stands for, by each encoding that it fits
	alphabets []string // that have all of its letters
}

// newWriting is not ok for a text that is too short or too long to be judged.
func newWriting(text string) (w writing, ok bool) {
	w.text = text
	if len(text) < 8 || len(text) > 256 {
		return w, false
	}
	if raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", "")); err == nil {
		w.raw = append(w.raw, raw)
	}
	for _, e := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
		if raw, err := e.DecodeString(strings.TrimRight(text, "=")); err == nil {
			w.raw = append(w.raw, raw)
		}
	}
	for _, a := range alphabets {
		if strings.Trim(text, a) == "" {
			w.alphabets = append(w.alphabets, a)
		}
	}
	return w, true
}

// by tells whether a seed makes the text in one of the usual ways.
func (w writing) by(g generator, seed uint64) bool {
	g.seed(seed)
	var ahead [firstLook]uint32
	for i := range ahead {
		ahead[i] = g.bits32()
	}
	for _, raw := range w.raw {
		if spells(g, seed, ahead[0], ahead[1], raw) {
			return true
		}
	}
	for _, a := range w.alphabets {
		for _, draw := range draws {
			if !drawn(&replay{ahead: ahead[:]}, draw, a, w.text[:2]) {
				continue
			}
			if g.seed(seed); drawn(g, draw, a, w.text) {
				return true
			}
		}
	}
	return false
}

// spelling is how outputs become bytes: in their order; as one number, the
// first at its low end; low bytes first; and as Java's longs, in which a negative
// low half takes one from the high half.
type spelling struct{ backwards, little, longs bool }

var spellings = []spelling{{}, {backwards: true}, {little: true}, {longs: true}}

// word is the ith output that bytes hold.
func (s spelling) word(b []byte, i int) uint32 {
	at := 4 * i
	if s.backwards {
		at = len(b) - 4 - at
	}
	if s.little {
		return binary.LittleEndian.Uint32(b[at:])
	}
	return binary.BigEndian.Uint32(b[at:])
}

// borrow is what an output loses to the one after it.
func (s spelling) borrow(next uint32) uint32 {
	if s.longs {
		return next >> 31
	}
	return 0
}

// uuidMask leaves out the bits that a random UUID has fixed (RFC 9562 §5.4).
var uuidMask = []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 0xff, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// spells tells whether bytes are a seed's outputs, written one after another.
func spells(g generator, seed uint64, first, second uint32, raw []byte) bool {
	if len(raw) < 8 || len(raw)%4 != 0 {
		return false
	}
	uuid := len(raw) == 16 && raw[6]>>4 == 4 && raw[8]>>6 == 2
	for _, s := range spellings {
		is := func(i int, want uint32) bool {
			differ := s.word(raw, i) ^ want
			if uuid {
				differ &= s.word(uuidMask, i)
			}
			return differ == 0
		}
		if !is(0, first-s.borrow(second)) {
			continue
		}
		g.seed(seed)
		same := true
		for i := 0; i < len(raw)/4 && same; i += 2 {
			high, low := g.bits32(), g.bits32()
			same = is(i, high-s.borrow(low)) && (i+1 == len(raw)/4 || is(i+1, low))
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

// seed begins again: there is but one.
func (r *replay) seed(uint64) { r.next, r.out = 0, false }
