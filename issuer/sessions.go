package issuer

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/wiretight/wiretight/internal/revocation"
	"github.com/wiretight/wiretight/internal/store"
)

// sessions keeps the token families: one record a login, which every refresh
// changes in one compare-and-swap.
type sessions struct {
	store   store.Store
	secrets *secrets // nil where nobody refreshes
	now     func() time.Time
	keep    time.Duration // of revocations; 0: for ever

	mu      sync.Mutex
	pending map[string]bool // ended sessions whose access tokens the store has not taken as revoked
}

// family is the stored record. Times are Unix milliseconds.
type family struct {
	Subject string   `json:"sub"`
	Client  string   `json:"client,omitempty"` // empty: first party
	Scopes  []string `json:"scopes,omitempty"`
	Account string   `json:"account,omitempty"` // generation of the user's record
	Salt    []byte   `json:"salt"`
	Number  uint32   `json:"number"` // of the token that is good now
	Created int64    `json:"created"`
	Rotated int64    `json:"rotated"`
	Expires int64    `json:"expires"`
	Cookie  bool     `json:"cookie,omitempty"` // delivered in a cookie, and only taken from there
	Bound   bound    `json:"bound,omitzero"`
	Agent   string   `json:"agent,omitempty"`
	Ended   string   `json:"ended,omitempty"` // why
}

const (
	saltSize   = 16
	maxAgent   = 120
	maxPending = 10000
	// pendingEvery is how often revocations that the store has not taken are
	// tried again.
	pendingEvery = time.Second
)

// revocationSlack is how much longer than an access token its revocation is
// kept, for guards with leeway and clocks that differ.
const revocationSlack = 15 * time.Minute

func newSessions(s store.Store, secrets *secrets, now func() time.Time, accessTTL time.Duration) *sessions {
	keep := time.Duration(0)
	if accessTTL > 0 {
		keep = accessTTL + revocationSlack
	}
	return &sessions{store: s, secrets: secrets, now: now, keep: keep, pending: map[string]bool{}}
}

// create stores a new family and returns its first token.
func (s *sessions) create(ctx context.Context, id familyID, f *family) (string, error) {
	f.Salt = make([]byte, saltSize)
	_, _ = rand.Read(f.Salt) // never fails (crypto/rand)
	if err := s.replace(ctx, id, nil, f); err != nil {
		return "", err
	}
	return s.secrets.refreshToken(id, f.Salt, f.Number), nil
}

// get reads a family and its stored form.
func (s *sessions) get(ctx context.Context, id familyID) (*family, []byte, error) {
	rec, err := s.store.Get(ctx, id.key())
	if err != nil {
		return nil, nil, fmt.Errorf("read session: %w", err)
	}
	var f family
	if err := json.Unmarshal(rec.Value, &f); err != nil {
		return nil, nil, fmt.Errorf("decode session: %w", err)
	}
	return &f, rec.Value, nil
}

// replace writes a family in the place of its old stored form.
func (s *sessions) replace(ctx context.Context, id familyID, old []byte, f *family) error {
	value, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("encode session: %w", err)
	}
	if err := s.store.Replace(ctx, id.key(), old, value, time.UnixMilli(f.Expires)); err != nil {
		return fmt.Errorf("write session: %w", err)
	}
	return nil
}

// end ends a family and revokes its access tokens. First the family: what
// follows can be done again, by whoever comes next or by run. A family that is
// not there, or has ended, is no error.
func (s *sessions) end(ctx context.Context, id familyID, why string) error {
	for {
		f, old, err := s.get(ctx, id)
		if errors.Is(err, store.ErrNotFound) || err == nil && !s.now().Before(time.UnixMilli(f.Expires)) {
			break
		}
		if err != nil {
			return err
		}
		if f.Ended != "" {
			break
		}
		f.Ended = why
		err = s.replace(ctx, id, old, f)
		if err == nil {
			break
		}
		if !errors.Is(err, store.ErrConflict) || ctx.Err() != nil {
			return err
		}
	}
	return s.revoke(ctx, id.sid())
}

// revoke refuses the access tokens of a session everywhere.
func (s *sessions) revoke(ctx context.Context, sid string) error {
	err := revocation.Put(ctx, s.store, revocation.Revocation{SID: sid}, s.now(), s.keep)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.pending, sid)
		return nil
	}
	if len(s.pending) < maxPending {
		s.pending[sid] = true
	}
	return fmt.Errorf("revoke session: %w", err)
}

// run writes the revocations that the store would not take before.
func (s *sessions) run(ctx context.Context) {
	tick := time.NewTicker(pendingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.mu.Lock()
		var sids []string
		for sid := range s.pending {
			sids = append(sids, sid)
		}
		s.mu.Unlock()
		for _, sid := range sids {
			once, cancel := context.WithTimeout(ctx, storeTimeout)
			err := s.revoke(once, sid)
			cancel()
			if err != nil {
				break // the store is still away
			}
		}
	}
}

// maxListed bounds a list of one subject's sessions.
const maxListed = 1000

// of calls yield with each live family of a subject.
func (s *sessions) of(ctx context.Context, subject string, yield func(familyID, *family)) error {
	prefix := familiesOf(subjectID(subject))
	var bad error
	seen := 0
	err := s.store.List(ctx, prefix, func(r store.Record) bool {
		var f family
		id, ok := parseFamilyKey(r.Key)
		if err := json.Unmarshal(r.Value, &f); err != nil || !ok {
			bad = errors.New("decode session: record is of unknown form")
			return true
		}
		if f.Subject == subject && f.Ended == "" {
			yield(id, &f)
			seen++
		}
		return seen < maxListed
	})
	if err != nil {
		return fmt.Errorf("list sessions: %w", err)
	}
	return bad
}

// endAll ends every family of a subject.
func (s *sessions) endAll(ctx context.Context, subject, why string) error {
	for {
		var ids []familyID
		if err := s.of(ctx, subject, func(id familyID, _ *family) { ids = append(ids, id) }); err != nil {
			return err
		}
		for _, id := range ids {
			if err := s.end(ctx, id, why); err != nil {
				return err
			}
		}
		if len(ids) < maxListed {
			return nil
		}
	}
}

// revokedSince tells whether somebody has revoked the session, its subject or
// everything since a time.
func (s *sessions) revokedSince(ctx context.Context, sid, subject string, since time.Time) (bool, error) {
	for _, c := range []struct {
		kind  revocation.Kind
		value string
	}{{revocation.SID, sid}, {revocation.Subject, subject}, {revocation.All, ""}} {
		if c.value == "" && c.kind != revocation.All {
			continue
		}
		revoked, err := s.revoked(ctx, c.kind, revocation.Hash(c.kind, c.value), since)
		if err != nil || revoked {
			return revoked, err
		}
	}
	return false, nil
}

func (s *sessions) revoked(ctx context.Context, kind revocation.Kind, sum [32]byte, since time.Time) (bool, error) {
	rec, err := s.store.Get(ctx, revocation.Key(kind, sum))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read revocations: %w", err)
	}
	before := revocation.Before(rec.Value)
	return before == 0 || since.UnixNano() < before, nil
}
