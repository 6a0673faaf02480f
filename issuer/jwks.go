package issuer

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// jwksAge is how long verifiers may keep the key set.
const jwksAge = 5 * time.Minute

// jwks answers GET /.well-known/jwks.json (RFC 7517 §5).
func (c *call) jwks() *failure {
	if c.ring.state.Load() == nil {
		return unavailable(errNoKey)
	}
	set := c.ring.published()
	return c.cacheable(set.body, set.etag, jwksAge)
}

// cacheable answers with a public document.
func (c *call) cacheable(body []byte, etag string, age time.Duration) *failure {
	h := c.w.Header()
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(age/time.Second)))
	h.Set("ETag", etag)
	for tag := range strings.SplitSeq(strings.Join(c.r.Header["If-None-Match"], ","), ",") {
		if tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/"); tag == etag || tag == "*" {
			c.w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	c.answerJSON(http.StatusOK, body)
	return nil
}
