package checks

import "sync"

// twister is MT19937. The zero value has to be seeded.
type twister struct {
	// words seeds as Python does, by the 32-bit words of a number, and not by the
	// number itself.
	words bool
	state [624]uint32
	next  int
}

// wordBase is the state that seeding by words begins with.
var wordBase = sync.OnceValue(func() [624]uint32 {
	var t twister
	t.start(19650218)
	return t.state
})

func (t *twister) seed(s uint64) {
	t.next = 0
	if !t.words {
		t.start(uint32(s))
		return
	}
	key := [2]uint32{uint32(s), uint32(s >> 32)}
	last := 1 // a number that fits one word has one
	if key[1] == 0 {
		last = 0
	}
	t.state = wordBase()
	const n = 624
	i, j := 1, 0
	for range n {
		t.state[i] = (t.state[i] ^ (t.state[i-1]^t.state[i-1]>>30)*1664525) + key[j] + uint32(j)
		if i++; i == n {
			t.state[0], i = t.state[n-1], 1
		}
		if j++; j > last {
			j = 0
		}
	}
	for range n - 1 {
		t.state[i] = (t.state[i] ^ (t.state[i-1]^t.state[i-1]>>30)*1566083941) - uint32(i)
		if i++; i == n {
			t.state[0], i = t.state[n-1], 1
		}
	}
	t.state[0] = 1 << 31
}

func (t *twister) start(seed uint32) {
	t.state[0] = seed
	for i := 1; i < len(t.state); i++ {
		t.state[i] = 1812433253*(t.state[i-1]^t.state[i-1]>>30) + uint32(i)
	}
}

// bits32 twists word by word, which gives the same as a block at a time.
func (t *twister) bits32() uint32 {
	const n, m = 624, 397
	i := t.next
	if t.next++; t.next == n {
		t.next = 0
	}
	y := t.state[i]&(1<<31) | t.state[t.next]&(1<<31-1)
	v := t.state[(i+m)%n] ^ y>>1
	if y&1 == 1 {
		v ^= 0x9908b0df
	}
	t.state[i] = v
	v ^= v >> 11
	v ^= v << 7 & 0x9d2c5680
	v ^= v << 15 & 0xefc60000
	return v ^ v>>18
}

// congruence is Java's Random. The zero value has to be seeded.
type congruence struct{ state uint64 }

func (c *congruence) seed(s uint64) { c.state = (s ^ 0x5deece66d) & (1<<48 - 1) }

func (c *congruence) bits32() uint32 {
	c.state = (c.state*0x5deece66d + 0xb) & (1<<48 - 1)
	return uint32(c.state >> 16)
}
