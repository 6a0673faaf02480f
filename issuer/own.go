package issuer

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/wiretight/wiretight/internal/store"
)

// sessionInfo is a session as its user sees it.
type sessionInfo struct {
	ID       string    `json:"id"`
	Current  bool      `json:"current"`
	Created  time.Time `json:"created"`
	LastUsed time.Time `json:"last_used"`
	Expires  time.Time `json:"expires"`
	Client   string    `json:"client_id,omitempty"`
	Agent    string    `json:"user_agent,omitempty"`
}

// ownSession authenticates a user, by a token of a session.
func (c *call) ownSession() (bearer, *failure) {
	b, f := c.bearer()
	if f == nil && b.family == nil {
		return b, &failure{status: http.StatusForbidden, detail: "Token belongs to no session", reason: "a client's token has no session"}
	}
	return b, f
}

// sessions answers GET /auth/sessions: the caller's own, newest first.
func (c *call) sessions() *failure {
	b, f := c.ownSession()
	if f != nil {
		return f
	}
	ctx, cancel := c.storeContext()
	defer cancel()
	list := []sessionInfo{}
	err := c.Issuer.sessions.of(ctx, b.claims.Subject, func(id familyID, fam *family) {
		list = append(list, sessionInfo{
			ID: id.sid(), Current: id == *b.family, Client: fam.Client, Agent: fam.Agent,
			Created: time.UnixMilli(fam.Created).UTC(), LastUsed: time.UnixMilli(fam.Rotated).UTC(), Expires: time.UnixMilli(fam.Expires).UTC(),
		})
	})
	if err != nil {
		return unavailable(err)
	}
	slices.SortStableFunc(list, func(a, b sessionInfo) int { return b.Created.Compare(a.Created) })
	c.answer(http.StatusOK, struct {
		Sessions []sessionInfo `json:"sessions"`
	}{list})
	return nil
}

// endSession answers DELETE /auth/sessions/ID. A session of another user is
// not there.
func (c *call) endSession() *failure {
	b, f := c.ownSession()
	if f != nil {
		return f
	}
	missing := &failure{status: http.StatusNotFound, detail: "Not found", reason: "no such session of this user"}
	session, ok := parseSID(c.id)
	if !ok {
		return missing
	}
	id := familyID{subject: subjectID(b.claims.Subject), session: session}
	ctx, cancel := c.storeContext()
	defer cancel()
	fam, _, err := c.Issuer.sessions.get(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && (fam.Subject != b.claims.Subject || fam.Ended != ""):
		return missing
	case err != nil:
		return unavailable(err)
	}
	if err := c.Issuer.sessions.end(ctx, id, "ended by its user"); err != nil {
		return unavailable(err)
	}
	c.event = "session ended"
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
