package serve

import (
	"net/http"
	"sync/atomic"
)

// Swap is a handler whose inside can be exchanged while requests run: each
// request is answered by the handler that stood there when it came. The zero
// value answers 503. It may be used from many goroutines.
type Swap struct {
	inside atomic.Pointer[http.Handler]
}

// Set puts h in place.
func (s *Swap) Set(h http.Handler) { s.inside.Store(&h) }

// ServeHTTP passes the request on.
func (s *Swap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := s.inside.Load()
	if h == nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	(*h).ServeHTTP(w, r)
}
