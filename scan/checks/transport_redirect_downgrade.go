package checks

import (
	"context"
	"errors"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// maxStarts is how many operations are asked without a credential: they may send
// whoever has none to a login.
const maxStarts = 8

// maxHops is how far a chain of redirects is followed.
const maxHops = 10

// transportRedirectDowngrade finds redirects from HTTPS to plain HTTP. The usual
// one is made by a framework behind a proxy, which completes a path by a slash
// and takes its own scheme for the client's.
var transportRedirectDowngrade = scan.Check{
	ID: "transport.redirect-downgrade", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		if !t.HTTPS() {
			return scan.Skip("the target is not HTTPS; see transport.no-tls")
		}
		starts, err := redirecting(ctx, t)
		if err != nil {
			return scan.Unsure("the paths that usually redirect could not be asked for: " + err.Error())
		}
		var found []scan.Evidence
		for _, r := range starts {
			lines, down, err := descend(ctx, t, r)
			switch {
			case err != nil:
				return scan.Unsure("a redirect could not be followed: " + err.Error())
			case down:
				found = append(found, scan.Evidence{
					Method: r.Method, URL: r.URL, Text: t.Mask(strings.Join(lines, "\n")), Repeat: curl(r.Method, r.URL),
				})
			}
		}
		if len(found) > 0 {
			return scan.Find(found...)
		}
		return scan.Pass()
	},
}

// redirecting are all answers of 3xx that the scan knows of.
func redirecting(ctx context.Context, t *scan.Target) ([]*scan.Response, error) {
	list, err := baited(ctx, t)
	if err != nil {
		return nil, err
	}
	more, err := authorized(ctx, t)
	if err != nil {
		return nil, err
	}
	for _, o := range callable(t, maxStarts) {
		// One that is silent without a credential starts no chain.
		if r, err := unasked(ctx, t, o); err == nil && o.URL != rootOperation(t).URL {
			list = append(list, r)
		}
	}
	var out []*scan.Response
	for _, r := range append(append([]*scan.Response{t.Root()}, list...), more...) {
		if _, ok := redirects(r); ok {
			out = append(out, r)
		}
	}
	return out, nil
}

// descend follows a chain of redirects on the target's host until it leaves
// HTTPS, the host, or ends. Nothing is asked for in clear.
func descend(ctx context.Context, t *scan.Target, r *scan.Response) (lines []string, down bool, err error) {
	for range maxHops {
		lines = append(lines, heard(r.Method+" "+r.URL, r, nil))
		to, ok := redirects(r)
		switch {
		case !ok:
			return lines, false, nil
		case strings.EqualFold(to.Scheme, "http"):
			return lines, true, nil
		case !strings.EqualFold(to.Hostname(), t.Host()) || to.Scheme != "https":
			return lines, false, nil
		}
		to.Fragment = ""
		if r, err = t.Do(ctx, scan.Request{URL: to.String(), NoRetry: true}); err != nil {
			return lines, false, err
		}
	}
	return lines, false, nil
}

func isExposed(err error) bool { return errors.Is(err, scan.ErrExposed) }
