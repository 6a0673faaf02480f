package checks

import (
	"context"
	"errors"
	"fmt"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// rotation is what becomes of a refresh token R1: it is used for R2, R2 is used
// for R3, and then R1 is tried again. By then no grace period for a lost answer
// can excuse that it works: its successor was used.
type rotation struct {
	lines       []string
	at          *scan.Response
	constrained bool // bound to the client, which RFC 9700 §4.14 takes in the place of rotation
	rotated     bool // R2 is another token than R1
	dead        bool // R1 was refused in the end
	absent      string
}

// rotate uses up one session of its own.
func rotate(ctx context.Context, t *scan.Target) (rotation, error) {
	return scan.Memo(t, "refresh.rotation", func() (rotation, error) {
		var o rotation
		s, err := t.Login(ctx)
		if err != nil {
			return o, fmt.Errorf("log in: %w", err)
		}
		if s.Refresh.Empty() {
			o.absent = "the login gives no refresh token"
			return o, nil
		}
		second, err := t.Refresh(ctx, s)
		if errors.Is(err, scan.ErrAbsent) {
			o.absent = "no URL that refreshes is known; give one with --refresh-url"
			return o, nil
		}
		if err != nil {
			return o, fmt.Errorf("refresh: %w", err)
		}
		o.at = second.Response
		o.lines = append(o.lines, heard("refresh with R1", second.Response, nil))
		o.constrained = constrained(second)
		o.rotated = !second.Refresh.Empty() && !second.Refresh.Equal(s.Refresh)
		if o.rotated {
			third, err := t.Refresh(ctx, second)
			if err != nil {
				return o, fmt.Errorf("refresh with the successor: %w", err)
			}
			o.lines = append(o.lines, heard("refresh with its successor R2", third.Response, nil))
		}
		again, err := t.Refresh(ctx, s)
		switch {
		case err == nil && !again.Access.Empty():
			o.lines = append(o.lines, heard("refresh with R1 again", again.Response, nil))
		case again.Response != nil:
			o.dead = true
			o.lines = append(o.lines, heard("refresh with R1 again", again.Response, nil))
		default:
			return o, fmt.Errorf("refresh with the first token again: %w", err)
		}
		return o, nil
	})
}

// constrained tells whether the access token that came is bound to the client.
func constrained(s scan.Session) bool {
	_, bound := scan.ReadToken(string(s.Access.Reveal())).Claims["cnf"]
	return bound
}

func (o rotation) evidence(t *scan.Target) scan.Evidence {
	text := ""
	for i, l := range o.lines {
		if i > 0 {
			text += "\n"
		}
		text += l
	}
	return scan.Evidence{Method: o.at.Method, URL: o.at.URL, Text: t.Mask(text)}
}

// refreshReuseAccepted finds refresh tokens that work a second time, after
// their successor was used.
var refreshReuseAccepted = scan.Check{
	ID: "refresh.reuse-accepted", Needs: catalog.NeedsLogin, Last: true, After: []string{"refresh.not-rotated"},
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		o, err := rotate(ctx, t)
		switch {
		case err != nil:
			return scan.Unsure(err.Error())
		case o.absent != "":
			return scan.Skip(o.absent)
		case o.dead:
			return scan.Pass()
		case !o.rotated:
			return scan.Skip("the same refresh token comes back: see refresh.not-rotated")
		}
		return scan.Find(o.evidence(t))
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
			return scan.Unsure(err.Error())
		case o.absent != "":
			return scan.Skip(o.absent)
		case o.rotated, o.constrained, o.dead:
			return scan.Pass()
		}
		return scan.Find(o.evidence(t))
	},
}
