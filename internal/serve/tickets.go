package serve

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"sync"
	"time"
)

// ticketLife is how long a ticket key makes tickets; it opens them for as long
// again. Whoever steals a key can read no session older than that.
const ticketLife = time.Hour

// tickets are the session ticket keys of one generation. They are never those
// that crypto/tls makes by itself, which it would share between generations.
type tickets struct {
	mu   sync.Mutex
	made time.Time
	keys [][32]byte // newest first, at most two
}

func (t *tickets) renewIfOld(c *tls.Config, now time.Time) error {
	t.mu.Lock()
	old := now.Sub(t.made) >= ticketLife
	t.mu.Unlock()
	if !old {
		return nil
	}
	return t.renew(c, now)
}

func (t *tickets) renew(c *tls.Config, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.made) < ticketLife {
		return nil // another handshake was faster
	}
	var key [32]byte
	if _, err := rand.Read(key[:]); err != nil {
		return fmt.Errorf("make session ticket key: %w", err)
	}
	keys := [][32]byte{key}
	if len(t.keys) > 0 && now.Sub(t.made) < 2*ticketLife {
		keys = append(keys, t.keys[0])
	}
	t.keys, t.made = keys, now
	c.SetSessionTicketKeys(keys)
	return nil
}
