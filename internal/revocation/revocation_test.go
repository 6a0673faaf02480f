package revocation_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/revocation"
	"github.com/wiretight/wiretight/internal/store"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// only returns the single record that lies in s.
func only(t *testing.T, s store.Store) store.Record {
	t.Helper()
	var all []store.Record
	if err := s.List(t.Context(), revocation.Prefix, func(r store.Record) bool { all = append(all, r); return true }); err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 {
		t.Fatalf("got %d records, want one", len(all))
	}
	return all[0]
}

func TestPut(t *testing.T) {
	t.Parallel()
	const keep = time.Hour
	at := func(d time.Duration) time.Time { return now.Add(d) }
	for _, tc := range []struct {
		name    string
		r       revocation.Revocation
		kind    revocation.Kind
		keep    time.Duration
		before  int64
		expires time.Time
	}{
		{"jti", revocation.Revocation{JTI: "a"}, revocation.JTI, keep, 0, at(keep)},
		{"session", revocation.Revocation{SID: "a"}, revocation.SID, keep, 0, at(keep)},
		{"subject until now", revocation.Revocation{Subject: "a"}, revocation.Subject, keep, now.UnixNano() + 1, at(keep)},
		{"subject before a time", revocation.Revocation{Subject: "a", Before: at(-time.Minute)}, revocation.Subject, keep, at(-time.Minute).UnixNano(), at(keep)},
		{"all before a time", revocation.Revocation{Before: at(-time.Minute)}, revocation.All, keep, at(-time.Minute).UnixNano(), at(keep)},
		{"all before a time to come", revocation.Revocation{Before: at(24 * time.Hour)}, revocation.All, keep, at(24 * time.Hour).UnixNano(), at(25 * time.Hour)},
		{"subject before a time to come", revocation.Revocation{Subject: "a", Before: at(time.Hour)}, revocation.Subject, keep, at(time.Hour).UnixNano(), at(2 * time.Hour)},
		{"for ever", revocation.Revocation{Before: at(time.Hour)}, revocation.All, 0, at(time.Hour).UnixNano(), time.Time{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := store.NewMemory(func() time.Time { return now }, 0)
			t.Cleanup(func() { _ = s.Close() })
			if err := revocation.Put(t.Context(), s, tc.r, now, tc.keep); err != nil {
				t.Fatal(err)
			}
			got := only(t, s)
			kind, _, ok := revocation.ParseKey(got.Key)
			if !ok || kind != tc.kind {
				t.Errorf("got kind %q of key %q, want %q", kind, got.Key, tc.kind)
			}
			if b := revocation.Before(got.Value); b != tc.before {
				t.Errorf("got before %d, want %d", b, tc.before)
			}
			if !got.Expires.Equal(tc.expires) {
				t.Errorf("got expiry %v, want %v", got.Expires, tc.expires)
			}
		})
	}
}

func TestPutOnlyWidens(t *testing.T) {
	t.Parallel()
	s := store.NewMemory(func() time.Time { return now }, 0)
	t.Cleanup(func() { _ = s.Close() })
	late, early := now.Add(-time.Minute), now.Add(-time.Hour)
	for _, r := range []revocation.Revocation{{Before: late}, {Before: early}} {
		if err := revocation.Put(t.Context(), s, r, now, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if got := revocation.Before(only(t, s).Value); got != late.UnixNano() {
		t.Errorf("got before %d, want the later time %d, which revokes more", got, late.UnixNano())
	}
	if err := revocation.Put(t.Context(), s, revocation.Revocation{Before: late}, now, 0); err != nil {
		t.Fatal(err)
	}
	if err := revocation.Put(t.Context(), s, revocation.Revocation{Before: late}, now, time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := only(t, s).Expires; !got.IsZero() {
		t.Errorf("got expiry %v, want none: what was for ever stays for ever", got)
	}
}

func TestPutRefuses(t *testing.T) {
	t.Parallel()
	s := store.NewMemory(func() time.Time { return now }, 0)
	t.Cleanup(func() { _ = s.Close() })
	for _, r := range []revocation.Revocation{
		{},
		{JTI: "a", SID: "b"},
		{JTI: "a", Subject: "b"},
		{SID: "a", Before: now},
		{JTI: "a", Before: now},
	} {
		if err := revocation.Put(t.Context(), s, r, now, time.Hour); err == nil {
			t.Errorf("got no error for %+v, want one", r)
		}
	}
	_ = s.Close()
	if err := revocation.Put(t.Context(), s, revocation.Revocation{JTI: "a"}, now, time.Hour); !errors.Is(err, store.ErrClosed) {
		t.Errorf("got %v of a closed store, want that it is closed", err)
	}
}

func TestUnreadableRevokesAll(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", "{", "null", `{"before":"x"}`, `{"before":0}`} {
		if got := revocation.Before([]byte(value)); got != 0 {
			t.Errorf("got %d for %q, want 0: whatever the time of issue", got, value)
		}
	}
}

// FuzzBefore compares the reader with encoding/json, which it must never fall
// short of.
func FuzzBefore(f *testing.F) {
	for _, seed := range []string{
		"{}", `{"before":12}`, `{"before":012}`, `{"before":-1}`, `{"before":+1}`, `{"before":1e3}`, `{"before":12,"before":13}`,
		`{"before":9223372036854775808}`, `{"before":1_0}`, `{"before": 12 }`, `{"BEFORE":12}`, `{"before":}`, `{"before":12}}`, "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var want struct {
			Before int64 `json:"before"`
		}
		if err := json.Unmarshal(value, &want); err != nil {
			want.Before = 0
		}
		if got := revocation.Before(value); got != want.Before {
			t.Errorf("got %d of %q, want %d", got, value, want.Before)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	f.Add(revocation.Key(revocation.JTI, revocation.Hash(revocation.JTI, "a")))
	f.Add("revoked/jti/00")
	f.Add("jti/" + strings.Repeat("zz", 32))
	f.Fuzz(func(t *testing.T, key string) {
		kind, sum, ok := revocation.ParseKey(key)
		if !ok {
			return
		}
		if again, same, _ := revocation.ParseKey(revocation.Key(kind, sum)); again != kind || same != sum {
			t.Errorf("got %q %x of %q, want %q %x as before", again, same, key, kind, sum)
		}
	})
}

func TestReadingDoesNotAllocate(t *testing.T) {
	key := revocation.Key(revocation.SID, revocation.Hash(revocation.SID, "a"))
	value := []byte(`{"before":1795260000000000001}`)
	if n := testing.AllocsPerRun(100, func() {
		if _, _, ok := revocation.ParseKey(key); !ok || revocation.Before(value) == 0 {
			t.Error("unreadable")
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}
