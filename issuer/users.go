package issuer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wiretight/wiretight/internal/store"
)

// Users are the people who may log in, as they lie in the store. All methods
// may be called at once from many goroutines and instances.
type Users struct {
	store    store.Store
	now      func() time.Time
	sessions *sessions
	hasher   *hasher
}

// NewUsers reaches the users of a store without an Issuer. accessTTL is the
// life of the issuer's access tokens; zero if it is not known.
func NewUsers(s store.Store, accessTTL time.Duration, now func() time.Time) *Users {
	return &Users{store: s, now: now, sessions: newSessions(s, nil, now, accessTTL), hasher: newHasher(nil)}
}

// User is what there is to say about a user.
type User struct {
	Name     string    `json:"name"`
	Scopes   []string  `json:"scopes"`
	Disabled bool      `json:"disabled"`
	Created  time.Time `json:"created"`
	// Changed is when the password was set.
	Changed time.Time `json:"changed"`
}

// The ways in which Users says no. Other errors mean that the store could not
// answer, or that a name, password or scope is of the wrong form.
var (
	ErrUserExists  = errors.New("there is a user of this name already")
	ErrUnknownUser = errors.New("there is no user of this name")
)

// userRecord is the stored value. Generation changes whenever all sessions of
// the user must end.
type userRecord struct {
	User
	Hash       string `json:"hash"`
	Generation string `json:"generation"`
}

const (
	userPrefix = "issuer/user/"
	maxName    = 128
)

func userKey(name string) string {
	sum := sha256.Sum256([]byte(name))
	return userPrefix + hex.EncodeToString(sum[:])
}

func checkName(name string) error {
	bad := func(r rune) bool { return unicode.IsControl(r) || !unicode.IsPrint(r) }
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.TrimSpace(name) != name || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("user name %q is empty, longer than %d bytes, or has control characters or space around it", name, maxName)
	}
	return nil
}

// Add makes a user. Scopes may be empty.
func (u *Users) Add(ctx context.Context, name, password string, scopes []string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if !validScopes(scopes) {
		return errors.New("scope is empty or has a space, a quote or a control character; write each by itself (RFC 6749 §3.3)")
	}
	hash, err := u.hasher.encode(ctx, password)
	if err != nil {
		return err
	}
	now := u.now().UTC().Truncate(time.Second)
	scopes = slices.Compact(slices.Sorted(slices.Values(scopes)))
	rec := userRecord{User: User{Name: name, Scopes: scopes, Created: now, Changed: now}, Hash: hash, Generation: randomText(8)}
	if err := u.replace(ctx, nil, &rec); errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("add user %q: %w", name, ErrUserExists)
	} else if err != nil {
		return err
	}
	return nil
}

// List gives all users, by name.
func (u *Users) List(ctx context.Context) ([]User, error) {
	users := []User{}
	var bad error
	err := u.store.List(ctx, userPrefix, func(r store.Record) bool {
		var rec userRecord
		if bad = json.Unmarshal(r.Value, &rec); bad != nil {
			return false
		}
		users = append(users, rec.User)
		return true
	})
	if err = errors.Join(err, bad); err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	slices.SortFunc(users, func(a, b User) int { return strings.Compare(a.Name, b.Name) })
	return users, nil
}

// SetPassword changes a password and ends the user's sessions.
func (u *Users) SetPassword(ctx context.Context, name, password string) error {
	hash, err := u.hasher.encode(ctx, password)
	if err != nil {
		return err
	}
	return u.change(ctx, name, "password changed", func(rec *userRecord) {
		rec.Hash, rec.Changed = hash, u.now().UTC().Truncate(time.Second)
	})
}

// SetDisabled locks a user out and ends the user's sessions, or lets the user
// in again.
func (u *Users) SetDisabled(ctx context.Context, name string, disabled bool) error {
	return u.change(ctx, name, "user disabled", func(rec *userRecord) { rec.Disabled = disabled })
}

// change writes a user's record in one step and ends the sessions.
func (u *Users) change(ctx context.Context, name, why string, edit func(*userRecord)) error {
	for {
		rec, raw, err := u.get(ctx, name)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("change user %q: %w", name, ErrUnknownUser)
		}
		if err != nil {
			return err
		}
		edit(rec)
		rec.Generation = randomText(8)
		err = u.replace(ctx, raw, rec)
		if errors.Is(err, store.ErrConflict) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return err
		}
		return u.sessions.endAll(ctx, name, why)
	}
}

func (u *Users) get(ctx context.Context, name string) (*userRecord, []byte, error) {
	rec, err := u.store.Get(ctx, userKey(name))
	if err != nil {
		return nil, nil, fmt.Errorf("read user: %w", err)
	}
	var user userRecord
	if err := json.Unmarshal(rec.Value, &user); err != nil {
		return nil, nil, fmt.Errorf("decode user: %w", err)
	}
	return &user, rec.Value, nil
}

func (u *Users) replace(ctx context.Context, old []byte, rec *userRecord) error {
	value, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("encode user: %w", err)
	}
	if err := u.store.Replace(ctx, userKey(rec.Name), old, value, time.Time{}); err != nil {
		return fmt.Errorf("write user: %w", err)
	}
	return nil
}

// authenticate returns the user's record if the password is right, else nil.
// Whatever is wrong costs the same.
func (u *Users) authenticate(ctx context.Context, name, password string) (*userRecord, error) {
	rec, _, err := u.get(ctx, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	hash := ""
	if rec != nil {
		hash = rec.Hash
	}
	right, err := u.hasher.verify(ctx, password, hash)
	if err != nil {
		return nil, err
	}
	if !right || rec.Disabled {
		return nil, nil
	}
	return rec, nil
}
