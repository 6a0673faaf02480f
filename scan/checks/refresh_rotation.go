package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// rotation is what becomes of a refresh token R1: it is used for R2, R2 is used
// for R3, and then R1 is tried again. By then no grace period for a lost answer
// can excuse that it works: its successor was used, so the answer was not lost.
type rotation struct {
	lines       []string
	at          *scan.Response
	constrained bool // bound to the client, which RFC 9700 §4.14 takes in the place of rotation
	rotated     bool // R2 is another token than R1
	dead        bool // R1 was refused in the end
	repeated    bool // R1 gave R2 once more, and nothing new
	absent      string
}

// rotate uses up one session of its own.
func rotate(ctx context.Context, t *scan.Target) (rotation, error) {
	return scan.Memo(t, "refresh.rotation", func() (rotation, error) {
		var o rotation
		first, err := firstRefresh(ctx, t)
		if err != nil || first.absent != "" {
			o.absent = first.absent
			return o, err
		}
		second := first.after
		o.at = second.Response
		o.lines = append(o.lines, heard("refresh with R1", second.Response, nil))
		o.constrained = constrained(second)
		o.rotated = !second.Refresh.Empty() && !second.Refresh.Equal(first.before.Refresh)
		if o.rotated {
			third, err := t.Refresh(ctx, second)
			if err != nil {
				return o, fmt.Errorf("refresh with the successor: %w", err)
			}
			o.lines = append(o.lines, heard("refresh with its successor R2", third.Response, nil))
		}
		return o, o.repeat(ctx, t, first.before, second)
	})
}

// repeat tries R1 again. Only a refusal counts as one: a limit or a fault says
// nothing about the token.
func (o *rotation) repeat(ctx context.Context, t *scan.Target, first, second scan.Session) error {
	again, err := t.Refresh(ctx, first)
	switch r := again.Response; {
	case err == nil && !again.Access.Empty():
		o.repeated = o.rotated && again.Refresh.Equal(second.Refresh)
	case r == nil:
		return fmt.Errorf("refresh with the first token again: %w", err)
	case r.Status == 429 || r.Status >= 500:
		return fmt.Errorf("refresh with the first token again: status %d", r.Status)
	default:
		o.dead = true
	}
	o.lines = append(o.lines, heard("refresh with R1 again", again.Response, nil))
	return nil
}

// constrained tells whether the tokens that came are bound to the client: by the
// cnf claim (RFC 7800), or by their type (RFC 9449 §5).
func constrained(s scan.Session) bool {
	for _, raw := range [][]byte{s.Access.Reveal(), s.Refresh.Reveal()} {
		if _, bound := scan.ReadToken(string(raw)).Claims["cnf"]; bound {
			return true
		}
	}
	var said struct {
		TokenType string `json:"token_type"`
	}
	return s.Response != nil && json.Unmarshal(s.Response.Body, &said) == nil && strings.EqualFold(said.TokenType, "DPoP")
}

func (o rotation) evidence(t *scan.Target) scan.Evidence {
	return scan.Evidence{Method: o.at.Method, URL: o.at.URL, Text: t.Mask(strings.Join(o.lines, "\n"))}
}

// refreshReuseAccepted finds refresh tokens that work a second time, after
// their successor was used. A server that allows repeats for some seconds, used
// successor or not, cannot be told from one that always does within a scan.
var refreshReuseAccepted = scan.Check{
	ID: "refresh.reuse-accepted", Needs: catalog.NeedsLogin, Last: true, After: []string{"refresh.not-rotated"},
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		o, err := rotate(ctx, t)
		switch {
		case err != nil:
			return scan.Unsure(unrefreshed(err))
		case o.absent != "":
			return scan.Skip(o.absent)
		case o.dead:
			return scan.Pass()
		case o.constrained:
			return scan.Skip("the tokens are bound to the client, which makes up for their reuse (RFC 9700 §4.14)")
		case !o.rotated:
			return scan.Skip("the same refresh token comes back: see refresh.not-rotated")
		case o.repeated:
			return scan.Unsure("the first refresh token still brings the same successor, as in a grace period; whether that ends does not show in a scan's time")
		}
		e := o.evidence(t)
		e.Text += "\na new token came although the successor was in use; a grace period that goes by the time alone would look the same"
		return scan.Find(e)
	},
}

// refreshNotRotated finds refresh tokens that live on: the same comes back, or
// none does and the first still works.
var refreshNotRotated = scan.Check{
	ID: "refresh.not-rotated", Needs: catalog.NeedsLogin, Last: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		o, err := rotate(ctx, t)
		switch {
		case err != nil:
			return scan.Unsure(unrefreshed(err))
		case o.absent != "":
			return scan.Skip(o.absent)
		case o.rotated, o.constrained, o.dead:
			return scan.Pass()
		}
		return scan.Find(o.evidence(t))
	},
}

func unrefreshed(err error) string {
	if errors.Is(err, scan.ErrExposed) {
		return "the refresh token may not be sent: " + err.Error()
	}
	return "the refresh did not go through: " + err.Error()
}
