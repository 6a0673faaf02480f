package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/store"
)

func testNilAndEmpty(t *testing.T, e Engine) {
	s := e.Open()
	type bs = []byte
	for _, test := range []struct {
		name            string
		have, old, give bs
		want            error
		then            bs
	}{
		{"nil old, absent", nil, nil, bs("v"), nil, bs("v")},
		{"nil old, present", bs("v"), nil, bs("w"), store.ErrConflict, bs("v")},
		{"nil old, empty present", bs{}, nil, bs("w"), store.ErrConflict, bs{}},
		{"empty old, absent", nil, bs{}, bs("w"), store.ErrConflict, nil},
		{"empty old, empty present", bs{}, bs{}, bs("w"), nil, bs("w")},
		{"empty old, present", bs("v"), bs{}, bs("w"), store.ErrConflict, bs("v")},
		{"same old", bs("v"), bs("v"), bs("w"), nil, bs("w")},
		{"other old", bs("v"), bs("x"), bs("w"), store.ErrConflict, bs("v")},
		{"old is a prefix", bs("vv"), bs("v"), bs("w"), store.ErrConflict, bs("vv")},
		{"old is longer", bs("v"), bs("vv"), bs("w"), store.ErrConflict, bs("v")},
		{"replaced by the same", bs("v"), bs("v"), bs("v"), nil, bs("v")},
		{"replaced by empty", bs("v"), bs("v"), bs{}, nil, bs{}},
		{"deleted", bs("v"), bs("v"), nil, nil, nil},
		{"empty deleted", bs{}, bs{}, nil, nil, nil},
		{"deleted by other old", bs("v"), bs("x"), nil, store.ErrConflict, bs("v")},
		{"absent deleted", nil, bs("v"), nil, store.ErrConflict, nil},
		{"absent stays absent", nil, nil, nil, nil, nil},
		{"present is not absent", bs("v"), nil, nil, store.ErrConflict, bs("v")},
		{"any bytes", bs("\x00\xff\r\n\x00"), bs("\x00\xff\r\n\x00"), bs("\xff\x00"), nil, bs("\xff\x00")},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.have != nil {
				put(t, s, test.name, string(test.have))
			}
			got := s.Replace(t.Context(), test.name, test.old, test.give, time.Time{})
			if !errors.Is(got, test.want) {
				t.Errorf("Replace: got error %v, want %v", got, test.want)
			}
			r, err := s.Get(t.Context(), test.name)
			if test.then == nil {
				wantErr(t, "Get", err, store.ErrNotFound)
				return
			}
			if diff := cmp.Diff(store.Record{Key: test.name, Value: test.then}, r); err != nil || diff != "" {
				t.Errorf("Get: error %v, difference (-want +got):\n%s", err, diff)
			}
		})
	}
}

func testSlices(t *testing.T, e Engine) {
	s := e.Open()
	value := []byte("value")
	if err := s.Replace(t.Context(), "k", nil, value, time.Time{}); err != nil {
		t.Fatal(err)
	}
	value[0] = 'X'
	r, err := s.Get(t.Context(), "k")
	if err != nil || string(r.Value) != "value" {
		t.Fatalf("after the caller changed what it gave: got %q, %v, want %q", r.Value, err, "value")
	}
	r.Value[0] = 'X'
	if err := s.List(t.Context(), "", func(r store.Record) bool { r.Value[0] = 'Y'; return true }); err != nil {
		t.Fatal(err)
	}
	if r, err = s.Get(t.Context(), "k"); err != nil || string(r.Value) != "value" {
		t.Errorf("after the caller changed what it got: got %q, %v, want %q", r.Value, err, "value")
	}
}

func testLimits(t *testing.T, e Engine) {
	s := e.Open()
	longKey, longValue := strings.Repeat("k", store.MaxKey), bytes.Repeat([]byte("v"), store.MaxValue)
	if err := s.Replace(t.Context(), longKey, nil, longValue, time.Time{}); err != nil {
		t.Fatalf("longest key and value: got %v, want nil", err)
	}
	r, err := s.Get(t.Context(), longKey)
	if err != nil || !bytes.Equal(r.Value, longValue) {
		t.Errorf("longest value: got %d bytes, %v, want %d", len(r.Value), err, len(longValue))
	}
	for _, test := range []struct {
		name, key string
		value     []byte
	}{
		{"empty key", "", []byte("v")},
		{"key too long", longKey + "k", []byte("v")},
		{"value too long", "k", append(longValue, 'v')},
	} {
		err := s.Replace(t.Context(), test.key, nil, test.value, time.Time{})
		if err == nil || errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: Replace: got error %v, want one about the size", test.name, err)
		}
		if _, err := s.Get(t.Context(), test.key); err == nil {
			t.Errorf("%s: Get: got nil, want an error", test.name)
		}
	}
}

