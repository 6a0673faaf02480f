package issuer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wiretight/wiretight/internal/keyset"
	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/internal/token"
)

// ringKey is where the signing keys lie in the store.
const ringKey = "issuer/keys"

// ringStale is how old the copy of the keys may become before nothing is signed
// with it: a key may have been retired meanwhile.
const ringStale = 5 * time.Second

// storeTimeout bounds the wait for the store within a request.
const storeTimeout = 2 * time.Second

// RingConfig says what keys a Ring makes. All fields must be set.
type RingConfig struct {
	Store         store.Store
	KeyEncryption []byte
	Algorithm     string
	AccessTTL     time.Duration // of the tokens that they sign
	Rotate        time.Duration
	Logger        *slog.Logger
	Now           func() time.Time
}

// Ring is the signing keys of an issuer. All methods may be called at once from
// many goroutines, and from other instances that share its store.
type Ring struct {
	cfg     RingConfig
	secrets *secrets
	source  *keyset.Source
	state   atomic.Pointer[ringState]
	started time.Time
	synced  atomic.Int64              // monotonic nanoseconds since started; 0: never
	lost    atomic.Pointer[time.Time] // what the store told of losses when the keys were read
	adopts  sync.Mutex
	outage  outage
}

// ringState is the ring as this instance knows it. It is immutable.
type ringState struct {
	raw     []byte
	record  ringRecord
	signers map[string]*token.Signer
}

// keySet is the published set at one moment.
type keySet struct {
	body []byte
	etag string
}

// OpenRing reads the keys from the store and makes those that are missing. A
// store that does not answer is no error; keys that were encrypted with another
// key encryption key are one.
func OpenRing(cfg RingConfig) (*Ring, error) {
	s, err := newSecrets(cfg.KeyEncryption)
	if err != nil {
		return nil, err
	}
	r := &Ring{cfg: cfg, secrets: s, source: keyset.NewLocal(nil), started: time.Now()}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	switch err := r.update(ctx, r.advance); {
	case errors.Is(err, errOtherKey):
		return nil, err
	case err != nil:
		cfg.Logger.Warn("the store has not answered yet; no token is signed until it does", "error", err)
	}
	return r, nil
}

// run keeps the ring up to date until ctx ends.
func (r *Ring) run(ctx context.Context) {
	var tasks sync.WaitGroup
	tasks.Go(func() { r.watch(ctx) })
	tasks.Go(func() { r.tend(ctx) })
	tasks.Wait()
}

