package checks

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// leakCacheableToken finds answers with tokens that caches may keep: the login's
// and the refresh's. Only no-store forbids it: private and no-cache let a browser
// keep them on disk (RFC 6749 §5.1).
var leakCacheableToken = scan.Check{
	ID: "leak.cacheable-token", Needs: catalog.NeedsLogin, Last: true, Passive: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		s, ok := t.Session()
		if !ok || s.Response == nil {
			return scan.Unsure("no login has succeeded, so no answer with a token was seen")
		}
		found := cacheable(t, "login", s.Response)
		renewed, err := firstRefresh(ctx, t)
		if err == nil && renewed.after.Response != nil {
			found = append(found, cacheable(t, "refresh", renewed.after.Response)...)
		}
		switch {
		case len(found) > 0:
			return scan.Find(found...)
		case err != nil:
			return scan.Unsure("the login's answer may not be stored; the refresh's was not seen: " + err.Error())
		}
		return scan.Pass()
	},
}

// cacheable is the evidence against an answer that carries a token. Nil: it may
// not be stored.
func cacheable(t *scan.Target, what string, r *scan.Response) []scan.Evidence {
	lines := r.Header.Values("Cache-Control")
	for _, line := range lines {
		for directive := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(textproto.TrimString(directive), "no-store") {
				return nil
			}
		}
	}
	said := "there is no Cache-Control"
	if len(lines) > 0 {
		said = "Cache-Control: " + clip(strings.Join(lines, ", "))
	}
	return []scan.Evidence{{Method: r.Method, URL: r.URL, Text: t.Mask(heard(what, r, nil) + "\n" + said + ", and the answer carries a token")}}
}

// renewal is a session of its own and what its first refresh gave.
type renewal struct {
	before, after scan.Session
	absent        string // why there was nothing to refresh
}

// firstRefresh logs in and refreshes once, for all checks that look at it.
func firstRefresh(ctx context.Context, t *scan.Target) (renewal, error) {
	return scan.Memo(t, "refresh.first", func() (renewal, error) {
		if s, ok := t.Session(); ok && s.Refresh.Empty() {
			return renewal{absent: "the login gives no refresh token"}, nil
		}
		s, err := t.Login(ctx)
		switch {
		case err != nil:
			return renewal{}, fmt.Errorf("a login of its own: %w", err)
		case s.Refresh.Empty():
			return renewal{absent: "the login gives no refresh token"}, nil
		}
		next, err := t.Refresh(ctx, s)
		if errors.Is(err, scan.ErrAbsent) {
			return renewal{absent: "no URL that refreshes is known; give one with --refresh-url"}, nil
		}
		return renewal{before: s, after: next}, err
	})
}
