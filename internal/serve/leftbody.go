package serve

import (
	"net/http"
	"time"
)

// maxLeftBody is how long a client may take to send the rest of a body that
// the handler has not read.
const maxLeftBody = 5 * time.Second

// leaveBodies bounds the wait for bodies that nobody wants. Over HTTP/1.1,
// net/http reads up to 256 KiB of them before it sends the answer, so that
// clients see it and can use the connection again, and waits for ever.
func leaveBodies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 && r.ProtoMajor == 1 {
			// When the handler panics, nothing is read. The deadline is net/http's
			// again with the next request.
			defer func() { _ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(maxLeftBody)) }() // fails on a connection that is gone
		}
		next.ServeHTTP(w, r)
	})
}
