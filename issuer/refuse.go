package issuer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// failure is why a call is not answered with what it asked for. The client
// learns status, detail and code; the reason goes to the log alone.
type failure struct {
	status    int
	detail    string // for people; stable
	code      string // RFC 6749 §5.2 and its extensions
	reason    string
	allow     string
	retry     time.Duration
	challenge string // WWW-Authenticate
}

func badRequest(detail, reason string) *failure {
	return &failure{status: http.StatusBadRequest, detail: detail, code: "invalid_request", reason: reason}
}

// unavailable is for what hangs on a store that does not answer.
func unavailable(err error) *failure {
	return &failure{
		status: http.StatusServiceUnavailable, detail: "Temporarily unavailable", code: "temporarily_unavailable",
		retry: 5 * time.Second, reason: err.Error(),
	}
}

func tooMany(retry time.Duration, reason string) *failure {
	return &failure{status: http.StatusTooManyRequests, detail: "Too many requests", code: "slow_down", retry: retry, reason: reason}
}

// invalidGrant is for a refresh token or password that is no good.
func invalidGrant(detail, reason string) *failure {
	return &failure{status: http.StatusBadRequest, detail: detail, code: "invalid_grant", reason: reason}
}

// write answers with the failure. It is the only place that does.
func (f *failure) write(c *call) {
	h := c.w.Header()
	h.Set("Cache-Control", "no-store")
	status := f.status
	if !c.oauth && f.code == "invalid_grant" {
		status = http.StatusUnauthorized
		f.challenge = `Bearer error="invalid_token"`
		if f.detail == detailPassword {
			f.challenge = "Bearer"
		}
	}
	if f.challenge != "" {
		h.Set("WWW-Authenticate", f.challenge)
	}
	if f.allow != "" {
		h.Set("Allow", f.allow)
	}
	if f.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int((f.retry+time.Second-1)/time.Second)))
	}
	f.status = status
	if c.oauth {
		code := f.code
		if code == "" {
			code = "invalid_request"
		}
		c.answer(status, oauthError{Code: code, Description: f.detail})
		return
	}
	h.Set("Content-Type", "application/problem+json")
	p := problem{Type: problemPrefix + strings.ReplaceAll(strings.ToLower(f.detail), " ", "-"), Title: http.StatusText(status), Status: status, Detail: f.detail, RequestID: c.front.requestID}
	if f.code == "use_dpop_nonce" || f.code == "invalid_dpop_proof" {
		p.Code = f.code
	}
	c.answer(status, p)
}

// oauthError is RFC 6749 §5.2.
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// problemPrefix begins the type of a problem, as the guard's own do.
const problemPrefix = "urn:wiretight:problem:"

// problem is RFC 9457. Code is there for DPoP clients, which look for it.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id,omitempty"`
	Code      string `json:"error,omitempty"`
}

// answer writes v as JSON.
func (c *call) answer(status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("issuer: an answer of plain values always encodes: " + err.Error())
	}
	c.answerJSON(status, body)
}

func (c *call) answerJSON(status int, body []byte) {
	h := c.w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(body) // the client is gone: nobody left to tell
	}
}

// subjectHash is how a subject shows in logs: enough to follow one, too little
// to name anybody. The guard's logs show the same.
func subjectHash(issuer, subject string) string {
	sum := sha256.Sum256([]byte(issuer + "\x00" + subject))
	return hex.EncodeToString(sum[:8])
}
