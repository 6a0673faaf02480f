package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wiretight/wiretight/internal/store"
)

func testReopen(t *testing.T, e Engine) {
	s := e.Open()
	put(t, s, "a", "1")
	put(t, s, "b", "1")
	if err := s.Replace(t.Context(), "b", []byte("1"), nil, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Replace(t.Context(), "jti", nil, []byte{}, e.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = e.Open()
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping: got %v, want nil", err)
	}
	var want []string
	consumed := error(nil)
	if e.Persistent {
		want, consumed = []string{"a=1", "jti="}, store.ErrConflict
	}
	got, err := list(t.Context(), s, "")
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("List after reopening: got %q, %v, want %q", got, err, want)
	}
	err = s.Replace(t.Context(), "jti", nil, []byte{}, e.Now().Add(time.Hour))
	wantErr(t, "consume again after reopening", err, consumed)
}

// calls is every method of s.
func calls(ctx context.Context, s store.Store) map[string]func() error {
	return map[string]func() error{
		"Get":     func() error { _, err := s.Get(ctx, "k"); return err },
		"Replace": func() error { return s.Replace(ctx, "k", nil, []byte("v"), time.Time{}) },
		"List":    func() error { return s.List(ctx, "", func(store.Record) bool { return true }) },
		"Watch":   func() error { return s.Watch(ctx, "", func(store.Record) {}, func() {}) },
		"Ping":    func() error { return s.Ping(ctx) },
	}
}

func testContext(t *testing.T, e Engine) {
	s := e.Open()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range calls(ctx, s) {
		wantErr(t, name, call(), context.Canceled)
	}
	_, err := s.Get(t.Context(), "k")
	wantErr(t, "Get after a Replace whose context had ended", err, store.ErrNotFound)
}

func testClosed(t *testing.T, e Engine) {
	s := e.Open()
	put(t, s, "k", "v")
	// Calls that are under way when the store closes end too.
	errs := make(chan error, racers)
	for i := range racers {
		go func() {
			var err error
			for n := 0; err == nil; n++ {
				err = s.Replace(t.Context(), fmt.Sprintf("%d/%d", i, n), nil, []byte{}, time.Time{})
			}
			errs <- err
		}()
	}
	if err := s.Close(); err != nil {
		t.Fatalf("Close: got %v, want nil", err)
	}
	for range racers {
		wantErr(t, "Replace during Close", within(t, errs), store.ErrClosed)
	}
	for name, call := range calls(t.Context(), s) {
		wantErr(t, name, call(), store.ErrClosed)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: got %v, want nil", err)
	}
}

// modelled is a record of the model.
type modelled struct {
	value   []byte
	expires time.Time
}

// testModel compares the engine with a map, over random calls.
func testModel(t *testing.T, e Engine) {
	s := e.Open()
	var run atomic.Int64
	values := [][]byte{nil, {}, []byte("a"), []byte("aa"), {0}}
	rapid.Check(t, func(t *rapid.T) {
		prefix := fmt.Sprintf("m%d:", run.Add(1))
		model := make(map[string]modelled)
		get := func(key string) []byte {
			m, ok := model[key]
			if ok && !m.expires.IsZero() && !e.Now().Before(m.expires) {
				delete(model, key)
				return nil
			}
			return m.value
		}
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			key := prefix + rapid.SampledFrom([]string{"x", "y"}).Draw(t, "key")
			if e.Advance != nil {
				e.Advance(time.Duration(rapid.IntRange(0, 2).Draw(t, "minutes")) * time.Minute)
			}
			var expires time.Time
			if n := rapid.IntRange(0, 3).Draw(t, "life"); n > 0 {
				expires = e.Now().Add(time.Duration(n) * time.Minute).Truncate(time.Millisecond)
			}
			old, have := rapid.SampledFrom(append(values, get(key))).Draw(t, "old"), get(key)
			value := rapid.SampledFrom(values).Draw(t, "value")
			var want error
			if (old == nil) != (have == nil) || !bytes.Equal(old, have) {
				want = store.ErrConflict
			}
			got := s.Replace(context.Background(), key, old, value, expires)
			if !errors.Is(got, want) {
				t.Fatalf("Replace(%q, %q, %q) over %q: got %v, want %v", key, old, value, have, got, want)
			}
			if want == nil && value == nil {
				delete(model, key)
			} else if want == nil {
				model[key] = modelled{value, expires}
			}
		}
		var wantKeys, gotKeys []string
		for _, key := range []string{prefix + "x", prefix + "y"} {
			r, err := s.Get(context.Background(), key)
			want := get(key)
			if (err == nil) != (want != nil) || !bytes.Equal(r.Value, want) || !r.Expires.Equal(model[key].expires) {
				t.Fatalf("Get(%q): got %v, %v, want %q that expires %v", key, r, err, want, model[key].expires)
			}
			if want != nil {
				wantKeys = append(wantKeys, key)
			}
		}
		err := s.List(context.Background(), prefix, func(r store.Record) bool { gotKeys = append(gotKeys, r.Key); return true })
		if err != nil || !slices.Equal(gotKeys, wantKeys) {
			t.Fatalf("List: got %q, %v, want %q", gotKeys, err, wantKeys)
		}
	})
}
