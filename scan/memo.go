package scan

import (
	"reflect"
	"sync"
)

// memo holds what checks share. Its keys are written by checks, not by targets.
type memo struct {
	mu    sync.Mutex
	calls map[memoKey]any // func() (T, error)
}

type memoKey struct {
	name string
	kind reflect.Type
}

// Memo shares an observation between checks: f runs once in a scan for each key
// and type, and all get its result, error and panic included. A key belongs to
// one f. f must not call Memo with the same key, and should not use the context
// of one check alone: a check that is ended early would end it for all.
func Memo[T any](t *Target, key string, f func() (T, error)) (T, error) {
	k := memoKey{key, reflect.TypeFor[T]()}
	t.memo.mu.Lock()
	if t.memo.calls == nil {
		t.memo.calls = map[memoKey]any{}
	}
	once, ok := t.memo.calls[k].(func() (T, error))
	if !ok {
		once = sync.OnceValues(f)
		t.memo.calls[k] = once
	}
	t.memo.mu.Unlock()
	return once()
}
