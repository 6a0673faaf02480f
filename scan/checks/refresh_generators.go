package checks

// twister is MT19937.
type twister struct {
	state [624]uint32
	next  int
}

// newTwister seeds as the reference does: by one number, or, as Python does, by
// the 32-bit words of one.
func newTwister(seed uint64, words bool) *twister {
	t := &twister{}
	if !words {
		t.start(uint32(seed))
		return t
	}
	key := []uint32{uint32(seed)}
	if high := uint32(seed >> 32); high != 0 {
		key = append(key, high)
	}
	t.start(19650218)
	const n = 624
	i, j := 1, 0
	for range n {
		t.state[i] = (t.state[i] ^ (t.state[i-1]^t.state[i-1]>>30)*1664525) + key[j] + uint32(j)
		if i++; i >= n {
			t.state[0], i = t.state[n-1], 1
		}
		j = (j + 1) % len(key)
	}
	for range n - 1 {
		t.state[i] = (t.state[i] ^ (t.state[i-1]^t.state[i-1]>>30)*1566083941) - uint32(i)
		if i++; i >= n {
			t.state[0], i = t.state[n-1], 1
		}
	}
	t.state[0] = 1 << 31
	return t
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
	i := t.next % n
	t.next++
	y := t.state[i]&(1<<31) | t.state[(i+1)%n]&(1<<31-1)
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

// congruence is Java's Random.
type congruence struct{ state uint64 }

func newCongruence(seed uint64) *congruence {
	return &congruence{(seed ^ 0x5deece66d) & (1<<48 - 1)}
}

func (c *congruence) bits32() uint32 {
	c.state = (c.state*0x5deece66d + 0xb) & (1<<48 - 1)
	return uint32(c.state >> 16)
}
