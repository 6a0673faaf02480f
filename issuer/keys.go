package issuer

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// KeyInfo is what there is to say about a signing key.
type KeyInfo struct {
	ID        string    `json:"kid"`
	Algorithm string    `json:"alg"`
	State     KeyState  `json:"state"`
	Created   time.Time `json:"created"`
	// From is when it signs first.
	From time.Time `json:"from"`
	// Gone is when it leaves, or has left, the key set. Zero: not yet known.
	Gone time.Time `json:"gone,omitzero"`
}

// ErrUnknownKey says that no key has the given id.
var ErrUnknownKey = errors.New("no signing key has this id; see wiretight keys list")

// List gives all keys, those that went lately too, oldest first. It asks the
// store.
func (r *Ring) List(ctx context.Context) ([]KeyInfo, error) {
	if err := r.update(ctx, r.advance); err != nil {
		return nil, err
	}
	return r.state.Load().infos(r.cfg.Now()), nil
}

func (st *ringState) infos(now time.Time) []KeyInfo {
	states, leaves := st.record.states(now.Unix())
	infos := make([]KeyInfo, len(states))
	for i, k := range st.record.Keys {
		infos[i] = KeyInfo{ID: k.ID, Algorithm: k.Algorithm, State: states[i], Created: time.Unix(k.Created, 0).UTC(), From: time.Unix(k.From, 0).UTC()}
		switch states[i] {
		case KeyRetiring:
			infos[i].Gone = time.Unix(leaves[i], 0).UTC()
		case KeyGone:
			infos[i].Gone = time.Unix(k.Gone, 0).UTC()
		}
	}
	return infos
}

// Rotate lets the next key sign: at once if it has been published for long
// enough that every verifier knows it, else as soon as it has. It returns that
// key.
func (r *Ring) Rotate(ctx context.Context) (KeyInfo, error) {
	id := ""
	err := r.update(ctx, func(rec *ringRecord) (bool, error) {
		if _, err := r.advance(rec); err != nil {
			return false, err
		}
		now := r.cfg.Now().Unix()
		next := rec.next(now)
		k := &rec.Keys[next]
		id, k.From = k.ID, max(now, k.Ready)
		_, err := r.advance(rec) // makes the one after it
		return true, err
	})
	if err != nil {
		return KeyInfo{}, err
	}
	return r.info(id)
}

func (r *Ring) info(id string) (KeyInfo, error) {
	for _, k := range r.state.Load().infos(r.cfg.Now()) {
		if k.ID == id {
			return k, nil
		}
	}
	return KeyInfo{}, ErrUnknownKey
}

// next is the index of the key after the active one; advance has made it.
func (r *ringRecord) next(now int64) int {
	active := r.active(now)
	after := false
	for _, i := range r.candidates() {
		if after {
			return i
		}
		after = i == active
	}
	return active
}

// Retire stops a key from signing. The next one takes its place at once, even
// if some verifiers do not know it yet. The key stays published until its last
// token has expired; with atOnce it goes now, and every token that it signed is
// refused.
func (r *Ring) Retire(ctx context.Context, id string, atOnce bool) (KeyInfo, error) {
	err := r.update(ctx, func(rec *ringRecord) (bool, error) {
		if _, err := r.advance(rec); err != nil {
			return false, err
		}
		return true, rec.retire(id, r.cfg.Now().Unix(), atOnce, r)
	})
	if err != nil {
		return KeyInfo{}, err
	}
	return r.info(id)
}

func (r *ringRecord) retire(id string, now int64, atOnce bool, ring *Ring) error {
	at := -1
	for i := range r.Keys {
		if r.Keys[i].ID == id {
			at = i
		}
	}
	if at < 0 {
		return fmt.Errorf("retire %q: %w", id, ErrUnknownKey)
	}
	if at == r.active(now) {
		if next := r.next(now); next != at {
			r.Keys[next].From = now
		}
	}
	if r.Keys[at].Stopped == 0 {
		r.Keys[at].Stopped = now
	}
	if atOnce && r.Keys[at].Gone == 0 {
		r.Keys[at].Gone, r.Keys[at].Sealed, r.Keys[at].Public = now, nil, nil
	}
	_, err := ring.advance(r)
	return err
}