func testExpiry(t *testing.T, e Engine) {
	s := e.Open()
	const life = 5 * time.Second // all that is done before it ends takes milliseconds
	born := e.Now()
	expires := born.Add(life)
	for key, at := range map[string]time.Time{"short": expires, "renewed": expires, "ever": {}} {
		if err := s.Replace(t.Context(), key, nil, []byte("v"), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Replace(t.Context(), "renewed", []byte("v"), []byte("w"), born.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(t.Context(), "short")
	if err != nil || r.Expires.Before(expires) || r.Expires.Sub(expires) >= time.Millisecond {
		t.Fatalf("before expiry: got %v, %v, want it to expire at %v, rounded up to a millisecond", r, err, expires)
	}
	e.wait(t, life+time.Millisecond, func() bool {
		before := e.Now().Before(expires)
		_, err := s.Get(t.Context(), "short")
		if before && err != nil && e.Now().Before(expires) {
			t.Fatalf("before expiry: got error %v, want nil", err)
		}
		return errors.Is(err, store.ErrNotFound)
	})
	got, err := list(t.Context(), s, "")
	if want := []string{"ever=v", "renewed=w"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("List after expiry: got %q, %v, want %q", got, err, want)
	}
	err = s.Replace(t.Context(), "short", []byte("v"), []byte("w"), time.Time{})
	wantErr(t, "Replace of an expired record", err, store.ErrConflict)
	put(t, s, "short", "again")
	if r, err := s.Get(t.Context(), "short"); err != nil || !r.Expires.IsZero() {
		t.Errorf("record in the place of an expired one: got %v, %v, want one that never expires", r, err)
	}
}

func testList(t *testing.T, e Engine) {
	s := e.Open()
	for _, key := range []string{"b", "a", "a:2", "a:10", "a:1", "a*", "a[1]", `a\`, "a?", "a\xff", "a\xff\xff", "A", "\x00", "z:1"} {
		put(t, s, key, "v")
	}
	for _, test := range []struct {
		prefix string
		want   []string
	}{
		{"", []string{"\x00", "A", "a", "a*", "a:1", "a:10", "a:2", "a?", "a[1]", `a\`, "a\xff", "a\xff\xff", "b", "z:1"}},
		{"a:", []string{"a:1", "a:10", "a:2"}},
		{"a:1", []string{"a:1", "a:10"}},
		{"a*", []string{"a*"}},
		{"a?", []string{"a?"}},
		{"a[1]", []string{"a[1]"}},
		{"[", nil},
		{`a\`, []string{`a\`}},
		{"a\xff", []string{"a\xff", "a\xff\xff"}},
		{"none", nil},
		{strings.Repeat("long", 1000), nil},
	} {
		var got []string
		err := s.List(t.Context(), test.prefix, func(r store.Record) bool { got = append(got, r.Key); return true })
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("List(%.9q): got %q, %v, want %q", test.prefix, got, err, test.want)
		}
	}
	seen := 0
	err := s.List(t.Context(), "", func(store.Record) bool { seen++; return seen < 3 })
	if err != nil || seen != 3 {
		t.Errorf("List until false: got %d records, %v, want 3", seen, err)
	}
}

// testListPages has more records than any engine reads at once, and a yield
// that writes.
func testListPages(t *testing.T, e Engine) {
	s := e.Open()
	const n = 700
	race := make(chan error, n)
	for i := range n {
		go func() {
			race <- s.Replace(t.Context(), fmt.Sprintf("p:%04d", i), nil, []byte("v"), time.Time{})
		}()
	}
	for range n {
		if err := <-race; err != nil {
			t.Fatal(err)
		}
	}
	next := 0
	err := s.List(t.Context(), "p:", func(r store.Record) bool {
		if want := fmt.Sprintf("p:%04d", next); r.Key != want {
			t.Errorf("record %d: got %q, want %q", next, r.Key, want)
		}
		if next%50 == 0 {
			if err := s.Replace(t.Context(), r.Key, r.Value, nil, time.Time{}); err != nil {
				t.Errorf("delete %q within List: got %v, want nil", r.Key, err)
			}
		}
		next++
		return true
	})
	if err != nil || next != n {
		t.Errorf("List: got %d records, %v, want %d", next, err, n)
	}
	if left, err := list(t.Context(), s, "p:"); err != nil || len(left) != n-n/50 {
		t.Errorf("List after deletions: got %d records, %v, want %d", len(left), err, n-n/50)
	}
}
