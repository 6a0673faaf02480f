package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wiretight/wiretight/internal/token"
)

// A key is next from its making, active from its time until that of the key
// after it, then retiring until the last token that it signed has expired, then
// gone. All of this follows from the times in the record and the clock, so that
// instances which share the record change keys in the same second without
// asking each other.

// KeyState is where a signing key is in its life.
type KeyState string

// The states, in their order.
const (
	KeyNext     KeyState = "next"
	KeyActive   KeyState = "active"
	KeyRetiring KeyState = "retiring"
	KeyGone     KeyState = "gone"
)

const (
	// lead is how long a key is published before it signs: longer than
	// verifiers keep the set, see jwksAge.
	lead = 10 * time.Minute
	// trail is how much longer than its last token a key stays published, for
	// verifiers with leeway and clocks that differ.
	trail = 2 * time.Minute
	// maxGone is how many keys that have gone are kept for show.
	maxGone = 8
	rsaBits = 2048
)

// ringRecord is the stored value: all keys, so that one compare-and-swap
// changes them together.
type ringRecord struct {
	Keys []keyRecord `json:"keys"`
}

// keyRecord is one key. Times are Unix seconds; 0 is none.
type keyRecord struct {
	ID        string          `json:"kid"`
	Algorithm string          `json:"alg"`
	Created   int64           `json:"created"`
	Ready     int64           `json:"ready"`             // known to all verifiers
	From      int64           `json:"from"`              // signs
	Stopped   int64           `json:"stopped,omitempty"` // by command
	Gone      int64           `json:"gone,omitempty"`
	Life      int64           `json:"life"` // of the longest-lived token it may have signed, in seconds
	Public    json.RawMessage `json:"public,omitempty"`
	Sealed    []byte          `json:"sealed,omitempty"`
}

// candidates are the indexes of keys that sign now or will, in their order.
func (r *ringRecord) candidates() []int {
	var c []int
	for i, k := range r.Keys {
		if k.Gone == 0 && k.Stopped == 0 {
			c = append(c, i)
		}
	}
	slices.SortStableFunc(c, func(a, b int) int {
		return int(max(-1, min(1, r.Keys[a].From-r.Keys[b].From)))
	})
	return c
}

// active is the index of the key that signs at now, or -1.
func (r *ringRecord) active(now int64) int {
	c := r.candidates()
	if len(c) == 0 {
		return -1
	}
	at := c[0] // a clock that was set back finds the earliest
	for _, i := range c {
		if r.Keys[i].From <= now {
			at = i
		}
	}
	return at
}

// states gives each key's state at now, and for those that are retiring when
// they will be gone.
func (r *ringRecord) states(now int64) (states []KeyState, leaves []int64) {
	states, leaves = make([]KeyState, len(r.Keys)), make([]int64, len(r.Keys))
	c, active := r.candidates(), r.active(now)
	for i, k := range r.Keys {
		since := k.Stopped
		if n := slices.Index(c, i); n >= 0 {
			switch {
			case i == active:
				states[i] = KeyActive
				continue
			case n > slices.Index(c, active):
				states[i] = KeyNext
				continue
			}
			since = r.Keys[c[n+1]].From
		}
		leaves[i] = since + k.Life + int64(trail/time.Second)
		states[i] = KeyRetiring
		if k.Gone != 0 || now >= leaves[i] || k.Stopped != 0 && k.Stopped <= k.From && k.From > now {
			states[i] = KeyGone
		}
	}
	return states, leaves
}