func (r *Ring) watch(ctx context.Context) {
	for ctx.Err() == nil {
		err := r.cfg.Store.Watch(ctx, ringKey, r.changed, r.heard)
		if ctx.Err() != nil {
			return
		}
		r.cfg.Logger.Error("watch signing keys", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (r *Ring) heard() {
	r.synced.Store(int64(time.Since(r.started)) + 1)
	r.outage.heard(time.Now(), r.cfg.Now())
}

// changed adopts what another instance wrote.
func (r *Ring) changed(rec store.Record) {
	if rec.Key != ringKey || rec.Deleted {
		return // tend makes new ones
	}
	if err := r.adopt(rec.Value); err != nil {
		r.cfg.Logger.Error("the signing keys in the store cannot be used; the known ones stay", "error", err)
	}
}

// tend looks once a second whether a key's time has come.
func (r *Ring) tend(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := r.tick(ctx); err != nil && ctx.Err() == nil {
			r.cfg.Logger.Debug("tend signing keys", "error", err)
		}
	}
}

// outlived tells whether the store has lost records since the keys were read
// from it. They may have gone with the sessions and users that its tokens
// belong to: a store without them gets new ones, and no token that was signed
// before is good any more.
func (r *Ring) outlived() bool {
	lost := r.lost.Load()
	return lost != nil && !lost.Equal(r.cfg.Store.Lost())
}

// tick asks the store only when something is to be done.
func (r *Ring) tick(ctx context.Context) error {
	now := r.cfg.Now()
	if st := r.state.Load(); st != nil && !r.outlived() {
		if !st.due(&r.cfg, now) {
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return r.update(ctx, r.advance)
}

// due tells whether advance would change the ring, without making keys.
func (st *ringState) due(cfg *RingConfig, now time.Time) bool {
	at := now.Unix()
	active := st.record.active(at)
	if active < 0 || st.record.Keys[active].Algorithm != cfg.Algorithm {
		return true
	}
	next := false
	states, _ := st.record.states(at)
	for i, s := range states {
		k := &st.record.Keys[i]
		next = next || s == KeyNext
		if s == KeyGone && k.Gone == 0 || (s == KeyActive || s == KeyNext) && time.Duration(k.Life)*time.Second < cfg.AccessTTL {
			return true
		}
	}
	return !next
}

func (r *Ring) advance(rec *ringRecord) (bool, error) {
	return rec.advance(&r.cfg, r.secrets, r.cfg.Now())
}

// update changes the record in one atomic step, over again while others do.
func (r *Ring) update(ctx context.Context, change func(*ringRecord) (bool, error)) error {
	for {
		var rec ringRecord
		lost := r.cfg.Store.Lost()
		have, err := r.cfg.Store.Get(ctx, ringKey)
		switch {
		case err == nil:
			if err := json.Unmarshal(have.Value, &rec); err != nil {
				return fmt.Errorf("decode signing keys: %w", err)
			}
			if err := rec.openable(r.secrets); err != nil {
				return err
			}
		case !errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("read signing keys: %w", err)
		}
		changed, err := change(&rec)
		if err != nil {
			return err
		}
		value := have.Value
		if changed {
			if value, err = json.Marshal(rec); err != nil {
				return fmt.Errorf("encode signing keys: %w", err)
			}
			err = r.cfg.Store.Replace(ctx, ringKey, have.Value, value, time.Time{})
			if errors.Is(err, store.ErrConflict) && ctx.Err() == nil {
				continue
			}
			if err != nil {
				return fmt.Errorf("write signing keys: %w", err)
			}
		}
		r.heard()
		r.lost.Store(&lost)
		return r.adopt(value)
	}
}

// openable refuses to touch a record of another key encryption key.
func (r *ringRecord) openable(s *secrets) error {
	for i := range r.Keys {
		if r.Keys[i].Sealed != nil {
			if _, err := s.seal.Open(nil, nil, r.Keys[i].Sealed, sealedFor(r.Keys[i].ID)); err != nil {
				return errOtherKey
			}
		}
	}
	return nil
}

// adopt makes a record the one to sign and publish with.
func (r *Ring) adopt(raw []byte) error {
	r.adopts.Lock()
	defer r.adopts.Unlock()
	old := r.state.Load()
	if old == nil || !bytes.Equal(old.raw, raw) {
		st := &ringState{raw: bytes.Clone(raw), signers: map[string]*token.Signer{}}
		if err := json.Unmarshal(raw, &st.record); err != nil {
			return fmt.Errorf("decode signing keys: %w", err)
		}
		for i := range st.record.Keys {
			k := &st.record.Keys[i]
			if k.Sealed == nil {
				continue
			}
			signer, err := k.signer(r.secrets)
			if err != nil {
				return err
			}
			st.signers[k.ID] = signer
		}
		r.state.Store(st)
	}
	set, _, err := token.ParseJWKS(r.published().body)
	if err != nil {
		r.source.Set(nil)
		return fmt.Errorf("read own key set: %w", err)
	}
	r.source.Set(set)
	return nil
}

// published is the key set at this moment: next, active and retiring keys.
func (r *Ring) published() keySet {
	st := r.state.Load()
	keys := []json.RawMessage{}
	if st != nil {
		states, _ := st.record.states(r.cfg.Now().Unix())
		for i, k := range st.record.Keys {
			if states[i] != KeyGone && k.Public != nil {
				keys = append(keys, k.Public)
			}
		}
	}
	body, err := json.Marshal(struct {
		Keys []json.RawMessage `json:"keys"`
	}{keys})
	if err != nil {
		panic("issuer: a key set of encoded keys always encodes: " + err.Error())
	}
	sum := sha256.Sum256(body)
	return keySet{body: body, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// errNoKey says that nothing can be signed now.
var errNoKey = errors.New("no signing key that is known to be current; the store has not answered")

// signer is the key to sign with now.
func (r *Ring) signer() (*token.Signer, error) {
	st := r.state.Load()
	at := r.synced.Load()
	if st == nil || at == 0 || time.Since(r.started)-time.Duration(at) > ringStale || r.outlived() {
		return nil, errNoKey
	}
	active := st.record.active(r.cfg.Now().Unix())
	if active < 0 {
		return nil, errNoKey
	}
	if s := st.signers[st.record.Keys[active].ID]; s != nil {
		return s, nil
	}
	return nil, errNoKey
}
