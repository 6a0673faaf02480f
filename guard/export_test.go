package guard

import "net/http"

// Decide puts a request to every rule, as the handler does before it does
// anything else, and reports whether they let it pass.
func (g *Guard) Decide(w http.ResponseWriter, r *http.Request) bool {
	return g.begin(w, r).ask() == nil
}

// NewRequestID makes the id of a request.
func NewRequestID() string { return newRequestID() }
