package guard

import (
	"net/http"
	"time"
)

// maxLocalBody is how long a client may take to send a body that is read in
// this process. Such bodies are short, and nobody watches their pace.
const maxLocalBody = 10 * time.Second

// maxLeftBody is how long a client may take to send the rest of a body that is
// refused in clear.
const maxLeftBody = 5 * time.Second

// hurryBody bounds the wait for the request's body.
func (x *exchange) hurryBody() {
	if x.r.ContentLength != 0 {
		// Fails only below a server that knows no deadlines.
		_ = http.NewResponseController(x.answer.w).SetReadDeadline(time.Now().Add(maxLocalBody))
	}
}
