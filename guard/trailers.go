package guard

import (
	"net/http"
	"strings"
)

// announceTrailers names the trailers that will follow.
func announceTrailers(h, trailer http.Header) int {
	keepTrailers(trailer)
	for name := range trailer {
		h.Add("Trailer", name)
	}
	return len(trailer)
}

// noTrailer reports fields that the guard looks at in headers. Behind the body
// nobody needs them (RFC 9110 §6.5.1), and nobody would have looked.
func noTrailer(name string) bool {
	switch name {
	case "Set-Cookie", "Location", "Content-Location", "Refresh", "Cache-Control",
		"Content-Length", "Content-Encoding", "Content-Type", "X-Content-Type-Options":
		return true
	}
	return hopByHop(name) || unwanted(name) || strings.HasPrefix(name, "Access-Control-")
}

func keepTrailers(trailer http.Header) {
	for name := range trailer {
		if noTrailer(name) {
			delete(trailer, name)
		}
	}
}

// copyTrailers sends the trailers, announced or not.
func (x *exchange) copyTrailers(h http.Header, res *http.Response, announced int) {
	if len(res.Trailer) > 0 {
		keepTrailers(res.Trailer)
	}
	if len(res.Trailer) == 0 {
		return
	}
	if res.StatusCode >= 400 {
		x.answer.scrubHeader(res.Trailer)
	}
	_ = x.answer.FlushError() // else short bodies would get a length and no trailers
	prefix := ""
	if len(res.Trailer) != announced {
		prefix = http.TrailerPrefix
	}
	for name, values := range res.Trailer {
		h[prefix+name] = values
	}
}