// advance makes the keys that are needed and clears away those that are gone.
// It tells whether anything changed.
func (r *ringRecord) advance(cfg *RingConfig, s *secrets, now time.Time) (changed bool, err error) {
	at := now.Unix()
	life := int64((cfg.AccessTTL + time.Second - 1) / time.Second)
	add := func(ready, from int64) error {
		k, err := newKeyRecord(cfg.Algorithm, s, at, ready, from, life)
		if err == nil {
			r.Keys, changed = append(r.Keys, k), true
		}
		return err
	}
	first := len(r.Keys) == 0
	active := r.active(at)
	if active < 0 || r.Keys[active].Algorithm != cfg.Algorithm {
		// Keys of another algorithm than the configured one sign no more.
		for i := range r.Keys {
			if k := &r.Keys[i]; k.Gone == 0 && k.Stopped == 0 {
				k.Stopped, changed = at, true
			}
		}
		if err := add(at, at); err != nil {
			return changed, err
		}
		active = len(r.Keys) - 1
	}
	if states, _ := r.states(at); !slices.Contains(states, KeyNext) {
		ready := at + int64(lead/time.Second)
		if first {
			ready = at // no set without it was ever published
		}
		if err := add(ready, max(ready, r.Keys[active].From+int64(cfg.Rotate/time.Second))); err != nil {
			return changed, err
		}
	}
	return r.tidy(life, at) || changed, nil
}

// tidy notes longer lives and drops what is gone.
func (r *ringRecord) tidy(life, now int64) (changed bool) {
	states, _ := r.states(now)
	var kept []keyRecord
	gone := 0
	for i := len(r.Keys) - 1; i >= 0; i-- {
		k := r.Keys[i]
		switch states[i] {
		case KeyActive, KeyNext:
			if k.Life < life {
				k.Life, changed = life, true
			}
		case KeyGone:
			if k.Sealed != nil || k.Gone == 0 {
				k.Gone, k.Sealed, k.Public, changed = now, nil, nil, true
			}
			if gone++; gone > maxGone {
				changed = true
				continue
			}
		}
		kept = append(kept, k)
	}
	slices.Reverse(kept)
	r.Keys = kept
	return changed
}

// newKeyRecord generates a key.
func newKeyRecord(alg string, s *secrets, now, ready, from, life int64) (keyRecord, error) {
	key, id, err := generateNamed(alg)
	if err != nil {
		return keyRecord{}, err
	}
	signer, err := token.NewSigner(alg, id, key)
	if err != nil {
		return keyRecord{}, fmt.Errorf("make signer: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return keyRecord{}, fmt.Errorf("encode key: %w", err)
	}
	defer clear(der)
	return keyRecord{
		ID: id, Algorithm: alg, Created: now, Ready: ready, From: from, Life: life,
		Public: signer.JWK(), Sealed: s.seal.Seal(nil, nil, der, sealedFor(id)),
	}, nil
}

// sealedFor ties a sealed key to its name, so that no two can be exchanged.
func sealedFor(kid string) []byte { return []byte("signing key " + kid) }

// generateNamed generates a key whose kid can stand on a command line: one in
// 64 thumbprints begins with a dash, as a flag does.
func generateNamed(alg string) (key crypto.Signer, id string, err error) {
	for id == "" || id[0] == '-' {
		if key, err = generate(alg); err != nil {
			return nil, "", fmt.Errorf("generate %s key: %w", alg, err)
		}
		if id, err = token.Thumbprint(key.Public()); err != nil {
			return nil, "", fmt.Errorf("name key: %w", err)
		}
	}
	return key, id, nil
}

func generate(alg string) (crypto.Signer, error) {
	switch alg {
	case "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case "RS256":
		return rsa.GenerateKey(rand.Reader, rsaBits)
	}
	return nil, errors.New("unknown algorithm; use ES256, EdDSA or RS256")
}

// errOtherKey says that the store belongs to another key encryption key.
var errOtherKey = errors.New("the signing keys in the store were encrypted with another key encryption file; put the right one back")

// signer opens a key.
func (k *keyRecord) signer(s *secrets) (*token.Signer, error) {
	der, err := s.seal.Open(nil, nil, k.Sealed, sealedFor(k.ID))
	if err != nil {
		return nil, errOtherKey
	}
	defer clear(der)
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("decode key %q: %w", k.ID, err)
	}
	signing, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("decode key %q: it is no signing key", k.ID)
	}
	return token.NewSigner(k.Algorithm, k.ID, signing)
}
