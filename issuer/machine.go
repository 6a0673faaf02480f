package issuer

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// machine authenticates the client by Basic or by the form (RFC 6749 §2.3.1).
// It returns nil without a failure if no client names itself.
func (c *call) machine(form map[string]string) (*Client, *failure) {
	id, secret, named, f := c.credentials(form)
	if f != nil || !named {
		return nil, f
	}
	ctx, cancel := c.storeContext()
	defer cancel()
	keys := []string{limitKey("client-address", network(c.front.client))}
	client := c.clients[id]
	if client != nil {
		keys = append(keys, limitKey("client", id))
	}
	// Looked at before, counted after: a right secret costs no write.
	for _, k := range keys {
		at, _, err := c.limits.arrival(ctx, k)
		if err != nil {
			return nil, unavailable(err)
		}
		if wait := at.Add(c.limits.interval).Sub(c.limits.now()) - c.limits.window; wait > 0 {
			return nil, tooMany(max(wait, time.Second), "too many wrong client secrets")
		}
	}
	want := sha256.Sum256([]byte(secret))
	have := sha256.Sum256(nil)
	if client != nil {
		have = sha256.Sum256(client.Secret.Reveal())
	}
	if subtle.ConstantTimeCompare(want[:], have[:]) == 1 && client != nil {
		return client, nil
	}
	for _, k := range keys {
		if err := c.limits.add(ctx, k); err != nil {
			return nil, unavailable(err)
		}
	}
	return nil, invalidClient("client is unknown or its secret is wrong")
}

func invalidClient(reason string) *failure {
	return &failure{
		status: http.StatusUnauthorized, detail: "Client authentication failed", code: "invalid_client",
		challenge: `Basic realm="wiretight", charset="UTF-8"`, reason: reason,
	}
}

// credentials reads what the client says of itself. Clients that have no name
// and no secret, as Swagger UI sends them in an empty Basic header, say nothing.
func (c *call) credentials(form map[string]string) (id, secret string, named bool, f *failure) {
	h := c.r.Header["Authorization"]
	if len(h) > 1 {
		return "", "", false, badRequest("More than one Authorization header", "two Authorization headers")
	}
	basic := false
	if len(h) == 1 {
		scheme, rest, _ := strings.Cut(h[0], " ")
		if strings.EqualFold(scheme, "Basic") {
			basic = true
			if id, secret, f = decodeBasic(strings.TrimSpace(rest)); f != nil {
				return "", "", false, f
			}
		}
	}
	if basic && (id != "" || secret != "") {
		if form["client_secret"] != "" || form["client_id"] != "" && form["client_id"] != id {
			return "", "", false, badRequest("More than one client authentication", "client authenticates in the header and in the form")
		}
		return id, secret, true, nil
	}
	if form["client_secret"] != "" {
		return form["client_id"], form["client_secret"], true, nil
	}
	if id := form["client_id"]; id != "" && id != firstParty {
		return "", "", false, invalidClient("client names itself without a secret")
	}
	return "", "", false, nil
}

// decodeBasic reads user and password, each form-encoded (RFC 6749 §2.3.1).
func decodeBasic(text string) (id, secret string, f *failure) {
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	user, password, cut := strings.Cut(string(raw), ":")
	if err != nil || !cut {
		return "", "", invalidClient("Basic credentials cannot be read")
	}
	id, errID := url.QueryUnescape(user)
	secret, errSecret := url.QueryUnescape(password)
	if errID != nil || errSecret != nil {
		// Many clients do not encode; what cannot be decoded was not encoded.
		return user, password, nil
	}
	return id, secret, nil
}
